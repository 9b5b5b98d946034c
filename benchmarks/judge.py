"""What the benchmarks of generators share: training in the open, and the panel's distances of what a model draws."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import models
from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.metrics import distances
from pipeline.metrics.intervals import draw
from pipeline.metrics.random_networks import RandomNetworks
from pipeline.models.base import GenerativeModel, Sampler
from pipeline.settings import Training
from pipeline.training import snapshots
from pipeline.training.feed import Feed, model_spec

FIRST_SEED = 10**9  # of images that no look at a training has drawn
CPU = torch.device("cpu")


class Judge:
    """Distances to the training images in random features, as the panel has them: of as many images as the test split
    has (no more than are drawn, or there are to train with) against as many training images, in the shares of the
    classes; means over ten draws.

    Args:
        data: of 8 bits.
        made: images that a model will be judged by: the floor is that of no more.
        classes: those that are judged; None is all.
    """

    def __init__(self, data: ImageSet, made: int, classes: list[str] | None = None):
        self.data, spec = data, data.spec
        self.kinds = [spec.classes.index(name) for name in classes or spec.classes]
        self.networks = RandomNetworks(spec.channels, min(spec.height, spec.width), CPU)
        rows, self.test = (self._of_kinds(data.rows(split)) for split in ("train", "test"))
        self.labels = data.labels[rows]
        self.size = min(made, len(rows), len(self.test))
        vectors = self._vectors(data.images[rows])
        self.centre, self.scale = distances.block_scale(vectors, self.networks.vector_blocks)
        self.real = (vectors - self.centre) / self.scale

    def floor(self) -> dict[str, float]:
        """The test images themselves."""
        return self(self.data.images[self.test], self.data.labels[self.test])

    def __call__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, float]:
        """`frechet`, `kid`, `precision`, `recall`, `density` and `coverage` of images (n, H, W, C)."""
        made = (self._vectors(images) - self.centre) / self.scale
        whole = draw(labels.astype(str), self.labels.astype(str), self.size, 10, 0, 0).whole
        found = [
            {"frechet": distances.frechet(made[i], self.real[j]), "kid": distances.kid(made[i], self.real[j])}
            | distances.prdc(made[i], self.real[j])
            for i, j in whole
        ]
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    def _of_kinds(self, rows: NDArray) -> NDArray:
        return rows[np.isin(self.data.labels[rows], self.kinds)]

    def _vectors(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            parts = [
                self.networks(torch.from_numpy(part / np.float32(255)).permute(0, 3, 1, 2).contiguous())[0].numpy()
                for part in np.array_split(images, -(-len(images) // 64))
            ]
        return np.concatenate(parts).astype(np.float64)


def built(settings: Training, data: ImageSet, seed: int) -> tuple[GenerativeModel, Feed]:
    """A model before its first update, on the CPU in float32, and the images that it is shown."""
    spec = model_spec(data, settings.classes)
    feed = Feed(data, spec, settings.batch, CPU)
    torch.manual_seed(derive(seed))
    model = models.build(settings, spec, None)
    model.keep_labels(feed.labels)
    model = model.to(memory_format=torch.channels_last)
    model.keep_images(feed.every(), feed.labels)
    return model, feed


def trained(model: GenerativeModel, feed: Feed, seed: int) -> Iterator[tuple[int, float]]:
    """Train to the end of the budget: after each update, the images seen and the CPU seconds of all updates."""
    spent, batch = 0.0, model.settings.batch
    for step in range(-(-model.settings.total_images // batch)):
        torch.manual_seed(derive(derive(seed), step, 0))
        began = time.process_time()
        model.update(feed.batch(derive(seed), step))
        spent += time.process_time() - began
        yield (step + 1) * batch, spent


def drawn(model: Sampler, each: int, label_of: Callable[[str], int]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`each` images of every class of a model, (n, H, W, C), and their labels (n,) by the names of the classes."""
    names = model.spec.classes
    labels = torch.arange(len(names)).repeat_interleave(each)
    images = snapshots.draw(model, labels, FIRST_SEED + torch.arange(len(labels)), 64)
    levels = ((images.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    return levels, np.array([label_of(name) for name in names])[labels.numpy()]
