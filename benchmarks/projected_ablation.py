"""What each part of `projected_gan` is worth: trainings of equal length, each without one part.

    taskset -c 0 python -m benchmarks.projected_ablation --images results-neu64/neu/real --total-images 6000

Judged by the panel's own measures, in random features, of as many images as the test split has against as many training
images, in the shares of the classes: means over ten draws. The first row is the test images themselves. CPU seconds are
those of the updates alone, of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline import models
from pipeline.base import imagenet
from pipeline.base.device import use_threads
from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.metrics import distances
from pipeline.metrics.intervals import draw
from pipeline.metrics.random_networks import RandomNetworks
from pipeline.models import projected_discriminator, projected_gan
from pipeline.models.projected_gan import ProjectedGAN
from pipeline.settings import ProjectedGANSettings
from pipeline.training import snapshots
from pipeline.training.feed import Feed, model_spec

DRAWN = 96  # images of a class
CPU = torch.device("cpu")


class Nothing(nn.Module):
    """In the place of a second block: adds nothing."""

    def forward(self, x: Tensor, labels: Tensor) -> float:
        return 0.0


def random_weights() -> dict[str, Tensor]:
    """Those of the frozen network, drawn as He et al. 2015 do; its normalisations pass everything on."""
    fixed = {"running_mean": 0.0, "running_var": 1.0, "weight": 1.0, "bias": 0.0}
    found = {}
    for name, tensor in imagenet.load().items():
        if tensor.ndim == 4:
            found[name] = torch.randn_like(tensor) * (2 / tensor[0].numel()) ** 0.5
        else:
            found[name] = torch.full_like(tensor, fixed.get(name.rpartition(".")[2], 0.0))
    return found


def without_mixing_of_scales(model: ProjectedGAN) -> None:
    for name, buffer in model.projector.named_buffers():
        if name.startswith("down"):
            buffer.zero_()


def with_single_blocks(model: ProjectedGAN) -> None:
    for network in (model.generator, model.ema):
        network.seconds = nn.ModuleList(Nothing() for _ in network.seconds)
    rate, betas = model.settings.learning_rate, (model.settings.beta1, 0.99)
    model.optimizers["G"] = torch.optim.Adam(model.generator.parameters(), rate, betas, fused=True)


def without_layout(model: ProjectedGAN) -> None:
    """All coarse pictures are mid-gray."""
    for network in (model.generator, model.ema):
        network.book.set_extra_state(torch.zeros(0, network.book.table.shape[1]))


def nothing(model: ProjectedGAN) -> None:
    pass


Change = tuple[dict, list, Callable[[ProjectedGAN], None]]  # settings, patches, what is done to the new model
PARTS: dict[str, Change] = {
    "as it is": ({}, [], nothing),
    "no layout": ({"layout_weight": 0}, [], without_layout),
    "random weights in the frozen network": (
        {},
        [mock.patch.object(projected_discriminator, "load", random_weights)],
        nothing,
    ),
    "scales not mixed": ({}, [], without_mixing_of_scales),
    "no augmentation": (
        {},
        [mock.patch.object(projected_gan, name, 0.0) for name in ("SHIFT", "TONE")],
        nothing,
    ),
    "discriminators do not see a class's variety": (
        {},
        [
            mock.patch.object(
                projected_discriminator, "class_deviation", lambda x, labels, classes: torch.zeros_like(x[:, :1])
            )
        ],
        nothing,
    ),
    "one block a resolution": ({}, [], with_single_blocks),
}


class Judge:
    """Random-feature distances to the training images."""

    def __init__(self, data: ImageSet):
        self.data, spec = data, data.spec
        self.networks = RandomNetworks(spec.channels, min(spec.height, spec.width), CPU)
        rows, self.test = data.rows("train"), data.rows("test")
        self.labels = data.labels[rows]
        vectors = self._vectors(data.images[rows])
        self.centre, self.scale = distances.block_scale(vectors, self.networks.vector_blocks)
        self.real = (vectors - self.centre) / self.scale

    def floor(self) -> dict[str, float]:
        return self(self.data.images[self.test], self.data.labels[self.test])

    def __call__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, float]:
        made = (self._vectors(images) - self.centre) / self.scale
        whole = draw(labels.astype(str), self.labels.astype(str), len(self.test), 10, 0, 0).whole
        found = [
            {"frechet": distances.frechet(made[i], self.real[j]), "kid": distances.kid(made[i], self.real[j])}
            | distances.prdc(made[i], self.real[j])
            for i, j in whole
        ]
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    def _vectors(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            parts = [
                self.networks(torch.from_numpy(part / np.float32(255)).permute(0, 3, 1, 2).contiguous())[0].numpy()
                for part in np.array_split(images, -(-len(images) // 64))
            ]
        return np.concatenate(parts).astype(np.float64)


def train(settings: ProjectedGANSettings, data: ImageSet, seed: int, prepare: Callable) -> tuple[ProjectedGAN, float]:
    """The model, and the CPU seconds of its updates."""
    spec = model_spec(data, None)
    feed = Feed(data, spec, settings.batch, CPU)
    torch.manual_seed(derive(seed))
    model = models.build(settings, spec, None)
    assert isinstance(model, ProjectedGAN)
    model.keep_labels(feed.labels)
    model = model.to(memory_format=torch.channels_last)
    model.keep_images(feed.every(), feed.labels)
    prepare(model)
    spent = 0.0
    for step in range(-(-settings.total_images // settings.batch)):
        torch.manual_seed(derive(derive(seed), step, 0))
        began = time.process_time()
        model.update(feed.batch(derive(seed), step))
        spent += time.process_time() - began
    return model, spent


def drawn(model: ProjectedGAN) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = torch.arange(len(model.spec.classes)).repeat_interleave(DRAWN)
    images = snapshots.draw(model, labels, 10**9 + torch.arange(len(labels)), 64)
    return ((images.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().clip(0, 255).astype(np.uint8), labels.numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a prepared image set of 8 bits")
    parser.add_argument("--total-images", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    use_threads(1)
    data = ImageSet.open(given.images)
    judge = Judge(data)
    floor = judge.floor()
    columns = ("frechet", "kid", "precision", "recall")
    print(f"| | CPU s | Fréchet | floors | {' | '.join(columns[1:])} |\n| --- |{' ---: |' * 6}")

    def row(name: str, seconds: str, found: dict[str, float]) -> None:
        rest = " | ".join(f"{found[column]:.2f}" for column in columns[1:])
        print(f"| {name} | {seconds} | {found['frechet']:.1f} | {found['frechet'] / floor['frechet']:.2f} | {rest} |")

    row("test images", "", floor)
    for name in given.parts:
        changes, patches, prepare = PARTS[name]
        settings = ProjectedGANSettings(family="projected_gan", total_images=given.total_images, **changes)
        with ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            model, seconds = train(settings, data, given.seed, prepare)
        row(name, f"{seconds:.0f}", judge(*drawn(model)))


if __name__ == "__main__":
    main()
