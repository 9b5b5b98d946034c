"""Synthetic images without boxes get the boxes that a detector of the real training images finds in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.base.device import best_device, memory_limit, say_device
from pipeline.base.files import write_json, writing
from pipeline.base.job import progress, say
from pipeline.data import box_store
from pipeline.data.annotations.clip import SMALLEST
from pipeline.data.image_set import ImageSet, ImageSetWriter
from pipeline.data.preparing import preview
from pipeline.downstream.boxes.box_dataset import BoxDataset, choosing, training, without_boxes
from pipeline.downstream.boxes.detector import BoxDetector, Detections
from pipeline.downstream.boxes.fit import find, train
from pipeline.downstream.boxes.scoring import drawn, listed
from pipeline.downstream.boxes.threshold import NOT_CHOSEN, Threshold, thresholds
from pipeline.downstream.classifier.device_dataset import check_kind
from pipeline.downstream.fit import diverged
from pipeline.settings import METHOD, DetectBoxes

TEACHER = 3000  # seed of the detector that labels: of no judged repetition and of no selection run
CHUNK = 1024  # images looked at between two writings
NUMBERS, PICTURE = "pseudo_labels.json", "pseudo_labels.png"
KEPT, NOTHING, OTHER = "kept", "nothing sure", "another class"


class Labelled(NamedTuple):
    """What became of the synthetic images, in their order."""

    rows: list[tuple]
    """Boxes, as `box_store.COLUMNS`."""
    fates: list[str]
    """KEPT, NOTHING or OTHER, of each image."""


@dataclass(frozen=True)
class Teacher:
    """A detector that labels."""

    network: BoxDetector
    limits: np.ndarray
    """(K,) lowest score of a label of each class, infinite where none is."""
    classes: list[str]

    def judged(self, label: str, found: Detections) -> tuple[list[tuple], str]:
        """The boxes (class, x0, y0, x1, y1) that an image of a class gets, and its fate.

        An image in which nothing sure is found is no background: the detector may have missed it. Nor is one used in
        which something else is found than was asked for: generator and detector cannot both be right. That can be
        said only where the class of the image is one of the boxes' too; a scratch on a `bad` part is nothing odd.
        """
        classes, boxes, scores = listed([found])[1:]
        large = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST).all(1)
        sure = large & (scores >= self.limits[classes])
        names = [self.classes[k] for k in classes[sure]]
        if not names:
            return [], NOTHING
        if label in self.classes and set(names) != {label}:
            return [], OTHER
        return [(name, *box) for name, box in zip(names, boxes[sure].tolist(), strict=True)], KEPT


def pseudo_label(
    settings: DetectBoxes, real: Path, synthetic: Path, out: Path, dataset: str, model: str, journal=None
) -> None:
    """Write the synthetic images once more, with the boxes that are found in them.

    The detector learns from the real training images whose boxes are known, and from nothing else. How sure it must be
    of a box of each class is chosen on the real validation images (`threshold.thresholds`); without boxes in them it is
    FIXED. Test images are never read. The boxes of an image that is of no use are `unknown`, so that no detector learns
    from it.

    Args:
        settings: of the detector, which is trained like those of an arm.
        real: image set with boxes.
        synthetic: image set of a model, without boxes.
        out: folder that becomes an image set with boxes, the images of `synthetic` in their order; NUMBERS and PICTURE
            beside them say and show what was chosen and what became of the images.
        dataset: name of the data set in the config, for messages.
        model: name of the model, too.
        journal: of the tracking, or None.

    NUMBERS holds `version`, `dataset`, `model`, `settings`, `seed` and `n_real` (training images) of the detector,
    `n_validation` (images the thresholds were chosen by), `thresholds` (of each class: its name and the fields of
    `Threshold`), `images` (of each class of images, how many met which fate), `boxes` (labels of each class) and
    `notes`, sentences on what was not as one would expect.

    Raises:
        UserError: no boxes to learn from, images unlike the real ones, a training that diverged, or a full disk.
    """
    real_set, made = ImageSet.open(real), ImageSet.open(synthetic)
    check_kind(made, real_set)
    with memory_limit("detect.boxes.batch", settings.batch):
        teacher, facts = _taught(settings, real_set, dataset)
        with writing(out):
            labelled = _label(teacher, settings, made, out, f"{dataset}: labels of {model}")
    notes = _notes(facts["thresholds"], labelled, len(made))
    boxes = pd.DataFrame(labelled.rows, columns=box_store.COLUMNS)
    unknown = [own for own, fate in zip(made.metadata["id"], labelled.fates, strict=True) if fate != KEPT]
    box_store.write(out, ImageSet.open(out).meta["data_hash"], boxes, teacher.classes, unknown)
    result = {"model": model} | facts | _counts(made, labelled, teacher.classes) | {"notes": notes}
    lines = [f"{len(made) - len(unknown)} of {len(made)} images labelled with {len(boxes)} boxes", *notes]
    for line in lines:
        say(f"{dataset}: {line}")
    preview.write(ImageSet.open(out), lines, out / PICTURE, boxes=True)
    write_json(out / NUMBERS, result)
    if journal is not None:
        journal.final({"pseudo_labels/kept": (len(made) - len(unknown)) / len(made)})
        journal.artifact(out / PICTURE, "detection")


def _taught(settings: DetectBoxes, real: ImageSet, dataset: str) -> tuple[Teacher, dict[str, Any]]:
    """The detector, and what the JSON says of it."""
    device, classes = best_device(), real.box_classes
    say_device(f"{dataset}: detector that labels", device)
    pool = training(real, [], dataset, device)
    with progress(f"{dataset}: detector that labels", settings.steps, "step") as bar:
        try:
            network = train(settings, real.spec, len(classes), pool, TEACHER, bar.update)
        except FloatingPointError as error:
            raise diverged("detect.boxes", settings.learning_rate, error) from error
    judges = choosing(real, device)
    chosen = _chosen(network, judges, settings.batch, len(classes))
    limits = np.array([np.inf if one.value is None else one.value for one in chosen])
    facts = {
        "version": METHOD["pseudo_label"],
        "dataset": dataset,
        "settings": settings.model_dump(),
        "seed": TEACHER,
        "n_real": len(pool),
        "n_validation": 0 if judges is None else len(judges),
        "thresholds": [{"class": name} | one._asdict() for name, one in zip(classes, chosen, strict=True)],
    }
    return Teacher(network, limits, classes), facts


def _chosen(network: BoxDetector, judges: BoxDataset | None, batch: int, classes: int) -> list[Threshold]:
    if judges is None:
        return [NOT_CHOSEN] * classes
    return thresholds(drawn(judges), listed(find(network, judges, batch)), classes)


def _label(teacher: Teacher, settings: DetectBoxes, made: ImageSet, out: Path, title: str) -> Labelled:
    """Copies the images and labels them, part by part, so that their number is bounded by the disk alone."""
    labelled = Labelled([], [])
    _, height, width, channels = made.images.shape
    with (
        ImageSetWriter(out, len(made), height, width, channels, made.images.dtype.name) as writer,
        progress(title, len(made)) as bar,
    ):
        for rows in np.split(np.arange(len(made)), range(CHUNK, len(made), CHUNK)):
            writer[rows[0] : rows[-1] + 1] = made.images[rows]
            found = find(teacher.network, without_boxes(made, rows, best_device()), settings.batch)
            for row, one in zip(rows, found, strict=True):
                boxes, fate = teacher.judged(made.metadata["label"][row], one)
                labelled.rows.extend((made.metadata["id"][row], *box) for box in boxes)
                labelled.fates.append(fate)
            bar.update(len(rows))
        writer.finish(made.metadata, made.meta)
    return labelled


def _counts(made: ImageSet, labelled: Labelled, classes: list[str]) -> dict[str, Any]:
    fates = Counter(zip(made.metadata["label"], labelled.fates, strict=True))
    boxes = Counter(label for _, label, *_ in labelled.rows)
    images = {label: {fate: fates[label, fate] for fate in (KEPT, NOTHING, OTHER)} for label in made.meta["classes"]}
    return {"images": images, "boxes": {name: boxes[name] for name in classes}}


def _notes(chosen: list[dict[str, Any]], labelled: Labelled, n: int) -> list[str]:
    notes = []
    fixed = [one["value"] for one in chosen if one["by"] == "fixed"]
    if fixed:
        notes.append(f"no validation image has a box: every box with a score of {fixed[0]:g} and above is a label")
    never = [one["class"] for one in chosen if one["value"] is None]
    if never:
        notes.append(
            f"no box is labelled {', '.join(never)}: of the boxes that the detector found in validation images none "
            "was right"
        )
    if KEPT not in labelled.fates:
        notes.append(f"none of {n} synthetic images can be labelled; their arm learns from real images alone")
    return notes
