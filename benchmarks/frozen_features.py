"""How well the panel's ImageNet features tell the classes of a set, from few images of each.

    python -m benchmarks.frozen_features --images results-neu/neu/real --shots 5 10 40

A logistic head (scikit-learn, standardised features) learns K random training images a class and names all test images:
accuracy over five draws of the K, with the 992 means and deviations of feature maps that detectors take, with the 472
means that the panel takes, and with the network's last 1 280 numbers. Draws ignore groups, so crops of one scene may be
on both sides of a draw of training images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from pipeline.base import imagenet
from pipeline.data.image_set import ImageSet

DRAWS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a prepared image set of 8 bits")
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10, 40], help="training images of each class")
    given = parser.parse_args()
    images = ImageSet.open(given.images)
    found = {
        "992 of detectors": _of(images.images, imagenet.texture),
        "472 means of maps": imagenet.pooled(images.images, "means of maps"),
        "last 1 280": _of(images.images, lambda network, batch: network(batch)),
    }
    print(f"| images a class | {' | '.join(found)} |\n| ---: |{' ---: |' * len(found)}")
    for shots in given.shots:
        cells = (accuracies(features, images, shots) for features in found.values())
        said = (f"{100 * c.mean():.1f} ({100 * c.min():.1f} to {100 * c.max():.1f})" for c in cells)
        print(f"| {shots} | {' | '.join(said)} |")


def accuracies(features: NDArray[np.float32], images: ImageSet, shots: int) -> NDArray[np.float64]:
    """(DRAWS,) shares of the test images that a head names right, of heads that learned `shots` images a class."""
    train, test, labels = images.rows("train"), images.rows("test"), np.asarray(images.labels)
    found = []
    for draw in range(DRAWS):
        rng = np.random.default_rng([draw, shots])
        rows = np.concatenate([rng.permutation(train[labels[train] == k])[:shots] for k in np.unique(labels[train])])
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        found.append(head.fit(features[rows], labels[rows]).score(features[test], labels[test]))
    return np.array(found)


def _of(images: NDArray, look: Callable[[imagenet.EfficientNetLite0, Tensor], Tensor]) -> NDArray[np.float32]:
    """(N, d) of images, enlarged to 64 pixels where they are smaller."""
    network = imagenet.EfficientNetLite0(imagenet.load(), images.shape[3])
    found = []
    with torch.inference_mode():
        for part in np.array_split(images, max(1, len(images) // 64)):
            batch = torch.from_numpy(part * np.float32(2 / 255) - 1).permute(0, 3, 1, 2)
            least = max(1, imagenet.SMALLEST / min(batch.shape[2:]))
            found.append(look(network, functional.interpolate(batch, scale_factor=least, mode="bilinear")).numpy())
    return np.concatenate(found)


if __name__ == "__main__":
    main()
