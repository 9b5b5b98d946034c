"""What each part of `projected_gan` is worth: trainings of equal length, each without one part.

    taskset -c 0 python -m benchmarks.projected_ablation --images results-neu64/neu/real --total-images 6000

Judged by the panel's own measures, in random features, of as many images as the test split has against as many training
images, in the shares of the classes: means over ten draws. The first row is the test images themselves. CPU seconds are
those of the updates alone, of one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.judge import Judge, built, drawn, trained
from pipeline.base import imagenet
from pipeline.base.device import use_threads
from pipeline.data.image_set import ImageSet
from pipeline.models import changes, coarse, projected_discriminator
from pipeline.models.projected_discriminator import SCALES, STATISTICS
from pipeline.models.projected_gan import ProjectedGAN
from pipeline.settings import ProjectedGANSettings

DRAWN = 96  # images of a class
STEPS, BATCH = 300, 16  # in which the frozen network learns the real classes


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


def learn_the_classes(model: ProjectedGAN, data: ImageSet) -> None:
    """Let the frozen network learn the classes of the training images first, from its photographs' weights."""
    train, test = data.rows("train"), data.rows("test")
    network = imagenet.learning(imagenet.EfficientNetLite0(imagenet.load(), data.spec.channels))
    head = nn.Linear(sum(imagenet.CHANNELS[scale] for scale in SCALES), len(data.spec.classes))
    optimizer = torch.optim.Adam([{"params": network.parameters(), "lr": 1e-4}, {"params": head.parameters()}])

    def logits(rows: NDArray) -> Tensor:
        maps = network.maps(seen(data, rows))
        return head(torch.cat([maps[scale].mean((2, 3)) for scale in SCALES], 1))

    order = np.random.default_rng(0)
    for _ in range(STEPS):
        rows = order.choice(train, BATCH)
        optimizer.zero_grad()
        functional.cross_entropy(logits(rows), torch.from_numpy(data.labels[rows])).backward()
        optimizer.step()
    with torch.no_grad():
        right = (logits(test).argmax(1).numpy() == data.labels[test]).mean()
    print(f"the network names the class of {right:.0%} of the test images")
    model.projector.network = network.requires_grad_(False)
    model.projector.centre(seen(data, train[:STATISTICS]))  # as without this


def centre_on_all_classes(model: ProjectedGAN, data: ImageSet) -> None:
    train = data.rows("train")
    model.projector.centre(seen(data, train[np.linspace(0, len(train) - 1, 4 * STATISTICS).astype(int)]))


def seen(data: ImageSet, rows: NDArray) -> Tensor:
    """Images at some rows, (n, C, H, W) in [-1, 1]."""
    return torch.from_numpy(data.images[rows]).permute(0, 3, 1, 2) / 127.5 - 1


def without_mixing_of_scales(model: ProjectedGAN, data: ImageSet) -> None:
    for name, buffer in model.projector.named_buffers():
        if name.startswith("down"):
            buffer.zero_()


def with_single_blocks(model: ProjectedGAN, data: ImageSet) -> None:
    for network in (model.generator, model.ema):
        network.seconds = nn.ModuleList(Nothing() for _ in network.seconds)
    rate, betas = model.settings.learning_rate, (model.settings.beta1, 0.99)
    model.optimizers["G"] = torch.optim.Adam(model.generator.parameters(), rate, betas, fused=True)


def grey_values(images: Tensor, height: int, width: int) -> Tensor:
    """In the place of coarse pictures: the same contrast everywhere."""
    means = functional.adaptive_avg_pool2d(images, (height, width))
    return torch.cat([means, torch.zeros_like(means).repeat(1, coarse.PARTS - 1, 1, 1)], 1)


def without_layout(model: ProjectedGAN, data: ImageSet) -> None:
    """All coarse pictures are mid-gray, of one contrast."""
    for network in (model.generator, model.ema):
        network.book.set_extra_state(torch.zeros(0, network.book.table.shape[1]))


def nothing(model: ProjectedGAN, data: ImageSet) -> None:
    pass


Change = tuple[dict, list, Callable[[ProjectedGAN, ImageSet], None]]  # settings, patches, what is done to the new model
PARTS: dict[str, Change] = {
    "as it is": ({}, [], nothing),
    "coarse pictures of grey values alone": ({}, [mock.patch.object(coarse, "coarse", grey_values)], nothing),
    "no layout": ({"layout_weight": 0, "contrast_weight": 0}, [], without_layout),
    "random weights in the frozen network": (
        {},
        [mock.patch.object(projected_discriminator, "load", random_weights)],
        nothing,
    ),
    "frozen network that has learnt the real classes": ({}, [], learn_the_classes),
    "features centred on all classes": ({}, [], centre_on_all_classes),
    "scales not mixed": ({}, [], without_mixing_of_scales),
    "no augmentation": (
        {},
        [mock.patch.object(changes, name, 0.0) for name in ("SHIFT", "TONE")],
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a prepared image set of 8 bits")
    parser.add_argument("--total-images", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    use_threads(1)
    data = ImageSet.open(given.images)
    judge = Judge(data, DRAWN * len(data.spec.classes))
    floor = judge.floor()
    columns = ("frechet", "kid", "precision", "recall")
    print(f"| | CPU s | Fréchet | floors | {' | '.join(columns[1:])} |\n| --- |{' ---: |' * 6}")

    def row(name: str, seconds: str, found: dict[str, float]) -> None:
        rest = " | ".join(f"{found[column]:.2f}" for column in columns[1:])
        print(f"| {name} | {seconds} | {found['frechet']:.1f} | {found['frechet'] / floor['frechet']:.2f} | {rest} |")

    row("test images", "", floor)
    for name in given.parts:
        changed, patches, prepare = PARTS[name]
        settings = ProjectedGANSettings(family="projected_gan", total_images=given.total_images, **changed)
        with ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            model, feed = built(settings, data, given.seed)
            assert isinstance(model, ProjectedGAN)
            prepare(model, data)
            *_, (_, seconds) = trained(model, feed, given.seed)
        row(name, f"{seconds:.0f}", judge(*drawn(model, DRAWN, data.spec.classes.index)))


if __name__ == "__main__":
    main()
