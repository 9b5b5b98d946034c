"""Coarse pictures: grey values of training images on a few pixels, which tell a network what is where.

A network that draws texture around one has the variety of the training images at that size from the start, and only
what is finer is left to learn.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.ada import blit
from pipeline.models.flips import MOST_FLIPS, flipped

NUMBERS = 3 + MOST_FLIPS  # standard normal numbers that a coarse picture is chosen and moved by
WAVES = 4  # pixels of the smooth noise that is added, on the shorter side
SHIFT = 1 / 8  # of a side: the farthest that a picture is moved along either axis, by whole places
NOISE = 0.05  # its deviation, where black to white is 2


class CoarseBook(nn.Module):
    """The coarse pictures of the training images, from which those of drawn images are taken.

    They are in the model's weights as one table, so that nothing but the model is needed to draw. Nothing is learnt.
    A book without pictures gives mid-gray ones.
    """

    pictures: Tensor  # (n + 1, C, h, w) class by class, then a mid-gray one; buffers that the state does not hold
    first: Tensor  # (classes,) positions of the first picture of each class among them, and how many it has
    count: Tensor

    def __init__(self, channels: int, height: int, width: int, symmetry: str, classes: int):
        super().__init__()
        self.shape, self.symmetry, self.classes = (channels, height, width), symmetry, classes
        short = min(height, width)
        self.waves = (channels, WAVES * height // short, WAVES * width // short)
        for name in ("pictures", "first", "count"):
            self.register_buffer(name, torch.zeros(0), persistent=False)
        self.set_extra_state(torch.zeros(0, 1 + channels * height * width))

    def write(self, images: Tensor, labels: Tensor) -> None:
        """Fill the book with the means of images (n, C, H, W) on its pixels, and their labels (n,) int64."""
        coarse = F.adaptive_avg_pool2d(images, self.shape[1:])
        self.set_extra_state(torch.cat([labels[:, None].to(coarse), coarse.flatten(1)], 1))

    def get_extra_state(self) -> Tensor:
        return self.table

    def set_extra_state(self, state: Tensor) -> None:
        self.table = state.detach().to("cpu", torch.float32)
        labels, order = self.table[:, 0].long().sort(stable=True)
        count, device = torch.bincount(labels, minlength=self.classes), self.first.device
        self.first = torch.where(count > 0, count.cumsum(0) - count, len(labels)).to(device)
        self.count = count.to(device)
        self.pictures = F.pad(self.table[order, 1:], (0, 0, 0, 1)).unflatten(1, self.shape).to(device)

    @property
    def numbers(self) -> int:
        """Standard normal numbers that a picture is made of."""
        return NUMBERS + self.waves[0] * self.waves[1] * self.waves[2]

    def ask(self, labels: Tensor, numbers: Tensor) -> Tensor:
        """Coarse pictures (N, C, h, w) in [-1, 1]: those of training images of the classes, under an element of the
        symmetry's group, shifted by up to SHIFT of a side either way, with a little smooth noise. Shifts are of whole
        places: between them a picture would be blurred, which no image's is.

        Args:
            labels: (N,) int64.
            numbers: (N, self.numbers) standard normal.
        """
        chances = torch.special.ndtr(numbers[:, :NUMBERS].float())
        places = torch.minimum((chances[:, 0] * self.count[labels]).long(), (self.count[labels] - 1).clamp(min=0))
        flips = chances[:, 1 : 1 + MOST_FLIPS, None, None, None].unbind(1)
        pictures = flipped(self.pictures[self.first[labels] + places], self.symmetry, flips).to(numbers)
        most = numbers.new_tensor([round(SHIFT * side) for side in self.shape[:0:-1]])
        shifts = ((2 * most + 1) * chances[:, -2:]).floor().minimum(2 * most) - most
        still = torch.zeros_like(labels)
        return self._varied(blit(pictures, still, still, shifts.long()), numbers)

    def of(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Coarse pictures (N, C, h, w) in [-1, 1] of these images (N, C, H, W), with a little smooth noise.

        Args:
            numbers: (N, self.numbers) standard normal.
        """
        return self._varied(F.adaptive_avg_pool2d(images, self.shape[1:]), numbers)

    def _varied(self, pictures: Tensor, numbers: Tensor) -> Tensor:
        waves = numbers[:, NUMBERS:].unflatten(1, self.waves)
        smooth = F.interpolate(waves, self.shape[1:], mode="bilinear", align_corners=False)
        return (pictures + NOISE * smooth).clamp(-1, 1)
