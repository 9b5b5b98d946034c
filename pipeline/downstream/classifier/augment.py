"""Classical augmentation of gray images, a batch at a time and without a loop over images."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.base.device import upload

# Largest changes. Moderate on purpose: a texture must stay what its label says.
SHIFT = 1 / 8  # of the side
TURN = math.radians(10)
ZOOM = 1.1  # times as large, or as small
BRIGHTER = 0.2  # on the scale [-1, 1]
CONTRAST = 1.25  # times, or its inverse
SHARPER = 0.5  # of what a 3 × 3 mean takes away, added or taken away
NOISE = 0.08  # standard deviation on the scale [-1, 1]
KNOBS = 9


class AugmentationRng:
    """Chance of one training, drawn from its seed: place for place the same in every arm of that seed."""

    def __init__(self, seed: int, device: torch.device):
        # On the CPU, so that they are the same whatever trains; only the noise is drawn where it is needed.
        self._knobs = torch.Generator().manual_seed(seed)
        self._noise = torch.Generator(device).manual_seed(seed)

    def draw(self, images: Tensor, knobs: int) -> tuple[Tensor, Tensor]:
        """For N images: (N, knobs), uniform in [-1, 1], and standard normal noise of the shape of the images."""
        values = torch.rand(len(images), knobs, generator=self._knobs) * 2 - 1
        return upload(values, images.device), torch.empty_like(images).normal_(generator=self._noise)


class Augmentation:
    """Changes of the images of one training."""

    def __init__(self, seed: int, device: torch.device):
        self._rng = AugmentationRng(seed, device)

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> the same, changed."""
        return distorted(images, *self._rng.draw(images, KNOBS))


def distorted(images: Tensor, knobs: Tensor, noise: Tensor) -> Tensor:
    """Each image shifted by whole pixels, half of them also turned and zoomed; then contrast, brightness, blur, noise.

    Only half are turned and zoomed, since interpolation smooths and the images to judge are not smoothed. What comes in
    over an edge is the mirror image of what is beside it.

    Args:
        images: (N, C, H, W) in [-1, 1].
        knobs: (N, 9) in [-1, 1]: shift down, shift right, turn, zoom, whether to turn and zoom (positive: yes),
            brightness, contrast, sharpness, noise; all 0 changes nothing.
        noise: (N, C, H, W), standard normal.

    Returns:
        (N, C, H, W) in [-1, 1]: what leaves the scale is cut, as a camera does it.
    """
    down, right, turn, zoom, smooth, brighter, contrast, sharper, noisy = knobs.T
    images = _moved(images, down, right, *(torch.where(smooth > 0, knob, 0) for knob in (turn, zoom)))
    return toned(images, brighter, contrast, sharper, noisy, noise)


def toned(images: Tensor, brighter: Tensor, contrast: Tensor, sharper: Tensor, noisy: Tensor, noise: Tensor) -> Tensor:
    """Each image sharpened or blurred, its contrast, brightness and noise changed; nothing moves.

    Args:
        images: (N, C, H, W) in [-1, 1].
        brighter, contrast, sharper, noisy: (N,) in [-1, 1]; all 0 changes nothing, nor does a negative `noisy`.
        noise: (N, C, H, W), standard normal.

    Returns:
        (N, C, H, W) in [-1, 1]: what leaves the scale is cut, as a camera does it.
    """
    brighter, contrast, sharper, noisy = (k[:, None, None, None] for k in (brighter, contrast, sharper, noisy))
    blurred = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    images = images + SHARPER * sharper * (images - blurred)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + CONTRAST**contrast * (images - mean) + BRIGHTER * brighter
    return (images + NOISE * noisy.clamp(min=0) * noise).clamp(-1, 1)


def _moved(images: Tensor, down: Tensor, right: Tensor, turn: Tensor, zoom: Tensor) -> Tensor:
    """By an affine map of the sampling grid, whose coordinates run from -1 to 1 on both axes."""
    height, width = images.shape[2:]
    cos, sin = torch.cos(TURN * turn) * ZOOM**zoom, torch.sin(TURN * turn) * ZOOM**zoom
    # Whole pixels: sampling at their centres is exact.
    dy, dx = ((SHIFT * side * knob).round() * 2 / side for knob, side in ((down, height), (right, width)))
    rows = [cos, -sin * height / width, dx, sin * width / height, cos, dy]
    return resampled(images, rows, "reflection")


def resampled(images: Tensor, rows: list[Tensor], padding: str) -> Tensor:
    """Images under affine maps of their sampling grid.

    Args:
        images: (N, C, H, W).
        rows: six of (N,), the maps' two rows of three.
        padding: of `grid_sample`, for what comes in over an edge.
    """
    grid = functional.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode=padding, align_corners=False)
    return moved.contiguous(memory_format=torch.channels_last)
