"""Convolutions that are fast for few pixels too: on CPUs those in bfloat16, and kernels of one pixel, are products of
matrices.

torch's take 1 to 5 times as long there (8 x 8 pixels and less, 512 channels), most of it for weights in another order
of memory; at 16 x 16 pixels they win, and in float32 at all sizes. Of one channel, a kernel of one pixel makes them
lose the channels-last order. Derivatives of every order are right.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FEW = 64  # pixels of the smaller side of a convolution


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    """`F.conv2d` of x (N, C, H, W) and a square kernel (outputs, C, k, k)."""
    kernel = weight.shape[2]
    rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side in x.shape[2:])
    if not as_product(x, rows * columns, kernel):
        return F.conv2d(x, weight, bias, stride, padding)
    patches = x.permute(0, 2, 3, 1) if kernel == 1 else _Patches.apply(x, kernel, stride, padding)
    return F.linear(patches, weight.permute(0, 2, 3, 1).flatten(1), bias).permute(0, 3, 1, 2)


def convolve_doubling(x: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution of stride 2, of x (N, C, H, W) and a kernel (outputs, C, k, k), to (N, outputs,
    2H + k - 2, 2W + k - 2)."""
    height, width = x.shape[2:]
    kernel = weight.shape[2]
    if not as_product(x, height * width, kernel):
        return F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    products = F.linear(x.permute(0, 2, 3, 1), weight.permute(2, 3, 0, 1).flatten(0, 2))
    return _Sums.apply(products, kernel, 2, 0, (2 * height + kernel - 2, 2 * width + kernel - 2))


def as_product(x: Tensor, pixels: int, kernel: int) -> bool:
    """Whether a product of matrices is faster for x (N, C, H, W), `pixels` of a result and a kernel of this side; by
    the size of one image, so that it does not depend on the batch."""
    return x.device.type == "cpu" and (kernel == 1 or (x.dtype == torch.bfloat16 and pixels <= FEW))


class _Patches(torch.autograd.Function):
    """(N, C, H, W) to what a kernel sees at each of its places, (N, rows, columns, k · k · C)."""

    @staticmethod
    def forward(ctx, x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
        ctx.geometry = kernel, stride, padding, x.shape[2:]
        x = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
        return x.unfold(1, kernel, stride).unfold(2, kernel, stride).permute(0, 1, 2, 4, 5, 3).flatten(3)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return _Sums.apply(gradient, *ctx.geometry), None, None, None


class _Sums(torch.autograd.Function):
    """The adjoint of `_Patches`: patches are added up where they came from, to (N, C, *size)."""

    @staticmethod
    def forward(ctx, patches: Tensor, kernel: int, stride: int, padding: int, size: tuple[int, int]) -> Tensor:
        ctx.geometry = kernel, stride, padding
        count, rows, columns = patches.shape[:3]
        parts = patches.unflatten(3, (kernel, kernel, -1))
        exact = torch.promote_types(patches.dtype, torch.float32)
        height, width = (side + 2 * padding for side in size)
        sums = patches.new_zeros(count, height, width, parts.shape[-1], dtype=exact)
        for i in range(kernel):
            for j in range(kernel):
                sums[:, i : i + stride * rows : stride, j : j + stride * columns : stride] += parts[:, :, :, i, j]
        inside = sums[:, padding : height - padding, padding : width - padding]
        return inside.to(patches.dtype, copy=padding > 0).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return _Patches.apply(gradient, *ctx.geometry), None, None, None, None
