"""Real beside synthetic: a strip for the first page, a table with the nearest real images for the data set's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL.Image import Image

from pipeline.data.image_set import ImageSet
from pipeline.report import images
from pipeline.report.inputs import DatasetInputs, RunInputs

CLASSES_SHOWN = 12  # more would hide what comes below
STRIP_IMAGES = 12  # of a line of the strip
STRIP_SIDE = 96  # pixels


class Source(NamedTuple):
    """Where the images of a column (or a line) come from."""

    name: str
    note: str
    images: ImageSet
    split: str | None = None
    run: RunInputs | None = None


def strip(real: ImageSet, inputs: DatasetInputs) -> dict[str, Any]:
    """A line for the real training images and one for each generator, the same classes below one another.

    Returns:
        `classes` (those shown), `left_out` (how many are not), `lines` of `name`, `note` and `cells`: a picture (not
        yet in any page) a class, or None.
    """
    classes = real.meta["classes"]
    shape = real.meta["width"] / real.meta["height"]
    each = max(1, int(STRIP_IMAGES / max(1, len(classes)) / max(1, shape)))
    sources = [Source("Real", "training images", real, "train"), *_drawn(inputs)]
    lines = [
        {
            "name": source.name,
            "note": source.note,
            "cells": [_line(source, label, each) for label in classes[:CLASSES_SHOWN]],
        }
        for source in sources
    ]
    return {"classes": classes[:CLASSES_SHOWN], "left_out": max(0, len(classes) - CLASSES_SHOWN), "lines": lines}


def _line(source: Source, label: str, each: int) -> Image | None:
    rows = images.drawn(source.images, label, source.split)[:each]
    pictures = [images.picture(source.images.images[row], STRIP_SIDE) for row in rows]
    return images.sheet(pictures, each) if pictures else None


def shown(strip: dict[str, Any], page: Path, folder: Path | None) -> dict[str, Any]:
    """A strip as a page shows it, each cell of `uri`, `width` and `height` (pixels), or None.

    Args:
        folder: where its pictures are written, for the page to load; None embeds them.
    """

    def cell(picture: Image | None, line: int, column: int) -> dict[str, Any] | None:
        if picture is None:
            return None
        uri = images.png(picture) if folder is None else images.beside(picture, folder / f"{line}-{column}.png", page)
        return {"uri": uri, "width": picture.width, "height": picture.height}

    lines = [
        line | {"cells": [cell(picture, i, j) for j, picture in enumerate(line["cells"])]}
        for i, line in enumerate(strip["lines"])
    ]
    return strip | {"lines": lines}


def table(real: ImageSet, inputs: DatasetInputs) -> dict[str, Any]:
    """A row a class: real training images, held-out ones, and those of each generator's first seed.

    Where an evaluation tells the nearest training images (`neighbours`), a generator's cell has these in a second line.

    Returns:
        `columns` of (name, note), `rows` of `label` and `cells` (a picture or None), `left_out` (classes), `nearest`
        (whether any column has them).
    """
    sources = [Source("Real", "training images", real, "train"), Source("Real", "held out", real, "test")]
    sources += _drawn(inputs)
    neighbours = [source.run.evaluated().get("neighbours", []) if source.run else [] for source in sources]
    classes = real.meta["classes"]
    rows = [
        {"label": label, "cells": [_cell(*pair, label, real) for pair in zip(sources, neighbours, strict=True)]}
        for label in classes[:CLASSES_SHOWN]
    ]
    notes = [
        f"{source.note}; below each the nearest real" if found else source.note
        for source, found in zip(sources, neighbours, strict=True)
    ]
    return {
        "columns": [(source.name, note) for source, note in zip(sources, notes, strict=True)],
        "rows": rows,
        "left_out": max(0, len(classes) - CLASSES_SHOWN),
        "nearest": any(neighbours),
    }


def _cell(source: Source, neighbours: Sequence[dict[str, int]], label: str, real: ImageSet) -> str | None:
    if not neighbours:
        return images.samples(source.images, label, source.split)
    labels = source.images.metadata["label"]
    chosen = [pair for pair in neighbours if labels.iloc[pair["made"]] == label][: images.columns(real)]
    if not chosen:
        return images.samples(source.images, label, source.split)
    made = [images.picture(source.images.images[pair["made"]]) for pair in chosen]
    nearest = [images.picture(real.images[pair["real"]]) for pair in chosen]
    return images.png(images.sheet(made + nearest, len(chosen)))


def _drawn(inputs: DatasetInputs) -> list[Source]:
    """The first seed of each generator, where its images are there."""
    found = []
    for model in inputs.models():
        run = inputs.of(model)[0]
        if (drawn := run.drawn()) is not None:
            found.append(Source(model, f"synthetic, seed {run.seed}{_truncation(drawn)}", drawn, run=run))
    return found


def _truncation(drawn: ImageSet) -> str:
    """Said where it was used: a model without styles is never truncated, whatever the settings ask for."""
    truncation = drawn.meta.get("truncation", 1.0)
    return "" if truncation == 1 else f", truncated to {truncation:g}"
