"""The boxes of an image set, real or synthetic: `boxes.csv` beside `metadata.csv`, and `boxes.json` that seals it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.base import csvfile
from pipeline.base.files import read_json, sha256, whole, write_json
from pipeline.settings import UserError

ENDS = ["x0", "y0", "x1", "y1"]
COLUMNS = ["id", "label", *ENDS]
MASKS = "masks.npy"


class Boxes(NamedTuple):
    table: pd.DataFrame
    """One row a box: `id` of its image, `label` (class of the box), `x0`, `y0`, `x1`, `y1` in pixels, half-open."""
    classes: list[str]
    """All classes of boxes, in order."""
    annotated: np.ndarray
    """(N,) bool, of each image: whether its boxes are known. One that is not is no background either."""
    masks: str | None
    """SHA-256 of the masks; None where the annotations tell no shapes."""
    masked: np.ndarray
    """(N,) bool: whether the shapes of all defects of an image are known. Where not, its mask is 0."""


def write(
    folder: Path,
    images: str,
    table: pd.DataFrame,
    classes: list[str],
    unknown: list[str],
    unmasked: list[str] | None = None,
    **facts: Any,
) -> None:
    """Write the boxes of the image set in `folder`; `boxes.json` last, so that what opens is whole.

    Args:
        images: the set's `data_hash`.
        table: the columns of `Boxes.table`.
        unknown: ids of the images whose boxes are not known.
        unmasked: of those whose masks are not known, where `masks.npy` is in the folder; None where there are no masks.
        facts: anything else worth keeping in `boxes.json`.
    """
    with whole(folder / "boxes.csv") as part:
        csvfile.write(table, part, columns=COLUMNS, float_format="%.9g")
    seal = {"images": images, "boxes": sha256(folder / "boxes.csv"), "classes": classes, "unknown": unknown} | facts
    if unmasked is not None:
        seal |= {"masks": sha256(folder / MASKS), "unmasked": unmasked}
    write_json(folder / "boxes.json", seal, indent=1)


def read(folder: Path, images: str, ids: pd.Series) -> Boxes | None:
    """The boxes of the image set in `folder`, whose images are called `ids`; None where it has none.

    Raises:
        UserError: they were made for other images, or altered since.
    """
    if not (folder / "boxes.json").is_file():
        return None
    seal = read_json(folder / "boxes.json", "images", "boxes", "classes", "unknown")
    if seal["images"] != images:
        raise UserError(f"{folder}: boxes.csv belongs to other images than images.npy; prepare the boxes again")
    if not (folder / "boxes.csv").is_file() or sha256(folder / "boxes.csv") != seal["boxes"]:
        raise UserError(f"{folder}: boxes.csv is missing or was altered; prepare the boxes again")
    table = pd.read_csv(folder / "boxes.csv", dtype={"id": str, "label": str}, keep_default_na=False)
    numbers = table[COLUMNS[2:]].astype(float)
    annotated = ~ids.isin(seal["unknown"]).to_numpy()
    masked = ~ids.isin(seal["unmasked"]).to_numpy() if "masks" in seal else np.zeros(len(ids), bool)
    return Boxes(table.assign(**numbers), seal["classes"], annotated, seal.get("masks"), masked)


def lost(folder: Path) -> list[str]:
    """What framing left nothing of, or little, of the defects of the pictures: sentences; none without boxes."""
    path = folder / "boxes.json"
    return read_json(path).get("lost", []) if path.is_file() else []
