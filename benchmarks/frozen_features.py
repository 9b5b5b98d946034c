"""How well the panel's ImageNet features tell the classes of a set, from few images of each.

    python -m benchmarks.frozen_features --images results-neu/neu/real --shots 5 10 40

A logistic head (scikit-learn, standardised features) learns K images a class of a few-shot set and names its test
images: macro F1 over ten draws of the split, with the 992 means and deviations of feature maps that detectors take,
with the 472 means that the panel takes, and with the network's last 1 280 numbers. Twice: with all images of a scene on
one side of the split (the groups of the set), and with each image by itself, so that a test image may be a crop of a
scene that trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from pipeline.base import imagenet
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import splits
from pipeline.settings import FewShots, Split

DRAWS = 10
CONTROL = 60  # images a class that are held back, as in the records


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
    print(f"| split | images a class | {' | '.join(found)} |\n| --- | ---: |{' ---: |' * len(found)}")
    scenes = images.metadata["group"].tolist()
    for split, groups in (("scenes apart", scenes), ("images apart", list(map(str, range(len(images)))))):
        for shots in given.shots:
            few = FewShots(shots, max(given.shots), CONTROL)
            cells = (scores(features, images, groups, few) for features in found.values())
            said = (f"{100 * c.mean():.1f} ({100 * c.min():.1f} to {100 * c.max():.1f})" for c in cells)
            print(f"| {split} | {shots} | {' | '.join(said)} |", flush=True)


def scores(features: NDArray[np.float32], images: ImageSet, groups: list[str], few: FewShots) -> NDArray[np.float64]:
    """(DRAWS,) macro F1 on the test images of few-shot sets, of heads that learned their training images."""
    names, labels, found = images.metadata["label"].tolist(), np.asarray(images.labels), []
    for seed in range(DRAWS):
        sides = splits.assign(names, groups, [None] * len(names), Split(seed=seed))
        drawn = splits.few_shot(names, groups, sides, few, seed)
        train, test = ([i for i, side in drawn.items() if side == of] for of in ("train", "test"))
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        said = head.fit(features[train], labels[train]).predict(features[test])
        found.append(f1_score(labels[test], said, average="macro"))
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
