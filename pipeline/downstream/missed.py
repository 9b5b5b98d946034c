"""What detectors of the real training images miss in the validation images: what more images might help most with.

Never in the test images, which judge: who draws what is missed there has looked at the answers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base import csvfile
from pipeline.base.device import best_device, memory_limit, reproducible, say_device
from pipeline.base.files import whole
from pipeline.base.job import progress, say
from pipeline.data import box_store
from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes.average_precision import BoxTable
from pipeline.downstream.boxes.box_dataset import annotated_rows
from pipeline.downstream.boxes.fit import find
from pipeline.downstream.boxes.matching import iou
from pipeline.downstream.boxes.scoring import drawn, listed
from pipeline.downstream.boxes.threshold import thresholds
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.task import DetectorSettings, Task

COLUMNS = ["id", "label", "missed"]
"""Image, its class or that of a box in it, and the share of the detectors that missed it. `x0`, `y0`, `x1`, `y1` come
after them where boxes are missed."""
DETECTORS = 3
SEED = 4000  # of the first: of no judged repetition, of no choice
OVERLAP = 0.5  # of intersection over union, from which a true box is found


def write_missed(task: Task, settings: DetectorSettings, real: Path, out: Path, dataset: str) -> None:
    """Train detectors on the real training images and write a table of what they miss in the validation images: a row
    an image, or a box, in the images' order; none where there are no validation images.

    Args:
        task: of the detectors, `classification` or `boxes`.
        settings: of the detectors.
        real: the image set.
        out: CSV file with COLUMNS.
        dataset: its name in the config, for messages.

    Raises:
        UserError: a data set that nothing can be learnt from.
    """
    images, device = ImageSet.open(real), best_device()
    task.check(images, dataset)
    say_device(f"{dataset}: what a {task.detector} misses", device, task.precision(settings, device))
    rows, misses = KINDS[task.name]
    table = rows(images)
    with reproducible(), memory_limit(f"{task.setting}.batch", settings.batch):
        data = task.training_set(settings, images, [], dataset, device)
        validation = task.validation_set(settings, images, data.device)
        mix = TrainingMix(np.arange(0), 0.0, augmented=True)
        count = DETECTORS if task.varies(settings, data, mix) else 1
        if validation is None:
            table, count = table.iloc[:0], 0
        missed = np.zeros(len(table))
        with progress(f"{dataset}: what is missed", count * task.steps(settings), "step") as bar:
            for i in range(count):
                detector = task.train(settings, images, data, mix, SEED + i, bar.update)
                missed += misses(detector, validation, settings, images) / count
    table = table.assign(missed=missed.round(6))
    by_class = table.groupby("label", sort=False)["missed"].agg(["sum", "size"])
    told = ", ".join(f"{name} {row['sum']:.3g} of {row['size']:.0f}" for name, row in by_class.iterrows())
    say(f"{dataset}: missed of the validation images' {task.examples}: {told or 'nothing'}")
    with whole(out) as part:
        csvfile.write(table, part)


def _classified(images: ImageSet) -> pd.DataFrame:
    return images.metadata.iloc[images.rows("val")][["id", "label"]].reset_index(drop=True)


def _misclassified(detector: Any, validation: Any, settings: Any, images: ImageSet) -> np.ndarray:
    """(n,) of each image whether it is taken for another class."""
    return detector.log_probabilities(validation).argmax(1) != validation.labels.cpu().numpy()


def _boxed(images: ImageSet) -> pd.DataFrame:
    """In the order of `drawn`: by image, then as the table of boxes has them."""
    ids = images.metadata["id"].iloc[annotated_rows(images, "val")]
    assert images.boxes is not None  # of a set with boxes
    places = images.boxes["id"].map({name: i for i, name in enumerate(ids)})
    own = images.boxes[places.notna()]
    return own.iloc[np.argsort(places.dropna().to_numpy(), kind="stable")][box_store.COLUMNS].reset_index(drop=True)


def _not_found(detector: Any, validation: Any, settings: Any, images: ImageSet) -> np.ndarray:
    """(n,) of each true box whether none of its class, as sure as its best threshold asks, overlaps it enough."""
    truth, said = drawn(validation), listed(find(detector, validation, settings.batch))
    lowest = [of.value for of in thresholds(truth, said, len(images.box_classes))]
    limits = np.array([np.inf if value is None else value for value in lowest])
    return ~found(truth, said, limits)


def found(truth: BoxTable, said: BoxTable, limits: np.ndarray) -> np.ndarray:
    """(n,) bool, of each true box whether a found one of its class and image, of a score of `limits` of the class or
    above, has at least OVERLAP of intersection over union with it."""
    sure = said.score >= limits[said.class_id]
    same = (truth.image[:, None] == said.image) & (truth.class_id[:, None] == said.class_id) & sure
    return (same & (iou(truth.box[:, None], said.box) >= OVERLAP)).any(1)


KINDS: dict[str, tuple[Callable[[ImageSet], pd.DataFrame], Callable[..., np.ndarray]]] = {
    "classification": (_classified, _misclassified),
    "boxes": (_boxed, _not_found),
}
