"""The strongest arm of box detectors without synthetic images: what the others are built on, and compared to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.downstream import baseline
from pipeline.downstream.boxes.arms import PLAIN


def strongest(results: Sequence[dict[str, Any]]) -> str:
    """Name of the plain arm that is best on the validation images, as `downstream.baseline.strongest` tells."""
    return baseline.strongest(results, PLAIN, rank)


def rank(scores: Sequence[dict[str, float]]) -> tuple[float, float]:
    """What is better on validation images is greater: the mean mAP50, then the mean mAP50-95."""
    return tuple(float(np.mean([score[key] for score in scores])) for key in ("map50", "map50_95"))
