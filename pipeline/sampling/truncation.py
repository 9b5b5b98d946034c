"""Truncation: styles drawn towards the mean of their class, for images more typical and less varied.

Karras et al. 2019, appendix B, with a mean for each class.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.models.base import GenerativeModel, StyledModel, latents
from pipeline.sampling.abilities import styled
from pipeline.training.snapshots import draw


def draw_truncated(model: GenerativeModel, labels: Tensor, seeds: Tensor, truncation: float, batch: int) -> Tensor:
    """Images (N, C, H, W) float32 in [-1, 1] on the CPU, drawn `batch` at a time; at truncation 1 those of `sample`.

    Args:
        labels, seeds: (N,) int64 on the CPU.

    Raises:
        UserError: a truncation below 1 of a model without styles.
    """
    if truncation == 1:
        return draw(model, labels, seeds, batch)
    able = styled(model, f"generate.truncation: {truncation:g}")
    parts = zip(labels.split(batch), seeds.split(batch), strict=True)
    return torch.cat([_sample(able, some, theirs, truncation) for some, theirs in parts])


def sweep(model: StyledModel, labels: Tensor, seeds: Tensor, truncations: Sequence[float], batch: int) -> Tensor:
    """Images (N, T, C, H, W) of N seeds at T truncations, on the CPU."""
    return torch.stack([draw_truncated(model, labels, seeds, t, batch) for t in truncations], 1)


@torch.no_grad()
def _sample(model: StyledModel, labels: Tensor, seeds: Tensor, truncation: float) -> Tensor:
    model.eval()
    z = latents(seeds, model.latent_length).to(model.device)
    return model.render(model.styles(labels.to(model.device), z, truncation), z).cpu()
