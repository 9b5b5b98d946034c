"""How well the quality filters of synthetic images tell good ones from bad ones and from copies.

    python -m benchmarks.filters --images results/polycrystals/real
    python -m benchmarks.filters --images results/neu/real --shots 40
    python -m benchmarks.filters --images results/neu/real --shots 40 --backbone scratch --steps 150 --width 8

Held-out real images stand for a perfect generator's. What they are told from is made of them (another class's name,
noise of the same mean and contrast, one gray) or are the training images themselves. Each number is the chance that a
filter trusts a held-out image more than such a one of the same class: the mean over the classes, and the worst class.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.base.device import best_device
from pipeline.data.image_set import ImageSet, ImageSetWriter
from pipeline.downstream.classifier.backbone import Backbone, Classifier
from pipeline.downstream.classifier.filters import NEIGHBOUR, confidence, remoteness
from pipeline.downstream.classifier.scores import auroc
from pipeline.downstream.classifier.task import BACKBONES
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import Detect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a prepared image set of 8 bits")
    parser.add_argument("--backbone", choices=sorted(BACKBONES), default="frozen")
    parser.add_argument("--steps", type=int, default=150, help="from scratch")
    parser.add_argument("--width", type=int, default=8, help="from scratch")
    parser.add_argument("--shots", type=int, help="training images of each class; all without it")
    given = parser.parse_args()
    settings = Detect(backbone=given.backbone, steps=given.steps, width=given.width, batch=32)
    with tempfile.TemporaryDirectory() as folder:
        report(settings, ImageSet.open(given.images), given.shots, Path(folder))


def report(settings: Detect, images: ImageSet, shots: int | None, folder: Path) -> None:
    """Print the table; `folder` holds image sets as long as it lasts."""
    rows = _taught(images, shots)
    taught = _written(folder / "taught", images, images.images[rows], images.labels[rows])
    others = {name: _written(folder / name, images, *of) for name, of in _others(images, rows).items()}
    backbone, alone = BACKBONES[settings.backbone], TrainingMix(np.arange(0), 0.0, augmented=True)
    known = backbone.training(taught, [], best_device())
    judge = backbone.train(settings, taught.spec, known, alone, 0, lambda steps: None)
    found = {name: _trust(judge, backbone, taught, other) for name, other in others.items()}
    told = [name for name in others if name != "held out"]
    print(f"{'':>24}", *(f"{name:>14}" for name in told))
    for score, held in found["held out"].items():
        cells = [_told(held, others["held out"].labels, found[name][score], others[name].labels) for name in told]
        print(f"{score:>24}", *(f"{np.mean(cell):>8.2f}, {np.min(cell):.2f}" for cell in cells))


def _taught(images: ImageSet, shots: int | None) -> np.ndarray:
    rows, rng = images.rows("train"), np.random.default_rng(0)
    classes = [rows[images.labels[rows] == k] for k in range(len(images.spec.classes))]
    return np.concatenate([rng.permutation(some)[:shots] for some in classes])


def _others(images: ImageSet, taught: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> images, and the class that each was asked for."""
    rows, rng = np.concatenate([images.rows("val"), images.rows("test")]), np.random.default_rng(1)
    held, labels, classes = images.images[rows], images.labels[rows], len(images.spec.classes)
    noise = rng.normal(held.mean(), held.std(), held.shape).clip(0, 255).astype(np.uint8)
    flat = np.broadcast_to(held.mean((1, 2, 3), keepdims=True), held.shape).astype(np.uint8)
    return {
        "held out": (held, labels),
        "other class": (held, (labels + rng.integers(1, classes, len(labels))) % classes),
        "noise": (noise, labels),
        "one gray": (flat, labels),
        "copies": (images.images[taught], images.labels[taught]),
    }


def _written(path: Path, like: ImageSet, images: np.ndarray, labels: np.ndarray) -> ImageSet:
    """An image set of these images, all of them to train with."""
    names = [f"i{i:06d}" for i in range(len(images))]
    table = pd.DataFrame({"id": names, "label": np.array(like.spec.classes)[labels], "source": names})
    table = table.assign(row=0, col=0, group=names, split="train")
    with ImageSetWriter(path, *images.shape, "uint8") as writer:
        writer[:] = images
        writer.finish(table, {key: like.meta[key] for key in ("classes", "symmetry", "dtype", "scaling")})
    return ImageSet.open(path)


def _trust(judge: Classifier, backbone: Backbone, taught: ImageSet, other: ImageSet) -> dict[str, np.ndarray]:
    """By filter, the quality of each of the other images."""
    pool = backbone.training(taught, [other], best_device())
    features, labels = judge.features(pool), pool.labels.cpu().numpy()
    seen, real = features[pool.n_real :], features[: pool.n_real]
    asked, truth = labels[pool.n_real :], labels[: pool.n_real]
    of_one_length = [some / np.linalg.norm(some, axis=1, keepdims=True) for some in (seen, real)]
    return {
        "confidence": confidence(judge, pool),
        "nearest image": -remoteness(seen, asked, real, truth, 1),
        f"{NEIGHBOUR}th nearest": -remoteness(seen, asked, real, truth),
        "the same, of one length": -remoteness(of_one_length[0], asked, of_one_length[1], truth),
    }


def _told(held: np.ndarray, labels: np.ndarray, other: np.ndarray, asked: np.ndarray) -> list[float]:
    """Area under the ROC curve of each class."""
    parts = [(held[labels == k], other[asked == k]) for k in np.unique(labels)]
    return [auroc(np.repeat([True, False], [len(a), len(b)]), np.concatenate([a, b])) for a, b in parts]


if __name__ == "__main__":
    main()
