"""One arm of the detector comparison: train a classifier on its images, judge it on the real test images."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.imageset import ImageSet, sha256
from pipeline.detection.learn import predict, reproducible, train
from pipeline.detection.pool import Pool, testing, training
from pipeline.detection.scores import accuracy, confusion, f1, macro_f1
from pipeline.job import progress, say
from pipeline.settings import METHOD, Detect, ImageSpec, UserError
from pipeline.training.device import best_device, memory_limit


def run_arm(
    settings: Detect,
    real: Path,
    synthetic: list[Path],
    arm: str,
    out: Path,
    state: Path,
    dataset: str,
    journal=None,
) -> None:
    """Train and judge `settings.seeds` detectors on the real training images and those of the synthetic sets.

    Every arm takes the same number of optimiser steps. Repetition s has the same initial weights and, place for place,
    the same real images in every arm (`order.batches`). Nothing is chosen by a score: the last weights are judged,
    once, on the real `test` images, and `val` images are never read.

    Args:
        settings: of the comparison.
        real: image set; its `train` rows train, its `test` rows judge.
        synthetic: image sets added for training; none for the baseline. Classes may be a subset of the real ones.
        arm: name of the arm, as in `arms.arms`.
        out: JSON file to write.
        state: JSON file of the repetitions done so far: a killed job goes on with the others. Removed at the end.
        dataset: name of the data set in the config, for messages.
        journal: of the tracking, or None.

    `out` holds `version`, `task`, `dataset`, `arm`, `classes`, `steps`, `settings`, `n_real`, `n_synthetic`, `n_test`;
    `truth` and `groups`, class index and group of each test image; and `seeds`, for each repetition its `seed`,
    `accuracy`, `macro_f1`, `f1` (of each class; null without test images), `confusion` (row = true class),
    `predicted` (class index of each test image) and `seconds`.

    Raises:
        UserError: no test images, a class without training images, an unsuitable synthetic set, or a training that
            diverged.
    """
    device = best_device()
    real_set, sets = ImageSet.open(real), [ImageSet.open(path) for path in synthetic]
    test, pool = testing(real_set, dataset, device), training(real_set, sets, dataset, device)
    truth = test.labels.cpu().numpy()
    _name_unjudged(real_set.spec.classes, truth, dataset)

    done = _repetitions(settings, arm, real_set, sets, pool, test, state, dataset)
    result = {
        "version": METHOD["detect"],
        "task": "classification",
        "dataset": dataset,
        "arm": arm,
        "classes": list(real_set.spec.classes),
        "steps": settings.steps,
        "settings": settings.model_dump(),
        "n_real": pool.n_real,
        "n_synthetic": len(pool) - pool.n_real,
        "n_test": len(test),
        "truth": truth.tolist(),
        "groups": real_set.metadata["group"].iloc[real_set.rows("test")].tolist(),
        "seeds": done,
    }
    _write(out, result)
    state.unlink(missing_ok=True)
    if journal is not None:
        journal.final(
            {f"detect/{score}": float(np.mean([d[score] for d in done])) for score in ("accuracy", "macro_f1")}
        )
        journal.artifact(out, "detection")


def _repetitions(
    settings: Detect,
    arm: str,
    real: ImageSet,
    synthetic: list[ImageSet],
    pool: Pool,
    test: Pool,
    state: Path,
    dataset: str,
) -> list[dict[str, Any]]:
    """The scores of every repetition, those found in `state` not run again."""
    recipe = _recipe(settings, arm, [real, *synthetic])
    done = _resume(state, recipe)[: settings.seeds]
    truth = test.labels.cpu().numpy()
    name, total = f"{dataset}: detector, {arm}", settings.seeds * settings.steps
    with (
        reproducible(),
        memory_limit("detect.batch", settings.batch),
        progress(name, total, "step", len(done) * settings.steps) as bar,
    ):
        for seed in range(len(done), settings.seeds):
            began = time.monotonic()
            try:
                network = train(settings, real.spec, pool, seed, bar.update)
            except FloatingPointError as error:
                raise UserError(f"detect.learning_rate: {settings.learning_rate}, {error}; lower it") from error
            predicted = predict(network, test, settings.batch)
            done.append(_scores(seed, truth, predicted, real.spec, time.monotonic() - began))
            _write(state, {"recipe": recipe, "seeds": done})
    return done


def _scores(seed: int, truth: np.ndarray, predicted: np.ndarray, spec: ImageSpec, seconds: float) -> dict[str, Any]:
    matrix = confusion(truth, predicted, len(spec.classes))
    return {
        "seed": seed,
        "accuracy": float(accuracy(matrix)),
        "macro_f1": float(macro_f1(matrix)),
        "f1": [None if np.isnan(value) else float(value) for value in f1(matrix)],
        "confusion": matrix.tolist(),
        "predicted": predicted.tolist(),
        "seconds": round(seconds, 2),
    }


def _name_unjudged(classes: tuple[str, ...], truth: np.ndarray, dataset: str) -> None:
    missing = [name for index, name in enumerate(classes) if index not in truth]
    if missing:
        say(f"{dataset}: no test images of {', '.join(missing)}; macro F1 is the mean over the other classes")


def _recipe(settings: Detect, arm: str, sets: list[ImageSet]) -> dict[str, Any]:
    """All that a repetition depends on; their number is not among it."""
    return {
        "version": METHOD["detect"],
        "arm": arm,
        "settings": settings.model_dump(exclude={"seeds"}),
        "images": [s.meta["data_hash"] for s in sets],
        "metadata": [sha256(s.path / "metadata.csv") for s in sets],
    }


def _resume(state: Path, recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """The repetitions that an earlier job of the same recipe finished, in order."""
    if not state.is_file():
        return []
    try:
        earlier = json.loads(state.read_text(encoding="utf-8"))
    except ValueError:
        say(f"{state}: unreadable, all repetitions are run")
        return []
    return earlier["seeds"] if earlier["recipe"] == recipe else []


def _write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)
