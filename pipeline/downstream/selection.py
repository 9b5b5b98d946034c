"""Selection: how the training images of a detector are presented, how many are added and which, by runs that are judged
on the validation set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from pipeline.downstream.arms import Arm, Recipe
from pipeline.downstream.baseline import rank
from pipeline.downstream.records import Candidate, Chosen, finite
from pipeline.downstream.registry import TASKS
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.task import Dataset, DetectorSettings, Part, Task, Train

# Seeds of their own: no training that is judged later may be one that a choice was made by.
SELECTION, FILTER = 1000, 2000
AUGMENTED = Recipe(augmented=True)

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
            defects=self.mix.defects,
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
        choice = Choice(TrainingMix(np.arange(0), 0.0, arm.augmented, arm.balanced, arm.defects))
        if self.score is not None:  # as many as are judged: a weak baseline makes the comparison worthless
            choice.validation = self._runs("", self.settings.repetitions, choice.mix)
        return choice

    def choose(self, real: bool) -> Choice:
        """How an arm with added images presents them, how many it takes and which: the recipe first, with the first
        ratio and every image, then ratio and filter together.

        Without validation images it is augmentation, where the task has it, the first ratio and no filter.

        Args:
            real: whether the arm's detectors see real images; else there is no ratio to choose.
        """
        extra, task = np.arange(self.data.n_real, len(self.data)), self.task
        recipes = TASKS[task.name].recipes()
        usual = AUGMENTED if AUGMENTED in recipes else recipes[0]
        ratios = list(dict.fromkeys(self.settings.ratios)) if real else [math.inf]
        if not len(extra):
            return Choice(TrainingMix(extra, 0.0, *usual), notes=[f"no {task.examples} to add: real ones alone"])
        if self.score is None:
            note = (
                f"no validation {task.examples} to choose by: {'augmented, ' * usual.augmented}the first ratio, every "
                "image that can be added"
            )
            return Choice(TrainingMix(extra, ratios[0], *usual), notes=[note])
        tried = {recipe: self._try(TrainingMix(extra, ratios[0], *recipe), (None, 1.0)) for recipe in recipes}
        recipe = max(tried, key=lambda of: rank(task.selection, tried[of].validation))
        notes: list[str] = []
        alone = TrainingMix(np.arange(0), 0.0, *recipe)
        kept = task.kept(self.settings, self.data, lambda: self.train(alone, FILTER), self.cache, notes)
        found = {
            (ratio, part): tried[recipe]
            if (ratio, part) == (ratios[0], (None, 1.0))
            else self._try(TrainingMix(kept[part], ratio, *recipe), part)
            for part in kept
            for ratio in ratios
        }
        ratio, part = max(found, key=lambda of: rank(task.selection, found[of].validation))
        candidates = [*tried.values(), *(one for one in found.values() if one is not tried[recipe])]
        chosen = TrainingMix(kept[part], ratio, *recipe)
        return Choice(chosen, part, candidates, found[ratio, part].validation, notes)

    def _try(self, mix: TrainingMix, part: Part) -> Candidate:
        name = f"{int(mix.augmented)}{int(mix.balanced)} {mix.defects} {mix.ratio} {part[0]} {part[1]} "
        runs = self._runs(name, self.settings.selection_runs, mix)
        return Candidate(mix.augmented, mix.balanced, finite(mix.ratio), *part, runs, len(mix.extra), mix.defects)

    def _runs(self, name: str, count: int, mix: TrainingMix) -> list[dict[str, float]]:
        """Scores of trainings that are for choosing alone; one where all would be alike."""
        assert self.score is not None
        count = count if self.task.varies(self.settings, self.data, mix) else 1
        runs = {f"selection {name}{n}": SELECTION + n for n in range(count)}
        return [self.cache.run(run, partial(self.score, mix, seed)) for run, seed in runs.items()]


def selection_runs(task: Task, settings: DetectorSettings, arm: Arm, validation: bool) -> int:
    """The most trainings that choosing makes in an arm; `validation`: whether there are validation images."""
    if not validation:
        return 0
    if not arm.synthetic:
        return settings.repetitions
    parts = task.parts(settings)
    candidates = len(parts) * (len(set(settings.ratios)) if arm.real else 1) - ((None, 1.0) in parts)
    tried = len(TASKS[task.name].recipes()) + candidates
    return tried * settings.selection_runs + any(name is not None for name, _ in parts)
