"""Arms of a comparison of detectors, whatever their task: choose, train the repetitions, judge, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.base.device import best_device, memory_limit, reproducible, say_device
from pipeline.base.job import progress, say
from pipeline.base.null_journal import NullJournal
from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import MORE_REAL, SAME_REAL, Arm, SyntheticSet
from pipeline.downstream.fit import diverged
from pipeline.downstream.records import ArmResult, result_of, write_results
from pipeline.downstream.registry import TASKS
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.selection import Choice, Selector, selection_runs
from pipeline.downstream.task import Dataset, DetectorSettings, Task
from pipeline.settings import METHOD
from pipeline.tracking.system import watched

CONTROLS = {MORE_REAL: "control", SAME_REAL: "train"}
"""The split whose images stand in for synthetic ones."""
Journals = Callable[[Arm], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Experiment:
    """What an arm is trained on and judged by."""

    task: Task
    settings: DetectorSettings
    arm: Arm
    real: ImageSet
    added: list[ImageSet]
    """Of each of `arm.synthetic`; their `train` rows are added to those of the real set."""
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
            "settings": self.settings.model_dump(exclude={"repetitions"}),
            "sets": self.task.hashes(*(of.path for of in (self.real, *self.added))),
        }


def run_arms(
    task: Task,
    settings: DetectorSettings,
    real: Path,
    synthetic: Mapping[SyntheticSet, Path],
    arms: Sequence[Arm],
    out: Path,
    state: Path,
    dataset: str,
    journal: Journals | None = None,
) -> None:
    """Train and judge the detectors of some arms.

    How the training images of an arm are presented, how many are added, and which, is chosen on the `val` images
    (`selection`). The `test` images are read when all that is chosen, and the last weights are judged by them, once. A
    repetition draws all its chance from its seed, so that arms can be compared repetition by repetition; an arm whose
    trainings cannot differ (`Task.varies`) has a single one.

    Args:
        task: of the detectors.
        settings: of the detectors.
        real: image set; its `train` rows train, its `val` rows choose, its `test` rows judge, its `control` rows are
            what the positive control adds.
        synthetic: image sets of all generators' arms. Classes may be a subset of the real ones.
        arms: what is trained on, an arm after another; a control is left out where no images are held back for it.
        out: JSON file to write, a list of `task.result`; pictures come to lie beside it.
        state: folder of what is done so far: a killed job goes on with the rest. Emptied at the end.
        dataset: name of the data set in the config, for messages.
        journal: of an arm, of the tracking; or None.

    Raises:
        UserError: a data set that nothing can be learnt from or judged by, an unsuitable synthetic set, or a training
            that diverged.
    """
    images = ImageSet.open(real)
    task.check(images, dataset)
    opened = {one: ImageSet.open(path) for one, path in synthetic.items()}
    opened |= {one: images.presenting(split) for one, split in CONTROLS.items()}
    device = best_device()
    say_device(f"{dataset}: {task.detector}", device, task.precision(settings, device))
    caches, results, runs = [], [], []
    with ExitStack() as journals:
        for arm in arms:
            if any(not len(opened[one].rows("train")) for one in arm.synthetic if one in CONTROLS):
                say(f"{dataset}, {arm.name}: left out, for no real images are held back for it")
                task.pictures(images, None, out)
                continue
            experiment = Experiment(task, settings, arm, images, [opened[one] for one in arm.synthetic], dataset)
            caches.append(StepCache(state / f"{arm.name}.json", experiment.recipe()))
            runs.append(journals.enter_context(journal(arm) if journal else NullJournal()))
            with watched(runs[-1]):
                results.append(_run_arm(experiment, caches[-1], device))
        write_results(results, out)
        for result, run in zip(results, runs, strict=True):
            pictures = task.pictures(images, result, out)
            run.dataset(dataset, images.meta["data_hash"], real, images.split_sizes())
            run.final({f"{TASKS[task.name].stage}/{score}": value for score, value in result.mean.items()})
            for file in (out, *pictures):
                run.artifact(file, "detection")
    for cache in caches:
        cache.close()  # last of all: the output of a job that fails is thrown away


def _run_arm(run: Experiment, cache: StepCache, device: torch.device) -> ArmResult:
    data = run.task.training_set(run.settings, run.real, run.added, run.dataset, device)
    choice, test, repetitions = _detectors(run, data, cache)
    choice.notes += run.task.notes(run.arm, run.real, run.added, data, choice.mix)
    for note in choice.notes:
        say(f"{run.dataset}, {run.arm.name}: {note}")
    return _result(run, data, choice, test, repetitions)


def _detectors(run: Experiment, data: Dataset, cache: StepCache) -> tuple[Choice, Dataset, list[dict[str, Any]]]:
    """What was chosen, the test set, and every repetition; what the cache has is not done again."""
    task, settings, steps = run.task, run.settings, run.task.steps(run.settings)
    validation = task.validation_set(settings, run.real, data.device)
    total = settings.repetitions + selection_runs(task, settings, run.arm, validation is not None)
    with ExitStack() as stack:
        stack.enter_context(reproducible())
        stack.enter_context(memory_limit(f"{task.setting}.batch", settings.batch))
        bar = progress(run.title, total * steps, "step", len(cache.parts) * steps)
        train = partial(_train, run, data, stack.enter_context(bar).update)
        score = partial(_validate, run, train, validation) if validation is not None else None
        selector = Selector(task, settings, data, train, score, cache)
        choice = selector.choose(run.arm.real) if run.arm.synthetic else selector.baseline_arm(run.arm)
        # Not before: whatever was chosen, not by these.
        test = task.test_set(settings, run.real, run.dataset, data.device)
        repeat = partial(_repetition, run, train, choice.mix, test, validation)
        count = settings.repetitions if task.varies(settings, data, choice.mix) else 1
        return choice, test, [cache.run(f"seed {seed}", partial(repeat, seed)) for seed in range(count)]


def _train(run: Experiment, data: Dataset, tick: Callable[[int], object], mix: TrainingMix, seed: int) -> Any:
    try:
        return run.task.train(run.settings, run.real, data, mix, seed, tick)
    except FloatingPointError as error:
        rate = run.settings.model_dump()["learning_rate"]  # a task without one has nothing that could diverge
        raise diverged(run.task.setting, rate, error) from error


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
    scores: dict[str, list[float]] = {}
    for score in task.scores:
        if all(one.get(score) is not None for one in repetitions):
            scores[score] = [one[score] for one in repetitions]
    values = {
        "version": run.version,
        "task": task.name,
        "dataset": run.dataset,
        "arm": arm.name,
        "synthetic": arm.synthetic,
        "real": arm.real,
        "steps": run.task.steps(run.settings),
        "settings": run.settings.model_dump(),
        "chosen": choice.record(bool(arm.synthetic)),
        "n_real": data.n_real if arm.real else 0,
        "n_synthetic": len(choice.mix.extra) if arm.synthetic else 0,
        "n_test": len(test),
        "mean": {score: float(np.mean(values)) for score, values in scores.items()},
        "spread": {
            score: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for score, values in scores.items()
        },
        "repetitions": repetitions,
    }
    return result_of(values | task.ground_truth(run.real, test), task.result)
