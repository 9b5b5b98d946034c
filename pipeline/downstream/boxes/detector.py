"""What every detector of boxes is to the code that trains and judges it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

# What all detectors say: nothing is chosen by looking at scores.
FLOOR = 0.01  # lowest score of a box that is said; the average precision weighs the rest by their scores
OVERLAP = 0.5  # of two boxes of one class that overlap by more (intersection over union), only the surer one stays


class BoxTargets(NamedTuple):
    """The boxes that people drew into a batch of images."""

    boxes: Tensor
    """(B, M, 4) float32, x0, y0, x1, y1 in pixels; an image of fewer than M boxes is filled up with zeros."""
    classes: Tensor
    """(B, M) int64 in [0, K); -1 where there is no box."""


class Detections(NamedTuple):
    """The boxes that a detector found in one image, at most `average_precision.MOST`, surest first."""

    boxes: Tensor
    """(n, 4) float32, x0, y0, x1, y1 in pixels, inside the image."""
    classes: Tensor
    """(n,) int64 in [0, K)."""
    scores: Tensor
    """(n,) float32 in [FLOOR, 1]."""


class BoxDetector(nn.Module, ABC):
    """A network that finds boxes in images of one size."""

    again = True
    """Whether the images that it is shown are shown again and again: all but augmented ones."""

    @abstractmethod
    def losses(self, images: Tensor, marks: BoxTargets) -> dict[str, Tensor]:
        """Scalars whose sum is minimised, for images (B, C, H, W) in [-1, 1]; in training mode."""

    @abstractmethod
    def detect(self, images: Tensor) -> list[Detections]:
        """What is found in each of (B, C, H, W) images in [-1, 1]; in evaluation mode."""
