"""The averaged copy of a generator that images are drawn from."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pipeline.models.layers import BatchNorm

Network = TypeVar("Network", bound=nn.Module)
MEASURED = 256  # images, at least, that the statistics of an averaged network are measured on


def averaged_copy(module: Network) -> Network:
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
    """Move the parameters of `average` to keep · average + (1 - keep) · module, and copy the buffers.

    The statistics of batch normalisation are not copied, for in `module` they belong to other weights (`measure`).
    """
    get_ema_multi_avg_fn(keep)(list(average.parameters()), list(module.parameters()), None)
    for target, source in zip(_copied(average), _copied(module), strict=True):
        target.copy_(source)


def normalisations(module: nn.Module) -> list[BatchNorm]:
    """All batch normalisations of a network, in its order."""
    return [layer for layer in module.modules() if isinstance(layer, BatchNorm)]


@torch.no_grad()
def measure(norms: list[BatchNorm], passes: Iterable) -> None:
    """Set the statistics of a network in evaluation mode to those of all that goes through it in some passes.

    Within a pass the network normalises by that pass, as in training; the means and variances over all of them are
    exact, not weighted towards the last (Wu & Johnson 2021, section 3, "PreciseBN").

    Args:
        norms: its normalisations.
        passes: asked for the next one, sends as many images through the network as for any other.
    """
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0  # the buffers hold the last pass alone
    means, variances = [], []
    for _ in passes:
        means.append([norm.mean.clone() for norm in norms])
        variances.append([norm.variance.clone() for norm in norms])
    for norm, momentum, mean, variance in zip(
        norms, momenta, zip(*means, strict=True), zip(*variances, strict=True), strict=True
    ):
        norm.mean.copy_(torch.stack(mean).mean(0))
        norm.variance.copy_(torch.stack(variance).mean(0) + torch.stack(mean).var(0, correction=0))
        norm.momentum = momentum
        norm.eval()


def _copied(module: nn.Module) -> list[Tensor]:
    own = {id(buffer) for norm in normalisations(module) for buffer in norm.buffers()}
    return [buffer for buffer in module.buffers() if id(buffer) not in own]
