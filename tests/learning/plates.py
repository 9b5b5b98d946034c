"""A distribution with boxes that is known in full: on dark noise, squares that are bright all over or striped.

An image of class `one` has one defect, of class `two` two, of class `clean` none. A defect fills its box from edge to
edge, sub-pixel edges included: `solid` is LEVEL all over, `striped` is LEVEL in every other pair of rows and dark
between. Everything else is noise about GROUND.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data import box_store
from tests import image_sets

SIZE = 16
CLASSES = ["clean", "one", "two"]
KINDS = ["solid", "striped"]
GROUND, LEVEL, NOISE = -0.7, 0.7, 0.05


def share(low: float, high: float) -> NDArray[np.float64]:
    """(SIZE,) of each pixel that lies between two ends."""
    return np.array([max(0.0, min(high, i + 1) - max(low, i)) for i in range(SIZE)])


def image(boxes: list[tuple], rng: np.random.Generator) -> NDArray[np.float64]:
    """(SIZE, SIZE) in about [-1, 1] of boxes (kind, x0, y0, x1, y1)."""
    drawn = np.full((SIZE, SIZE), GROUND)
    for kind, x0, y0, x1, y1 in boxes:
        rows = share(y0, y1) * (np.arange(SIZE) // 2 % 2 == 0 if kind == "striped" else 1)
        drawn += (LEVEL - GROUND) * np.outer(rows, share(x0, x1))
    return drawn + rng.normal(0, NOISE, drawn.shape)


def boxes(label: str, rng: np.random.Generator) -> list[tuple]:
    """Boxes of an image of a class: of two, one lies left and one right; all lean to the upper left corner."""
    found = []
    for i in range(CLASSES.index(label)):
        width, height = rng.uniform(4, 7, 2)
        x0 = i * SIZE / 2 + rng.uniform(0, SIZE / 2 - width)
        y0 = rng.uniform(0, SIZE / 2)
        found.append((KINDS[rng.integers(len(KINDS))], x0, y0, x0 + width, y0 + height))
    return found


def image_set(path: Path, n: int, symmetry: str = "horizontal", unknown: int = 0, split=("train",)) -> Path:
    """`n` images, classes and splits in turn; the boxes of the first `unknown` ones are not known."""
    rng = np.random.default_rng(0)
    labels = [CLASSES[i % 3] for i in range(n)]
    asked = [boxes(label, rng) for label in labels]
    drawn = np.stack([image(some, rng) for some in asked])
    ids = [f"plate_{i:05d}" for i in range(n)]
    splits = [split[i // 3 % len(split)] for i in range(n)]
    pixels = np.rint((drawn[..., None] + 1) * 127.5).clip(0, 255).astype(np.uint8)
    image_sets.write(path, pixels, labels, splits, ids, classes=CLASSES, symmetry=symmetry, unit="px")
    annotate(path, dict(zip(ids, asked, strict=True)), ids[:unknown])
    return path


def annotate(path: Path, asked: dict[str, list[tuple]], unknown: list[str]) -> None:
    """Write the boxes of an image set, by the ids of its images."""
    rows = [(name, *box) for name, some in asked.items() if name not in unknown for box in some]
    table = pd.DataFrame(rows, columns=box_store.COLUMNS)
    digest = pd.read_json(path / "meta.json", typ="series")["data_hash"]
    box_store.write(path, digest, table, KINDS, unknown)


def overlap(drawn: NDArray, boxes: NDArray) -> float:
    """Intersection over union of the bright pixels of an image (SIZE, SIZE) with boxes (m, 4), by pixels' centres."""
    centre = np.arange(SIZE) + 0.5
    inside = np.zeros((SIZE, SIZE), bool)
    for x0, y0, x1, y1 in boxes:
        inside |= np.outer((centre > y0) & (centre < y1), (centre > x0) & (centre < x1))
    bright = drawn > (GROUND + LEVEL) / 2
    return float((bright & inside).sum() / (bright | inside).sum())
