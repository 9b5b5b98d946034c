"""How sure a classifier of the real images is of a class: what a direction of the style space may change too."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.base import imagenet
from pipeline.base.class_head import class_head
from pipeline.base.device import device
from pipeline.base.pixels import normalised, stored
from pipeline.data.image_set import ImageSet

MOST = 60  # training images of a class that it learns from, evenly taken
LEAST = 10
BATCH = 64


class ClassOdds:
    """A logistic head on frozen ImageNet features (`imagenet.texture`) of real training images; made by `of`."""

    def __init__(self, real: ImageSet):
        self.network = imagenet.EfficientNetLite0(imagenet.load(), real.spec.channels).to(device())
        rows = np.concatenate(_by_class(real))
        seen = normalised(stored(real.images[rows]))
        self.head = class_head().fit(self._features(seen), real.labels[rows])
        self.names = [f"p({real.spec.classes[k]})" for k in self.head.classes_]

    @classmethod
    def of(cls, real: ImageSet) -> ClassOdds | None:
        """None where there are not two classes to tell apart, or too few images of them."""
        return cls(real) if len(_by_class(real)) > 1 else None

    def __call__(self, images: Tensor) -> dict[str, NDArray[np.float64]]:
        """Logarithm of the odds of each class, (N,) by `p(class)`, of images (N, C, H, W) in [-1, 1].

        The logarithm, for a probability stands still near 0 and 1 while images go on to change.
        """
        said = self.head.predict_log_proba(self._features(images))
        others = np.stack([np.logaddexp.reduce(np.delete(said, k, 1), 1) for k in range(said.shape[1])], 1)
        return dict(zip(self.names, (said - others).T, strict=True))

    def _features(self, images: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            parts = [imagenet.texture(self.network, part.to(device())).cpu() for part in images.split(BATCH)]
        return torch.cat(parts).numpy()


def _by_class(real: ImageSet) -> list[NDArray[np.int64]]:
    """Training rows of each class that has enough, MOST of them, evenly."""
    rows = real.rows("train")
    found = [rows[real.labels[rows] == k] for k in range(len(real.spec.classes))]
    return [of[np.unique(np.linspace(0, len(of) - 1, MOST).astype(int))] for of in found if len(of) >= LEAST]
