"""One arm of the comparison of box detectors: train on its images, find boxes in the real test images, score them."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.device import best_device, memory_limit, say_device
from pipeline.base.files import read_json, sha256, write_json
from pipeline.base.job import progress, say
from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import figure, selection
from pipeline.downstream.boxes.arms import BoxArm
from pipeline.downstream.boxes.baseline import strongest
from pipeline.downstream.boxes.box_dataset import BoxPool, check, choosing, judging, marked, seen, training
from pipeline.downstream.boxes.detector import BoxDetector
from pipeline.downstream.boxes.fit import train
from pipeline.downstream.boxes.scoring import SCORES, drawn, judged, lists, on_validation
from pipeline.downstream.boxes.selection import Choice
from pipeline.downstream.classifier.fit import Diet
from pipeline.downstream.resumable import Ledger
from pipeline.settings import METHOD, DetectBoxes

SET = ("meta.json", "metadata.csv", "boxes.csv", "boxes.json")


def run_arm(
    settings: DetectBoxes,
    real: Path,
    synthetic: list[Path],
    plain: list[Path],
    arm: BoxArm,
    out: Path,
    state: Path,
    dataset: str,
    journal=None,
) -> None:
    """Train and judge `settings.seeds` detectors on what the arm may see.

    Every arm takes the same number of optimiser steps. Repetition s has the same initial weights and, place for place,
    the same real images, turned and augmented alike, in every arm of one augmentation (`order.batches`). An arm with
    synthetic sets takes the augmentation over from the strongest plain arm (`basis.strongest`); how many of their
    images it takes is chosen on the `val` images (`choose`). The `test` images are read when all that is chosen, and
    the last weights are judged by them, once. Only images whose boxes are known are seen.

    Args:
        settings: of the detectors.
        real: image set with boxes; its `train` rows train, its `val` rows choose, its `test` rows judge.
        synthetic: image sets with boxes, those of `arm.made`. The classes of their boxes may be a subset of the real
            ones.
        plain: JSON files of the plain arms, for an arm with synthetic sets.
        arm: what is trained on.
        out: JSON file to write; the PNG of that name beside it shows what the first repetition found.
        state: JSON file of what is done so far: a killed job goes on with the rest. Removed at the end.
        dataset: name of the data set in the config, for messages.
        journal: of the tracking, or None.

    `out` holds `version`, `task`, `dataset`, `arm`, `models` (of each synthetic set its `model` and how it was `made`;
    none in a plain arm), `basis` (name of the plain arm taken over, null in a plain arm), `classes` (of boxes),
    `steps`, `settings`; `augmented`; `ratio` (synthetic images for each real one; 0 in a plain arm), `candidates`,
    `validation` and `notes` (see `choose.Choice`); `n_real`, `n_synthetic`, `n_test` (images whose boxes are known),
    `n_background` (test images without a box); `ids` and `groups` of the test images; `truth`, their boxes; `mean` and
    `spread` (standard deviation over the repetitions) of each of SCORES; and `seeds`, for each repetition its `seed`,
    `map50`, `map50_95`, `ap50` and `ap50_95` (of each class; null without true boxes), `found` and `seconds`. Boxes are
    lists of equal length: `image` (place in `ids`), `class`, `box` (x0, y0, x1, y1 in pixels) and `score` (of found
    ones). What is not judged by is in there too, so that intervals can be drawn later without training again.

    Raises:
        UserError: no boxes to learn from or to be judged by, an unsuitable synthetic set, or a training that diverged.
    """
    real_set, sets = ImageSet.open(real), [ImageSet.open(path) for path in synthetic]
    check(real_set, dataset)
    basis = strongest([read_json(path, "arm", "validation") for path in plain]) if arm.made else None
    ledger = Ledger(state, _recipe(settings, arm, basis, [real_set, *sets]))
    pool = training(real_set, sets, dataset, best_device())
    say_device(f"{dataset}: detector of boxes, {arm.name}", pool.images.stored.device)
    choice, test, done = _detectors(settings, arm, basis, real_set, pool, dataset, ledger)

    choice.notes += [*_absent(real_set, sets), *_seen_by_generators(arm, real_set)]
    for note in choice.notes:
        say(f"{dataset}, {arm.name}: {note}")
    result = _head(settings, arm, basis, dataset, real_set) | _fed(arm, choice, pool)
    result |= _tested(real_set, test) | _summed(done) | {"seeds": done}
    picture = out.with_suffix(".png")
    figure.write(real_set, result, picture)
    write_json(out, result)
    if journal is not None:
        journal.final({f"detect_boxes/{score}": value for score, value in result["mean"].items()})
        journal.artifact(out, "detection")
        journal.artifact(picture, "detection")
    ledger.close()  # last of all: the output of a job that fails is thrown away


def _detectors(
    settings: DetectBoxes, arm: BoxArm, basis: str | None, real: ImageSet, pool: BoxPool, dataset: str, ledger: Ledger
) -> tuple[Choice, BoxPool, list[dict[str, Any]]]:
    """What was chosen, the test images, and every repetition; what the ledger has is not done again."""
    device, classes = pool.images.stored.device, len(real.box_classes)
    validation = choosing(real, device)
    total = selection.trainings(settings, arm, validation is not None)
    with (
        memory_limit("detect.boxes.batch", settings.batch),
        progress(
            f"{dataset}: detector of boxes, {arm.name}",
            total * settings.steps,
            "step",
            len(ledger.parts) * settings.steps,
        ) as bar,
    ):
        teach = partial(_teach, settings, real, pool, bar.update)
        attempt = partial(_attempt, teach, validation, classes, settings.batch) if validation is not None else None
        if basis is None:
            choice = selection.plain(settings, arm, pool, attempt, ledger)
        else:
            choice = selection.choose(settings, basis, pool, attempt, ledger)
        test = judging(real, dataset, device)  # not before: whatever was chosen, it was not by these
        repeat = partial(_repetition, teach, choice.diet, test, classes, settings.batch)
        return choice, test, [ledger.once(f"seed {seed}", partial(repeat, seed)) for seed in range(settings.seeds)]


def _teach(settings: DetectBoxes, real: ImageSet, pool: BoxPool, tick, diet: Diet, seed: int) -> BoxDetector:
    return train(settings, real.spec, len(real.box_classes), pool, seed, tick, diet)


def _attempt(teach, validation: BoxPool, classes: int, batch: int, diet: Diet, seed: int) -> dict[str, float]:
    return on_validation(teach(diet, seed), validation, classes, batch)


def _repetition(teach, diet: Diet, test: BoxPool, classes: int, batch: int, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    scores = judged(teach(diet, seed), test, classes, batch)
    return {"seed": seed} | scores | {"seconds": round(time.monotonic() - began, 2)}


def _head(settings: DetectBoxes, arm: BoxArm, basis: str | None, dataset: str, real: ImageSet) -> dict[str, Any]:
    return {
        "version": METHOD["detect_boxes"],
        "task": "boxes",
        "dataset": dataset,
        "arm": arm.name,
        "models": [{"model": one.model, "made": one.how} for one in arm.made],
        "basis": basis,
        "classes": real.box_classes,
        "steps": settings.steps,
        "settings": settings.model_dump(),
    }


def _fed(arm: BoxArm, choice: Choice, pool: BoxPool) -> dict[str, Any]:
    return {
        "augmented": choice.diet.augmented,
        "ratio": choice.diet.ratio if arm.made else 0,
        "candidates": choice.candidates,
        "validation": choice.validation,
        "notes": choice.notes,
        "n_real": pool.images.n_real,
        "n_synthetic": len(pool) - pool.images.n_real,
    }


def _tested(real: ImageSet, test: BoxPool) -> dict[str, Any]:
    """What the JSON says of the test images."""
    tested, truth = real.metadata.iloc[seen(real, "test")], drawn(test)
    return {
        "n_test": len(test),
        "n_background": len(test) - len(np.unique(truth.image)),
        "ids": tested["id"].tolist(),
        "groups": tested["group"].tolist(),
        "truth": lists(truth),
    }


def _summed(done: list[dict[str, Any]]) -> dict[str, Any]:
    scores = {score: [seed[score] for seed in done] for score in SCORES}
    return {
        "mean": {score: float(np.mean(values)) for score, values in scores.items()},
        "spread": {score: float(np.std(values, ddof=1)) for score, values in scores.items()},
    }


def _absent(real: ImageSet, sets: list[ImageSet]) -> list[str]:
    """Notes on classes of boxes that cannot be found, or not be judged."""
    notes = []
    for of, split, where, so in (
        ([real, *sets], "train", "training", "it cannot be found"),
        ([real], "test", "test", "the mean is that of the other classes"),
    ):
        there = {label for images in of for label in marked(images, split)["label"]}
        missing = [name for name in real.box_classes if name not in there]
        if missing:
            notes.append(f"no box of {', '.join(missing)} in the {where} images; {so}")
    return notes


def _seen_by_generators(arm: BoxArm, real: ImageSet) -> list[str]:
    """A note where generators learnt from images that no detector may see."""
    more = len(real.rows("train")) - len(seen(real, "train"))
    if not more or all(one.how != "pseudo" for one in arm.made):
        return []
    return [f"its generators also learnt from {more} training images whose boxes are not known, which no detector sees"]


def _recipe(settings: DetectBoxes, arm: BoxArm, basis: str | None, sets: list[ImageSet]) -> dict[str, Any]:
    """All that a training depends on; the number of repetitions is not among it."""
    return {
        "version": METHOD["detect_boxes"],
        "arm": arm.name,
        "basis": basis,
        "settings": settings.model_dump(exclude={"seeds"}),
        # The description has the hash of the images and the symmetry.
        "sets": [sha256(s.path / name) for s in sets for name in SET],
    }
