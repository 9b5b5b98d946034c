"""Images with boxes where somebody wants them, of models that draw what they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from pipeline.models.base import DrawsBoxes, Sampler
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
