"""How well detectors trained from random weights tell classes apart, on few-shot sets of a prepared image set.

    python -m benchmarks.from_scratch --pool results-neu/neu/real --shots 10 40 --draws 3

Images as they are, and augmented; scenes stay on one side of the split. Macro F1 in percent of the test images of each
draw, mean of two trainings.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.controls import write_shots
from pipeline.data.image_set import ImageSet
from pipeline.downstream.experiment import run_arms
from pipeline.downstream.records import read_results
from pipeline.downstream.registry import TASKS
from pipeline.settings import Detect, FewShots

CONTROL = 60  # images of each class that judge nothing, as in the record of few shots
ARMS = ("real", "augmented")
SETTINGS = Detect(backbone="scratch", width=8, steps=600, batch=32, repetitions=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="a prepared image set")
    parser.add_argument("--shots", type=int, nargs="+", default=[10, 40])
    parser.add_argument("--draws", type=int, default=3)
    given = parser.parse_args()
    pool, planned = ImageSet.open(given.pool), TASKS["classification"]
    task, of = planned.load(), planned.arms([], more_real=False)
    print(f"| draw | images a class | {' | '.join(ARMS)} | seconds |\n| ---: | ---: | ---: | ---: | ---: |")
    for draw in range(given.draws):
        for shots in given.shots:
            with tempfile.TemporaryDirectory() as folder:
                real, out, began = Path(folder) / "real", Path(folder) / "arms.json", time.process_time()
                write_shots(real, pool, FewShots(shots, max(given.shots), CONTROL), draw)
                run_arms(task, SETTINGS, real, {}, [of[name] for name in ARMS], out, out.with_suffix(""), f"{shots}")
                results = {result.arm: result for result in read_results([out], task.result)}
            scores = [np.mean([one.macro_f1 for one in results[name].repetitions]) for name in ARMS]
            told = " | ".join(f"{100 * score:.1f}" for score in scores)
            print(f"| {draw} | {shots} | {told} | {time.process_time() - began:.0f} |", flush=True)


if __name__ == "__main__":
    main()
