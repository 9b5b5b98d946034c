"""Style mixing: which of an image's properties sit in its coarse styles, and which in the finer ones."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.models.base import StyledModel, latents
from pipeline.sampling.abilities import rendered

COARSE = 4  # styles of the layers at 4 and 8 pixels (Karras et al. 2019, figure 3); half of them where there are few


@torch.no_grad()
def mixing_grid(model: StyledModel, label: int, rows: Tensor, columns: Tensor, batch: int) -> Tensor:
    """Images (R + 1, K + 1, C, H, W) float32 in [-1, 1] on the CPU, of one class.

    Image (r, k), counted from 1, has the coarse styles of seed r of the rows and all else of seed k of the columns. Row
    0 and column 0 hold the images of these seeds themselves; their corner is white.

    Args:
        rows, columns: (R,) and (K,) int64 seeds on the CPU.
    """
    model.settle()
    seeds = torch.cat([rows, columns])
    labels = torch.full_like(seeds, label).to(model.device)
    z = latents(seeds, model.latent_length).to(model.device)
    styles = model.styles(labels, z)
    coarse, fine = styles[: len(rows)], styles[len(rows) :]
    cut = min(COARSE, styles.shape[1] // 2)
    mixed = fine.repeat(len(rows), 1, 1)  # row by row
    mixed[:, :cut] = coarse[:, :cut].repeat_interleave(len(columns), 0)
    drawn = rendered(model, torch.cat([styles, mixed]), torch.cat([z, z[len(rows) :].repeat(len(rows), 1)]), batch)
    left, top, inner = drawn.split([len(rows), len(columns), len(mixed)])
    corner = torch.ones_like(left[:1])
    body = torch.cat([left[:, None], inner.unflatten(0, (len(rows), len(columns)))], 1)
    return torch.cat([torch.cat([corner, top])[None], body])
