"""Layers that several families share."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pipeline.models import distributed
from pipeline.models.convolution import convolve

Weighted = TypeVar("Weighted", nn.Conv2d, nn.Linear, nn.Embedding)
SQRT2 = math.sqrt(2)
CLAMP = 256.0  # bound of activations in float16 (Karras et al. 2020b, appendix D)


def precision(x: Tensor, half: bool = False) -> torch.autocast:
    """Context in which low precision is off, or, with `half`, stays whatever the surrounding autocast says."""
    device = x.device.type
    if half and torch.is_autocast_enabled(device):
        return torch.autocast(device, dtype=torch.get_autocast_dtype(device))
    return torch.autocast(device, enabled=False)


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 of any tensor; in float16, whose numbers end at 65 504, it is bounded by CLAMP too."""
    x = F.leaky_relu(x, 0.2)
    return F.hardtanh(x, -CLAMP, CLAMP) if x.dtype == torch.float16 else x


def normalise(x: Tensor) -> Tensor:
    """Rows of (N, D) scaled to unit root mean square."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def minibatch_std(x: Tensor, labels: Tensor, group: int = 4) -> Tensor:
    """Append one channel: the mean, over channels and pixels, of the deviation within a group (Karras et al. 2018).

    Groups are formed in the order of the labels, over the images of all ranks: a class that has collapsed to one image
    cannot hide among others.

    Args:
        x: (N, C, H, W).
        labels: (N,) int64.
        group: the size of the groups is the largest divisor of N up to this.

    Returns:
        (N, C + 1, H, W)
    """
    own, _, height, width = x.shape
    every, labels = distributed.gather(x), distributed.gather(labels)
    n = len(labels)
    group = divisor(n, group)
    order = labels.argsort(stable=True)
    grouped = every[order].unflatten(0, (n // group, group))
    variance = (grouped - grouped.mean(1, keepdim=True)).square().mean(1)
    deviation = (variance + 1e-8).sqrt().mean((1, 2, 3))  # (N / group,)
    channel = distributed.local_rows(deviation.repeat_interleave(group)[order.argsort()])
    return torch.cat([x, channel[:, None, None, None].expand(own, 1, height, width)], 1)


def divisor(n: int, most: int) -> int:
    """The largest divisor of n up to `most`."""
    return max(g for g in range(1, min(n, most) + 1) if n % g == 0)


def channel_schedule(channels: int, times: int) -> list[int]:
    """Channels from the coarsest features to the finest: halved at every doubling of the resolution, down to 8 or, if
    that is less, to `channels`."""
    return [max(channels >> i, min(channels, 8)) for i in range(times + 1)]


def class_channels(classes: int) -> int:
    """What `with_class` appends: nothing where there is one class."""
    return classes if classes > 1 else 0


def with_class(x: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Append the class, one-hot, to the channels (Mirza & Osindero 2014).

    Args:
        x: (N, C) or (N, C, H, W); of images, a channel is appended as a plane of ones or zeros.
        labels: (N,) int64.

    Returns:
        (N, C + class_channels, ...)
    """
    if classes == 1:
        return x
    vectors = F.one_hot(labels, classes).to(x.dtype)
    planes = vectors.reshape(*vectors.shape, *[1] * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
    return torch.cat([x, planes], 1)


class EqualisedLinear(nn.Module):
    """Linear layer with weights of unit scale, scaled at run time (Karras et al. 2018, section 4.1).

    `rate` multiplies the learning rate; `gain` multiplies the result.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.weight_gain, self.bias_gain = gain * rate / math.sqrt(inputs), gain * rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)


class EqualisedConv(nn.Module):
    """Odd-sized convolution with weights of unit scale, scaled at run time; the size of the image is kept.

    `gain` multiplies the result: a positive gain after a leaky ReLU may as well stand before it.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True, gain: float = 1.0, stride: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.stride = gain, stride
        self.padding = kernel // 2 if stride == 1 else 0
        self.weight_gain = gain / math.sqrt(inputs * kernel * kernel)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.gain
        return convolve(x, self.weight * self.weight_gain, bias, self.stride, self.padding)


class BatchNorm(nn.Module):
    """Batch normalisation without scale and shift, over the images of all ranks (Ioffe & Szegedy 2015)."""

    mean: Tensor  # (C,) buffers
    variance: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, epsilon: float = 1e-5):
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if distributed.count() == 1 or not self.training:
            return F.batch_norm(x, self.mean, self.variance, None, None, self.training, self.momentum, self.epsilon)
        count = x.shape[0] * x.shape[2] * x.shape[3] * distributed.count()
        with precision(x):
            single = x.float()
            mean, square = distributed.add(torch.stack([single.sum((0, 2, 3)), single.square().sum((0, 2, 3))])) / count
            variance = square - mean.square()
            self.mean.lerp_(mean.detach(), self.momentum)
            self.variance.lerp_(variance.detach() * (count / (count - 1)), self.momentum)
            scale = (variance + self.epsilon).rsqrt()[:, None, None]
            return ((single - mean[:, None, None]) * scale).to(x.dtype)


class ScaledBatchNorm(nn.Module):
    """Batch normalisation with a scale, at first N(1, 0.02), and a shift, at first 0 (Radford et al. 2016)."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = BatchNorm(channels)
        self.scale = nn.Parameter(1 + 0.02 * torch.randn(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        scale, shift = (p.to(x.dtype)[:, None, None] for p in (self.scale, self.shift))
        return torch.addcmul(shift, x, scale)


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation with a scale and a shift for each class (de Vries et al. 2017)."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.norm = BatchNorm(channels)
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scale, shift = (table(labels)[:, :, None, None] for table in (self.scale, self.shift))
        return torch.addcmul(shift, self.norm(x), scale)


class SpectralNorm(nn.Module):
    """Parametrisation W / σ(W), σ by one step of power iteration an update (Miyato et al. 2018, algorithm 1)."""

    u: Tensor  # buffers: the left and the right singular vector
    v: Tensor

    def __init__(self, weight: Tensor, warmup: int = 15):
        super().__init__()
        self.register_buffer("u", F.normalize(torch.randn(weight.shape[0]), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(weight[0].numel()), dim=0))
        for _ in range(warmup):
            self._iterate(weight.detach().flatten(1))

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.v.copy_(F.normalize(matrix.mT @ self.u, dim=0))
        self.u.copy_(F.normalize(matrix @ self.v, dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        with precision(weight):
            matrix = weight.flatten(1)
            if self.training:
                self._iterate(matrix)
            # Copies: the next call changes the buffers before this one's gradient is taken.
            return weight / (self.u.clone() @ (matrix @ self.v.clone()))


def spectral_norm(layer: Weighted) -> Weighted:
    """The layer, its weight divided by its largest singular value."""
    parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))
    return layer
