"""The way from one image to another in small steps: where it jumps, the model has learnt images by heart."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.models.base import GenerativeModel, StyledModel, latents


def walk(model: GenerativeModel, labels: Tensor, first: Tensor, last: Tensor, frames: int, space: str) -> Iterator:
    """Frame by frame, (N, C, H, W) float32 in [-1, 1] on the CPU, N ways side by side, from seeds to seeds.

    What is no style (the noise of a styled model) stays that of the first seed: it would only flicker.

    Args:
        labels, first, last: (N,) int64 on the CPU; the class of each way and its two seeds.
        frames: at least 2.
        space: `w`, a line between styles where the model has them; else, and for `z`, `interpolate_latents` of the
            model.
    """
    model.settle()
    labels = labels.to(model.device)
    start, end = (latents(seeds, model.latent_length).to(model.device) for seeds in (first, last))
    for i in range(frames):
        t = i / (frames - 1)
        with torch.no_grad():
            if space == "w" and isinstance(model, StyledModel):
                images = model.render(torch.lerp(model.styles(labels, start), model.styles(labels, end), t), start)
            else:
                images = model.generate(labels, model.interpolate_latents(start, end, t))
        yield images.cpu()
