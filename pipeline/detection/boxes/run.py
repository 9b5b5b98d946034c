"""One arm of the comparison of box detectors: train on its images, find boxes in the real test images, score them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.imageset import ImageSet, sha256
from pipeline.detection.boxes import figure
from pipeline.detection.boxes.detector import Found
from pipeline.detection.boxes.fit import find, train
from pipeline.detection.boxes.pool import BoxPool, judging, seen, training
from pipeline.detection.boxes.precision import Listed, average_precision
from pipeline.detection.ledger import Ledger, write_json
from pipeline.job import progress, say
from pipeline.settings import METHOD, DetectBoxes
from pipeline.training.device import best_device, memory_limit

SCORES = ("map50", "map50_95")


def run_arm(
    settings: DetectBoxes,
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
    the same real images in every arm (`order.batches`). Only images whose boxes are known are seen. Nothing is chosen
    by a score: the last weights are judged, once, on the real `test` images, and `val` images are never read.

    Args:
        settings: of the detectors.
        real: image set with boxes; its `train` rows train, its `test` rows judge.
        synthetic: image sets with boxes, added for training; none for the baseline. The classes of their boxes may be
            a subset of the real ones.
        arm: name of the arm, as in `arms.ARMS`.
        out: JSON file to write; the PNG of that name beside it shows what the first repetition found.
        state: JSON file of the repetitions done so far: a killed job goes on with the others. Removed at the end.
        dataset: name of the data set in the config, for messages.
        journal: of the tracking, or None.

    `out` holds `version`, `task`, `dataset`, `arm`, `classes` (of boxes), `steps`, `settings`; `n_real`, `n_synthetic`,
    `n_test` (images whose boxes are known), `n_background` (test images without a box); `ids` and `groups` of the test
    images; `truth`, their boxes; `mean` and `spread` (standard deviation over the repetitions) of each of SCORES; and
    `seeds`, for each repetition its `seed`, `map50`, `map50_95`, `ap50` and `ap50_95` (of each class; null without true
    boxes), `found` and `seconds`. Boxes are lists of equal length: `image` (place in `ids`), `class`, `box` (x0, y0,
    x1, y1 in pixels) and `score` (of found ones). What is not judged by is in there too, so that intervals can be
    drawn later without training again.

    Raises:
        UserError: no boxes to learn from or to be judged by, an unsuitable synthetic set, or a training that diverged.
    """
    device = best_device()
    real_set, sets = ImageSet.open(real), [ImageSet.open(path) for path in synthetic]
    pool, test = training(real_set, sets, dataset, device), judging(real_set, dataset, device)
    _name_missing(real_set.box_classes, pool, test, dataset)
    ledger = Ledger(state, _recipe(settings, arm, [real_set, *sets]))
    result = {
        "version": METHOD["detect_boxes"],
        "task": "boxes",
        "dataset": dataset,
        "arm": arm,
        "classes": real_set.box_classes,
        "steps": settings.steps,
        "settings": settings.model_dump(),
        "n_real": pool.images.n_real,
        "n_synthetic": len(pool) - pool.images.n_real,
        **_tested(real_set, test),
        **_judged(settings, arm, real_set, pool, test, ledger, dataset),
    }
    picture = out.with_suffix(".png")
    figure.write(real_set, result, picture)
    write_json(out, result)
    ledger.close()
    if journal is not None:
        journal.final({f"detect_boxes/{score}": value for score, value in result["mean"].items()})
        journal.artifact(out, "detection")
        journal.artifact(picture, "detection")


def _tested(real: ImageSet, test: BoxPool) -> dict[str, Any]:
    """What the JSON says of the test images."""
    tested, truth = real.metadata.iloc[seen(real, "test")], drawn(test)
    return {
        "n_test": len(test),
        "n_background": len(test) - len(np.unique(truth.image)),
        "ids": tested["id"].tolist(),
        "groups": tested["group"].tolist(),
        "truth": _lists(truth),
    }


def _judged(
    settings: DetectBoxes, arm: str, real: ImageSet, pool: BoxPool, test: BoxPool, ledger: Ledger, dataset: str
) -> dict[str, Any]:
    """The repetitions, those in the ledger not run again, and their mean and spread."""
    names = [str(seed) for seed in range(settings.seeds)]
    done = sum(name in ledger.parts for name in names) * settings.steps
    with (
        memory_limit("detect.boxes.batch", settings.batch),
        progress(f"{dataset}: detector of boxes, {arm}", settings.seeds * settings.steps, "step", done) as bar,
    ):
        seeds = [
            ledger.once(name, partial(_repetition, settings, real, pool, test, seed, bar.update))
            for seed, name in enumerate(names)
        ]
    scores = {score: [seed[score] for seed in seeds] for score in SCORES}
    return {
        "mean": {score: float(np.mean(values)) for score, values in scores.items()},
        "spread": {score: float(np.std(values, ddof=1)) for score, values in scores.items()},
        "seeds": seeds,
    }


def _repetition(
    settings: DetectBoxes, real: ImageSet, pool: BoxPool, test: BoxPool, seed: int, tick: Callable[[int], object]
) -> dict[str, Any]:
    """The part of the JSON that one repetition fills."""
    began, classes = time.monotonic(), len(real.box_classes)
    network = train(settings, real.spec, classes, pool, seed, tick)
    said = listed(find(network, test, settings.batch))
    precision = average_precision(drawn(test), said, len(test), classes)
    return {
        "seed": seed,
        "map50": float(np.nanmean(precision[:, 0])),
        "map50_95": float(np.nanmean(precision)),
        "ap50": [_number(row[0]) for row in precision],
        "ap50_95": [_number(row.mean()) for row in precision],
        "found": _lists(said) | {"score": said.score.tolist()},
        "seconds": round(time.monotonic() - began, 2),
    }


def drawn(pool: BoxPool) -> Listed:
    """The boxes that people drew into the images of a pool."""
    image, place = np.nonzero(pool.classes >= 0)
    return Listed(image, pool.classes[image, place], _rounded(pool.boxes[image, place]), np.empty(0))


def listed(found: list[Found]) -> Listed:
    """What was found in image after image; as the JSON keeps it, so that its scores follow from its boxes."""
    image = np.repeat(np.arange(len(found)), [len(one.scores) for one in found])
    classes, boxes, scores = (np.concatenate([part.numpy() for part in parts]) for parts in _columns(found))
    return Listed(image, classes, _rounded(boxes), scores.astype(float).round(6))


def _columns(found: list[Found]):
    return ([getattr(one, name) for one in found] for name in ("classes", "boxes", "scores"))


def _rounded(boxes: np.ndarray) -> np.ndarray:
    """To a hundredth of a pixel."""
    return boxes.astype(float).round(2)


def _lists(boxes: Listed) -> dict[str, list]:
    return {"image": boxes.image.tolist(), "class": boxes.klass.tolist(), "box": boxes.box.tolist()}


def _name_missing(classes: list[str], pool: BoxPool, test: BoxPool, dataset: str) -> None:
    for where, there, so in (
        ("training", pool.classes, "it cannot be found"),
        ("test", test.classes, "the mean is that of the other classes"),
    ):
        missing = [name for k, name in enumerate(classes) if k not in there]
        if missing:
            say(f"{dataset}: no box of {', '.join(missing)} in the {where} images; {so}")


def _recipe(settings: DetectBoxes, arm: str, sets: list[ImageSet]) -> dict[str, Any]:
    """All that a repetition depends on; their number is not among it."""
    return {
        "version": METHOD["detect_boxes"],
        "arm": arm,
        "settings": settings.model_dump(exclude={"seeds"}),
        "images": [s.meta["data_hash"] for s in sets],
        "tables": [sha256(s.path / name) for s in sets for name in ("metadata.csv", "boxes.csv", "boxes.json")],
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)
