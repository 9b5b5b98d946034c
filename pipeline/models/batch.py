"""The images of one update in micro-batches, with random numbers that depend neither on these nor on the ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.models import distributed


class BatchRng:
    """Random numbers for some rows of a batch.

    They are drawn for the whole batch of all ranks and then cut, so one process that takes 32 images at once and two
    that take 16 in micro-batches of 4 see the same numbers.

    Args:
        seed: of everything drawn here.
        total: rows of the whole batch.
        rows: the rows wanted.
        device: where the numbers are drawn and used.
    """

    def __init__(self, seed: int, total: int, rows: slice, device: torch.device):
        self.total, self.rows, self.device = total, rows, device
        self.generator = torch.Generator(device).manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """(n, *shape) standard normal."""
        return torch.randn(self.total, *shape, generator=self.generator, device=self.device)[self.rows]

    def uniform(self, *shape: int) -> Tensor:
        """(n, *shape) in [0, 1)."""
        return torch.rand(self.total, *shape, generator=self.generator, device=self.device)[self.rows]

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """(n, *shape) int64 in [low, high)."""
        numbers = torch.randint(low, high, (self.total, *shape), generator=self.generator, device=self.device)
        return numbers[self.rows]


class MicroBatch(NamedTuple):
    """Rows that go through the networks at once."""

    images: Tensor  # (n, C, H, W) float32 in [-1, 1], channels-last
    labels: Tensor  # (n,) int64
    rng: BatchRng
    weight: float  # this micro-batch's fraction of the global batch
    masks: Tensor | None = None  # (n, classes of boxes, H, W) float32 in [0, 1], for a model that is shown boxes

    def __len__(self) -> int:
        return len(self.labels)


class Batch:
    """What one rank holds of an update.

    Args:
        images: (n, C, H, W) float32 in [-1, 1], channels-last; every rank holds as many.
        labels: (n,) int64.
        seed: of the update; the same on all ranks.
        part: rows that go through the networks at once; None is all.
        masks: (n, classes of boxes, H, W) float32 in [0, 1], how much of each pixel the boxes cover; None for models
            that are shown no boxes.
    """

    def __init__(self, images: Tensor, labels: Tensor, seed: int, part: int | None = None, masks: Tensor | None = None):
        self.images, self.labels, self.seed, self.masks = images, labels, seed, masks
        self.part = part or len(images)
        self.phases = 0

    @property
    def total(self) -> int:
        """Images of all ranks."""
        return len(self.images) * distributed.count()

    def microbatches(self, every: int = 1) -> Iterator[MicroBatch]:
        """The rows in order, of each `every` one; each call begins a phase with random numbers of its own."""
        seed = (self.seed + self.phases) % 2**63
        self.phases += 1
        first = len(self.images) * distributed.index()
        rows = range(-first % every, len(self.images), every)
        share = 1 / len(range(0, self.total, every))
        for start in range(0, len(rows), self.part):
            own = rows[start : start + self.part]
            cut = slice(own.start, own.stop, own.step)
            rng = BatchRng(seed, self.total, slice(first + own.start, first + own.stop, own.step), self.images.device)
            masks = None if self.masks is None else self.masks[cut]
            yield MicroBatch(self.images[cut], self.labels[cut], rng, len(own) * share, masks)
