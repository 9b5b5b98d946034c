"""The generator of StyleGAN2 (Karras et al. 2019 "SG1", Karras et al. 2020a "SG2"): mapping and synthesis networks.

Modulated convolutions scale the activations instead of the weights: grouped convolutions are slow on every CPU, and a
style can then change along the width of an image, which strips need. So w is (N, k, w_dim) to a layer: k = 1, or one
for each column of the layer's result.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.models import distributed
from pipeline.models.base import base_resolution
from pipeline.models.convolution import convolve, convolve_doubling
from pipeline.models.layers import SQRT2, EqualisedLinear, activate, normalise, precision
from pipeline.models.resample import Blur, Upsample
from pipeline.settings import ImageSpec, StyleGAN2ADASettings

HALF_RESOLUTIONS = 4  # the finest that run in half precision (Karras et al. 2020b, appendix D)
W_AVERAGE_KEEP = 0.998  # an image's weight in the average w halves every 346 images of its class


def widths(base: int, most: int, doublings: int) -> list[int]:
    """Channels by resolution, the shorter side from 4 pixels to 4 · 2^doublings: base / side, at most `most`."""
    return [max(1, min(base // (4 << i), most)) for i in range(doublings + 1)]


def recomputing(module: nn.Module) -> Callable:
    """The module, its activations computed again in the backward pass instead of kept (Chen et al. 2016)."""
    return partial(checkpoint, module, use_reentrant=False, preserve_rng_state=False)


def perceptron(inputs: int, outputs: int, layers: int) -> nn.ModuleList:
    """Layers of a mapping network: the learning rate is a hundredth (SG1, appendix C)."""
    sizes = [inputs] + [outputs] * layers
    return nn.ModuleList(EqualisedLinear(a, b, rate=0.01, gain=SQRT2) for a, b in itertools.pairwise(sizes))


class Mapping(nn.Module):
    """z (N, z_dim) and labels (N,) to w (N, w_dim); keeps each class's mean w."""

    w_average: Tensor  # (classes, w_dim) buffer

    def __init__(self, settings: StyleGAN2ADASettings, classes: int):
        super().__init__()
        self.embedding = nn.Embedding(classes, settings.w_dim)
        self.layers = perceptron(settings.z_dim + settings.w_dim, settings.w_dim, settings.mapping_layers)
        self.register_buffer("w_average", torch.zeros(classes, settings.w_dim))

    def forward(self, z: Tensor, labels: Tensor, truncation: float = 1.0) -> Tensor:
        with precision(z):
            x = torch.cat([normalise(z), normalise(self.embedding(labels))], 1)
            for layer in self.layers:
                x = activate(layer(x))
            return x if truncation == 1 else self.w_average[labels].lerp(x, truncation)

    @torch.no_grad()
    def track(self, w: Tensor, labels: Tensor) -> None:
        """Move the mean of each class towards the mean of its w (N, w_dim), the farther the more there are."""
        member = F.one_hot(labels, len(self.w_average)).to(w.dtype)  # (N, K)
        count = distributed.total(member.sum(0))[:, None]
        mean = distributed.total(member.mT @ w) / count.clamp(min=1)
        self.w_average.lerp_(mean, 1 - W_AVERAGE_KEEP**count)


class ScaledConv(nn.Module):
    """Convolution with equalised weights, with or without doubling; `weight` is scaled at run time."""

    def __init__(self, inputs: int, outputs: int, kernel: int, up: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.gain, self.padding = (inputs * kernel * kernel) ** -0.5, kernel // 2
        self.blur = Blur(padding=1, gain=4.0) if up else None

    def scaled(self) -> Tensor:
        """(outputs, inputs, kernel, kernel)."""
        return self.weight * self.gain

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """x (N, inputs, H, W) and what `scaled` returned to (N, outputs, H or 2H, W or 2W)."""
        if self.blur is None:
            return convolve(x, weight, padding=self.padding)
        return self.blur(convolve_doubling(x, weight))


def over_columns(style: Tensor) -> Tensor:
    """(N, k, C) to (N, C, 1, k): a factor of each channel, or of each channel and column."""
    return style.mT[:, :, None]


class ModulatedConv(nn.Module):
    """Convolution with weights scaled per image, then to unit norm (SG2, eqs. 1 and 3), with or without doubling."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, kernel: int, up: bool = False, demodulate: bool = True):
        super().__init__()
        self.affine = EqualisedLinear(w_dim, inputs, bias=1.0)
        self.conv = ScaledConv(inputs, outputs, kernel, up)
        self.up, self.demodulate = up, demodulate

    def forward(self, x: Tensor, w: Tensor, gain: float = 1.0) -> Tensor:
        """x (N, inputs, H, W) and w (N, k, w_dim) to `gain` times the result, (N, outputs, H or 2H, W or 2W)."""
        x, scale = self.unscaled(x, w, gain)
        return x if scale is None else x * scale

    def unscaled(self, x: Tensor, w: Tensor, gain: float = 1.0) -> tuple[Tensor, Tensor | None]:
        """What `forward` returns as two factors, the second (N, outputs, 1, k), or None without demodulation."""
        weight = self.conv.weight
        with precision(x):
            style, scale = self.affine(w), None
            if self.demodulate:
                # A common factor of an image's styles drops out; the largest kept at 1 cannot overflow float16.
                style = style / style.detach().abs().amax((1, 2), keepdim=True).clamp(min=1e-8)
            style = style * self.conv.gain  # of the weights, which are many more
            if self.demodulate:
                power = style.square() @ weight.square().sum((2, 3)).mT  # (N, k, outputs)
                scale = over_columns(gain * (power + 1e-8).rsqrt())
            if self.up and w.shape[1] > 1:  # a column of x becomes two, and has the mean of their styles
                style = style.unflatten(1, (-1, 2)).mean(2)
        x = self.conv(x * over_columns(style).to(x.dtype), weight)
        return x, scale if scale is None else scale.to(x.dtype)


class ModulatedLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, settings: StyleGAN2ADASettings, up: bool, noisy: bool):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, settings.w_dim, 3, up)
        self.strength = nn.Parameter(torch.tensor(settings.noise_strength)) if noisy else None
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """noise: (N, 1, H, W) standard normal, of the result's size; None of a layer without."""
        # Every term carries the gain √2 of the activation: lrelu(√2 x) = √2 lrelu(x).
        x, scale = self.conv.unscaled(x, w, gain=SQRT2)
        assert scale is not None  # of a demodulated convolution
        if noise is None:
            x = x * scale
        else:
            assert self.strength is not None  # of a noisy layer
            x = torch.addcmul((noise * (self.strength * SQRT2)).to(x.dtype), x, scale)
        return activate(x + (self.bias * SQRT2)[:, None, None].to(x.dtype))


class AdaptiveNorm(nn.Module):
    """Instance normalisation, then a scale and a shift of each channel by the style (SG1, eq. 1)."""

    def __init__(self, channels: int, w_dim: int):
        super().__init__()
        self.scale = EqualisedLinear(w_dim, channels, bias=1.0)
        self.shift = EqualisedLinear(w_dim, channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        with precision(x):
            variance, mean = torch.var_mean(x.to(w.dtype), (2, 3), correction=0, keepdim=True)
            scale = over_columns(self.scale(w)) * (variance + 1e-8).rsqrt()
            shift = over_columns(self.shift(w)) - mean * scale
        return x * scale.to(x.dtype) + shift.to(x.dtype)


class NormalisedLayer(nn.Module):
    """3x3 convolution, noise, bias, leaky ReLU, adaptive instance normalisation (SG1, figure 1b)."""

    def __init__(self, inputs: int, outputs: int, settings: StyleGAN2ADASettings, up: bool, noisy: bool):
        super().__init__()
        self.conv = ScaledConv(inputs, outputs, 3, up)
        self.strength = nn.Parameter(torch.tensor(settings.noise_strength)) if noisy else None
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.norm = AdaptiveNorm(outputs, settings.w_dim)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """noise: (N, 1, H, W) standard normal, of the result's size; None of a layer without."""
        x = self.conv(x, self.conv.scaled())
        if noise is not None:
            assert self.strength is not None  # of a noisy layer
            x = x + (noise * self.strength).to(x.dtype)
        return self.norm(activate(x + self.bias[:, None, None].to(x.dtype)), w)


LAYERS = {"weights": ModulatedLayer, "adain": NormalisedLayer}


class ToImage(nn.Module):
    """Modulated 1x1 convolution to (N, channels, H, W), in full precision."""

    def __init__(self, inputs: int, w_dim: int, channels: int):
        super().__init__()
        self.conv = ModulatedConv(inputs, channels, w_dim, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.conv(x, w).to(self.bias.dtype) + self.bias[:, None, None]


class SynthesisBlock(nn.Module):
    """One resolution of the skip generator (SG2, figure 7b): features to features, and what they add to the image."""

    def __init__(
        self, inputs: int, outputs: int, settings: StyleGAN2ADASettings, channels: int, half: bool, noisy: bool
    ):
        super().__init__()
        layer = LAYERS[settings.modulation]
        self.low_precision = half
        self.up = layer(inputs, outputs, settings, up=True, noisy=noisy)
        self.same = layer(outputs, outputs, settings, up=False, noisy=noisy)
        self.image = ToImage(outputs, settings.w_dim, channels)
        self.upsample = Upsample()

    def forward(
        self, x: Tensor, image: Tensor, ws: Sequence[Tensor], noise: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """ws: (N, k, w_dim), of the two layers and the image; noise: of the two layers."""
        with precision(x, self.low_precision):
            x = self.up(x, ws[0], noise[0])
            x = self.same(x, ws[1], noise[1])
            added = self.image(x, ws[2])
        with precision(x):
            return x, self.upsample(image) + added


class Synthesis(nn.Module):
    """ws (N, layers, w_dim) and noise to images (N, C, H, W), about [-1, 1]."""

    def __init__(self, settings: StyleGAN2ADASettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        channels = widths(settings.channel_base, settings.channel_max, doublings)
        finest = settings.noise_resolution
        noisy = [finest is None or 4 << i <= finest for i in range(doublings + 1)]
        self.constant = nn.Parameter(torch.randn(channels[0], height, width))
        self.first = LAYERS[settings.modulation](channels[0], channels[0], settings, up=False, noisy=noisy[0])
        self.image = ToImage(channels[0], settings.w_dim, spec.channels)
        self.blocks = nn.ModuleList(
            SynthesisBlock(a, b, settings, spec.channels, half=i > doublings - HALF_RESOLUTIONS, noisy=noisy[i])
            for i, (a, b) in enumerate(itertools.pairwise(channels), 1)
        )
        levels = [0] + [i for i in range(1, doublings + 1) for _ in range(2)]
        self.noise_sizes = [(height << i, width << i) for i in levels if noisy[i]]
        self.layers = len(levels) + 1  # inputs w: one a convolution, one for the finest image

    def forward(self, ws: Tensor, noise: list[Tensor | None], recompute: bool = False) -> Tensor:
        """(N, C, H, W).

        Args:
            ws: (N, layers, w_dim), one w a layer.
            noise: as `split_noise` gives it.
            recompute: keep no activations for the backward pass, which computes them again.
        """
        w = ws[:, :, None].unbind(1)  # (N, 1, w_dim) a layer
        with precision(ws):
            x, image = self.start(self.constant.expand(len(ws), -1, -1, -1), w, noise[0])
        for i, block in enumerate(self.blocks):
            run = recomputing(block) if recompute else block
            x, image = run(x, image, w[2 * i + 1 : 2 * i + 4], noise[2 * i + 1 : 2 * i + 3])
        return image

    def start(self, constant: Tensor, ws: Sequence[Tensor], noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features and image of the coarsest resolution; ws: (N, k, w_dim), of the layer and the image."""
        x = self.first(constant, ws[0], noise)
        return x, self.image(x, ws[1])

    def split_noise(self, flat: Tensor) -> list[Tensor | None]:
        """(N, noise_length) to one (N, 1, H, W) a convolution, coarsest first, or None."""
        parts = flat.split([h * w for h, w in self.noise_sizes], 1)
        return self.for_all([p.unflatten(1, (1, *size)) for p, size in zip(parts, self.noise_sizes, strict=True)])

    def for_all(self, noise: list[Tensor]) -> list[Tensor | None]:
        """The noise of the coarsest convolutions, and None for the finest, which have none."""
        return noise + [None] * (self.layers - 1 - len(noise))

    @property
    def noise_length(self) -> int:
        return sum(h * w for h, w in self.noise_sizes)


class Generator(nn.Module):
    """z (N, z_dim), labels (N,) and noise (N, noise_length) to images."""

    def __init__(self, settings: StyleGAN2ADASettings, spec: ImageSpec):
        super().__init__()
        self.mapping = Mapping(settings, len(spec.classes))
        self.synthesis = Synthesis(settings, spec)

    def forward(self, z: Tensor, labels: Tensor, noise: Tensor, truncation: float = 1.0) -> Tensor:
        w = self.mapping(z, labels, truncation)
        return self.synthesis(self.repeat(w), self.synthesis.split_noise(noise))

    def repeat(self, w: Tensor) -> Tensor:
        """(N, w_dim) to (N, layers, w_dim)."""
        return w[:, None].expand(-1, self.synthesis.layers, -1)
