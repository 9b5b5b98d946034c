"""What a family can beside drawing its images; where it cannot, the refusal says who can."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.models.base import DrawsStrips, Sampler, StyledModel
from pipeline.settings import STRIPS, STYLED, UserError


def styled(model: Sampler, setting: str) -> StyledModel:
    """The model, where it has styles.

    Args:
        setting: what asks for them, with its value; begins the refusal.

    Raises:
        UserError: it has none.
    """
    if isinstance(model, StyledModel):
        return model
    raise UserError(f"{setting}: `{model.settings.family}` has no styles; families that have: {', '.join(STYLED)}")


def wide(model: Sampler, setting: str) -> DrawsStrips:
    """The model, where it draws images of any width. Arguments and error as of `styled`."""
    if isinstance(model, DrawsStrips):
        return model
    raise UserError(
        f"{setting}: `{model.settings.family}` draws images of its own width only; families that draw strips of any "
        f"width: {', '.join(STRIPS)}"
    )


def rendered(model: StyledModel, styles: Tensor, latents: Tensor, batch: int) -> Tensor:
    """(N, C, H, W) on the CPU, of styles (N, layers, w_dim) and the latents that their noise is of, drawn in parts."""
    parts = zip(styles.split(batch), latents.split(batch), strict=True)
    return torch.cat([model.render(some, theirs).cpu() for some, theirs in parts])
