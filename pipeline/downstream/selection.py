"""Selection: how many synthetic images a detector gets and which, by runs that are judged on the validation set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.downstream.arms import Arm
from pipeline.downstream.baseline import rank
from pipeline.downstream.records import ArmResult, Candidate, Chosen
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.task import Dataset, DetectorSettings, Part, Task, Train

# Seeds of their own: no training that is judged later may be one that a choice was made by.
SELECTION, FILTER = 1000, 2000

Score = Callable[[TrainingMix, int], dict[str, float]]
"""A training mix and a seed -> scores on the validation set of a detector trained so."""


@dataclass
class Choice:
    """What was chosen, and by what."""

    mix: TrainingMix
    part: Part = (None, 1.0)
    candidates: list[Candidate] = field(default_factory=list)
    """Empty with nothing to choose."""
    validation: list[dict[str, float]] | None = None
    """Of the selection runs of what was chosen; None where there were none."""
    notes: list[str] = field(default_factory=list)

    def record(self, generative: bool) -> Chosen:
        """As an arm's file holds it; `generative`: whether the arm has synthetic images."""
        extra = len(self.mix.extra) > 0
        return Chosen(
            augmented=self.mix.augmented,
            balanced=self.mix.balanced,
            ratio=finite(self.mix.ratio) if extra else None,
            filter=self.part[0],
            keep=self.part[1] if generative and extra else None,
            candidates=self.candidates,
            validation=self.validation,
            notes=self.notes,
        )


@dataclass(frozen=True)
class Selector:
    """All that a choice is made with."""

    task: Task
    settings: DetectorSettings
    data: Dataset
    train: Train
    score: Score | None
    """None without validation images."""
    cache: StepCache

    def baseline_arm(self, arm: Arm) -> Choice:
        """Nothing is chosen in a baseline arm; its selection runs tell which of these arms is the strongest."""
        extra = np.arange(self.data.n_real if arm.duplicates else 0)
        choice = Choice(TrainingMix(extra, self.settings.ratios[0], arm.augmented, arm.balanced))
        if self.score is not None:  # as many as are judged: a weak baseline makes the comparison worthless
            choice.validation = self._runs("", self.settings.repetitions, choice.mix)
        return choice

    def choose(self, baseline: ArmResult, real: bool) -> Choice:
        """The ratio and the filter of an arm with generators; without validation images the first ratio and no filter.

        Args:
            baseline: its augmentation and sampling are taken over.
            real: whether the arm's detectors see real images; else there is no ratio to choose.
        """
        alone = TrainingMix(np.arange(0), 0.0, baseline.chosen.augmented, baseline.chosen.balanced)
        extra, task = np.arange(self.data.n_real, len(self.data)), self.task
        if not len(extra):
            return Choice(alone, notes=[f"no synthetic {task.examples} to learn from: it learns from real ones alone"])
        ratios = list(dict.fromkeys(self.settings.ratios)) if real else [math.inf]
        choice = Choice(replace(alone, extra=extra, ratio=ratios[0]))
        if self.score is None:
            choice.notes.append(
                f"no validation {task.examples} to choose by: first ratio, every synthetic image, on the arm "
                "`augmented`"
            )
            return choice
        kept = task.kept(self.settings, self.data, lambda: self.train(alone, FILTER), self.cache, choice.notes)
        mixes = {(ratio, part): replace(choice.mix, extra=kept[part], ratio=ratio) for part in kept for ratio in ratios}
        if len(mixes) == 1:
            (((_, choice.part), choice.mix),) = mixes.items()
            return choice
        return self._best(mixes, choice.notes)

    def _best(self, mixes: dict[tuple[float, Part], TrainingMix], notes: list[str]) -> Choice:
        scores = {
            (ratio, part): self._runs(f"{ratio} {part[0]} {part[1]} ", self.settings.selection_runs, mix)
            for (ratio, part), mix in mixes.items()
        }
        best = max(scores, key=lambda candidate: rank(self.task.selection, scores[candidate]))
        candidates = [
            Candidate(finite(ratio), *part, validation, len(mixes[ratio, part].extra))
            for (ratio, part), validation in scores.items()
        ]
        return Choice(mixes[best], best[1], candidates, scores[best], notes)

    def _runs(self, name: str, count: int, mix: TrainingMix) -> list[dict[str, float]]:
        """Scores of trainings that are for choosing alone."""
        runs = {f"selection {name}{n}": SELECTION + n for n in range(count)}
        return [self.cache.run(run, lambda seed=seed: self.score(mix, seed)) for run, seed in runs.items()]


def selection_runs(task: Task, settings: DetectorSettings, arm: Arm, validation: bool) -> int:
    """The most trainings that choosing makes in an arm; `validation`: whether there are validation images."""
    if not validation:
        return 0
    if not arm.synthetic:
        return settings.repetitions
    parts = task.parts(settings)
    candidates = len(parts) * (len(set(settings.ratios)) if arm.real else 1)
    return (candidates * settings.selection_runs if candidates > 1 else 0) + any(name is not None for name, _ in parts)


def finite(ratio: float) -> float | None:
    """JSON has no infinity."""
    return None if math.isinf(ratio) else ratio
