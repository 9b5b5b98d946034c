"""Antialiased warping of a batch of images by one homogeneous transform each (Karras et al. 2020b, appendix B.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Orthonormal symlet with six vanishing moments (Daubechies 1992, table 6.3): sum √2, orthogonal to its even shifts.
SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
FIRST = 5  # a pixel reaches 5 half-pixels before its first one and 6 after it
DELAY = sum(i * h for i, h in enumerate(SYM6)) / math.sqrt(2)  # of the filter, in half-pixels


def reflect(position: Tensor, size: int) -> Tensor:
    """(...) positions folded into [0, size - 1] by mirrors at the centres of the edge pixels; integers or floats."""
    position = position.remainder(2 * (size - 1))
    return torch.minimum(position, 2 * (size - 1) - position)


def doubling_matrix(size: int) -> Tensor:
    """(2·size + 10, size) float64: the filter's doubling of a row that continues as its mirror image.

    Row r is half-pixel r - 5: half-pixels 2n and 2n + 1 belong to pixel n.
    """
    matrix = torch.zeros(2 * size + 2 * FIRST, size, dtype=torch.float64)
    for pixel in range(-FIRST, size + FIRST):
        source = int(reflect(torch.tensor(pixel), size))
        for tap, value in enumerate(SYM6):
            row = 2 * pixel + tap
            if 0 <= row < len(matrix):
                matrix[row, source] += math.sqrt(2) * value
    return matrix


def halving_matrix(size: int) -> Tensor:
    """(size, 2·size + 10) float64: the transposed filter; undoes `doubling_matrix` exactly."""
    matrix = torch.zeros(size, 2 * size + 2 * FIRST, dtype=torch.float64)
    for pixel in range(size):
        matrix[pixel, 2 * pixel : 2 * pixel + len(SYM6)] = torch.tensor(SYM6, dtype=torch.float64) / math.sqrt(2)
    return matrix


class Axis(nn.Module):
    """Rows (or columns) of an image: their doubling, their halving, and where each half-pixel is."""

    doubling: Tensor  # buffers
    halving: Tensor
    positions: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.size, self.middle = size, (size - 1) / 2
        half_pixels = torch.arange(2 * size + 2 * FIRST, dtype=torch.float64)
        positions = (half_pixels - DELAY) / 2 - self.middle  # in pixels from the image's centre
        for name, value in (
            ("doubling", doubling_matrix(size)),
            ("halving", halving_matrix(size)),
            ("positions", positions),
        ):
            self.register_buffer(name, value.float(), persistent=False)

    def place(self, position: Tensor) -> Tensor:
        """(...) positions in pixels from the centre to grid_sample's units, in [-1, 1] along the doubled axis."""
        pixel = position + self.middle
        # The doubled image has a mirrored margin of its own; only what lies beyond it is folded back.
        low, high = self.positions[0] + self.middle, self.positions[-1] + self.middle
        pixel = torch.where((pixel < low) | (pixel > high), reflect(pixel, self.size), pixel)
        return (pixel - low) * (2 / (high - low)) - 1


class Warp(nn.Module):
    """Low-pass doubling, bilinear look-up, low-pass halving; what lies outside an image is its mirror image."""

    def __init__(self, height: int, width: int):
        super().__init__()
        self.rows, self.columns = Axis(height), Axis(width)

    def forward(self, images: Tensor, matrices: Tensor) -> Tensor:
        """Move the content of each image by its transform.

        Args:
            images: (N, C, height, width), of the dtype of this module.
            matrices: (N, 3, 3) invertible affine transforms of (x right, y down, 1), in pixels from the centre.
        """
        fine = self.rows.doubling @ images @ self.columns.doubling.mT
        moved = _Lookup.apply(fine, self._grid(torch.linalg.inv_ex(matrices).inverse))
        return self.rows.halving @ moved @ self.columns.halving.mT

    def _grid(self, inverses: Tensor) -> Tensor:
        """(N, rows, columns, 2) where each half-pixel's content comes from, in grid_sample's units."""
        x, y = self.columns.positions[None, None, :], self.rows.positions[None, :, None]
        rows = inverses[:, :2, :, None, None].unbind(1)  # each (N, 3, 1, 1)
        centred = [row[:, 0] * x + row[:, 1] * y + row[:, 2] for row in rows]
        return torch.stack([self.columns.place(centred[0]), self.rows.place(centred[1])], -1)


_MODE = (0, 0, True)  # bilinear, zeros outside (never met), corners aligned


class _Lookup(torch.autograd.Function):
    """grid_sample, differentiable in the image as often as wanted: it is linear there, and so is its adjoint.

    (The derivative of grid_sample's own backward is missing on some devices and versions of torch.)
    """

    @staticmethod
    def forward(ctx, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return torch.ops.aten.grid_sampler_2d(images, grid, *_MODE)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return _LookupAdjoint.apply(gradient, *ctx.saved_tensors, ctx.shape), None


class _LookupAdjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = values.new_zeros(shape)  # only its shape matters
        return torch.ops.aten.grid_sampler_2d_backward(values, images, grid, *_MODE, (True, False))[0]

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return _Lookup.apply(gradient, *ctx.saved_tensors), None, None
