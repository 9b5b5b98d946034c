"""One arm of a comparison of detectors, whatever their task: choose, train the repetitions, judge, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.device import best_device, memory_limit, reproducible, say_device
from pipeline.base.files import sha256
from pipeline.base.job import progress, say
from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import Arm
from pipeline.downstream.baseline import select_baseline
from pipeline.downstream.records import ArmResult, read_result, result_of, write_result
from pipeline.downstream.registry import TASKS
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.selection import Choice, Selector, selection_runs
from pipeline.downstream.task import Dataset, DetectorSettings, Task
from pipeline.settings import METHOD, UserError


@dataclass(frozen=True)
class Experiment:
    """What an arm is trained on and judged by."""

    task: Task
    settings: DetectorSettings
    arm: Arm
    baseline: ArmResult | None
    """Of an arm with synthetic images."""
    real: ImageSet
    synthetic: list[ImageSet]
    dataset: str

    @property
    def title(self) -> str:
        return f"{self.dataset}: {self.task.detector}, {self.arm.name}"

    @property
    def version(self) -> int:
        return METHOD[TASKS[self.task.name].stage]

    def recipe(self) -> dict[str, Any]:
        """All that a training depends on; the number of repetitions is not among it."""
        return {
            "version": self.version,
            "arm": self.arm.name,
            "baseline": self.baseline.arm if self.baseline else None,
            "settings": self.settings.model_dump(exclude={"repetitions"}),
            "sets": [sha256(of.path / name) for of in (self.real, *self.synthetic) for name in self.task.files],
        }


def run_arm(
    task: Task,
    settings: DetectorSettings,
    real: Path,
    synthetic: Sequence[Path],
    baselines: Sequence[Path],
    arm: Arm,
    out: Path,
    state: Path,
    dataset: str,
    journal=None,
) -> None:
    """Train and judge `settings.repetitions` detectors on what the arm may see.

    Every arm takes the same number of optimiser steps. Repetition s has the same initial weights and, place for place,
    the same real images, turned and augmented alike, in every arm of one augmentation and sampling
    (`schedule.batches`). An arm with synthetic images takes these over from the baseline (`select_baseline`); how many
    synthetic images it takes, and which, is chosen on the `val` images (`selection`). The `test` images are read when
    all that is chosen, and the last weights are judged by them, once.

    Args:
        task: of the detectors.
        settings: of the detectors.
        real: image set; its `train` rows train, its `val` rows choose, its `test` rows judge.
        synthetic: image sets, those of `arm.synthetic`. Classes may be a subset of the real ones.
        baselines: results of the baseline arms, for an arm with synthetic images.
        arm: what is trained on.
        out: JSON file to write, a `task.result`; pictures come to lie beside it.
        state: JSON file of what is done so far: a killed job goes on with the rest. Removed at the end.
        dataset: name of the data set in the config, for messages.
        journal: of the tracking, or None.

    Raises:
        UserError: a data set that nothing can be learnt from or judged by, an unsuitable synthetic set, or a training
            that diverged.
    """
    images = ImageSet.open(real)
    task.check(images, dataset)
    known = [read_result(path, task.result) for path in baselines]
    baseline = select_baseline(task.selection, known) if arm.synthetic else None
    run = Experiment(task, settings, arm, baseline, images, [ImageSet.open(path) for path in synthetic], dataset)
    cache = StepCache(state, run.recipe())
    data = task.training_set(images, run.synthetic, dataset, best_device())
    say_device(run.title, data.device, task.precision(data.device))
    choice, test, repetitions = _detectors(run, data, cache)
    choice.notes += task.notes(arm, images, run.synthetic, data, choice.mix)
    for note in choice.notes:
        say(f"{dataset}, {arm.name}: {note}")
    result = _result(run, data, choice, test, repetitions)
    pictures = task.pictures(images, result, out)
    write_result(result, out)
    if journal is not None:
        journal.final({f"{TASKS[task.name].stage}/{score}": value for score, value in result.mean.items()})
        for file in (out, *pictures):
            journal.artifact(file, "detection")
    cache.close()  # last of all: the output of a job that fails is thrown away


def _detectors(run: Experiment, data: Dataset, cache: StepCache) -> tuple[Choice, Dataset, list[dict[str, Any]]]:
    """What was chosen, the test set, and every repetition; what the cache has is not done again."""
    task, settings = run.task, run.settings
    validation = task.validation_set(run.real, data.device)
    total = settings.repetitions + selection_runs(task, settings, run.arm, validation is not None)
    with ExitStack() as stack:
        stack.enter_context(reproducible())
        stack.enter_context(memory_limit(f"{task.setting}.batch", settings.batch))
        bar = progress(run.title, total * settings.steps, "step", len(cache.parts) * settings.steps)
        train = partial(_train, run, data, stack.enter_context(bar).update)
        score = partial(_validate, run, train, validation) if validation is not None else None
        selector = Selector(task, settings, data, train, score, cache)
        choice = selector.choose(run.baseline, run.arm.real) if run.baseline else selector.baseline_arm(run.arm)
        test = task.test_set(run.real, run.dataset, data.device)  # not before: whatever was chosen, not by these
        repeat = partial(_repetition, run, train, choice.mix, test, validation)
        return choice, test, [cache.run(f"seed {seed}", partial(repeat, seed)) for seed in range(settings.repetitions)]


def _train(run: Experiment, data: Dataset, tick: Callable[[int], object], mix: TrainingMix, seed: int) -> Any:
    try:
        return run.task.train(run.settings, run.real, data, mix, seed, tick)
    except FloatingPointError as error:
        setting = f"{run.task.setting}.learning_rate"
        raise UserError(f"{setting}: {run.settings.learning_rate:g}, {error}; lower it") from error


def _validate(run: Experiment, train, validation: Dataset, mix: TrainingMix, seed: int) -> dict[str, float]:
    return run.task.validation_scores(run.settings, run.real, train(mix, seed), validation)


def _repetition(
    run: Experiment, train, mix: TrainingMix, test: Dataset, validation: Dataset | None, seed: int
) -> dict[str, Any]:
    began = time.monotonic()
    record = run.task.test_record(run.settings, run.real, train(mix, seed), test, validation)
    return {"seed": seed} | record | {"seconds": round(time.monotonic() - began, 2)}


def _result(
    run: Experiment, data: Dataset, choice: Choice, test: Dataset, repetitions: list[dict[str, Any]]
) -> ArmResult:
    task, arm = run.task, run.arm
    scores = {score: [one.get(score) for one in repetitions] for score in task.scores}
    scores = {score: values for score, values in scores.items() if None not in values}
    values = {
        "version": run.version,
        "task": task.name,
        "dataset": run.dataset,
        "arm": arm.name,
        "synthetic": arm.synthetic,
        "real": arm.real,
        "baseline": run.baseline.arm if run.baseline else None,
        "steps": run.settings.steps,
        "settings": run.settings.model_dump(),
        "chosen": choice.record(bool(arm.synthetic)),
        "n_real": data.n_real if arm.real else 0,
        "n_synthetic": len(choice.mix.extra) if arm.synthetic else 0,
        "n_test": len(test),
        "mean": {score: float(np.mean(values)) for score, values in scores.items()},
        "spread": {score: float(np.std(values, ddof=1)) for score, values in scores.items()},
        "repetitions": repetitions,
    }
    return result_of(values | task.ground_truth(run.real, test), task.result)
