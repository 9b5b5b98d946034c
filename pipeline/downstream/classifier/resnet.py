"""ResNet-18 for the size and channels of a data set."""

from __future__ import annotations

from itertools import chain

from torch import Tensor, nn

from pipeline.settings import ImageSpec

SMALL = 64  # pixels, the largest side that keeps its full resolution in the first stage


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (He et al. 2016, figure 2), as torchvision's, whose import takes longer
    than all the features of a small image set."""

    def __init__(self, before: int, after: int, stride: int, shortcut: nn.Module):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = shortcut

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.relu(self.bn1(self.conv1(images)))
        return self.relu(self.bn2(self.conv2(hidden)) + self.shortcut(images))


def resnet18(spec: ImageSpec, width: int = 64) -> nn.Sequential:
    """ResNet-18 with random weights: (N, C, H, W) -> (N, classes) logits.

    Stages of basic blocks, two each, with 1, 2, 4 and 8 times `width` channels (He et al. 2016, table 1;
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


def body(network: nn.Sequential) -> nn.Sequential:
    """What such a network sees before it names a class: (N, C, H, W) -> (N, 8 × width) features, none negative."""
    return network[:-1]


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
        return BasicBlock(before, after, 1, nn.Identity())
    # The pool of one pixel takes every stride-th one, so this is the paper's 1×1 convolution with a stride. oneDNN's
    # own writes past its buffer on the way back where it has fewer than 8 (AVX-512: 16) channels, channels-last
    # (github.com/uxlfoundation/oneDNN/issues/6035): wrong gradients, a crash, or a hang.
    shortcut = nn.Sequential(nn.AvgPool2d(1, stride), nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))
    return BasicBlock(before, after, stride, shortcut)
