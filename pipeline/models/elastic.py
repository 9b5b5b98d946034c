"""The family `warp`: a training image, smoothly bent, shifted and a little brighter or darker.

The bending is a field of displacements on a coarse grid of uniform random vectors, made smooth by cubic B-splines
(Rueckert et al. 1999), as elastic distortions are made to augment training images (Simard et al. 2003). The weights of
a B-spline are positive and add up to 1, so no pixel moves farther than the setting says.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.models.flips import MOST_FLIPS
from pipeline.models.untrained import Recombination
from pipeline.settings import ImageSpec, WarpSettings

SPANS = 4  # of the spline along the shorter side; knots are farther apart than twice what bends, so nothing folds


class Warp(Recombination):
    """The family `warp`."""

    settings: WarpSettings

    def __init__(self, settings: WarpSettings, spec: ImageSpec):
        super().__init__(settings, spec)
        self.unit = min(spec.height, spec.width)
        self.splines = [spline(size, round(SPANS * size / self.unit)) for size in (spec.height, spec.width)]
        self.field = (2, *(s.shape[1] for s in self.splines))  # of random numbers
        self.latent_length = 1 + MOST_FLIPS + 4 + 2 * self.field[1] * self.field[2]

    def compose(self, rows: Tensor, chances: Tensor) -> Tensor:
        which, moves, shift, tone, field = chances.split([1, MOST_FLIPS, 2, 2, len(chances) - MOST_FLIPS - 5])
        image = self.real(int(rows[int(which * len(rows))]), moves)
        bent = warped(image, self._displacements(2 * field - 1, 2 * shift - 1))
        contrast, brightness = (self.settings.contrast * (2 * tone - 1)).tolist()
        middle = bent.mean()
        return ((bent - middle) * (1 + contrast) + middle + brightness).clamp(-1, 1)

    def _displacements(self, field: Tensor, shift: Tensor) -> Tensor:
        """(2, H, W) float32 where along x and y each pixel comes from, beside its own place; in pixels.

        Args:
            field, shift: numbers in [-1, 1).
        """
        down, across = self.splines
        bend = down @ field.view(self.field) @ across.mT * self.settings.bend
        return ((bend + shift[:, None, None] * self.settings.shift) * self.unit).float()


def spline(size: int, spans: int) -> Tensor:
    """(size, spans + 3) float64 weights of the control points of a uniform cubic B-spline at each of `size` pixels."""
    at = (torch.arange(size, dtype=torch.float64) + 0.5) * spans / size
    distance = (at[:, None] - torch.arange(-1, spans + 2)).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    return torch.where(distance < 1, near, (2 - distance).clamp(min=0) ** 3 / 6)


def warped(image: Tensor, displacements: Tensor) -> Tensor:
    """The image (C, H, W) whose pixels come from `displacements` (2, H, W) beside them, along x and y, in pixels; what
    lies outside is its mirror image. Bicubic."""
    height, width = image.shape[1:]
    places = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")) + displacements
    scale = places.new_tensor([width - 1, height - 1])
    grid = (2 * places.permute(1, 2, 0) / scale - 1)[None]
    return F.grid_sample(image[None], grid, mode="bicubic", padding_mode="reflection", align_corners=True)[0]
