"""What averaged weights draw with the batch statistics of the live network, and with their own.

    python -m benchmarks.batch_statistics
    python -m benchmarks.batch_statistics --updates 400 --families cgan --images 256

Voronoi polycrystals of four classes at 32 pixels. Each family is trained, then draws as many images as there are real
ones it has not seen. Fréchet distance and KID are those of the features of random networks; the first row, real images
against others, is the least there is to reach.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch
from torch import Tensor

from pipeline import models
from pipeline.base.device import use_threads
from pipeline.data.reading.voronoi import KINDS, draw
from pipeline.metrics import distances
from pipeline.metrics.random_networks import RandomNetworks
from pipeline.models import ema
from pipeline.models.base import GenerativeModel
from pipeline.models.batch import Batch
from pipeline.settings import FAMILY_SETTINGS, ImageSpec, Voronoi

SIZE, BATCH = 32, 64
SPEC = ImageSpec(SIZE, SIZE, 1, KINDS)
SETTINGS = {
    "dcgan": {"channels": 64, "batch": BATCH},
    "cgan": {"generator_channels": 16, "discriminator_channels": 16, "batch": BATCH},
}


def real(per_class: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images (N, 1, SIZE, SIZE) float32 in [-1, 1], and their labels (N,)."""
    settings = Voronoi(seed=seed)
    images = np.stack([draw(settings, SIZE, kind, i) for kind in KINDS for i in range(per_class)])
    return torch.from_numpy(images)[:, None] / 127.5 - 1, torch.arange(len(KINDS)).repeat_interleave(per_class)


def trained(family: str, updates: int, images: Tensor, labels: Tensor) -> GenerativeModel:
    torch.manual_seed(0)
    model = models.build(FAMILY_SETTINGS[family](family=family, **SETTINGS[family]), SPEC)
    model.keep_labels(labels)
    for step in range(updates):
        torch.manual_seed(step)
        rows = torch.randint(len(images), (BATCH,))
        model.update(Batch(images[rows], labels[rows], step))
    return model


def use_live(model: GenerativeModel) -> None:
    """The running statistics of the network that is trained, in the averaged one."""
    model.settle()
    for own, live in zip(*(ema.normalisations(net) for net in (model.ema, model.generator)), strict=True):
        own.mean.copy_(live.mean)
        own.variance.copy_(live.variance)


class Judge:
    """Distances of images (N, 1, SIZE, SIZE) in [-1, 1] to some real ones."""

    def __init__(self, images: Tensor):
        self.networks = RandomNetworks(1, SIZE, torch.device("cpu"))
        vectors = self._vectors(images)
        self.centre, self.scale = distances.block_scale(vectors, self.networks.vector_blocks)
        self.real = (vectors - self.centre) / self.scale

    def __call__(self, images: Tensor) -> tuple[float, float]:
        """Fréchet distance and KID."""
        drawn = (self._vectors(images) - self.centre) / self.scale
        return distances.frechet(drawn, self.real), distances.kid(drawn, self.real)

    def _vectors(self, images: Tensor) -> np.ndarray:
        with torch.no_grad():
            return torch.cat([self.networks((x + 1) / 2)[0] for x in images.clamp(-1, 1).split(64)]).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--per-class", type=int, default=250)
    parser.add_argument(
        "--images", type=int, nargs="+", default=[128, 256, 512, 2048], help="that statistics are measured on"
    )
    parser.add_argument("--families", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    options = parser.parse_args()
    use_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    images, labels = real(options.per_class, 0)
    judge = Judge(real(options.per_class, 1)[0])
    print("| images | statistics | Fréchet | KID | seconds |\n| --- | --- | --- | --- | --- |")
    print("| real | | {:.2f} | {:.4f} | |".format(*judge(images)))
    for family in options.families:
        model = trained(family, options.updates, images, labels)
        seeds = torch.arange(len(labels)) + 10**6

        def row(statistics: str, seconds: str, model=model, seeds=seeds, family=family) -> None:
            drawn = torch.cat(
                [model.sample(*some) for some in zip(labels.split(BATCH), seeds.split(BATCH), strict=True)]
            )
            print("| {} | {} | {:.2f} | {:.4f} | {} |".format(family, statistics, *judge(drawn), seconds), flush=True)

        use_live(model)
        row("of the live network", "")
        for count in options.images:
            ema.MEASURED, model._settled = count, False
            began = time.perf_counter()
            model.settle()
            row(f"own, of {count} images", f"{time.perf_counter() - began:.2f}")


if __name__ == "__main__":
    main()
