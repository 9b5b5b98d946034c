"""Layouts: where the boxes of an image are, the masks that show them to a network, and which layout a drawn image gets.

Boxes are (x0, y0, x1, y1) in pixels, half-open: x along columns, y along rows, the first pixel from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

NUMBERS = 6  # standard normal numbers that a layout is drawn from
JITTER = 1 / 16  # of a side: the farthest that boxes are shifted


class Layout(NamedTuple):
    """The boxes of one image; none for background. On the CPU."""

    kinds: Tensor  # (m,) int64, classes of boxes
    boxes: Tensor  # (m, 4) float64


# ---------------------------------------------------------------- masks


def coverage(
    layouts: list[Layout], classes: int, height: int, width: int, device: torch.device | None = None
) -> Tensor:
    """(N, classes, height, width) float32 in [0, 1] on the device: how much of each pixel the boxes of a class cover.

    Exact for one box, so that edges between pixels are seen. Where boxes of one class overlap, the one that covers most
    of the pixel counts.
    """
    kinds, boxes = padded(layouts)
    return covered(kinds.to(device), boxes.to(device), classes, height, width)


def padded(layouts: list[Layout]) -> tuple[Tensor, Tensor]:
    """Kinds (N, M) int64 and boxes (N, M, 4) float32; images with fewer boxes than M are filled up with some of class 0
    from 0 to 0, which cover nothing."""
    kinds = pad_sequence([layout.kinds for layout in layouts], batch_first=True)
    return kinds, pad_sequence([layout.boxes.float() for layout in layouts], batch_first=True)


def covered(kinds: Tensor, boxes: Tensor, classes: int, height: int, width: int) -> Tensor:
    """`coverage`, (N, classes, height, width), of kinds (N, M) and boxes (N, M, 4) as `padded` gives them, on their
    device."""
    drawn = torch.zeros(len(kinds), classes, height, width, device=boxes.device)
    images = torch.arange(len(kinds), device=boxes.device)
    for kind, box in zip(kinds.unbind(1), boxes.unbind(1), strict=True):
        x0, y0, x1, y1 = box.unbind(1)
        covered = _covered(y0, y1, height)[:, :, None] * _covered(x0, x1, width)[:, None, :]  # (N, H, W)
        drawn[images, kind] = drawn[images, kind].maximum(covered)
    return drawn


def _covered(low: Tensor, high: Tensor, size: int) -> Tensor:
    """(N, size) share of each pixel of a row that the stretches from `low` to `high` (N,) cover."""
    pixel = torch.arange(size, device=low.device)
    return (torch.minimum(high[:, None], pixel + 1) - torch.maximum(low[:, None], pixel)).clamp(0, 1)


# ---------------------------------------------------------------- moves


def mirrored(boxes: Tensor, axis: int, size: int) -> Tensor:
    """Boxes (m, 4) of the image mirrored left-right (axis 0) or up-down (axis 1), `size` pixels along the axis."""
    moved = boxes.clone()
    moved[:, axis], moved[:, axis + 2] = size - boxes[:, axis + 2], size - boxes[:, axis]
    return moved


def transposed(boxes: Tensor) -> Tensor:
    """Boxes (m, 4) of the image whose rows become its columns."""
    return boxes[:, [1, 0, 3, 2]]


def shifted(boxes: Tensor, axis: int, size: int, u: float) -> Tensor:
    """Boxes (m, 4) shifted together along an axis, u in [0, 1] of the way from the farthest down to the farthest up.

    They stay whole and inside the image. An end on the border stays there, since the defect goes on beyond it; such a
    box keeps at least half of its length. The farthest is JITTER of the side, less where there is less room.
    """
    low, high = boxes[:, axis], boxes[:, axis + 2]
    first, last = low <= 0, high >= size
    inside, half = ~first & ~last, (high - low) / 2
    down = torch.cat([low[inside], low[~first & last], half[first & ~last]])
    up = torch.cat([(size - high)[inside], (size - high)[first & ~last], half[~first & last]])
    farthest = boxes.new_tensor([JITTER * size])
    down, up = torch.cat([down, farthest]).min(), torch.cat([up, farthest]).min()
    move = u * (down + up) - down
    moved = boxes.clone()
    moved[:, axis] = torch.where(first, low, low + move)
    moved[:, axis + 2] = torch.where(last, high, high + move)
    return moved


FLIPS: dict[str, list[Callable[[Tensor, int, int], Tensor]]] = {
    "none": [],
    "horizontal": [lambda boxes, height, width: mirrored(boxes, 0, width)],
    "vertical": [lambda boxes, height, width: mirrored(boxes, 1, height)],
    "both": [
        lambda boxes, height, width: mirrored(boxes, 0, width),
        lambda boxes, height, width: mirrored(boxes, 1, height),
    ],
    "dihedral": [
        lambda boxes, height, width: mirrored(boxes, 0, width),
        lambda boxes, height, width: mirrored(boxes, 1, height),
        lambda boxes, height, width: transposed(boxes),
    ],
}
"""Of each symmetry, moves that make its whole group if each is done or not: those of `pipeline.models.flips`."""


# ---------------------------------------------------------------- what a model keeps


class Book(nn.Module):
    """The layouts of the training images, from which those of drawn images are taken.

    It is in the model's weights as one table, so that nothing but the model is needed to draw. Only networks that are
    shown boxes have one; nothing of it is learnt.
    """

    COLUMNS = 7  # image, its class, class of the box (-1: an image without boxes), x0, y0, x1, y1

    def __init__(self):
        super().__init__()
        self.table = torch.zeros(0, self.COLUMNS, dtype=torch.float64)

    def write(self, labels: list[int], layouts: list[Layout]) -> None:
        """Fill the book with the layouts of images and their classes."""
        rows = []
        for i, (label, layout) in enumerate(zip(labels, layouts, strict=True)):
            boxes = [[i, label, k, *b] for k, b in zip(layout.kinds.tolist(), layout.boxes.tolist(), strict=True)]
            rows += boxes or [[i, label, -1, 0, 0, 0, 0]]
        self.set_extra_state(torch.tensor(rows, dtype=torch.float64).reshape(-1, self.COLUMNS))

    def get_extra_state(self) -> Tensor:
        return self.table

    def set_extra_state(self, state: Tensor) -> None:
        self.table = state.detach().to("cpu", torch.float64)

    def ask(self, label: int, numbers: Tensor, symmetry: str, height: int, width: int, still: bool = False) -> Layout:
        """The layout of a training image of the class, under an element of the symmetry's group and shifted a little.

        Args:
            numbers: (NUMBERS,) standard normal, as of `choice`; the last two: how far to shift along either axis.
            still: not shifted.
        """
        place, flips = self.choice(label, numbers)
        image = self._images(label)[place]
        kinds, boxes = _layout(self.table[self.table[:, 0] == image])
        for move, chance in zip(FLIPS[symmetry], flips, strict=False):
            if chance < 0.5:
                boxes = move(boxes, height, width)
        for axis, size in () if still else ((0, width), (1, height)):
            boxes = shifted(boxes, axis, size, _chances(numbers)[4 + axis])
        return Layout(kinds, boxes)

    def choice(self, label: int, numbers: Tensor) -> tuple[int, list[float]]:
        """Which image of the class `ask` takes, and a number for each flip, which is done below 1/2.

        Args:
            numbers: (NUMBERS,) standard normal: the first chooses the image, the next three each flip.
        """
        chances, count = _chances(numbers), len(self._images(label))
        return min(int(chances[0] * count), count - 1), chances[1:4]

    def of_class(self, label: int) -> list[Layout]:
        """The layouts of the images of a class, in the order in which they were written."""
        rows = self.table[self.table[:, 1] == label]
        counts = rows[:, 0].unique_consecutive(return_counts=True)[1]
        return [_layout(part) for part in rows.split(counts.tolist())]

    def _images(self, label: int) -> Tensor:
        return self.table[self.table[:, 1] == label, 0].unique()


def _chances(numbers: Tensor) -> list[float]:
    return torch.special.ndtr(numbers.detach().to("cpu", torch.float64)).tolist()


def _layout(rows: Tensor) -> Layout:
    """Of the rows of an image in a book."""
    rows = rows[rows[:, 2] >= 0]
    return Layout(rows[:, 2].long(), rows[:, 3:])
