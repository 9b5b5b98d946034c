"""How large a gain a comparison of detectors finds, and how often it finds one that is not there.

    python -m benchmarks.power --trials 200 --out docs/results/power.md

Simulated detectors of six classes answer the same test images. A latent number says whether a detector is right about
an image: the mean of its arm, the image's difficulty (standard deviation 1, the same for all arms and, to a half, for
all images of a group), what this arm makes of this image (0.5) and what this repetition does (0.3). The arm's mean is
set so that its accuracy is the baseline's plus the gain. Every trial draws new images and new repetitions, and asks
`pipeline.downstream.paired_gain.compare` for its verdict. The arms of a comparison share nothing but the correction for
their number, so one of them is drawn, and the level is that of as many as the row says.

`before` is the protocol of results up to METHOD 4 of `detect`: 5 repetitions, and a correction that counted each
generator's arm without real images too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from pipeline.downstream.arms import SyntheticSet
from pipeline.downstream.chance import LEVEL
from pipeline.downstream.classifier.records import ClassifierRepetition, ClassifierResult
from pipeline.downstream.classifier.scores import accuracy, confusion, f1, macro_f1
from pipeline.downstream.paired_gain import compare
from pipeline.downstream.records import Chosen
from pipeline.downstream.registry import TASKS

CLASSES = 6
GROUP = 2  # images of an ordinary group
DIFFICULTY, OWN, REPETITION = 1.0, 0.5, 0.3
SPREAD = (DIFFICULTY**2 + OWN**2 + REPETITION**2) ** 0.5
CELLS = [(0.80, gain) for gain in (0.0, 0.02, 0.05, 0.10)] + [(0.95, gain) for gain in (0.0, 0.02, 0.05)]
PLAIN = Chosen(False, False, None, None, None, [], None, [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--out", type=Path, help="page to write; without it the rows are only printed")
    given = parser.parse_args()
    lines = ["# What a comparison of detectors can find", "", *_preface(given.trials)]
    for uneven in (False, True):
        lines += ["", f"## {'One group with 90 % of a class' if uneven else 'Groups of two images'}", "", *_head()]
        for row in rows(given.trials, uneven):
            lines.append(row)
            print(row, flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _preface(trials: int) -> list[str]:
    return [
        f"`python -m benchmarks.power --trials {trials} --out docs/results/power.md`, which describes the simulation.",
        "Percent of trials in which an arm is said to *help*; a gain of 0 is a false alarm. `detects`: the gain that",
        "the comparison itself says it would find in four of five repeats, in points, mean over trials.",
    ]


def _head() -> list[str]:
    heads = [
        "images a class",
        "baseline",
        "gain",
        *(f"{n} arms" for n in (1, 7, 13)),
        "detects, 7 arms",
        "before, 7 arms",
    ]
    return ["| " + " | ".join(heads) + " |", "|" + " ---: |" * len(heads)]


def rows(trials: int, uneven: bool) -> Iterator[str]:
    for n, (base, gain) in product((20, 60, 200), CELLS):
        rng = np.random.default_rng([n, int(1000 * base), int(1000 * gain), uneven])
        found, detects = power(rng, trials, n, base, gain, uneven, (1, 7, 13), repetitions=10)
        before, _ = power(rng, trials, n, base, gain, uneven, (14,), repetitions=5)
        cells = [f"{n}", f"{100 * base:.0f}", f"{100 * gain:.0f}", *(f"{100 * p:.0f}" for p in found)]
        yield "| " + " | ".join([*cells, f"{100 * detects[1]:.1f}", f"{100 * before[0]:.0f}"]) + " |"


def power(
    rng: np.random.Generator,
    trials: int,
    n: int,
    base: float,
    gain: float,
    uneven: bool,
    arms: tuple[int, ...],
    repetitions: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each number of arms the share of trials that say *helps*, and the mean gain that they say they detect.

    Args:
        n: test images a class.
        base: accuracy of the baseline.
        gain: of the arm.
        uneven: whether one group has nine tenths of the first class.
    """
    helps, detects = np.zeros((trials, len(arms))), np.zeros((trials, len(arms)))
    for trial in range(trials):
        truth, groups = _images(n, uneven)
        right = _right(rng, groups, [base, base + gain], repetitions)
        wrong = (truth + rng.integers(1, CLASSES, right.shape)) % CLASSES
        answers = np.where(right, truth, wrong)
        results = [result(arm, truth, groups, a) for arm, a in zip(("real", "real+x"), answers, strict=True)]
        for i, count in enumerate(arms):
            (row,) = compare(TASKS["classification"].load(), results, 1 - (1 - LEVEL) / count)[1:]
            helps[trial, i] = row.verdict == "helps"
            detects[trial, i] = row.estimates[0].detectable
    return helps.mean(axis=0), detects.mean(axis=0)


def _images(n: int, uneven: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True classes and groups of the test images."""
    truth = np.repeat(np.arange(CLASSES), n)
    groups = np.arange(len(truth)) // GROUP
    if uneven:
        groups[: round(0.9 * n)] = groups[0]
    return truth, groups


def _right(
    rng: np.random.Generator, groups: NDArray[np.int64], accuracies: list[float], repetitions: int
) -> NDArray[np.bool_]:
    """(arms, repetitions, images) whether a detector is right."""
    shape = len(accuracies), repetitions, len(groups)
    shared, alone = rng.normal(size=groups.max() + 1)[groups], rng.normal(size=len(groups))
    latent = DIFFICULTY * (shared + alone) / 2**0.5 + OWN * rng.normal(size=(shape[0], 1, shape[2]))
    return latent + REPETITION * rng.normal(size=shape) + SPREAD * norm.ppf(accuracies)[:, None, None] > 0


def result(arm: str, truth: NDArray, groups: NDArray, answers: NDArray) -> ClassifierResult:
    """As an arm's job would have written it; `answers` (repetitions, images)."""
    found = []
    for seed, predicted in enumerate(answers):
        matrix = confusion(truth, predicted, CLASSES)
        found.append(
            ClassifierRepetition(
                seed=seed,
                seconds=0.0,
                accuracy=float(accuracy(matrix)),
                macro_f1=float(macro_f1(matrix)),
                f1=f1(matrix).tolist(),
                confusion=matrix.tolist(),
                predicted=predicted.tolist(),
            )
        )
    return ClassifierResult(
        version=0,
        task="classification",
        dataset="simulated",
        arm=arm,
        synthetic=[SyntheticSet("x", "synthetic")] if arm != "real" else [],
        real=True,
        classes=[str(k) for k in range(CLASSES)],
        steps=1,
        settings={},
        chosen=replace(PLAIN, validation=[{"macro_f1": 1.0, "loss": 0.0}]),
        n_real=0,
        n_synthetic=0,
        n_test=len(truth),
        groups=[str(group) for group in groups],
        truth=truth.tolist(),
        mean={},
        spread={},
        repetitions=found,
    )


if __name__ == "__main__":
    main()
