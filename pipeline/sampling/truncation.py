"""Truncation: styles drawn towards the mean of their class, for images more typical and less varied.

Karras et al. 2019, appendix B, with a mean for each class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from pipeline.models.base import Sampler, StyledModel
from pipeline.sampling.abilities import styled
from pipeline.training.snapshots import with_latents


def draw_truncated(
    model: Sampler, labels: Tensor, seeds: Tensor, truncation: float, batch: int, move: Tensor | None = None
) -> Iterator[Tensor]:
    """Images (n, C, H, W) float32 in [-1, 1] on the CPU, `batch` at a time; at truncation 1 those of `sample`.

    Args:
        labels, seeds: (N,) int64 on the CPU.
        move: (width,) what is added to the styles.

    Raises:
        UserError: a truncation below 1 of a model without styles.
    """
    parts = with_latents(model, labels, seeds, batch)
    if truncation == 1 and move is None:
        return (model.draw(some, z).cpu() for some, z in parts)
    able = styled(model, f"generate.truncation: {truncation:g}")
    return (_truncated(able, some, z, truncation, move) for some, z in parts)


def sweep(model: StyledModel, labels: Tensor, seeds: Tensor, truncations: Sequence[float], batch: int) -> Tensor:
    """Images (N, T, C, H, W) of N seeds at T truncations, on the CPU."""
    return torch.stack([torch.cat([*draw_truncated(model, labels, seeds, t, batch)]) for t in truncations], 1)


@torch.no_grad()
def _truncated(model: StyledModel, labels: Tensor, latents: Tensor, truncation: float, move: Tensor | None) -> Tensor:
    model.settle()
    z = latents.to(model.device)
    styles = model.styles(labels.to(model.device), z, truncation)
    return model.render(styles if move is None else styles + move, z).cpu()
