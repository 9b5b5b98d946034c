"""How often the intervals of all generators' arms of a comparison hold their true gains together.

    python -m benchmarks.joint_coverage --trials 2000 --out docs/results/joint-coverage.md

Detectors are simulated as in `benchmarks.power`: six classes, 21 test images of each. The repetitions of the arms with
a generator differ by very unequal amounts. Two plain arms of unlike accuracy are there, and noisy validation scores
choose the baseline between them in each trial: the true gains are those over the one that was chosen. Bonferroni
promises that all intervals hold in at least 95 of 100 comparisons.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks import power
from pipeline.downstream.chance import LEVEL
from pipeline.downstream.classifier.records import ClassifierResult
from pipeline.downstream.paired_gain import compare
from pipeline.downstream.registry import TASKS

EACH = 21  # test images a class
PLAIN = {"real": 0.80, "augmented": 0.78}
GAINS = (0.0, 0.03, 0.10, -0.05)  # over 0.80, of the generators' arms
SPREADS = (0.1, 0.1, 0.1, 0.3, 1.0, 2.0)  # of the repetitions of all arms, the plain ones first
PILOT = 0.03  # standard deviation of a validation score
REPETITIONS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="page to write; without it the rows are only printed")
    given = parser.parse_args()
    lines = ["# Joint coverage of the comparison of detectors", "", "| test images | all hold, % | median width |"]
    lines.append("| --- | ---: | ---: |")
    for row in rows(given.trials):
        lines.append(row)
        print(row, flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows(trials: int) -> Iterator[str]:
    for name, groups in layouts().items():
        held, width = coverage(np.random.default_rng([trials, groups.max()]), trials, groups)
        error = (LEVEL * (1 - LEVEL) / trials) ** 0.5
        mark = "" if held >= LEVEL - 2 * error else " (too few)"
        yield f"| {name} | {100 * held:.1f}{mark} | {100 * width:.1f} |"


def layouts() -> dict[str, NDArray[np.int64]]:
    """The group of each test image, class after class."""
    image = np.arange(power.CLASSES * EACH)
    one = image.copy()
    one[:19] = 0  # nine tenths of the first class
    return {
        "5 groups, each with images of every class": image % 5,
        "18 groups, three of each class": image // 7,
        "126 groups of one image": image,
        "108 groups, one with nine tenths of a class": np.unique(one, return_inverse=True)[1],
    }


def coverage(rng: np.random.Generator, trials: int, groups: NDArray[np.int64]) -> tuple[float, float]:
    """The share of trials in which all intervals hold, and the median of the widths of all."""
    truth, task = np.repeat(np.arange(power.CLASSES), EACH), TASKS["classification"].load()
    accuracies = np.array([*PLAIN.values(), *(0.80 + gain for gain in GAINS)])
    held, widths = [], []
    for _ in range(trials):
        right = _right(rng, groups, accuracies)
        answers = np.where(right, truth, (truth + rng.integers(1, power.CLASSES, right.shape)) % power.CLASSES)
        names = [*PLAIN, *(f"real+x{i}" for i in range(len(GAINS)))]
        results = [power.result(name, truth, groups, a) for name, a in zip(names, answers, strict=True)]
        pilots = accuracies[: len(PLAIN)] + PILOT * rng.normal(size=len(PLAIN))
        plain = [_plain(of, score) for of, score in zip(results, pilots, strict=False)]
        found = [row for row in compare(task, [*plain, *results[len(plain) :]]) if row.result.generative]
        base = PLAIN[found[0].baseline]
        ends = [(row.estimates[0].low, row.estimates[0].high) for row in found]
        held.append(all(low <= 0.80 + gain - base <= high for gain, (low, high) in zip(GAINS, ends, strict=True)))
        widths += [high - low for low, high in ends]
    return float(np.mean(held)), float(np.median(widths))


def _plain(of: ClassifierResult, score: float) -> ClassifierResult:
    """An arm without a generator; `score`, its macro F1 on the validation images."""
    validation = [{"macro_f1": score, "loss": 0.0}]
    return replace(of, synthetic=[], chosen=replace(of.chosen, augmented=of.arm == "augmented", validation=validation))


def _right(rng: np.random.Generator, groups: NDArray, accuracies: NDArray) -> NDArray[np.bool_]:
    """(arms, repetitions, images), as `power` has it but for a spread of repetitions of each arm's own."""
    shape = len(accuracies), REPETITIONS, len(groups)
    shared, alone = rng.normal(size=groups.max() + 1)[groups], rng.normal(size=len(groups))
    latent = power.DIFFICULTY * (shared + alone) / 2**0.5 + power.OWN * rng.normal(size=(shape[0], 1, shape[2]))
    own = np.array(SPREADS)[:, None, None]
    # A repetition is better or worse at all images, which is what its score's spread comes from.
    latent = latent + own * (rng.normal(size=shape) + 0.3 * rng.normal(size=(*shape[:2], 1)))
    spread = (power.DIFFICULTY**2 + power.OWN**2 + 1.09 * own**2) ** 0.5
    return latent + spread * norm.ppf(accuracies)[:, None, None] > 0


if __name__ == "__main__":
    main()
