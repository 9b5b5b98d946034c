"""How well the quality filters of synthetic images tell good ones from bad ones and from copies.

    python -m benchmarks.filters --images results/polycrystals/real --steps 120 --width 8
    python -m benchmarks.filters --images results/neu/real --steps 150 --width 8 --shots 40

Held-out real images stand for a perfect generator's. What they are told from is made of them (another class's name,
noise of the same mean and contrast, one gray) or are the training images themselves. Each number is the chance that a
filter trusts a held-out image more than such a one of the same class: the mean over the classes, and the worst class.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import Sequential

from pipeline.data.image_set import ImageSet
from pipeline.downstream.classifier.device_dataset import DeviceDataset, stored
from pipeline.downstream.classifier.filters import NEIGHBOUR, confidence, remoteness
from pipeline.downstream.classifier.scores import auroc
from pipeline.downstream.classifier.scratch import features, train
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import Detect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a prepared image set of 8 bits")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--shots", type=int, help="training images of each class; all without it")
    given = parser.parse_args()
    images, settings = ImageSet.open(given.images), Detect(steps=given.steps, width=given.width, batch=32)
    rows = _taught(images, given.shots)
    known = _pool(images.images[rows], images.labels[rows])
    judge = train(settings, images.spec, known, TrainingMix(np.arange(0), 0.0, augmented=True), seed=0)
    others = _others(images, rows)
    found = {name: _trust(judge, known, *pair) for name, pair in others.items()}
    held = others["held out"][1]
    print(f"{'':>24}", *(f"{name:>14}" for name in others if name != "held out"))
    for score in found["held out"]:
        cells = [
            _told(found["held out"][score], held, found[name][score], others[name][1])
            for name in others
            if name != "held out"
        ]
        print(f"{score:>24}", *(f"{np.mean(cell):>8.2f}, {np.min(cell):.2f}" for cell in cells))


def _taught(images: ImageSet, shots: int | None) -> np.ndarray:
    rows, rng = images.rows("train"), np.random.default_rng(0)
    classes = [rows[images.labels[rows] == k] for k in range(len(images.spec.classes))]
    return np.concatenate([rng.permutation(some)[:shots] for some in classes])


def _pool(images: np.ndarray, labels: np.ndarray) -> DeviceDataset:
    return DeviceDataset(stored(images), torch.from_numpy(labels), len(labels))


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


def _trust(judge: Sequential, known: DeviceDataset, images: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    added = _pool(images, asked)
    pool = DeviceDataset(torch.cat([known.stored, added.stored]), torch.cat([known.labels, added.labels]), len(known))
    seen, real = features(judge, added, None, 64), features(judge, known, None, 64)
    of_one_length = [some / np.linalg.norm(some, axis=1, keepdims=True) for some in (seen, real)]
    truth = known.labels.numpy()
    return {
        "confidence": confidence(judge, pool, 64),
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
