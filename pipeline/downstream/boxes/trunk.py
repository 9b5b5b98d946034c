"""What the small detector of boxes sees images with: maps of them, of 4 pixels a place and coarser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.base import imagenet
from pipeline.downstream.boxes.targets import STRIDE
from pipeline.downstream.classifier.resnet import SMALL, initialise, stages
from pipeline.settings import ImageSpec

HELD = 512 << 20  # bytes of maps that `Recent` holds


class Recent:
    """The maps of the images that were looked at last, as many as fit into HELD bytes."""

    def __init__(self) -> None:
        self.maps: OrderedDict[bytes, list[Tensor]] = OrderedDict()
        self.bytes = 0

    def of(self, image: Tensor, look: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
        """What `look` says of an image (1, C, H, W) on the CPU, whose pixels and size alone it depends on."""
        key = repr(image.shape).encode() + blake2b(image.numpy().tobytes()).digest()
        if key not in self.maps:
            self.maps[key] = look(image)
            self.bytes += _size(self.maps[key])
            while self.bytes > HELD and len(self.maps) > 1:
                self.bytes -= _size(self.maps.popitem(last=False)[1])
        self.maps.move_to_end(key)
        return self.maps[key]


def _size(maps: list[Tensor]) -> int:
    return sum(of.nbytes for of in maps)


RECENT = Recent()
"""Of the frozen network, which is the same in all trainings of a job."""


class Trunk(ABC, nn.Module):
    """Images (N, C, H, W) in [-1, 1] to maps (N, channels[i], H / STRIDE / 2^i, W / STRIDE / 2^i), the finest first.
    With `again`, the same images are shown again and again: a network that does not learn may look at each once."""

    channels: list[int]

    @abstractmethod
    def forward(self, images: Tensor, again: bool = False) -> list[Tensor]: ...


class ResNet(Trunk):
    """The stages of a small ResNet-18 with random weights, all of which learn."""

    def __init__(self, spec: ImageSpec, width: int):
        super().__init__()
        trunk = [nn.Sequential(*layers) for layers in stages(spec, width)]
        first = 1 if max(spec.height, spec.width) > SMALL else 3  # the stage of stride 4
        self.before, self.levels = nn.Sequential(*trunk[:first]), nn.ModuleList(trunk[first:])
        self.channels = [width * 2 ** (i - 1) for i in range(first, len(trunk))]
        initialise(self)

    def forward(self, images: Tensor, again: bool = False) -> list[Tensor]:
        features, maps = self.before(images), []
        for level in self.levels:
            features = level(features)
            maps.append(features)
        return maps


class EfficientNet(Trunk):
    """EfficientNet-Lite0 as ImageNet left it. Images are seen twice as large where no side is longer than SMALL pixels:
    a place of the finest map is then of the network's stride 8, whose responses know more than those of 4. Images that
    are shown again and again are looked at one by one, once each, on a processor: what is seen in an image is then the
    same to the last bit whatever was looked at before.

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

    def forward(self, images: Tensor, again: bool = False) -> list[Tensor]:
        if self.learns or not again or images.device.type != "cpu":
            with torch.set_grad_enabled(self.learns and torch.is_grad_enabled()):
                return self._look(images)
        with torch.inference_mode(False), torch.no_grad():  # maps seen while judging serve those who learn, too
            each = [RECENT.of(image.clone(), self._look) for image in images.split(1)]
            return [torch.cat(of) for of in zip(*each, strict=True)]

    def _look(self, images: Tensor) -> list[Tensor]:
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
