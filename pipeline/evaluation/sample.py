"""Images that are judged or judged by: part of an image set, or drawn in memory, with their features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.data.image_set import ImageSet
from pipeline.evaluation.features import Extractor, Features, computed, kept
from pipeline.metrics.intervals import even_quota, shares_of, stratified


@dataclass(frozen=True)
class Sample:
    """n images: `images[rows]` (H, W, C) unsigned integers, `labels` (n,) class names, `groups` (n,) of images that
    are not independent, `features` by extractor."""

    images: NDArray
    rows: NDArray[np.int64]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    features: dict[str, Features]

    @classmethod
    def of_set(cls, images: ImageSet, rows: NDArray[np.int64], extractors: dict[str, Extractor]) -> Sample:
        """Images of a set at rows (n,); features come from the set's cache, which has those of all of them."""
        found = {name: kept(images, name, extractor).rows(rows) for name, extractor in extractors.items()}
        return cls(images.images, rows, *_told(images, rows), found)

    @classmethod
    def drawn(cls, images: ImageSet, most: int, rng: np.random.Generator, extractors: dict[str, Extractor]) -> Sample:
        """All images of a set, or `most` of them at random, in the shares of their classes; no other is looked at."""
        labels = images.metadata["label"].to_numpy(dtype=str)
        if len(images) <= most:
            return cls.of_set(images, np.arange(len(images)), extractors)
        rows = stratified(labels, even_quota(most, shares_of(labels)), rng)
        found = {name: kept(images, name, extractor, rows) for name, extractor in extractors.items()}
        return cls(images.images, rows, *_told(images, rows), found)

    @classmethod
    def of_array(cls, images: NDArray, labels: NDArray[np.str_], extractors: dict[str, Extractor], what: str) -> Sample:
        """Images (n, H, W, C) in memory, each made for itself; `what` names them."""
        found = {name: computed(images, name, extractor, what) for name, extractor in extractors.items()}
        rows = np.arange(len(images))
        return cls(images, rows, labels, rows.astype(str), found)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, mask: NDArray[np.bool_]) -> Sample:
        """The images under a mask (n,)."""
        rows = np.flatnonzero(mask)
        found = {name: f.rows(rows) for name, f in self.features.items()}
        labels, groups = self.labels[rows], self.groups[rows]
        return replace(self, rows=self.rows[rows], labels=labels, groups=groups, features=found)

    def one_of_class(self, label: str, rng: np.random.Generator) -> int:
        """Position of a random image of a class; of any class where there is none of it."""
        mine = np.flatnonzero(self.labels == label)
        return int(rng.choice(mine if len(mine) else len(self)))

    def vectors(self, extractor: str) -> NDArray[np.float32]:
        """(n, d) features of an extractor."""
        return self.features[extractor].vectors

    def pixels(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k, H, W, C) values in [0, 1] of the images at some positions of 0..n-1, in that order."""
        return self.images[self.rows[positions]] / float(np.iinfo(self.images.dtype).max)


def _told(images: ImageSet, rows: NDArray[np.int64]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """(n,) classes and (n,) groups of some images of a set."""
    labels, groups = (images.metadata[name].to_numpy(dtype=str)[rows] for name in ("label", "group"))
    return labels, groups
