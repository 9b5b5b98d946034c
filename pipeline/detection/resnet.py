"""ResNet-18 for the size and channels of a data set."""

from __future__ import annotations

from itertools import chain

from torch import nn
from torchvision.models.resnet import BasicBlock, conv1x1

from pipeline.settings import ImageSpec

SMALL = 64  # pixels, the largest side that keeps its full resolution in the first stage


def resnet18(spec: ImageSpec, width: int = 64) -> nn.Sequential:
    """ResNet-18 with random weights: (N, C, H, W) -> (N, classes) logits.

    Stages of torchvision's basic blocks, two each, with 1, 2, 4 and 8 times `width` channels (He et al. 2016, table 1;
    `width` 64 is the paper's). Images of at most 64 pixels enter through a 3×3 convolution without striding or pooling,
    as in that paper's section 4.2; larger ones through its 7×7 convolution and max-pool, both of stride 2.
    """
    layers = chain.from_iterable(stages(spec, width))
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, len(spec.classes)))
    initialise(network)
    return network


def stages(spec: ImageSpec, width: int) -> list[list[nn.Module]]:
    """The layers of the stem, then those of each of the four stages."""
    layers, before = [_stem(spec, width)], width
    for stage in range(4):
        after, stride = width * 2**stage, 1 if stage == 0 else 2
        layers.append([_block(before, after, stride), _block(after, after, 1)])
        before = after
    return layers


def initialise(network: nn.Module) -> None:
    """Random weights of all convolutions for layers that are followed by a rectifier (He et al. 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _stem(spec: ImageSpec, width: int) -> list[nn.Module]:
    after = [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    if max(spec.height, spec.width) <= SMALL:
        return [nn.Conv2d(spec.channels, width, 3, padding=1, bias=False), *after]
    return [
        nn.Conv2d(spec.channels, width, 7, stride=2, padding=3, bias=False),
        *after,
        nn.MaxPool2d(3, stride=2, padding=1),
    ]


def _block(before: int, after: int, stride: int) -> BasicBlock:
    if stride == 1 and before == after:
        return BasicBlock(before, after)
    # The pool of one pixel takes every stride-th one, so this is torchvision's 1×1 convolution with a stride. oneDNN's
    # own writes past its buffer on the way back where it has fewer than 8 (AVX-512: 16) channels, channels-last
    # (github.com/uxlfoundation/oneDNN/issues/6035): wrong gradients, a crash, or a hang.
    shortcut = nn.Sequential(nn.AvgPool2d(1, stride), conv1x1(before, after), nn.BatchNorm2d(after))
    return BasicBlock(before, after, stride, shortcut)
