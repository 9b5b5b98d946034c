"""The features in which drawn images are compared with held-out ones while a generator trains."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.base import imagenet
from pipeline.base.inception import Inception, inception_output
from pipeline.base.weights import fetch, in_cache, verified
from pipeline.metrics import distances
from pipeline.metrics.random_networks import RandomNetworks
from pipeline.settings import HeldOut, ImageSpec

FID, SCORE = "held_out/fid", "held_out/inception_score"
AT_ONCE = 64  # images


class Look(ABC):
    """Images to vectors."""

    blocks: tuple[int, ...] = ()
    """Numbers from each layer of the network, which count the same; none: the vectors are compared as they are."""

    @torch.no_grad()
    def vectors(self, images: Tensor) -> NDArray[np.float32]:
        """(N, d) of images (N, C, H, W) in [-1, 1] on any device, each by its image alone."""
        return np.concatenate([self.seen(part) for part in images.split(AT_ONCE)])

    def scores(self, drawn: NDArray, real: NDArray) -> dict[str, float]:
        """What such vectors tell beside the kernel distance."""
        return {}

    @abstractmethod
    def seen(self, images: Tensor) -> NDArray[np.float32]:
        """Of a few images."""


def look(chosen: HeldOut | None, spec: ImageSpec, device: torch.device) -> Look:
    """Without a choice that of random networks, which need no weights.

    Raises:
        UserError: weights that are altered, or not to be had.
    """
    if chosen is None:
        return _Random(spec, device)
    return _Photographs(spec, device) if chosen.features == "imagenet" else _Inception(chosen)


class _Random(Look):
    def __init__(self, spec: ImageSpec, device: torch.device):
        self.networks, self.device = RandomNetworks(spec.channels, min(spec.height, spec.width), device), device
        self.blocks = self.networks.vector_blocks

    def seen(self, images: Tensor) -> NDArray[np.float32]:
        return self.networks(images.to(self.device).add(1).div(2).clamp(0, 1))[0].cpu().numpy()


class _Photographs(Look):
    blocks = imagenet.BLOCKS

    def __init__(self, spec: ImageSpec, device: torch.device):
        self.network, self.device = imagenet.EfficientNetLite0(imagenet.load(), spec.channels).to(device), device

    def seen(self, images: Tensor) -> NDArray[np.float32]:
        return imagenet.means(self.network, images.to(self.device).clamp(-1, 1)).cpu().numpy()


class _Inception(Look):
    def __init__(self, chosen: HeldOut):
        there = in_cache("inception", chosen.weights)
        self.network = Inception((verified if there else fetch)("inception", chosen.weights))
        self.output = inception_output(chosen.weights)

    def seen(self, images: Tensor) -> NDArray[np.float32]:
        levels = images.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
        return self.network(levels.permute(0, 2, 3, 1).cpu().numpy())

    def scores(self, drawn: NDArray, real: NDArray) -> dict[str, float]:
        return {FID: distances.frechet(drawn, real), SCORE: distances.inception_score(drawn @ self.output.T)}
