"""Images whose layout somebody gives: boxes where defects shall be, or an image whose coarse picture they follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pipeline.base.pixels import normalised, stored
from pipeline.models.base import DrawsAround, DrawsBoxes, Sampler
from pipeline.models.layouts import Layout
from pipeline.settings import UserError
from pipeline.training.snapshots import with_latents

MOST = 32  # boxes of an image

Box = tuple[str, float, float, float, float]
"""Its class, and x0, y0, x1, y1 in pixels, half-open."""


def draw_arranged(model: Sampler, labels: Tensor, seeds: Tensor, boxes: Sequence[Box], batch: int) -> Iterator[Tensor]:
    """Images (n, C, H, W) float32 in [-1, 1] on the CPU, `batch` at a time, each with these boxes; none: background.

    Raises:
        UserError: a model that takes none, an unknown class, too many boxes, or one that is not within the image.
    """
    if not isinstance(model, DrawsBoxes) or not model.spec.boxes:
        raise UserError(f"layout: this {model.settings.family} knows no boxes; a `ddpm` with `boxes: true` does")
    layout = layout_of(boxes, model.spec.boxes, model.spec.height, model.spec.width)
    return (model.arrange(some, z, layout).cpu() for some, z in with_latents(model, labels, seeds, batch))


def draw_around(model: Sampler, labels: Tensor, seeds: Tensor, image: ArrayLike, batch: int) -> Iterator[Tensor]:
    """Images (n, C, H, W) float32 in [-1, 1] on the CPU, `batch` at a time, each around the coarse picture of an image.

    Args:
        image: (H, W, C), or (H, W) where C is 1, of uint8 or uint16 and the size of the model's images.

    Raises:
        UserError: a model that draws around none, or an image of another size or type.
    """
    if not isinstance(model, DrawsAround) or not model.pictures:
        raise UserError(
            f"like: this {model.settings.family} follows no image; a `projected_gan` does, and those of other families "
            "that were trained with `coarse_pictures: true` and without boxes"
        )
    pixels, shape = np.atleast_3d(np.array(image)), model.spec[:3]  # a copy: views may run backwards, or be read-only
    if pixels.shape != shape or pixels.dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"like: an image of {_size(pixels.shape)}, {pixels.dtype}; the model's are {_size(shape)}, uint8 or uint16"
        )
    seen = normalised(stored(pixels[None]))[0]
    return (model.follow(some, z, seen).cpu() for some, z in with_latents(model, labels, seeds, batch))


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def layout_of(boxes: Sequence[Box], classes: Sequence[str], height: int, width: int) -> Layout:
    """Boxes as a model of such classes and images is asked for them.

    Raises:
        UserError: an unknown class, too many boxes, or one that is not within the image.
    """
    if len(boxes) > MOST:
        raise UserError(f"layout: {len(boxes)} boxes, at most {MOST} can be asked for in an image")
    for name, *box in boxes:
        if name not in classes:
            raise UserError(f"layout: `{name[:80]}` is no class of boxes of the model; it has {', '.join(classes)}")
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):  # nor where one is no number
            shown = " ".join(f"{end:g}" for end in box)
            raise UserError(f"layout: {shown} is no box x0 y0 x1 y1 within {width} x {height} pixels")
    kinds = [classes.index(name) for name, *_ in boxes]
    ends = torch.tensor([box for _, *box in boxes], dtype=torch.float64).reshape(-1, 4)
    return Layout(torch.tensor(kinds, dtype=torch.int64), ends)
