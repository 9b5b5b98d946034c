"""A map of the images: real and synthetic ones where the principal components of their features put them."""

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
from pipeline.report import feature_map_figure, images
from pipeline.report.inputs import DatasetInputs, RunInputs

ORDER = ("imagenet", "inception", "random", "domain")  # whose features are there first draws the map
SHOWN = 200  # images of a set, evenly taken
LEAST = 3  # images of a set


@dataclass(frozen=True)
class Placed:
    """Some images of a set on the map."""

    points: NDArray[np.float64]
    """(n, 2)"""
    labels: NDArray[np.int64]
    """(n,) positions of their classes in the data set's list; -1: a class that this has not."""


def context(real: ImageSet, inputs: DatasetInputs) -> dict[str, Any] | None:
    """`uri` of the figure, `features` (words) and `shares` of the variance along both axes, in percent; None where
    nothing was measured."""
    for name in ORDER:
        of_real = feature_files.of_any_version(real, name)
        drawn = {model: found for model in inputs.models() if (found := _of(inputs.of(model)[0], name))}
        if of_real is not None and drawn and len(real.rows("train")) >= LEAST:
            return _mapped(name, real, of_real.vectors, drawn)
    return None


def _of(run: RunInputs, name: str) -> tuple[ImageSet, NDArray[np.float32]] | None:
    """The synthetic images of a run and their features."""
    if run.synthetic is None or not (run.synthetic / "meta.json").is_file():
        return None
    drawn = ImageSet.open(run.synthetic)
    found = feature_files.of_any_version(drawn, name)
    return (drawn, found.vectors) if found is not None and len(drawn) >= LEAST else None


def _mapped(
    name: str, real: ImageSet, of_real: NDArray, drawn: dict[str, tuple[ImageSet, NDArray[np.float32]]]
) -> dict[str, Any]:
    classes = real.meta["classes"]
    rows = {"training": _some(real.rows("train")), "held out": _some(real.rows("test"))}
    sets = {part: (of_real[some], _numbers(real, classes)[some]) for part, some in rows.items()}
    for model, (found, vectors) in drawn.items():
        some = _some(np.arange(len(found)))
        sets[f"of {model}"] = (vectors[some], _numbers(found, classes)[some])
    placed, shares = place(sets, without="held out")
    panels = {model: placed[f"of {model}"] for model in drawn}
    svg = feature_map_figure.draw(placed["training"], placed["held out"], panels, classes)
    return {"uri": images.svg(svg), "features": FEATURES[name], "shares": [round(100 * share) for share in shares]}


def place(
    sets: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]], without: str
) -> tuple[dict[str, Placed], tuple[float, float]]:
    """Each set along the first two principal components of all sets together, each feature in units of its standard
    deviation; and the shares of the variance along these.

    Args:
        sets: by name, vectors (n, d) and classes (n,).
        without: the set that has no say in where the axes lie.
    """
    told = np.concatenate([vectors for name, (vectors, _) in sets.items() if name != without]).astype(np.float64)
    scaler = StandardScaler().fit(told)
    axes = PCA(2, svd_solver="randomized", random_state=0).fit(scaler.transform(told))
    placed = {
        name: Placed(axes.transform(scaler.transform(vectors)) if len(vectors) else np.zeros((0, 2)), labels)
        for name, (vectors, labels) in sets.items()
    }
    first, second = axes.explained_variance_ratio_
    return placed, (float(first), float(second))


def _some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most SHOWN of them, evenly."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN).round().astype(int))] if len(rows) > SHOWN else rows


def _numbers(found: ImageSet, classes: list[str]) -> NDArray[np.int64]:
    known = {name: i for i, name in enumerate(classes)}
    return np.array([known.get(label, -1) for label in found.metadata["label"]])
