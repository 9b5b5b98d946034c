"""Adaptive discriminator augmentation (Karras et al. 2020b): the `bgc` set, for gray and RGB images.

Every transform is drawn for each image by itself and applied with probability p, which is steered so that the
discriminator stays as sure of real images as `target` says. Images are (N, C, H, W), about [-1, 1].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pipeline.models import distributed
from pipeline.models.batch import BatchRng
from pipeline.models.layers import precision
from pipeline.models.warp import Warp, reflect

EVERY = 4  # updates between two changes of p


class Chance:
    """Parameters of random transforms for the images of a part; a transform that is not drawn gets 0."""

    def __init__(self, p: Tensor, rng: BatchRng):
        self.p, self.rng = p, rng

    def uniform(self, low: float, high: float, columns: int = 1, p: Tensor | None = None) -> Tensor:
        """(n, columns) in [low, high); a row is drawn or not as a whole."""
        return self._gate(low + (high - low) * self.rng.uniform(columns), p)

    def normal(self, deviation: float, columns: int = 1) -> Tensor:
        """(n, columns) normal of mean 0; a row is drawn or not as a whole."""
        return self._gate(deviation * self.rng.normal(columns))

    def integer(self, count: int) -> Tensor:
        """(n,) int64 in [0, count)."""
        return self.uniform(0, count).long().clamp(max=count - 1)[:, 0]

    def _gate(self, value: Tensor, p: Tensor | None = None) -> Tensor:
        value = value.to(self.p.dtype)
        return torch.where(self.rng.uniform(1) < (self.p if p is None else p), value, torch.zeros_like(value))


# ---------------------------------------------------------------- pixel blitting


def blit(images: Tensor, flip: Tensor, turns: Tensor, shift: Tensor) -> Tensor:
    """Mirror left-right, then turn, then move: whole pixels, so no value is changed.

    Args:
        images: (N, C, H, W).
        flip: (N,) 0 or 1.
        turns: (N,) quarter turns, 0 to 3, counter-clockwise as torch.rot90 turns (H, W); 0 or 2 unless H = W.
        shift: (N, 2) int64 pixels right and down, within ±W and ±H; the mirror image moves in.
    """
    height, width = images.shape[2:]
    columns, rows = (torch.arange(size, device=images.device) for size in (width, height))
    x = reflect(columns - shift[:, :1], width)[:, None, :]  # (N, 1, W) column before the move
    y = reflect(rows - shift[:, 1:], height)[:, :, None]  # (N, H, 1) row before the move
    turns = turns[:, None, None]
    odd = turns % 2 == 1
    column, row = torch.where(odd, y, x), torch.where(odd, x, y)
    column = torch.where((turns == 1) | (turns == 2), width - 1 - column, column)
    row = torch.where(turns >= 2, height - 1 - row, row)
    column = torch.where(flip[:, None, None] == 1, width - 1 - column, column)
    index = (row * width + column).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).unflatten(2, (height, width))


def random_blit(images: Tensor, chance: Chance) -> Tensor:
    """Each of the three with probability p: mirror or not, 0 to 3 quarter turns (an image that is no square: 0 or 2),
    a move of up to an eighth of each side."""
    height, width = images.shape[2:]
    x, y = chance.uniform(-0.125, 0.125, columns=2).unbind(1)
    shift = torch.stack([x * width, y * height], 1).round().long()
    flip = chance.integer(2)
    turns = chance.integer(4) if height == width else 2 * chance.integer(2)
    return blit(images, flip, turns, shift)


# ---------------------------------------------------------------- geometry


def _affine(a: Tensor, b: Tensor, c: Tensor, d: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(N, 3, 3) matrices [[a, b, x], [c, d, y], [0, 0, 1]]."""
    zero = torch.zeros_like(a)
    return torch.stack([a, b, x, c, d, y, zero, zero, zero + 1], 1).unflatten(1, (3, 3))


def scaling(sx: Tensor, sy: Tensor) -> Tensor:
    """(N, 3, 3) matrices that stretch x and y by factors (N,)."""
    zero = torch.zeros_like(sx)
    return _affine(sx, zero, zero, sy, zero, zero)


def rotation(angle: Tensor) -> Tensor:
    """(N, 3, 3) matrices that turn x towards y by angles (N,) in radians."""
    sine, cosine, zero = angle.sin(), angle.cos(), torch.zeros_like(angle)
    return _affine(cosine, -sine, sine, cosine, zero, zero)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """(N, 3, 3) matrices that move by x and y (N,)."""
    zero = torch.zeros_like(x)
    return _affine(zero + 1, zero, zero, zero + 1, x, y)


def random_geometry(chance: Chance, height: int, width: int) -> Tensor:
    """(N, 3, 3) isotropic scale, rotation, stretch, rotation, translation, in this order (appendix B.2); pixels."""
    turned = 1 - (1 - chance.p).sqrt()  # so that p is the probability of either rotation
    isotropic = chance.normal(0.2).exp2()[:, 0]
    before = chance.uniform(-math.pi, math.pi, p=turned)[:, 0]
    stretch = chance.normal(0.2).exp2()[:, 0]
    after = chance.uniform(-math.pi, math.pi, p=turned)[:, 0]
    x, y = chance.normal(0.125, columns=2).unbind(1)
    matrix = rotation(before) @ scaling(isotropic, isotropic)
    return translation(x * width, y * height) @ rotation(after) @ scaling(stretch, 1 / stretch) @ matrix


# ---------------------------------------------------------------- colour


def _homogeneous(matrix: Tensor, shift: Tensor) -> Tensor:
    """(N, 4, 4) from (N, 3, 3) and (N,), the same shift for every channel."""
    top = torch.cat([matrix, shift[:, None, None].expand(-1, 3, 1)], 2)
    bottom = torch.zeros_like(top[:, :1])
    bottom[:, :, 3] = 1
    return torch.cat([top, bottom], 1)


def colour_matrix(shift: Tensor, contrast: Tensor, flip: Tensor, hue: Tensor, saturation: Tensor) -> Tensor:
    """(N, 4, 4) brightness, contrast, luma flip, hue, saturation, in this order (appendix B.2).

    Args:
        shift: (N,) added to every channel.
        contrast: (N,) factor of every channel.
        flip: (N,) 1 mirrors the gray axis, 0 does nothing.
        hue: (N,) angle of the turn about the gray axis.
        saturation: (N,) factor of the distance from the gray axis.
    """
    contrast, flip, hue, saturation = (v[:, None, None] for v in (contrast, flip, hue, saturation))
    identity = torch.eye(3, device=shift.device, dtype=shift.dtype)
    gray = torch.full_like(identity, 1 / 3)  # projection on the gray axis
    cycle = identity.roll(1, 0)
    cross = (cycle - cycle.mT) / math.sqrt(3)  # cross product with the gray axis
    flipped = identity - 2 * flip * gray
    turned = gray + hue.cos() * (identity - gray) + hue.sin() * cross  # Rodrigues' formula
    saturated = gray + saturation * (identity - gray)
    matrix = contrast * (saturated @ turned @ flipped)
    return _homogeneous(matrix, shift * matrix.sum(2)[:, 0])


def random_colour(chance: Chance, channels: int) -> Tensor:
    """(N, 4, 4); hue and saturation only where there is colour."""
    shift = chance.normal(0.2)[:, 0]
    contrast = chance.normal(0.5).exp2()[:, 0]
    flip = chance.integer(2).to(shift.dtype)
    if channels == 1:
        return colour_matrix(shift, contrast, flip, torch.zeros_like(shift), torch.ones_like(shift))
    hue = chance.uniform(-math.pi, math.pi)[:, 0]
    return colour_matrix(shift, contrast, flip, hue, chance.normal(1.0).exp2()[:, 0])


def recolour(images: Tensor, matrices: Tensor) -> Tensor:
    """Apply (N, 4, 4) colour transforms; one channel is taken as gray of three equal channels."""
    if images.shape[1] == 3:
        colours = matrices[:, :3, :3] @ images.flatten(2) + matrices[:, :3, 3:]
        return colours.unflatten(2, images.shape[2:])
    factor = matrices[:, :3, :3].sum(2).mean(1)[:, None, None, None]
    return images * factor + matrices[:, :3, 3].mean(1)[:, None, None, None]


# ---------------------------------------------------------------- the adaptive part


class AdaptiveAugment(nn.Module):
    """Augments images with probability `p`, and steers p by the signs of the discriminator's logits.

    Args:
        height: of the images.
        width: of the images.
        target: of r_t = E[sign D(real)].
        images: over which p may go from 0 to 1.
    """

    p: Tensor  # () buffers
    signs: Tensor
    rt: Tensor

    def __init__(self, height: int, width: int, target: float, images: float):
        super().__init__()
        self.target, self.images = target, images
        self.warp = Warp(height, width)
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(()))  # sum since the last change of p
        self.register_buffer("rt", torch.zeros(()))

    def forward(self, images: Tensor, rng: BatchRng) -> Tensor:
        """(N, C, H, W) of the dtype of `p`; differentiable twice in the images."""
        with precision(images):
            chance = Chance(self.p, rng)
            images = random_blit(images.to(self.p.dtype), chance)
            images = self.warp(images, random_geometry(chance, *images.shape[2:]))
            return recolour(images, random_colour(chance, images.shape[1]))

    @torch.no_grad()
    def observe(self, logits: Tensor) -> None:
        """Take in the logits (n,) of augmented real images."""
        self.signs += distributed.total(logits.sign().sum())

    @torch.no_grad()
    def steer(self, updates: int, batch: int) -> None:
        """Every fourth update, move p (appendix B.4).

        Args:
            updates: made so far, this one included.
            batch: images of an update.
        """
        if updates % EVERY == 0:
            shown = batch * EVERY
            self.rt.copy_(self.signs / shown)
            self.signs.zero_()
            self.p.add_((self.rt - self.target).sign() * (shown / self.images)).clamp_(0, 1)
