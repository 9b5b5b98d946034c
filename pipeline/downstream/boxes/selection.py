"""How many synthetic images a detector of boxes gets: chosen by pilot trainings on the validation images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.downstream.boxes.arms import PLAIN, BoxArm
from pipeline.downstream.boxes.baseline import rank
from pipeline.downstream.boxes.box_dataset import BoxPool
from pipeline.downstream.classifier.fit import Diet
from pipeline.downstream.classifier.selection import PILOTS
from pipeline.downstream.resumable import Ledger
from pipeline.settings import DetectBoxes

# A diet and a seed -> `map50` and `map50_95` on the validation images of a detector taught so.
Try = Callable[[Diet, int], dict[str, float]]


@dataclass
class Choice:
    """What was chosen, and by what."""

    diet: Diet
    candidates: list[dict[str, Any]] = field(default_factory=list)
    """`ratio` and `validation`; empty with nothing to choose."""
    validation: list[dict[str, float]] | None = None
    """`map50` and `map50_95` of the pilot trainings of what was chosen; None where there were none."""
    notes: list[str] = field(default_factory=list)


def plain(settings: DetectBoxes, arm: BoxArm, pool: BoxPool, attempt: Try | None, ledger: Ledger) -> Choice:
    """Nothing is chosen in an arm without synthetic images; its pilots tell which of these arms is the strongest.

    Args:
        settings: of the detectors.
        arm: of real images alone.
        pool: those.
        attempt: trains and scores a pilot; None without validation images.
        ledger: of the job.
    """
    extra = np.arange(len(pool) if arm.duplicates else 0)
    choice = Choice(Diet(extra, settings.ratios[0] if arm.duplicates else 0.0, arm.augmented))
    if attempt is not None:  # as many as are judged: a weak baseline makes the comparison worthless
        choice.validation = _pilots("", settings.seeds, choice.diet, attempt, ledger)
    return choice


def choose(settings: DetectBoxes, basis: str, pool: BoxPool, attempt: Try | None, ledger: Ledger) -> Choice:
    """The ratio of an arm with synthetic images; without validation images the first.

    Args:
        settings: of the detectors; `ratios` are the candidates.
        basis: name of the plain arm that is built on.
        pool: the training images, real and synthetic.
        attempt: trains and scores a pilot; None without validation images.
        ledger: of the job.
    """
    extra = np.arange(pool.images.n_real, len(pool))
    if not len(extra):
        note = "none of its synthetic images has known boxes, so it learns from real images alone"
        return Choice(Diet(extra, 0.0, PLAIN[basis].augmented), notes=[note])
    diets = {ratio: Diet(extra, ratio, PLAIN[basis].augmented) for ratio in settings.ratios}
    choice = Choice(diets[settings.ratios[0]])
    if attempt is None:
        choice.notes.append("no validation images with boxes to choose by: first ratio, on the arm `augmented`")
        return choice
    if len(diets) == 1:
        return choice
    scores = {r: _pilots(f"{r} ", settings.pilots, diet, attempt, ledger) for r, diet in diets.items()}
    best = max(scores, key=lambda ratio: rank(scores[ratio]))
    candidates = [{"ratio": ratio, "validation": found} for ratio, found in scores.items()]
    return Choice(diets[best], candidates, scores[best])


def trainings(settings: DetectBoxes, arm: BoxArm, choosing: bool) -> int:
    """How many trainings a job makes; `choosing`: whether there are validation images."""
    ratios = len(set(settings.ratios))
    pilots = settings.seeds if not arm.made else ratios * settings.pilots if ratios > 1 else 0
    return settings.seeds + (pilots if choosing else 0)


def _pilots(name: str, count: int, diet: Diet, attempt: Try, ledger: Ledger) -> list[dict[str, float]]:
    """Trainings that are for choosing alone, with seeds of their own."""
    return [ledger.once(f"pilot {name}{n}", lambda seed=PILOTS + n: attempt(diet, seed)) for n in range(count)]
