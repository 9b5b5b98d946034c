"""The boxes of a synthetic image set: those that its model was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor

from pipeline.data import box_store
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import preview
from pipeline.models.base import DrawsBoxes
from pipeline.models.layouts import Layout

PART = 64  # images at a time: a model draws the latents of all that it is asked for, some numbers a pixel


def write_boxes(model: DrawsBoxes, classes: tuple[str, ...], labels: list[int], drawn: ImageSet) -> None:
    """Write `boxes.csv`, `boxes.json` and `boxes.png`, some images with their boxes, into a set that the model drew.

    Args:
        classes: of boxes, as the model numbers them.
        labels: of the images, as the model numbers its classes; their seeds are in the set.
    """
    seeds = torch.tensor(drawn.metadata["seed"].tolist())
    rows = [
        (name, classes[kind], *ends)
        for name, layout in zip(drawn.metadata["id"], _asked(model, torch.tensor(labels), seeds), strict=True)
        for kind, ends in zip(layout.kinds.tolist(), layout.boxes.tolist(), strict=True)
    ]
    table = pd.DataFrame(rows, columns=box_store.COLUMNS).astype(dict.fromkeys(box_store.ENDS, float))
    box_store.write(drawn.path, drawn.meta["data_hash"], table, list(classes), [])
    lines = [f"{len(table)} boxes that were asked for in {table['id'].nunique()} of {len(drawn)} images"]
    preview.write(ImageSet.open(drawn.path), lines, drawn.path / "boxes.png", boxes=True)


def _asked(model: DrawsBoxes, labels: Tensor, seeds: Tensor) -> Iterator[Layout]:
    """Of one image after the other."""
    for some, theirs in zip(labels.split(PART), seeds.split(PART), strict=True):
        yield from model.boxes(some, theirs)
