"""The network of DDPM: a U-Net that knows time and class (Ho et al. 2020; Dhariwal & Nichol 2021)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.models.base import LEAST, MOST
from pipeline.models.coarse import coarse_book
from pipeline.models.layouts import Book
from pipeline.settings import DDPMSettings, ImageSpec, UserError


def sinusoids(t: Tensor, width: int) -> Tensor:
    """(N, width) cosines and sines of t (N,) at wavelengths from 2π to 2π · 10 000 (Vaswani et al. 2017, section
    3.5)."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device, dtype=torch.float32) / half)
    angles = t.float()[:, None] * rates
    return F.pad(torch.cat([angles.cos(), angles.sin()], 1), (0, width % 2))


def normalisation(channels: int) -> nn.GroupNorm:
    """Groups of at least 4 channels, at most 32 of them."""
    groups = next(g for g in range(min(32, max(1, channels // 4)), 0, -1) if channels % g == 0)
    return nn.GroupNorm(groups, channels)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, silent until it is trained."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None  # as such layers are made here
    nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """Two convolutions beside the identity; the embedding scales and shifts what is between them."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float):
        super().__init__()
        self.first = nn.Sequential(normalisation(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.condition = nn.Linear(embedding, 2 * outputs)
        self.norm = normalisation(outputs)
        self.second = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), zeroed(nn.Conv2d(outputs, outputs, 3, padding=1)))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (N, inputs, H, W) and embedding (N, E), after its activation, to (N, outputs, H, W)."""
        scale, shift = self.condition(embedding)[:, :, None, None].chunk(2, 1)
        y = self.norm(self.first(x))
        return self.skip(x) + self.second(torch.addcmul(y + shift, y, scale))


class Attention(nn.Module):
    """Multi-head self-attention between all pixels, beside the identity."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        if channels % heads:
            raise UserError(f"heads: {heads} does not divide the {channels} channels of the features with attention")
        self.heads = heads
        self.norm = normalisation(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        split = (n, 3, self.heads, channels // self.heads, height * width)
        q, k, v = self.qkv(self.norm(x)).reshape(split).transpose(3, 4).unbind(1)  # (N, heads, pixels, width)
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(2, 3).reshape(x.shape))


class Block(nn.Module):
    """A residual block, and attention where wanted."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float, heads: int | None):
        super().__init__()
        self.residual = Residual(inputs, outputs, embedding, dropout)
        self.attention = Attention(outputs, heads) if heads else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.attention(self.residual(x, embedding))


class UNet(nn.Module):
    """Prediction of ε or v for noisy images.

    With more than one class, the class of index len(spec.classes) is none: what is predicted whatever the class. A
    network that is shown boxes or coarse pictures has it with one class too, and sees enlarged pictures and masks as
    further channels of the image; it keeps the training images' layouts in its `book`, what coarse pictures are drawn
    from in its `coarse`. With `conditions`, the network is also given that many numbers an image, 0 when it draws.

    Raises:
        UserError: a size of image that cannot be halved so often, or heads that do not divide the channels.
    """

    def __init__(self, settings: DDPMSettings, spec: ImageSpec, conditions: int = 0):
        super().__init__()
        require_halvings(spec, settings)
        self.patch = settings.patch
        self.checkpointing = settings.checkpoint_activations
        self.channels = settings.channels
        width = 4 * settings.channels
        self.time = nn.Sequential(nn.Linear(self.channels, width), nn.SiLU(), nn.Linear(width, width))
        self.classes = nn.Embedding(len(spec.classes) + 1, width) if has_no_class(settings, spec) else None
        self.conditions = nn.Linear(conditions, width, bias=False) if conditions else None

        sizes = [settings.channels * m for m in settings.multipliers]
        short = min(spec.height, spec.width) // self.patch
        heads = [settings.heads if short >> level in settings.attention else None for level in range(len(sizes))]

        def block(inputs: int, outputs: int, heads: int | None) -> Block:
            return Block(inputs, outputs, width, settings.dropout, heads)

        self.book = Book() if spec.boxes else None
        self.coarse = coarse_book(spec, settings) if settings.coarse_pictures else None
        shown = (self.coarse.shape[0] if self.coarse else 0) + len(spec.boxes)
        pixels = self.patch**2  # of a place
        self.image = nn.Conv2d(pixels * (spec.channels + shown), sizes[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()  # a list of blocks a level, the finest first
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()  # between two levels
        inputs = sizes[0]
        for level, size in enumerate(sizes):
            first = [inputs] + [size] * (settings.blocks - 1)
            self.down.append(nn.ModuleList(block(c, size, heads[level]) for c in first))
            self.up.append(nn.ModuleList(block(2 * size, size, heads[level]) for _ in first))
            inputs = size
        for finer, coarser in itertools.pairwise(sizes):
            self.shrink.append(nn.Conv2d(finer, finer, 3, stride=2, padding=1))
            self.grow.append(nn.Conv2d(coarser, finer, 1))
        self.middle = nn.ModuleList([block(inputs, inputs, settings.heads), block(inputs, inputs, None)])
        self.head = nn.Sequential(
            normalisation(sizes[0]), nn.SiLU(), zeroed(nn.Conv2d(sizes[0], pixels * spec.channels, 3, padding=1))
        )

    def forward(self, x: Tensor, t: Tensor, labels: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Prediction (N, C, H, W), of the weights' dtype (float32).

        Args:
            x: (N, C, H, W), with what is shown beside the images as further channels.
            t: (N,) times in 1..1000.
            labels: (N,) int64.
            conditions: (N, conditions); None is zeros.
        """
        embedding = self._embedding(t, labels, conditions)
        x = F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last)
        x = self.image(x)
        skips = []
        for level, blocks in enumerate(self.down):
            if level > 0:
                x = self.shrink[level - 1](x)
            assert isinstance(blocks, nn.ModuleList)
            for block in blocks:
                x = self._run(block, x, embedding)
                skips.append(x)
        for block in self.middle:
            x = self._run(block, x, embedding)
        for level in reversed(range(len(self.up))):
            blocks = self.up[level]
            assert isinstance(blocks, nn.ModuleList)
            for block in blocks:
                x = self._run(block, torch.cat([x, skips.pop()], 1), embedding)
            if level > 0:
                x = F.interpolate(self.grow[level - 1](x), scale_factor=2.0, mode="nearest")
        return F.pixel_shuffle(self.head(x), self.patch).to(self.image.weight.dtype)

    def _embedding(self, t: Tensor, labels: Tensor, conditions: Tensor | None) -> Tensor:
        embedding = self.time(sinusoids(t, self.channels).to(self.image.weight.dtype))
        if self.classes is not None:
            embedding = embedding + self.classes(labels)
        if self.conditions is not None and conditions is not None:
            embedding = embedding + self.conditions(conditions)
        return F.silu(embedding)

    def _run(self, block: Callable, x: Tensor, embedding: Tensor) -> Tensor:
        if self.checkpointing and self.training:
            return checkpoint(block, x, embedding, use_reentrant=False)
        return block(x, embedding)


def has_no_class(settings: DDPMSettings, spec: ImageSpec) -> bool:
    """Whether there is a class that stands for none."""
    return len(spec.classes) > 1 or bool(spec.boxes) or settings.coarse_pictures


def require_halvings(spec: ImageSpec, settings: DDPMSettings) -> None:
    """Raises UserError unless both sides are within the limits and can be parted and halved so often."""
    sides, factor = (spec.height, spec.width), step(settings)
    if any(side % factor or not LEAST <= side <= MOST for side in sides):
        parted = f" and a patch of {settings.patch}" if settings.patch > 1 else ""
        raise UserError(
            f"size: {spec.height} x {spec.width} cannot be made by {settings.family} with "
            f"{len(settings.multipliers)} multipliers{parted}; both sides must be multiples of {factor} from {LEAST} "
            f"to {MOST}"
        )


def step(settings: DDPMSettings) -> int:
    """Pixels of which the sides of an image must be multiples."""
    return settings.patch << (len(settings.multipliers) - 1)
