"""Average precision as COCO counts it (Lin et al. 2014), by faster-coco-eval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

MOST = 100  # boxes an image, as COCO counts them
OVERLAPS = np.linspace(0.5, 0.95, 10)  # intersection over union at which a box counts as found


class BoxTable(NamedTuple):
    """Boxes of several images, one after the other."""

    image: np.ndarray
    """(n,) int64, place of the image."""
    class_id: np.ndarray
    """(n,) int64 in [0, K)."""
    box: np.ndarray
    """(n, 4) x0, y0, x1, y1 in pixels."""
    score: np.ndarray
    """(n,) in [0, 1]; empty for boxes that people drew."""


def average_precision(truth: BoxTable, found: BoxTable, images: int, classes: int) -> np.ndarray:
    """Area under the curve of precision over recall, at 101 recalls, of boxes of any size.

    Args:
        truth: the boxes that people drew.
        found: the boxes of a detector, of which the surest 100 of each class count in an image.
        images: number of images; in one without true boxes every found box is a false alarm.
        classes: K.

    Returns:
        (K, 10) in [0, 1], for each class at each of `OVERLAPS`; NaN for a class without true boxes. The mean of the
        whole is COCO's AP (mAP50-95), that of the first column mAP50.
    """
    listed = {
        "info": {},
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": k, "name": str(k)} for k in range(classes)],
        "annotations": [
            {"id": i, "area": mark["bbox"][2] * mark["bbox"][3], "iscrowd": 0} | mark
            for i, mark in enumerate(_marks(truth), 1)
        ],
    }
    precision = np.full((classes, len(OVERLAPS)), np.nan)
    has = np.isin(np.arange(classes), truth.class_id)
    precision[has] = 0
    if not len(found.class_id):  # nothing can be loaded, and nothing was found
        return precision
    scored = [mark | {"score": score} for mark, score in zip(_marks(found), found.score.tolist(), strict=True)]
    known = COCO(listed)
    judge = COCOeval_faster(known, known.loadRes(scored), "bbox")
    judge.params.iouThrs, judge.params.maxDets = OVERLAPS, [MOST]
    judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
    judge.evaluate()
    judge.accumulate()
    precision[has] = judge.eval["precision"][:, :, has, 0, 0].mean(1).T  # (overlaps, recalls, classes, areas, most)
    return precision


def _marks(boxes: BoxTable) -> list[dict]:
    size = boxes.box[:, 2:] - boxes.box[:, :2]
    columns = boxes.image.tolist(), boxes.class_id.tolist(), np.concatenate([boxes.box[:, :2], size], 1).tolist()
    return [{"image_id": i, "category_id": k, "bbox": box} for i, k, box in zip(*columns, strict=True)]
