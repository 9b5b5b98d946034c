"""How well anomaly detectors find bad images after few of them, by draws of the split.

    python -m benchmarks.anomalies --data ../shared/data/kolektor_good_bad --group '^(kos\\d+)' --shots 1 3 10

The folder holds `good/`, `bad/` and `masks/`. Each draw splits the groups anew, half of them to judge; of the others
all good images train, and K bad ones. Mean over the draws (lowest to highest), in percent, of every arm without a
generator.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.base.job import say
from pipeline.data.annotations.attach import annotate
from pipeline.data.preparing.prepare import prepare
from pipeline.downstream.anomalies.records import AnomalyResult
from pipeline.downstream.experiment import run_arms
from pipeline.downstream.records import read_results
from pipeline.downstream.registry import TASKS
from pipeline.settings import Boxes, Dataset, DetectAnomalies, FewShots, Labels, Split

TITLES = {"auroc": "AUROC", "recall_1": "recall at 1 %", "recall_5": "at 5 %", "pixel_ap": "pixel AP"}
TASK = TASKS["anomalies"]
REPETITIONS = 3  # of the arms with chance; draws are what varies most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with good, bad and masks")
    parser.add_argument("--group", help="regular expression: files of equal group 1 belong together")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 3, 10], help="bad images to train")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    found: dict[tuple[int, str], list[AnomalyResult]] = {}
    for draw in range(given.draws):
        for k in given.shots:
            with TemporaryDirectory() as folder:
                for result in results(given, draw, k, Path(folder)):
                    found.setdefault((k, result.arm), []).append(result)
                    say(f"draw {draw}, K = {k}, {result.arm}: {result.mean}")
    print(f"| bad images | arm | {' | '.join(TITLES.values())} |\n| ---: | --- |{' ---: |' * len(TITLES)}")
    for (k, arm), of in sorted(found.items(), key=lambda item: item[0][0]):
        print(f"| {k} | `{arm}` | {' | '.join(_cell([one.mean[name] for one in of]) for name in TITLES)} |")


def results(given: argparse.Namespace, draw: int, k: int, folder: Path) -> Iterator[AnomalyResult]:
    """Of each arm without a generator, of one draw."""
    settings = Dataset(
        source=[f"{given.data}/good", f"{given.data}/bad"],
        labels=Labels(rule="folder"),
        good="good",
        size=given.size,
        symmetry="both",
        shots=k,
        split=Split(test=0.5, group_pattern=given.group, seed=draw),
        boxes=Boxes(format="mask", path=f"{given.data}/masks", missing="background"),
    )
    prepare(settings, folder / "real", few=FewShots(k, max(given.shots), 0))
    annotate(settings, folder / "real")
    out, arms = folder / "arms.json", TASK.baseline_arms()
    detectors = DetectAnomalies(repetitions=REPETITIONS)
    run_arms(TASK.load(), detectors, folder / "real", {}, arms, out, folder / "state", f"K = {k}")
    yield from read_results([out], AnomalyResult)


def _cell(shares: list[float]) -> str:
    percent = 100 * np.array(shares)
    return f"{percent.mean():.1f} ({percent.min():.1f} to {percent.max():.1f})"


if __name__ == "__main__":
    main()
