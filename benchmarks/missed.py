"""Is it worth more to draw what detectors miss than images of everything? Where it must be, and where it cannot be.

    python -m benchmarks.missed --draws 6

The generator is a perfect one: its images are drawn as the real ones are (`benchmarks.controls`). Six classes, 20
images of each to choose by, 60 to judge, and 60 drawn images: 10 of each class, or as `detect.missed` shares them out.
`uneven`: defects of two classes are faint and there are 2 real images of each to train, those of the others are plain
to see, in 10, so that nearly all that is missed are the two. `even`: 10 of each, all as faint, and there is nothing to
share out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.controls import CLASSES, CONTRAST, drawn, store
from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import Arm, SyntheticSet
from pipeline.downstream.experiment import run_arms
from pipeline.downstream.missed import write_missed
from pipeline.downstream.records import read_results
from pipeline.downstream.registry import TASKS
from pipeline.sampling.missed import Missed
from pipeline.settings import Detect

OTHERS = {"val": 20, "test": 60}  # real images of each class that nothing trains on
DRAWN = 10  # of each class, on average
PLAIN = 5.0  # contrast of what is plain to see
FAINT = ("line", "ring")


class Kind(NamedTuple):
    """Of the images of a class."""

    contrast: float
    train: int


SETS = {
    "uneven": {label: Kind(CONTRAST, 2) if label in FAINT else Kind(PLAIN, 10) for label in CLASSES},
    "even": dict.fromkeys(CLASSES, Kind(CONTRAST, 10)),
}
SETTINGS = Detect(repetitions=4, ratios=[1.0], keep_fractions=[1.0])
ARMS = [SyntheticSet("perfect", "synthetic"), SyntheticSet("perfect", "missed")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10)
    draws = parser.parse_args().draws
    for name, kinds in SETS.items():
        found = []
        for draw in range(draws):
            plain, missed, counts = trial(kinds, draw)
            found.append(missed - plain)
            print(f"| {name} | {draw} | {100 * plain:.1f} | {100 * missed:.1f} | {counts} |", flush=True)
        error = np.std(found, ddof=1) / np.sqrt(draws)
        print(f"{name}: {100 * np.mean(found):+.1f} points, standard error {100 * error:.1f}", flush=True)


def trial(kinds: dict[str, Kind], draw: int) -> tuple[float, float, dict[str, int]]:
    """Macro F1 with images of everything and with those of what is missed, and how many of each class these are."""
    rng = np.random.default_rng([1, draw])
    task = TASKS["classification"].load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            (drawn(label, rng, kind.contrast), label, split)
            for label, kind in kinds.items()
            for split, n in (OTHERS | {"train": kind.train}).items()
            for _ in range(n)
        ]
        store(folder / "real", rows)
        write_missed(task, SETTINGS, folder / "real", folder / "missed.csv", f"draw {draw}")
        plain = dict.fromkeys(CLASSES, DRAWN)
        counts = Missed.read(folder / "missed.csv", ImageSet.open(folder / "real")).counts(plain)
        images = {
            label: [drawn(label, rng, kinds[label].contrast) for _ in range(max(DRAWN, counts[label]))]
            for label in CLASSES
        }
        sets = {}
        for made, numbers in zip(ARMS, (plain, counts), strict=True):
            sets[made] = folder / made.name
            store(
                sets[made],
                [(image, label, "train") for label, n in numbers.items() for image in images[label][:n]],
            )
        arms = [Arm((made,)) for made in ARMS]
        run_arms(task, SETTINGS, folder / "real", sets, arms, folder / "arms.json", folder / "state", f"draw {draw}")
        scores = {
            result.arm: float(np.mean([one.macro_f1 for one in result.repetitions]))
            for result in read_results([folder / "arms.json"], task.result)
        }
    return scores[arms[0].name], scores[arms[1].name], counts


if __name__ == "__main__":
    main()
