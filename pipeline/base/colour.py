"""Gray and colour: which of the two an image is, and from one to the other."""

from __future__ import annotations

import numpy as np

# Of red, green, blue: ITU-R BT.601, the weights of JPEG, Pillow, OpenCV and MATLAB, so that images that were made gray
# elsewhere are as gray as those that are made gray here.
LUMA = (0.299, 0.587, 0.114)


def has_colour(pixels: np.ndarray, low: float, high: float) -> bool:
    """Whether an image shows colour, not gray stored three times; `low` to `high` is its range of values.

    JPEG rounds equal channels apart by a level or two, so a pixel counts from 2 % of the range on, and an image from
    one pixel in a thousand.
    """
    if pixels.ndim == 2:
        return False
    if np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 1], pixels[..., 2]):
        return False
    spread = pixels.max(axis=2).astype(np.float32) - pixels.min(axis=2).astype(np.float32)
    return float(np.mean(spread > 0.02 * (high - low))) > 0.001


def to_gray(pixels: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, 3) -> (H, W, 1); equal channels keep their exact values and type, others become luma."""
    if pixels.ndim == 2:
        return pixels[..., None]
    red, green, blue = (pixels[..., i] for i in range(3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return pixels[..., :1]
    return luminance(pixels)[..., None]


def luminance(pixels: np.ndarray) -> np.ndarray:
    """(..., 1) or (..., 3) -> (...), gray values in the images' own unit: LUMA of red, green and blue."""
    if pixels.shape[-1] == 1:
        return pixels[..., 0]
    return LUMA[0] * pixels[..., 0] + LUMA[1] * pixels[..., 1] + LUMA[2] * pixels[..., 2]


def to_rgb(pixels: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, 3) -> (H, W, 3)."""
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def cmyk_to_rgb(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 4) inks, unsigned -> (H, W, 3) of the same type, by the plain rule (1 - ink)(1 - black)."""
    if pixels.dtype.kind != "u":
        raise TypeError(f"inks of type {pixels.dtype}")
    full = float(np.iinfo(pixels.dtype).max)
    paper = 1 - pixels.astype(np.float32) / full
    return np.rint(paper[..., :3] * paper[..., 3:] * full).astype(pixels.dtype)
