"""A backbone that is fine-tuned: EfficientNet-Lite0 as ImageNet left it, all of which learns on.

It begins as the detector that the frozen backbone would be: a head that knows nothing yet would first spoil what the
network knows (Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform out-of-distribution).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.base import imagenet
from pipeline.downstream.classifier import frozen
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.learned import Learned
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import Detect, ImageSpec


class FineTuned(Learned):
    """EfficientNet-Lite0 that learns on, and a linear layer."""

    name = "fine_tuned"
    rate = 0.1  # a network that begins with random weights has farther to go

    def initial(
        self, settings: Detect, spec: ImageSpec, pool: DeviceDataset, mix: TrainingMix, seed: int
    ) -> nn.Sequential:
        """The same for each seed: the head of the frozen backbone, of images as they are."""
        head = frozen.plain_head(spec, pool, mix)
        return nn.Sequential(Texture(spec.channels, head), _linear(head))

    def precision(self, device: torch.device) -> torch.dtype | None:
        return None


class Texture(nn.Module):
    """(N, C, H, W) images in [-1, 1] -> (N, 992) features, standardised as they were for a head."""

    middle: Tensor  # (992,) buffers
    scale: Tensor

    def __init__(self, channels: int, head: frozen.Head):
        super().__init__()
        self.network = imagenet.learning(imagenet.EfficientNetLite0(imagenet.load(), channels))
        self.register_buffer("middle", torch.from_numpy(head.middle).float())
        self.register_buffer("scale", torch.from_numpy(head.scale).float())

    def forward(self, images: Tensor) -> Tensor:
        # In bfloat16 the head that is begun with says other things, by up to 0.1 of a log probability, and a processor
        # takes twice as long.
        with torch.autocast(images.device.type, enabled=False):
            return (imagenet.texture(self.network, images) - self.middle) / self.scale


def _linear(head: frozen.Head) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, *head.weights.shape)  # draws nothing
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(head.weights.T)))
        layer.bias.copy_(torch.from_numpy(head.bias))
    return layer
