"""One arm of the detector comparison: train classifiers on what it may see, judge them on the real test images."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pipeline.base.device import amp_dtype, best_device, memory_limit, say_device
from pipeline.base.files import read_json, sha256, write_json
from pipeline.base.job import progress, say
from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import PLAIN, Arm
from pipeline.downstream.baseline import strongest
from pipeline.downstream.classifier.device_dataset import Pool, check, of_split, training
from pipeline.downstream.classifier.fit import Diet, reproducible, train
from pipeline.downstream.classifier.scoring import judged
from pipeline.downstream.classifier.selection import Choice, choose, finite, pilots, trainings
from pipeline.downstream.resumable import Ledger
from pipeline.settings import METHOD, Detect, ImageSpec, UserError


def run_arm(
    settings: Detect,
    real: Path,
    synthetic: list[Path],
    plain: list[Path],
    arm: Arm,
    out: Path,
    state: Path,
    dataset: str,
    journal=None,
) -> None:
    """Train and judge `settings.seeds` detectors on what the arm may see.

    Every arm takes the same number of optimiser steps. Repetition s has the same initial weights and, place for place,
    the same real images in every arm of one sampling (`order.batches`). An arm with generators takes augmentation and
    sampling over from the strongest plain arm (`basis.strongest`); how many synthetic images it takes and which is
    chosen on the `val` images (`choose`). The `test` images are read when all that is chosen, and the last weights are
    judged by them, once.

    Args:
        settings: of the comparison.
        real: image set; its `train` rows train, its `val` rows choose, its `test` rows judge.
        synthetic: image sets of the arm's models. Classes may be a subset of the real ones.
        plain: JSON files of the plain arms, for an arm with generators.
        arm: what is trained on.
        out: JSON file to write.
        state: JSON file of what is done so far: a killed job goes on with the rest. Removed at the end.
        dataset: name of the data set in the config, for messages.
        journal: of the tracking, or None.

    `out` holds `version`, `task`, `dataset`, `arm`, `classes`, `steps`, `settings`; `generative`; `basis` (name of the
    plain arm taken over, null in a plain arm), `augmented`, `balanced`; `ratio` (null: no real images, or no others),
    `filter`, `keep`, `candidates`, `validation` and `notes` (see `choose.Choice`); `n_real`, `n_synthetic` (different
    images there are to see), `n_test`; `truth` and `groups`, class index and group of each test image; and `seeds`, for
    each repetition its `seed`, `accuracy`, `macro_f1`, `f1` (of each class; null without test images), `confusion` (row
    = true class), `predicted` (class index of each test image) and `seconds`. With two classes also `log_odds` (of the
    second class, of each test image), `auroc`, and `at_threshold`: the scores at the `log_odds` that are best by
    Youden's index on the val images.

    Raises:
        UserError: no test images, a class without training images, an unsuitable synthetic set, or a training that
            diverged.
    """
    real_set, sets = ImageSet.open(real), [ImageSet.open(path) for path in synthetic]
    check(real_set, dataset)
    basis = strongest([read_json(path, "arm", "validation") for path in plain]) if arm.models else None
    ledger = Ledger(state, _recipe(settings, arm, basis, [real_set, *sets]))
    pool = training(real_set, sets, best_device())
    say_device(f"{dataset}: detector, {arm.name}", pool.labels.device, amp_dtype("auto", pool.labels.device))
    choice, done = _detectors(settings, arm, basis, real_set, pool, dataset, ledger)

    rows = real_set.rows("test")
    choice.notes += _absent(real_set, pool.labels.cpu().numpy()[choice.diet.extra], arm)
    for note in choice.notes:
        say(f"{dataset}, {arm.name}: {note}")
    judged_by = {"n_test": len(rows), "truth": real_set.labels[rows].tolist()}
    judged_by["groups"] = real_set.metadata["group"].iloc[rows].tolist()
    head = _head(settings, arm, basis, dataset, real_set)
    write_json(out, head | _fed(arm, choice, pool) | judged_by | {"seeds": done})
    if journal is not None:
        journal.final(
            {f"detect/{score}": float(np.mean([d[score] for d in done])) for score in ("accuracy", "macro_f1")}
        )
        journal.artifact(out, "detection")
    ledger.close()  # last of all: the output of a job that fails is thrown away


def _detectors(
    settings: Detect, arm: Arm, basis: str | None, real: ImageSet, pool: Pool, dataset: str, ledger: Ledger
) -> tuple[Choice, list[dict[str, Any]]]:
    """What was chosen, and the scores of every repetition; what the ledger has is not done again."""
    total = settings.seeds + trainings(settings, bool(arm.models), arm.real)
    name, device = f"{dataset}: detector, {arm.name}", pool.labels.device
    with (
        reproducible(),
        memory_limit("detect.batch", settings.batch),
        progress(name, total * settings.steps, "step", len(ledger.parts) * settings.steps) as bar,
    ):
        teach = partial(_teach, settings, real.spec, pool, bar.update)
        validation = of_split(real, "val", device)
        choice = _choice(settings, arm, basis, pool, validation, teach, ledger)
        test = of_split(real, "test", device)  # not before: whatever was chosen, it was not by these
        repeat = partial(_repetition, teach, choice.diet, test, validation, settings.batch)
        return choice, [ledger.once(f"seed {seed}", partial(repeat, seed)) for seed in range(settings.seeds)]


def _teach(settings: Detect, spec: ImageSpec, pool: Pool, tick, diet: Diet, seed: int) -> nn.Module:
    try:
        return train(settings, spec, pool, diet, seed, tick)
    except FloatingPointError as error:
        raise UserError(f"detect.learning_rate: {settings.learning_rate}, {error}; lower it") from error


def _choice(
    settings: Detect, arm: Arm, basis: str | None, pool: Pool, validation: Pool | None, teach, ledger: Ledger
) -> Choice:
    if basis is None:
        extra = np.arange(pool.n_real if arm.duplicates else 0)
        choice = Choice(Diet(extra, settings.ratios[0], arm.augmented, arm.balanced))
        if validation is not None:  # as many as are judged: a weak baseline makes the comparison worthless
            choice.validation = pilots("", settings.seeds, choice.diet, validation, settings.batch, teach, ledger)
        return choice
    base = Diet(np.arange(0), 0.0, PLAIN[basis].augmented, PLAIN[basis].balanced)
    return choose(settings, pool, validation, base, arm.real, teach, ledger)


def _repetition(teach, diet: Diet, test: Pool, validation: Pool | None, batch: int, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    scores = judged(teach(diet, seed), test, validation, batch)
    return {"seed": seed} | scores | {"seconds": round(time.monotonic() - began, 2)}


def _head(settings: Detect, arm: Arm, basis: str | None, dataset: str, real: ImageSet) -> dict[str, Any]:
    return {
        "version": METHOD["detect"],
        "task": "classification",
        "dataset": dataset,
        "arm": arm.name,
        "generative": bool(arm.models),
        "basis": basis,
        "classes": list(real.spec.classes),
        "steps": settings.steps,
        "settings": settings.model_dump(),
    }


def _fed(arm: Arm, choice: Choice, pool: Pool) -> dict[str, Any]:
    diet = choice.diet
    return {
        "augmented": diet.augmented,
        "balanced": diet.balanced,
        "ratio": finite(diet.ratio) if len(diet.extra) else None,
        "filter": choice.filter,
        "keep": choice.keep if arm.models else None,
        "candidates": choice.candidates,
        "validation": choice.validation,
        "notes": choice.notes,
        "n_real": pool.n_real if arm.real else 0,
        "n_synthetic": len(diet.extra) if arm.models else 0,
    }


def _absent(real: ImageSet, extra: np.ndarray, arm: Arm) -> list[str]:
    """Notes on classes that cannot be judged, or that these detectors have never seen."""
    unjudged, unseen = (
        ", ".join(name for index, name in enumerate(real.spec.classes) if index not in found)
        for found in (real.labels[real.rows("test")], extra)
    )
    notes = [f"no test images of {unjudged}; macro F1 is the mean over the other classes"] if unjudged else []
    return notes if arm.real or not unseen else [*notes, f"no synthetic images of {unseen}: it cannot be found"]


def _recipe(settings: Detect, arm: Arm, basis: str | None, sets: list[ImageSet]) -> dict[str, Any]:
    """All that a training depends on; the number of repetitions is not among it."""
    return {
        "version": METHOD["detect"],
        "arm": arm.name,
        "basis": basis,
        "settings": settings.model_dump(exclude={"seeds"}),
        # The description has the hash of the images, the classes and the symmetry.
        "sets": [sha256(s.path / name) for s in sets for name in ("meta.json", "metadata.csv")],
    }
