"""Maps of the images: real and synthetic ones where the principal components of their features put them.

Each generator has a map of its own: on a common one the worst would decide where the axes lie, and all that is nearer
would be a heap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from pipeline.data.image_set import ImageSet
from pipeline.evaluation import feature_files
from pipeline.evaluation.catalog import FEATURES
from pipeline.evaluation.feature_files import Kept
from pipeline.report import feature_map_figure, images
from pipeline.report.inputs import DatasetInputs, RunInputs

SHOWN = 200  # images of a set, evenly taken
LEAST = 3  # images of a set


@dataclass(frozen=True)
class Placed:
    """Some images of a set on the map."""

    points: NDArray[np.float64]
    """(n, 2)"""
    labels: NDArray[np.int64]
    """(n,) positions of their classes in the data set's list; -1: a class that this has not."""


@dataclass(frozen=True)
class Map:
    """Images of two sets along their two principal components."""

    training: Placed
    other: Placed
    share: float
    """Of the variance of both sets together, along both axes."""


def context(real: ImageSet, inputs: DatasetInputs) -> dict[str, Any] | None:
    """`uri` of the figure and `features` (words); None where nothing was measured."""
    for name in reversed(FEATURES):  # the catalogue's last that were kept
        of_real = feature_files.of_any_version(real, name)
        drawn = {model: found for model in inputs.models() if (found := _of(inputs.of(model)[0], name))}
        if of_real is not None and drawn and len(real.rows("train")) >= LEAST:
            svg = feature_map_figure.draw(*_mapped(real, of_real, drawn), real.meta["classes"])
            return {"uri": images.svg(svg), "features": FEATURES[name]}
    return None


def _of(run: RunInputs, name: str) -> tuple[ImageSet, Kept] | None:
    """The synthetic images of a run and the features of those that were judged."""
    drawn = run.drawn()
    if drawn is None or len(drawn) < LEAST:
        return None
    found = feature_files.of_any_version(drawn, name)
    return None if found is None else (drawn, found)


def _mapped(real: ImageSet, of_real: Kept, drawn: dict[str, tuple[ImageSet, Kept]]) -> tuple[Map, dict[str, Map]]:
    """Of the held-out real images, and of each generator."""
    classes = real.meta["classes"]
    train, test = (_told(real, of_real, real.rows(side), classes) for side in ("train", "test"))
    of_models = {name: place(train, _told(of, found, found.rows, classes)) for name, (of, found) in drawn.items()}
    return place(train, test), of_models


def _told(of: ImageSet, found: Kept, rows: NDArray[np.int64], classes: list[str]) -> Told:
    """Of some of these rows."""
    some = _some(rows)
    return found.features.vectors[np.searchsorted(found.rows, some)], _numbers(of, classes)[some]


Told = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Vectors (n, d) and classes (n,)."""


def place(training: Told, other: Told) -> Map:
    """Both sets along the first two principal components of both together, each feature in units of its standard
    deviation."""
    told = np.concatenate([training[0], other[0]]).astype(np.float64)
    axes = PCA(2, svd_solver="randomized", random_state=0)
    points = axes.fit_transform(StandardScaler().fit_transform(told))
    n = len(training[0])
    share = float(axes.explained_variance_ratio_.sum())
    return Map(Placed(points[:n], training[1]), Placed(points[n:], other[1]), share)


def _some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most SHOWN of them, evenly."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN).round().astype(int))] if len(rows) > SHOWN else rows


def _numbers(found: ImageSet, classes: list[str]) -> NDArray[np.int64]:
    known = {name: i for i, name in enumerate(classes)}
    return np.array([known.get(label, -1) for label in found.metadata["label"]])
