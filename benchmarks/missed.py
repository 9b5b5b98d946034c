"""Is it worth more to draw what detectors miss than images of everything? Where it must be, and where it cannot be.

    python -m benchmarks.missed --draws 6

The generator is a perfect one: its images are drawn as the real ones are (`benchmarks.controls`). Six classes, 10
images of each to train, 20 to choose by, 60 to judge, and 60 drawn images: 10 of each class, or as `detect.missed`
shares them out. `uneven`: defects of two classes are faint, the others plain to see, so that nearly all that is missed
are the two and what they are taken for. `even`: all are as faint, and there is nothing to share out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

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

REAL = {"train": 10, "val": 20, "test": 60}  # images of each class
DRAWN = 10  # of each class, on average
PLAIN = 5.0  # contrast of what is plain to see
FAINT = ("line", "ring")
SETS = {
    "uneven": {label: CONTRAST if label in FAINT else PLAIN for label in CLASSES},
    "even": dict.fromkeys(CLASSES, CONTRAST),
}
SETTINGS = Detect(repetitions=4, ratios=[1.0], keep_fractions=[1.0])
ARMS = [SyntheticSet("perfect", "synthetic"), SyntheticSet("perfect", "missed")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10)
    draws = parser.parse_args().draws
    for name, contrasts in SETS.items():
        found = []
        for draw in range(draws):
            plain, missed, counts = trial(contrasts, draw)
            found.append(missed - plain)
            print(f"| {name} | {draw} | {100 * plain:.1f} | {100 * missed:.1f} | {counts} |", flush=True)
        error = np.std(found, ddof=1) / np.sqrt(draws)
        print(f"{name}: {100 * np.mean(found):+.1f} points, standard error {100 * error:.1f}", flush=True)


def trial(contrasts: dict[str, float], draw: int, real: dict[str, int] = REAL) -> tuple[float, float, dict[str, int]]:
    """Macro F1 with images of everything and with those of what is missed, and how many of each class these are."""
    rng = np.random.default_rng([1, draw])
    task = TASKS["classification"].load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store(
            folder / "real",
            [
                (drawn(label, rng, contrasts[label]), label, split)
                for split, n in real.items()
                for label in CLASSES
                for _ in range(n)
            ],
        )
        write_missed(task, SETTINGS, folder / "real", folder / "missed.csv", f"draw {draw}")
        plain = dict.fromkeys(CLASSES, DRAWN)
        counts = Missed.read(folder / "missed.csv", ImageSet.open(folder / "real")).counts(plain)
        images = {
            label: [drawn(label, rng, contrasts[label]) for _ in range(max(DRAWN, counts[label]))] for label in CLASSES
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
