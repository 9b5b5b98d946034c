"""What the small detector of boxes sees images with: maps of them, of 4 pixels a place and coarser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.base import imagenet
from pipeline.downstream.boxes.targets import STRIDE
from pipeline.downstream.classifier.resnet import SMALL, initialise, stages
from pipeline.settings import ImageSpec


class Trunk(ABC, nn.Module):
    """Images (N, C, H, W) in [-1, 1] to maps (N, channels[i], H / STRIDE / 2^i, W / STRIDE / 2^i), the finest first."""

    channels: list[int]

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]: ...


class ResNet(Trunk):
    """The stages of a small ResNet-18 with random weights, all of which learn."""

    def __init__(self, spec: ImageSpec, width: int):
        super().__init__()
        trunk = [nn.Sequential(*layers) for layers in stages(spec, width)]
        first = 1 if max(spec.height, spec.width) > SMALL else 3  # the stage of stride 4
        self.before, self.levels = nn.Sequential(*trunk[:first]), nn.ModuleList(trunk[first:])
        self.channels = [width * 2 ** (i - 1) for i in range(first, len(trunk))]
        initialise(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        features, maps = self.before(images), []
        for level in self.levels:
            features = level(features)
            maps.append(features)
        return maps


class EfficientNet(Trunk):
    """EfficientNet-Lite0 as ImageNet left it. Images are seen twice as large where no side is longer than SMALL pixels:
    a place of the finest map is then of the network's stride 8, whose responses know more than those of 4.

    Args:
        learns: whether the network learns on.
    """

    def __init__(self, spec: ImageSpec, learns: bool):
        super().__init__()
        network = imagenet.EfficientNetLite0(imagenet.load(), spec.channels)
        self.network, self.learns = imagenet.learning(network) if learns else network, learns
        self.factor = 2 if max(spec.height, spec.width) <= SMALL else 1
        self.strides = [stride for stride in imagenet.SCALES if stride >= STRIDE * self.factor]
        self.channels = [imagenet.CHANNELS[stride] for stride in self.strides]

    def forward(self, images: Tensor) -> list[Tensor]:
        with torch.set_grad_enabled(self.learns and torch.is_grad_enabled()):
            if self.factor > 1:
                images = F.interpolate(images, scale_factor=float(self.factor), mode="bilinear")
            maps = self.network.maps(images)
        return [maps[stride] for stride in self.strides]


TRUNKS: dict[str, Callable[[ImageSpec, int], Trunk]] = {
    "frozen": lambda spec, width: EfficientNet(spec, False),
    "fine_tuned": lambda spec, width: EfficientNet(spec, True),
    "scratch": ResNet,
}
"""By the setting `detect.boxes.backbone`."""
