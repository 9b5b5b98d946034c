"""Makes an image set of the defects of another one: each box cut out with a margin, its class that of the box.

Nothing is split anew. A patch is on the side of its image and in its group, so no generator of patches learns from a
pixel of the detectors' test images.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.base.job import progress, say
from pipeline.data.image_set import COLUMNS, ImageSet, ImageSetWriter
from pipeline.data.preparing import preview, scaling, summary
from pipeline.data.preparing.issues import Rejections, surviving
from pipeline.data.window import Window, cut
from pipeline.settings import Dataset, UserError


class Defect(NamedTuple):
    """A box that becomes a patch."""

    row: int
    """Of its image in the image set."""
    place: int
    """Among the boxes of its image, from 0."""
    label: str
    box: Window


def cut_patches(settings: Dataset, images: Path, out: Path, kept: Path | None = None) -> None:
    """Write the patches of an image set with boxes into the folder `out`, as an image set.

    Beside it `rejected.csv` lists the boxes that are no patches, and `preview.png` shows some that are. A patch is
    called `{id of its image}_{place of the box in it}`; its `row` and `col` are where its box begins in that image.

    Args:
        settings: `size` and `patches` are used.
        images: the prepared image set of `settings.patches_of`, with its boxes.
        kept: folder where `rejected.csv` is left when this fails; None is `out`.

    Raises:
        UserError: no training image has a box that could be cut out.
    """
    whole = ImageSet.open(images)
    rejected = Rejections()
    assert whole.boxes is not None  # no other set may have patches
    with surviving(rejected, (kept or out) / "rejected.csv"):
        defects = _learnable(whole, _large_enough(settings, whole, rejected), rejected)
        if not defects:
            raise UserError(
                f"datasets.{settings.patches_of}.boxes: 0 of {len(whole.boxes)} can be patches to train on, at least 1 "
                f"must: {rejected.summary()}"
            )
    classes = [label for label in whole.box_classes if any(d.label == label for d in defects)]
    out.mkdir(parents=True, exist_ok=True)
    rejected.write(out / "rejected.csv")
    with ImageSetWriter(out, len(defects), *settings.shape, *_kind(whole)) as writer:
        for row, patch in enumerate(_patches(settings, whole, defects)):
            writer[row] = patch
        writer.finish(_metadata(whole, defects), _meta(settings, whole, defects, classes))
    patches = ImageSet.open(out)
    lines = [summary.headline(patches), *_notes(settings, defects, rejected)]
    for line in lines:
        say(line)
    preview.write(patches, lines, out / "preview.png")


def _kind(whole: ImageSet) -> tuple[int, str]:
    return whole.meta["channels"], whole.images.dtype.name


def _large_enough(settings: Dataset, whole: ImageSet, rejected: Rejections) -> list[Defect]:
    """The boxes of all images whose boxes are known, image by image."""
    smallest = settings.patches.smallest
    rows = dict(zip(whole.metadata["id"], range(len(whole)), strict=True))
    assert whole.boxes is not None
    places = whole.boxes.groupby("id").cumcount()
    kept = []
    for place, box in zip(places, whole.boxes.itertuples(), strict=True):
        window = Window(box.x0, box.y0, box.x1, box.y1)
        if min(window.x1 - window.x0, window.y1 - window.y0) < smallest:
            rejected.add(f"{box.id}_{place:03d}", f"a side of its box is below {smallest:g} pixels (patches.smallest)")
        else:
            kept.append(Defect(rows[box.id], place, box.label, window))
    return sorted(kept)


def _learnable(whole: ImageSet, defects: list[Defect], rejected: Rejections) -> list[Defect]:
    """Those of classes of which there is one to train on."""
    train = set(whole.rows("train").tolist())
    learnt = {d.label for d in defects if d.row in train}
    for d in defects:
        if d.label not in learnt:
            rejected.add(_name(whole, d), f"no training image has a box of `{d.label}`")
    return [d for d in defects if d.label in learnt]


def _name(whole: ImageSet, defect: Defect) -> str:
    return f"{whole.metadata['id'][defect.row]}_{defect.place:03d}"


def _patches(settings: Dataset, whole: ImageSet, defects: list[Defect]):
    """(height, width, C) stored integers of one defect after the other."""
    _, dtype = _kind(whole)
    top = np.iinfo(dtype).max
    with progress("cutting", len(defects), "patch") as bar:
        for defect in defects:
            window = defect.box.widened(settings.patches.margin)
            patch = cut(whole.images[defect.row], window, *settings.shape, top)
            yield scaling.quantise(np.clip(patch, 0, 1), dtype)
            bar.update()


def _metadata(whole: ImageSet, defects: list[Defect]) -> pd.DataFrame:
    rows = []
    for defect in defects:
        of = whole.metadata.iloc[defect.row]
        row, col = int(defect.box.y0), int(defect.box.x0)
        rows.append((_name(whole, defect), defect.label, of["source"], row, col, of["group"], of["split"]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _meta(settings: Dataset, whole: ImageSet, defects: list[Defect], classes: list[str]) -> dict[str, Any]:
    same = {key: whole.meta[key] for key in ("symmetry", "dtype", "scaling", "unit")}
    return same | {
        "classes": classes,
        "pixel_size": None,  # each was resampled by a factor of its own
        "sources": len({whole.metadata["source"][d.row] for d in defects}),
        "settings": settings.model_dump(mode="json", include={"patches_of", "patches", "size"}),
    }


def _notes(settings: Dataset, defects: list[Defect], rejected: Rejections) -> list[str]:
    reach = 1 + 2 * settings.patches.margin
    high, wide = settings.shape
    larger = sum(reach * (d.box.x1 - d.box.x0) > wide or reach * (d.box.y1 - d.box.y0) > high for d in defects)
    lines = [f"defects of {settings.patches_of}, each with {settings.patches.margin:g} of its sides around it"]
    if larger:
        lines.append(
            f"{larger} of {len(defects)} were larger than {high} x {wide} pixels with their margin and have lost "
            "detail; a larger `size` keeps it"
        )
    reasons = Counter(reason for _, reason in rejected.rows)
    return [*lines, *(f"{n} box(es) left out: {reason}" for reason, n in reasons.most_common())]
