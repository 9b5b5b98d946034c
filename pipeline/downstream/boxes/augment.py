"""Classical augmentation of gray images with boxes, a batch at a time and without a loop over images."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.data.annotations.clip import SMALLEST
from pipeline.downstream.boxes.detector import BoxTargets
from pipeline.downstream.classifier.augment import SHIFT, AugmentationRng, resampled, toned

ZOOM = 1.25  # times as large, or as small; defects of one kind differ in size more than textures do
VISIBLE = 0.5  # of what an image can show of a box, at least, or it is none: the default of `boxes.visible`
KNOBS = 8


class BoxAugmentation:
    """Changes of the images and boxes of one training."""

    def __init__(self, seed: int, device: torch.device):
        self._rng = AugmentationRng(seed, device)

    def __call__(self, images: Tensor, marks: BoxTargets) -> tuple[Tensor, BoxTargets]:
        """(B, C, H, W) images in [-1, 1] and their boxes -> the same, changed."""
        return distorted(images, marks, *self._rng.draw(images, KNOBS))


def distorted(images: Tensor, marks: BoxTargets, knobs: Tensor, noise: Tensor) -> tuple[Tensor, BoxTargets]:
    """Each image shifted by whole pixels, half of them also zoomed; then contrast, brightness, blur, noise.

    As `pipeline.downstream.classifier.augment` does it, but for two things. Nothing is turned by a few degrees, for a
    box around a turned box is larger than the defect. And what comes in over an edge is the image's mean gray:
    a mirror image would show defects without a box.

    Args:
        images: (B, C, H, W) in [-1, 1].
        marks: their boxes.
        knobs: (B, 8) in [-1, 1]: shift up, shift left, zoom, whether to zoom (positive: yes), brightness, contrast,
            sharpness, noise; all 0 changes nothing.
        noise: (B, C, H, W), standard normal.

    Returns:
        images (B, C, H, W) in [-1, 1], and their boxes: moved along, cut at the edges, and left out (class -1) where
        less than VISIBLE is seen.
    """
    up, left, zoom, whether, brighter, contrast, sharper, noisy = knobs.T
    height, width = images.shape[2:]
    shift = torch.stack([(SHIFT * side * knob).round() for side, knob in ((width, left), (height, up))], 1)
    scale = ZOOM ** torch.where(whether > 0, zoom, 0)
    moved = toned(_moved(images, shift, scale), brighter, contrast, sharper, noisy, noise)
    return moved, carried(marks, shift, scale, height, width)


def carried(marks: BoxTargets, shift: Tensor, scale: Tensor, height: int, width: int) -> BoxTargets:
    """Boxes of images that were shifted and zoomed, by the rule of `pipeline.data.annotations.clip.seen`.

    Args:
        marks: the boxes, B images.
        shift: (B, 2) pixels, x and y, by which the content went left and up, before it was zoomed.
        scale: (B,) by which it was then made larger, about the middle of the image.
        height: of the images, pixels.
        width: of the images, pixels.
    """
    size = marks.boxes.new_tensor([width, height])
    low, high = (
        (corner - size / 2 - shift[:, None]) * scale[:, None, None] + size / 2
        for corner in (marks.boxes[..., :2], marks.boxes[..., 2:])
    )
    most = torch.minimum(high - low, size).prod(-1)  # what an image of this size can show of it
    low, high = (torch.minimum(corner.clamp(min=0), size) for corner in (low, high))
    part = high - low
    stays = (marks.classes >= 0) & (part >= SMALLEST).all(-1) & (part.prod(-1) >= VISIBLE * most)
    boxes = torch.where(stays[..., None], torch.cat([low, high], -1), 0)
    return BoxTargets(boxes, torch.where(stays, marks.classes, -1))


def _moved(images: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """By an affine map of the sampling grid, whose coordinates run from -1 to 1 on both axes."""
    height, width = images.shape[2:]
    # Whole pixels: sampling at their centres is exact.
    dx, dy = 2 * shift[:, 0] / width, 2 * shift[:, 1] / height
    none = torch.zeros_like(scale)
    rows = [1 / scale, none, dx, none, 1 / scale, dy]
    mean = images.mean((2, 3), keepdim=True)
    return resampled(images - mean, rows, "zeros") + mean
