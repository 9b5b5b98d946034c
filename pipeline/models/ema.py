"""The averaged copy of a generator that images are drawn from."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def averaged_copy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose parameters no optimiser moves."""
    return copy.deepcopy(module).eval().requires_grad_(False)


def decay(batch: int, seen: int, half_life: float, rampup: float) -> float:
    """What one update keeps of the average: 0.5 after `half_life` images (Karras et al. 2020a, appendix B).

    Args:
        batch: images of this update.
        seen: images seen, this update included.
        half_life: in images.
        rampup: the half-life is at most this fraction of `seen`.
    """
    half_life = min(half_life, seen * rampup)
    return 0.5 ** (batch / half_life) if half_life > 0 else 0.0


@torch.no_grad()
def update(average: nn.Module, module: nn.Module, keep: float) -> None:
    """Move the parameters of `average` to keep · average + (1 - keep) · module, and copy the buffers."""
    get_ema_multi_avg_fn(keep)(list(average.parameters()), list(module.parameters()), None)
    for target, source in zip(average.buffers(), module.buffers(), strict=True):
        target.copy_(source)
