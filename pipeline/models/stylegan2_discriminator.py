"""The discriminator of StyleGAN2-ADA, class-conditional by projection (Karras et al. 2020a "SG2", 2020b)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from pipeline.models.base import base_resolution
from pipeline.models.layers import (
    SQRT2,
    EqualisedConv,
    EqualisedLinear,
    activate,
    divisor,
    minibatch_std,
    normalise,
    precision,
)
from pipeline.models.resample import Blur, Downsample
from pipeline.models.stylegan2_generator import HALF_RESOLUTIONS, perceptron, recomputing, widths
from pipeline.settings import ImageSpec, StyleGAN2ADASettings


class DiscriminatorBlock(nn.Module):
    """One halving, residual (SG2, figure 7c) or plain (figure 7a)."""

    def __init__(self, inputs: int, outputs: int, half: bool, residual: bool):
        super().__init__()
        self.low_precision = half
        self.same = EqualisedConv(inputs, inputs, 3, gain=SQRT2)
        self.blur = Blur(padding=2)
        # The sum of the two branches is divided by √2, which meets the gain √2 of the activation here.
        self.down = EqualisedConv(inputs, outputs, 3, stride=2, gain=1.0 if residual else SQRT2)
        self.downsample = Downsample()
        self.skip = EqualisedConv(inputs, outputs, 1, bias=False, gain=1 / SQRT2) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        with precision(x, self.low_precision):
            # A block in float32 may follow one in half precision.
            x = x if self.low_precision else x.to(self.same.weight.dtype)
            y = activate(self.down(self.blur(activate(self.same(x)))))
            return y if self.skip is None else y + self.skip(self.downsample(x))


class Discriminator(nn.Module):
    """Images (N, C, H, W) and labels (N,) to logits (N,)."""

    def __init__(self, settings: StyleGAN2ADASettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        base = settings.discriminator_channel_base or settings.channel_base
        most = settings.discriminator_channel_max or settings.channel_max
        channels = widths(base, most, doublings)[::-1]
        last = channels[-1]
        self.image = EqualisedConv(spec.channels, channels[0], 1, gain=SQRT2)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(a, b, half=i < HALF_RESOLUTIONS, residual=settings.discriminator_residual)
            for i, (a, b) in enumerate(itertools.pairwise(channels))
        )
        self.apart: int | None = None
        self.deviation = settings.discriminator_deviation
        self.mix = EqualisedConv(last + self.deviation, last, 3, gain=SQRT2)
        self.dense = EqualisedLinear(last * height * width, last, gain=SQRT2)
        vector = settings.discriminator_class_width or last
        self.features = EqualisedLinear(last, vector)
        self.embedding = nn.Embedding(len(spec.classes), vector)
        depth = settings.discriminator_mapping_layers or settings.mapping_layers
        self.mapping = perceptron(vector, vector, depth)
        # What sees the image halved, where it is shown at every size (SG2, figure 7b).
        smaller = channels[1:] if settings.discriminator_skips else []
        self.images = nn.ModuleList(EqualisedConv(spec.channels, c, 1, gain=SQRT2) for c in smaller)
        self.halve = Downsample()

    def group_apart(self, most: int) -> None:
        """Form groups as NVIDIA's snapshots do: of up to `most` images of any class, at equal distances in a set."""
        self.apart = most

    def forward(self, images: Tensor, labels: Tensor, recompute: bool = False, sets: int = 1) -> Tensor:
        """(N,) logits.

        Args:
            images: (N, C, H, W) in [-1, 1]: `sets` of equal size, one after another, that do not see one another.
            labels: (N,) int64.
            recompute: keep no activations for the backward pass, which computes them again.
        """
        with precision(images, half=True):
            x = activate(self.image(images))
        for i, block in enumerate(self.blocks):
            x = recomputing(block)(x) if recompute else block(x)
            if self.images:
                images = self.halve(images)
                with precision(images, half=i + 1 < HALF_RESOLUTIONS):
                    x = x + activate(self.images[i](images))
        with precision(x):
            x = x.to(self.dense.weight.dtype)
            pairs = zip(x.chunk(sets), labels.chunk(sets), strict=True)
            x = activate(self.mix(torch.cat([self._with_deviation(*pair) for pair in pairs])))
            features = self.features(activate(self.dense(x.flatten(1))))
            # Projection (Miyato & Koyama 2018) on a mapped class (ADA, appendix C).
            return (features * self.classes(labels)).sum(1) / features.shape[1] ** 0.5

    def _with_deviation(self, x: Tensor, labels: Tensor) -> Tensor:
        if not self.deviation:
            return x
        if self.apart is None:
            return minibatch_std(x, labels)
        size = divisor(len(x), self.apart)
        return minibatch_std(x, torch.arange(len(x), device=x.device) % (len(x) // size), size)

    def classes(self, labels: Tensor) -> Tensor:
        """(N, width) mapped classes of labels (N,)."""
        x = normalise(self.embedding(labels))
        for layer in self.mapping:
            x = activate(layer(x))
        return x
