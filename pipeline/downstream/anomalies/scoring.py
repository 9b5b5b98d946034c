"""What a trained anomaly detector's answers are worth, as the JSON of an arm holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from pipeline.downstream.anomalies.dataset import JudgedPatches
from pipeline.downstream.anomalies.jackknife import RECALLS
from pipeline.downstream.anomalies.patches import highest
from pipeline.downstream.anomalies.scores import LEVELS, average_precision, pixel_levels, recall_at
from pipeline.downstream.classifier.scores import auroc

SHARE = 0.01  # of the patches of an image, whose mean score is that of the image


class Detector(Protocol):
    """What says of patches how bad they are."""

    def scores(self, patches: NDArray) -> NDArray[np.float64]:
        """(...) of patches (..., d); the higher the worse."""
        ...


def validation_scores(detector: Detector, of: JudgedPatches) -> dict[str, float]:
    """`auroc`, and `pixel_ap`, which tells equal ones apart; 0 where no mask is known."""
    maps = _maps(detector, of)
    whole, _ = _pixels(maps, of) or (0.0, [])
    return {"auroc": auroc(of.bad, _images(maps)), "pixel_ap": whole}


def test_record(detector: Detector, of: JudgedPatches) -> dict[str, Any]:
    """The scores of one repetition, as `records.AnomalyRepetition` describes them, without `seed` and `seconds`."""
    maps = _maps(detector, of)
    scores = np.round(_images(maps), 5)
    whole, without = _pixels(maps, of) or (None, None)
    recalls = {name: recall_at(of.bad, scores, alarms) for name, alarms in RECALLS.items()}
    pixels = {"pixel_ap": whole, "pixel_ap_without": without}
    return {"auroc": auroc(of.bad, scores), "scores": scores.tolist()} | recalls | pixels


def _maps(detector: Detector, of: JudgedPatches) -> NDArray[np.float32]:
    """(N, P, Q)."""
    return np.stack([detector.scores(one.astype(np.float32)) for one in of.patches]).astype(np.float32)


def _images(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    return highest(maps.reshape(len(maps), -1), SHARE)


def _pixels(maps: NDArray[np.float32], of: JudgedPatches) -> tuple[float, list[float] | None] | None:
    """Pixel average precision, and that without each group (None where one group alone has known defects); None where
    no defect is known."""
    known = np.flatnonzero(of.known)
    if not of.masks[known].any():
        return None
    size = of.masks.shape[1:]
    fine = F.interpolate(torch.from_numpy(maps[known])[:, None], size, mode="bilinear")[:, 0].numpy()
    names, group = np.unique(of.groups, return_inverse=True)

    def levels() -> Iterator[NDArray]:
        return pixel_levels(fine, of.masks[known], group[known], len(names))

    total = sum(levels(), np.zeros((2, LEVELS), np.int64))
    without = [average_precision(total - own) for own in levels()]
    return average_precision(total), None if np.isnan(without).any() else without
