"""How many optimiser steps the detectors of a comparison take: chosen once, by real images alone, for all arms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pipeline.base.device import best_device, memory_limit, reproducible, say_device
from pipeline.base.files import write_json
from pipeline.base.job import progress, say
from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import Recipe
from pipeline.downstream.fit import diverged
from pipeline.downstream.registry import TASKS
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.task import Task
from pipeline.settings import METHOD, UserError

PARTS = (8, 4, 2, 1)  # the lengths that are tried: the most steps divided by these
RISE = 0.01  # of the score on the validation set; less is chance
SEED = 5000  # of the first training: of no judged repetition, of no other choice


@dataclass(frozen=True)
class Trial:
    """Detectors of one recipe and one length."""

    augmented: bool
    balanced: bool
    steps: int
    validation: list[dict[str, float]]
    """Scores on the validation set, one a selection run."""


@dataclass(frozen=True)
class TrainingLength:
    """The length that was chosen, as its file holds it."""

    steps: int
    """Of every detector of the comparison."""
    most: int
    """That the settings allow."""
    tried: list[Trial]
    """Empty without validation images: then it is the most."""


@dataclass(frozen=True)
class Trials:
    """Scores of recipes by the length of their trainings; each is trained when it is first asked for."""

    task: Task
    settings: Any
    images: ImageSet
    training: Any
    validation: Any
    cache: StepCache
    tick: Callable[[int], object]
    done: dict[tuple[Recipe, int], Trial] = field(default_factory=dict)

    def score(self, recipe: Recipe, steps: int) -> float:
        """Mean over the selection runs of the first score that chooses."""
        if (recipe, steps) not in self.done:
            runs = [
                self.cache.run(f"{recipe} {steps} {n}", partial(self._run, recipe, steps, SEED + n))
                for n in range(self.settings.selection_runs)
            ]
            self.done[recipe, steps] = Trial(recipe.augmented, recipe.balanced, steps, runs)
        first = self.task.selection[0][0]
        return float(np.mean([run[first] for run in self.done[recipe, steps].validation]))

    def _run(self, recipe: Recipe, steps: int, seed: int) -> dict[str, float]:
        settings = self.settings.model_copy(update={"steps": steps})
        mix = TrainingMix(np.arange(0), 0.0, *recipe)
        try:
            detector = self.task.train(settings, self.images, self.training, mix, seed, self.tick)
        except FloatingPointError as error:
            raise diverged(self.task.setting, settings.learning_rate, error) from error
        return self.task.validation_scores(settings, self.images, detector, self.validation)


def enough(lengths: Sequence[int], recipes: Sequence[Recipe], score: Callable[[Recipe, int], float]) -> int:
    """The first of some rising lengths that is enough for every recipe: at none of the longer ones does it score higher
    by RISE. To look at the next one alone would stop before detectors have begun to learn."""

    def gains(length: int) -> bool:
        longer = [other for other in lengths if other > length]
        return any(score(recipe, other) >= score(recipe, length) + RISE for recipe in recipes for other in longer)

    return next(length for length in lengths if not gains(length))


def choose_length(task: Task, settings: Any, real: Path, out: Path, state: Path, dataset: str) -> None:
    """Train detectors of each recipe on the real training images, for several lengths, and write the one that is enough
    by the validation images as a `TrainingLength`.

    Args:
        task: of the detectors.
        settings: of the detectors; `steps` is the most that there may be.
        real: image set, of which `train` and `val` rows are read.
        out: JSON file to write.
        state: file of what is done so far: a killed job goes on with the rest. Removed at the end.
        dataset: name of the data set in the config, for messages.

    Raises:
        UserError: a data set that nothing can be learnt from, or a training that diverged.
    """
    images, device = ImageSet.open(real), best_device()
    task.check(images, dataset)
    say_device(f"{dataset}: length of training", device, task.precision(settings, device))
    cache = StepCache(state, _recipe(task, settings, real))
    lengths, recipes = sorted({max(1, settings.steps // part) for part in PARTS}), TASKS[task.name].recipes()
    total = sum(lengths) * len(recipes) * settings.selection_runs
    with reproducible(), memory_limit(f"{task.setting}.batch", settings.batch):
        training = task.training_set(settings, images, [], dataset, device)
        validation = task.validation_set(settings, images, training.device)
        with progress(f"{dataset}: length of training, at most", total, "step") as bar:
            trials = Trials(task, settings, images, training, validation, cache, bar.update)
            steps = lengths[-1] if validation is None else enough(lengths, recipes, trials.score)
    say(f"{dataset}: {steps} steps for every {task.detector}, of at most {settings.steps}")
    found = TrainingLength(steps, settings.steps, list(trials.done.values()))
    write_json(out, TypeAdapter(TrainingLength).dump_python(found))
    cache.close()


def of_length(settings: Any, files: Iterable[Path]) -> Any:
    """The settings with the steps that a file holds, where there is one.

    Raises:
        UserError: it cannot be read, or holds no length.
    """
    for path in files:
        try:
            steps = TypeAdapter(TrainingLength).validate_json(path.read_bytes()).steps
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        except ValidationError as error:
            raise UserError(f"{path}: no length of a training ({error.errors()[0]['msg']}); remove it") from None
        settings = settings.model_copy(update={"steps": steps})
    return settings


def _recipe(task: Task, settings: Any, real: Path) -> dict[str, Any]:
    """All that the trainings depend on."""
    return {
        "version": METHOD["choose_steps"],
        "settings": settings.model_dump(exclude={"repetitions"}),
        "sets": task.hashes(real),
    }
