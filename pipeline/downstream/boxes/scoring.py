"""What a trained detector of boxes is worth, as the JSON of an arm holds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.downstream.boxes.average_precision import BoxTable, average_precision
from pipeline.downstream.boxes.box_dataset import BoxDataset
from pipeline.downstream.boxes.detector import BoxDetector, Detections
from pipeline.downstream.boxes.fit import find
from pipeline.downstream.records import finite


def validation_scores(network: BoxDetector, pool: BoxDataset, classes: int, batch: int) -> dict[str, float]:
    """`map50` and `map50_95` in [0, 1] on images with boxes, of K = `classes`, looked at `batch` at a time."""
    return _means(_judged(network, pool, classes, batch)[0])


def test_record(network: BoxDetector, pool: BoxDataset, classes: int, batch: int) -> dict[str, Any]:
    """The scores of one repetition and the boxes found, as `records.BoxRepetition` has them."""
    precision, said = _judged(network, pool, classes, batch)
    return _means(precision) | {
        "ap50": [finite(row[0]) for row in precision],
        "ap50_95": [finite(row.mean()) for row in precision],
        "found": lists(said) | {"score": said.score.tolist()},
    }


def drawn(pool: BoxDataset) -> BoxTable:
    """The boxes that people drew into the images of a pool."""
    image, place = np.nonzero(pool.classes >= 0)
    return BoxTable(image, pool.classes[image, place], _rounded(pool.boxes[image, place]), np.empty(0))


def listed(found: list[Detections]) -> BoxTable:
    """What was found in image after image; as the JSON keeps it, so that its scores follow from its boxes."""
    image = np.repeat(np.arange(len(found)), [len(one.scores) for one in found])
    classes, boxes, scores = (np.concatenate([part.numpy() for part in parts]) for parts in _columns(found))
    return BoxTable(image, classes, _rounded(boxes), scores.astype(float).round(6))


def lists(boxes: BoxTable) -> dict[str, list]:
    """Boxes as JSON holds them."""
    return {"image": boxes.image.tolist(), "class_id": boxes.class_id.tolist(), "box": boxes.box.tolist()}


def _judged(network: BoxDetector, pool: BoxDataset, classes: int, batch: int) -> tuple[np.ndarray, BoxTable]:
    said = listed(find(network, pool, batch))
    return average_precision(drawn(pool), said, len(pool), classes), said


def _means(precision: np.ndarray) -> dict[str, float]:
    """Over the classes that have boxes."""
    return {"map50": float(np.nanmean(precision[:, 0])), "map50_95": float(np.nanmean(precision))}


def _columns(found: list[Detections]):
    return ([getattr(one, name) for one in found] for name in ("classes", "boxes", "scores"))


def _rounded(boxes: np.ndarray) -> np.ndarray:
    """To a hundredth of a pixel."""
    return boxes.astype(float).round(2)
