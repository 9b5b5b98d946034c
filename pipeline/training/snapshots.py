"""Sample grids with fixed seeds at intervals of a training, and the film made of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from pipeline.base.files import write_whole
from pipeline.base.seeds import derive
from pipeline.models.base import Sampler, latents
from pipeline.training import grids
from pipeline.training.ahead import ahead

COLUMNS = 8  # images of a class in a grid; more where there is one class
ROWS = 16  # classes in a grid


def draw(model: Sampler, labels: Tensor, seeds: Tensor, batch: int) -> Tensor:
    """Images of the averaged weights, (N, C, H, W) float32 in [-1, 1] on the CPU, drawn `batch` at a time.

    Args:
        labels: (N,) int64 on the CPU.
        seeds: (N,) int64 on the CPU.
    """
    return torch.cat([model.draw(some, z).cpu() for some, z in with_latents(model, labels, seeds, batch)])


def with_latents(model: Sampler, labels: Tensor, seeds: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Labels and latents, `batch` at a time; the next ones are drawn on the CPU while these are made use of."""
    numbers = ahead(lambda some: latents(some, model.latent_length), seeds.split(batch))
    return zip(labels.split(batch), numbers, strict=True)


def draw_classes(model: Sampler, batch: int) -> dict[str, Tensor]:
    """The fixed grid: (n, C, H, W) float32 in [-1, 1] by class name, of the first ROWS classes.

    The seeds depend on the class and the image's number alone, so that grids of all moments and models compare.
    """
    names = model.spec.classes[:ROWS]
    count = COLUMNS if len(names) > 1 else 3 * COLUMNS
    labels = torch.arange(len(names)).repeat_interleave(count)
    seeds = torch.tensor([derive(c, i) for c in range(len(names)) for i in range(count)])
    images = draw(model, labels, seeds, batch)
    return dict(zip(names, images.split(count), strict=True))


class Snapshots:
    """The grids of a training.

    They are kept in `state`, which outlives a job that fails, and copied to `out`, which may not: a resumed training
    ends with the whole film.
    """

    def __init__(self, state: Path, out: Path):
        self.state, self.out = state, out

    def begin(self, images: int) -> None:
        """Forget the grids after `images` images (all of them, for a negative number); bring back the others."""
        shutil.rmtree(self.out, ignore_errors=True)
        for folder in (self.state / "small", self.out):
            folder.mkdir(parents=True, exist_ok=True)
        for path in self._frames():
            if int(path.stem) > images:
                path.unlink()
            else:
                shutil.copy(path, self.out)

    def save(self, samples: dict[str, Tensor], images: int) -> Path:
        """Write the grid drawn after `images` images; returns a copy of at most 256 pixels, for the tracker."""
        rows = {name: x.permute(0, 2, 3, 1).numpy() for name, x in samples.items()}
        path, small = (folder / f"{images:09d}.png" for folder in (self.state, self.state / "small"))
        title = f"{images:,} images".replace(",", " ")
        write_whole(path, grids.png(grids.sheet(rows, title, COLUMNS)))
        write_whole(small, grids.png(grids.compact(rows)))
        shutil.copy(path, self.out)
        return small

    def film(self, path: Path) -> None:
        """Write all grids as an animated GIF."""
        grids.animation(self._frames(), path)

    def _frames(self) -> list[Path]:
        return sorted(self.state.glob("*.png"))
