"""Training images whose defects are filled anew with synthetic patches: images with boxes for box detectors."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from pipeline.base.files import writing
from pipeline.base.job import progress, say
from pipeline.base.seeds import derive
from pipeline.data import box_store
from pipeline.data.box_store import ENDS
from pipeline.data.image_set import COLUMNS, ImageSet, ImageSetWriter
from pipeline.data.preparing import preview
from pipeline.data.window import Window, cut
from pipeline.downstream.boxes.box_dataset import annotated_rows
from pipeline.downstream.boxes.poisson import blended
from pipeline.downstream.boxes.symmetry import turned as boxes_turned
from pipeline.downstream.schedule import SYMMETRIES, TRANSPOSE, turned
from pipeline.settings import Blend, Patches, UserError

CANDIDATES = 8  # patches drawn for a box, of which one is put in


class Layout(NamedTuple):
    """The boxes of an image, the largest first: one that lies within another is put in after it."""

    labels: list[str]
    boxes: np.ndarray
    """(n, 4) x0, y0, x1, y1 in pixels."""
    detail: np.ndarray
    """(n, 2) as `_detail`, of the real defects."""


class Material(NamedTuple):
    """All that images are blended of."""

    images: ImageSet
    """Real; only rows of `layouts` are read."""
    layouts: dict[int, Layout]
    """Of each training image that can be used, by its row; one without boxes is background."""
    layout_donors: np.ndarray
    """Rows of those with boxes, which background borrows."""
    patches: ImageSet
    """Synthetic."""
    of: dict[str, np.ndarray]
    """Rows of the patches of a class."""
    margin: float


def blend(settings: Blend, cutting: Patches, real: Path, patches: Path, out: Path, journal) -> None:
    """Write an image set with boxes: real training images with synthetic defects, and `samples.png` beside it.

    Image i is a training image whose boxes are known, each in its turn, in random order. Each of its boxes is filled
    anew with a patch of its class, turned as the data set's symmetry allows and stretched to the box's size and aspect.
    An image without boxes gets those of another training image, their places turned likewise. The patch with its margin
    is put in by `poisson.blended`.

    A patch does not tell how large its defect is: stretched to another size and aspect it is blurred, or too fine. So
    `CANDIDATES` are drawn at random for each box, and the one is taken whose detail, once stretched, is most like that
    of the real defect.

    An image with a box of a class of which there is no patch is left out: its own defect would stay half covered.

    Args:
        cutting: how the patches were cut that the generator learnt from.
        real: image set with boxes.
        patches: synthetic image set of patches, its classes those of the boxes.
        out: becomes the image set; `source` of an image is the `id` of the real one.
        journal: a `pipeline.tracking.journal.Journal`.

    Raises:
        UserError: no patch, or patches of other channels or depth; no training image that could be used; a full disk.
    """
    material = _material(ImageSet.open(real), ImageSet.open(patches), cutting.margin)
    with writing(out):
        boxes = _write(settings, material, out)
        made = ImageSet.open(out)
        box_store.write(out, made.meta["data_hash"], boxes, material.images.box_classes, [])
        lines = [f"{len(made)} training images with {len(boxes)} defects by {patches.parents[1].name}"]
        preview.write(ImageSet.open(out), lines, out / "samples.png", boxes=True)
    journal.artifact(out / "samples.png", "blended")


def _write(settings: Blend, material: Material, out: Path) -> pd.DataFrame:
    """Write the image set; its boxes, as `box_store.Boxes.table`."""
    real = material.images
    # In an order of their own: the first few would be those of one class, as files are sorted.
    backgrounds = np.random.default_rng(derive(settings.seed)).permutation(list(material.layouts)).tolist()
    count, shape = settings.images or len(backgrounds), real.spec[:3]
    rows, boxes = [], []
    with ImageSetWriter(out, count, *shape, real.images.dtype.name) as writer, progress("blending", count) as bar:
        for i in range(count):
            name, seed = f"blended_{i:06d}", derive(settings.seed, i)
            background_image = backgrounds[i % len(backgrounds)]
            image, layout = composed(material, background_image, np.random.default_rng(seed))
            writer[i] = image
            of = real.metadata.iloc[background_image]
            rows.append((name, of["label"], of["id"], 0, 0, name, "train", seed))
            boxes += [(name, label, *box) for label, box in zip(layout.labels, layout.boxes, strict=True)]
            bar.update()
        writer.finish(pd.DataFrame(rows, columns=[*COLUMNS, "seed"]), real.inherited)
    return pd.DataFrame(boxes, columns=box_store.COLUMNS)


# ---------------------------------------------------------------- what there is


def _material(images: ImageSet, patches: ImageSet, margin: float) -> Material:
    _check_kind(images, patches)
    drawn = patches.rows("train")
    names = patches.metadata["label"].to_numpy()[drawn]
    of = {label: drawn[names == label] for label in images.box_classes if label in names}
    rows = annotated_rows(images, "train")
    there = _layouts(images, rows, margin)
    layouts = {row: layout for row, layout in there.items() if set(layout.labels) <= of.keys()}
    if not any(layout.labels for layout in layouts.values()):
        raise UserError(
            f"{patches.path}: has patches of {', '.join(of) or 'no class of boxes'}; none of the {len(rows)} training "
            f"images of {images.path} whose boxes are known has such boxes alone, and at least 1 is needed"
        )
    if len(layouts) < len(rows):
        lacking = ", ".join(label for label in images.box_classes if label not in of)
        say(f"{len(rows) - len(layouts)} of {len(rows)} training images are not used: there is no patch of {lacking}")
    layout_donors = np.array([row for row, layout in layouts.items() if layout.labels])
    return Material(images, layouts, layout_donors, patches, of, margin)


def _check_kind(images: ImageSet, patches: ImageSet) -> None:
    kinds = [(s.meta["channels"], s.images.dtype.name) for s in (images, patches)]
    if kinds[0] != kinds[1]:
        own, other = (f"{channels} channel(s) of {dtype}" for channels, dtype in kinds)
        raise UserError(f"{patches.path}: patches of {other} do not fit into images of {own}")


def _layouts(images: ImageSet, rows: np.ndarray, margin: float) -> dict[int, Layout]:
    """Of these images, by row."""
    table = images.boxes
    assert table is not None  # `annotate` has written them
    areas = (table["x1"] - table["x0"]) * (table["y1"] - table["y0"])
    table = table.iloc[np.argsort(-areas.to_numpy(), kind="stable")]
    by_image = dict(iter(table.groupby("id")))
    found = {}
    for row in rows.tolist():
        own = by_image.get(images.metadata["id"][row], table[:0])
        boxes, image = own[ENDS].to_numpy(float), images.images[row]
        detail = [_detail(image[_region(Window(*box), margin, image.shape)]) for box in boxes]
        found[row] = Layout(own["label"].tolist(), boxes, np.reshape(detail, (len(own), 2)))
    return found


def _detail(image: np.ndarray) -> np.ndarray:
    """(2,) logarithms of the mean square differences of neighbours down and across, of an (H, W, C) in [0, top]."""
    levels = image.astype(np.float64)
    squares = [np.square(np.diff(levels, axis=axis)) for axis in (0, 1)]
    # A quarter is what rounding alone makes; it keeps the logarithm of an even gray finite.
    return np.log([square.sum() / max(1, square.size) + 0.25 for square in squares])


# ---------------------------------------------------------------- one image


def composed(material: Material, background_image: int, rng: np.random.Generator) -> tuple[np.ndarray, Layout]:
    """A real image with its defects filled anew, (H, W, C) stored integers, and its boxes."""
    layout = material.layouts[background_image]
    symmetry, stored = material.images.spec.symmetry, material.images.images[background_image]
    if not layout.labels:
        layout = _borrowed(material, symmetry, rng)
    image = stored.astype(np.float64)
    for label, box, detail in zip(*layout, strict=True):
        window = Window(*box)
        region = _region(window, material.margin, image.shape)
        fitted = [
            fit(turned(material.patches.images[row][None], _drawn(symmetry, rng))[0], window, material.margin, region)
            for row in rng.choice(material.of[label], CANDIDATES)
        ]
        unlike = [np.square(_detail(patch) - detail).sum() for patch in fitted]
        image = blended(image, fitted[int(np.argmin(unlike))], region[0].start, region[1].start)
    top = np.iinfo(stored.dtype).max
    return np.rint(image).clip(0, top).astype(stored.dtype), layout


def _region(box: Window, margin: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of an image (H, W, C) that a box and its margin cover."""
    wide = box.widened(margin)
    return _span(wide.y0, wide.y1, shape[0]), _span(wide.x0, wide.x1, shape[1])


def _span(start: float, end: float, length: int) -> slice:
    """The pixels of an axis whose centres lie between two ends; one at least.

    None beyond: the rim decides on the level of all within, and there the patch would have to be guessed.
    """
    first = min(max(0, round(start)), length - 1)
    return slice(first, max(first + 1, min(length, round(end))))


def fit(patch: np.ndarray, box: Window, margin: float, region: tuple[slice, slice]) -> np.ndarray:
    """A patch, stretched to a box.

    Args:
        patch: (h, w, C); shows a box widened by the margin.
        box: where it goes, in pixels of an image.
        margin: as in `Window.widened`.
        region: the rows and columns of that image that are wanted.

    Returns:
        (rows, columns, C) float64, of the levels of the patch.
    """
    wide, (rows, columns) = box.widened(margin), region
    down, across = patch.shape[0] / (wide.y1 - wide.y0), patch.shape[1] / (wide.x1 - wide.x0)
    x0, x1 = ((x - wide.x0) * across for x in (columns.start, columns.stop))
    y0, y1 = ((y - wide.y0) * down for y in (rows.start, rows.stop))
    window = Window(x0, y0, x1, y1)
    return cut(patch, window, rows.stop - rows.start, columns.stop - columns.start).astype(float)


def _borrowed(material: Material, symmetry: str, rng: np.random.Generator) -> Layout:
    """The boxes of an image that has some, as they would be in a view of it."""
    labels, boxes, detail = material.layouts[int(rng.choice(material.layout_donors))]
    height, width = material.images.spec[:2]
    view = _drawn(symmetry, rng)
    boxes = boxes_turned(torch.from_numpy(boxes[None]), torch.tensor([view]), height, width)[0].numpy()
    return Layout(labels, boxes, detail[:, ::-1] if view & TRANSPOSE else detail)


def _drawn(symmetry: str, rng: np.random.Generator) -> int:
    """Bits of a view, as in `schedule`; uniform over those of a symmetry."""
    return int(rng.integers(8)) & SYMMETRIES[symmetry]
