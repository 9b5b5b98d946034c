"""Generators without training: each image is made of training images of its class, by rules alone.

They hold the training images as they are stored. What they are good for is to be beaten: a network that was trained and
is no closer to real images than they are has learnt nothing worth its time.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from pipeline.models.base import Sampler
from pipeline.models.flips import flipped
from pipeline.settings import ImageSpec, Untrained


class Album(nn.Module):
    """Images, or what was made of them, with the class of each. Of any number and dtype: a state brings its own."""

    images: Tensor  # (n, C, H, W) and (n,) buffers
    labels: Tensor

    def __init__(self, channels: int, height: int, width: int):
        super().__init__()
        self.register_buffer("images", torch.zeros(0, channels, height, width))
        self.register_buffer("labels", torch.zeros(0, dtype=torch.int64))

    def fill(self, images: Tensor, labels: Tensor) -> None:
        """Take over images (n, C, H, W) and their labels (n,) int64."""
        self.images, self.labels = images.to(self.images.device), labels.to(self.labels.device)

    def of(self, label: int) -> Tensor:
        """(m,) int64 positions of the images of a class, in order."""
        return (self.labels == label).nonzero()[:, 0]

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *args) -> None:
        for name in ("images", "labels"):
            given, own = state.get(prefix + name), getattr(self, name)
            if given is not None and given.shape[1:] == own.shape[1:]:
                setattr(self, name, torch.empty_like(given, device=own.device))
        super()._load_from_state_dict(state, prefix, *args)


class Recombination(Sampler):
    """A family without training. One image after the other is made, so the others of a batch change nothing in it."""

    settings: Untrained
    ema: Album

    def __init__(self, settings: Untrained, spec: ImageSpec):
        super().__init__(settings, spec)
        self.ema = Album(spec.channels, spec.height, spec.width)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def keep(self, images: Tensor, labels: Tensor) -> None:
        """Hold training images (n, C, H, W), uint8 or int16 with the bits of uint16, and their labels (n,) int64."""
        self.ema.fill(images, labels)

    @torch.no_grad()
    def generate(self, labels: Tensor, latents: Tensor) -> Tensor:
        chances = torch.special.ndtr(latents.double()).clamp(max=1 - 1e-9)  # uniform in [0, 1)
        pairs = zip(labels.tolist(), chances, strict=True)
        return torch.stack([self.compose(self.ema.of(label), row) for label, row in pairs]).float()

    @abstractmethod
    def compose(self, rows: Tensor, chances: Tensor) -> Tensor:
        """One image (C, H, W) in [-1, 1].

        Args:
            rows: positions of the class's images in the album, at least one.
            chances: (latent_length,) float64 in [0, 1).
        """

    def real(self, row: int, chances: Tensor) -> Tensor:
        """(C, H, W) float32 in [-1, 1]: a training image, under an element of the symmetry's group.

        Args:
            row: its position in the album.
            chances: one for each flip that may be done.
        """
        stored = self.ema.images[row]
        top = 65535 if stored.dtype == torch.int16 else 255
        image = stored.int().bitwise_and(top).float() * (2 / top) - 1
        return flipped(image, self.spec.symmetry, chances)
