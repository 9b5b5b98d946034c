"""What the processes (ranks) that train one model together share: sums and rows of all. Alone, each is the identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_apart = False  # inside `alone`


def count() -> int:
    """Processes that train this model."""
    return dist.get_world_size() if dist.is_initialized() and not _apart else 1


def index() -> int:
    """This process's number among them, from 0; the one numbered 0 writes files."""
    return dist.get_rank() if dist.is_initialized() and not _apart else 0


@contextmanager
def alone() -> Iterator[None]:
    """A block that one rank runs by itself: it waits for no other."""
    global _apart
    before, _apart = _apart, True
    try:
        yield
    finally:
        _apart = before


def highest(flag: int) -> int:
    """The highest of all ranks' flags; waits for every rank, but for no accelerator."""
    if count() == 1:
        return flag
    flags = torch.tensor(flag)
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return int(flags)


def broadcast(value: Any) -> Any:
    """Rank 0's value (anything that pickles), on every rank."""
    if count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


@torch.no_grad()
def total(x: Tensor) -> Tensor:
    """Sum over all ranks of a detached tensor, of the same shape on each."""
    return _all_reduced(x) if count() > 1 else x


def add(x: Tensor) -> Tensor:
    """`total` that can be differentiated, as often as wanted."""
    return _Add.apply(x) if count() > 1 else x


def gather(x: Tensor) -> Tensor:
    """(n, ...) of every rank, the same n on each, to (ranks · n, ...), rank 0's rows first; differentiable."""
    if count() == 1:
        return x
    before, after = (torch.zeros_like(x).repeat(k, *[1] * (x.ndim - 1)) for k in (index(), count() - index() - 1))
    return add(torch.cat([before, x, after]))


def local_rows(x: Tensor) -> Tensor:
    """(n, ...) of what `gather` returned, (ranks · n, ...), this rank's rows."""
    return x.chunk(count())[index()]


@torch.no_grad()
def all_reduce_(tensors: list[Tensor]) -> None:
    """Replace each tensor by its sum over all ranks, in one message a dtype."""
    if count() == 1 or not tensors:
        return
    for dtype in {t.dtype for t in tensors}:
        same = [t for t in tensors if t.dtype == dtype]
        flat = torch.cat([t.reshape(-1) for t in same])
        dist.all_reduce(flat)
        for tensor, summed in zip(same, flat.split([t.numel() for t in same]), strict=True):
            tensor.copy_(summed.view(tensor.shape))


def _all_reduced(x: Tensor) -> Tensor:
    x = x.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(x)
    return x


class _Add(torch.autograd.Function):
    """The sum over ranks is its own adjoint: every rank's result depends on every rank's input alike."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return _all_reduced(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _Add.apply(gradient)
