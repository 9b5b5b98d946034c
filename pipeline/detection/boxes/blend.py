"""Training images whose defects are filled anew with synthetic patches: images with boxes for box detectors."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.data import boxstore, preview
from pipeline.data.imageset import COLUMNS, ImageSet, ImageSetWriter
from pipeline.data.window import Window, cut
from pipeline.detection.boxes.poisson import blended
from pipeline.detection.boxes.pool import ENDS, seen
from pipeline.detection.boxes.views import turned
from pipeline.detection.order import HORIZONTAL, SYMMETRIES, TRANSPOSE, VERTICAL
from pipeline.job import progress, say
from pipeline.settings import Blend, Patches, UserError
from pipeline.training.seeds import derive


class Layout(NamedTuple):
    """The boxes of an image, the largest first: one that lies within another is put in after it."""

    labels: list[str]
    boxes: np.ndarray
    """(n, 4) x0, y0, x1, y1 in pixels."""


class Material(NamedTuple):
    """All that images are blended of."""

    images: ImageSet
    """Real; only rows of `layouts` are read."""
    layouts: dict[int, Layout]
    """Of each training image that can be used, by its row; one without boxes is background."""
    patches: ImageSet
    """Synthetic."""
    of: dict[str, np.ndarray]
    """Rows of the patches of a class."""
    margin: float


def blend(settings: Blend, cutting: Patches, real: Path, patches: Path, out: Path, journal) -> None:
    """Write an image set with boxes: real training images with synthetic defects, and `samples.png` beside it.

    Image i is a training image whose boxes are known, each in its turn. Each of its boxes is filled anew with a patch
    of its class, drawn at random and turned as the data set's symmetry allows, in the box's size and aspect. An image
    without boxes gets those of another training image, their places turned likewise. The patch with its margin is put
    in by `poisson.blended`.

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
    whole, hosts = material.images, list(material.layouts)
    count = settings.images or len(hosts)
    height, width, channels = whole.spec[:3]
    rows, boxes = [], []
    try:
        with (
            ImageSetWriter(out, count, height, width, channels, whole.images.dtype.name) as writer,
            progress("blending", count) as bar,
        ):
            for i in range(count):
                host, name, seed = hosts[i % len(hosts)], f"blended_{i:06d}", derive(settings.seed, i)
                image, layout = composed(material, host, np.random.default_rng(seed))
                writer[i] = image
                of = whole.metadata.iloc[host]
                rows.append((name, of["label"], of["id"], 0, 0, name, "train", seed))
                boxes += [(name, label, *box) for label, box in zip(*layout, strict=True)]
                bar.update()
            same = {k: whole.meta[k] for k in ("classes", "symmetry", "dtype", "scaling", "pixel_size", "unit")}
            writer.finish(pd.DataFrame(rows, columns=[*COLUMNS, "seed"]), same)
        made = ImageSet.open(out)
        table = pd.DataFrame(boxes, columns=boxstore.COLUMNS)
        boxstore.write(out, made.meta["data_hash"], table, whole.box_classes, [])
        lines = [f"{count} training images with {len(boxes)} defects by {patches.parents[1].name}"]
        preview.write(ImageSet.open(out), lines, out / "samples.png", boxes=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror or error})") from error
    journal.artifact(out / "samples.png", "blended")


# ---------------------------------------------------------------- what there is


def _material(images: ImageSet, patches: ImageSet, margin: float) -> Material:
    _check_kind(images, patches)
    names = patches.metadata["label"].to_numpy()
    of = {label: np.flatnonzero(names == label) for label in images.box_classes if label in names}
    rows = seen(images, "train")
    layouts = {row: layout for row, layout in _layouts(images, rows).items() if set(layout.labels) <= of.keys()}
    if not any(layout.labels for layout in layouts.values()):
        raise UserError(
            f"{patches.path}: has patches of {', '.join(of) or 'no class of boxes'}; none of the {len(rows)} training "
            f"images of {images.path} whose boxes are known has such boxes alone, and at least 1 is needed"
        )
    if len(layouts) < len(rows):
        lacking = ", ".join(label for label in images.box_classes if label not in of)
        say(f"{len(rows) - len(layouts)} of {len(rows)} training images are not used: there is no patch of {lacking}")
    return Material(images, layouts, patches, of, margin)


def _check_kind(images: ImageSet, patches: ImageSet) -> None:
    kinds = [(s.meta["channels"], s.images.dtype.name) for s in (images, patches)]
    if kinds[0] != kinds[1]:
        own, other = (f"{channels} channel(s) of {dtype}" for channels, dtype in kinds)
        raise UserError(f"{patches.path}: patches of {other} do not fit into images of {own}")


def _layouts(images: ImageSet, rows: np.ndarray) -> dict[int, Layout]:
    """Of these images, by row."""
    table = images.boxes
    areas = (table["x1"] - table["x0"]) * (table["y1"] - table["y0"])
    table = table.iloc[np.argsort(-areas.to_numpy(), kind="stable")]
    found = {}
    for row in rows.tolist():
        own = table[table["id"] == images.metadata["id"][row]]
        found[row] = Layout(own["label"].tolist(), own[ENDS].to_numpy(float))
    return found


# ---------------------------------------------------------------- one image


def composed(material: Material, host: int, rng: np.random.Generator) -> tuple[np.ndarray, Layout]:
    """A real image with its defects filled anew, (H, W, C) stored integers, and its boxes."""
    layout = material.layouts[host]
    symmetry, stored = material.images.spec.symmetry, material.images.images[host]
    if not layout.labels:
        layout = _borrowed(material, symmetry, rng)
    image = stored.astype(np.float64)
    for label, box in zip(*layout, strict=True):
        patch = material.patches.images[rng.choice(material.of[label])]
        image = put(image, _view(patch, _drawn(symmetry, rng)), Window(*box), material.margin)
    top = np.iinfo(stored.dtype).max
    return np.rint(image).clip(0, top).astype(stored.dtype), layout


def put(image: np.ndarray, patch: np.ndarray, box: Window, margin: float) -> np.ndarray:
    """An image with a patch blended in.

    Args:
        image: (H, W, C) float64.
        patch: (h, w, C) of the same levels; shows a box widened by the margin, stretched to the patch's sides.
        box: where it goes, in pixels of the image.
        margin: as in `Window.widened`.

    Returns:
        (H, W, C) float64.
    """
    height, width = image.shape[:2]
    wide = box.widened(margin)
    x0, y0 = max(0, int(np.floor(wide.x0))), max(0, int(np.floor(wide.y0)))
    x1, y1 = min(width, int(np.ceil(wide.x1))), min(height, int(np.ceil(wide.y1)))
    across, down = patch.shape[1] / (wide.x1 - wide.x0), patch.shape[0] / (wide.y1 - wide.y0)
    start, end = (x0 - wide.x0) * across, (x1 - wide.x0) * across
    there = Window(start, (y0 - wide.y0) * down, end, (y1 - wide.y0) * down)
    fitted = cut(patch.astype(np.float32), there, y1 - y0, x1 - x0)
    return blended(image, fitted.astype(np.float64), y0, x0)


def _borrowed(material: Material, symmetry: str, rng: np.random.Generator) -> Layout:
    """The boxes of an image that has some, as they would be in a view of it."""
    donors = [row for row, layout in material.layouts.items() if layout.labels]
    labels, boxes = material.layouts[int(rng.choice(donors))]
    height, width = material.images.spec[:2]
    view = np.array([_drawn(symmetry, rng)], np.uint8)
    return Layout(labels, turned(boxes[None], view, height, width)[0])


def _drawn(symmetry: str, rng: np.random.Generator) -> int:
    """Bits of a view, as in `order`; uniform over those of a symmetry."""
    return int(rng.integers(8)) & SYMMETRIES[symmetry]


def _view(patch: np.ndarray, view: int) -> np.ndarray:
    """(h, w, C), mirrored left-right, then top-bottom, then rows and columns swapped, as `turned` does with boxes."""
    if view & HORIZONTAL:
        patch = patch[:, ::-1]
    if view & VERTICAL:
        patch = patch[::-1]
    return patch.swapaxes(0, 1) if view & TRANSPOSE else patch
