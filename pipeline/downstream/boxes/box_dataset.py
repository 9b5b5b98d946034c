"""The images and boxes one detector may see, and those that judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.base.pixels import stored
from pipeline.data.box_store import ENDS
from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes.detector import BoxTargets
from pipeline.downstream.boxes.symmetry import turned
from pipeline.downstream.classifier.device_dataset import DeviceDataset, check_kind, check_turns, held
from pipeline.settings import UserError

# Splits that must have a box: setting to look at, what their images are called, what the box is needed for.
NEEDED = {"train": ("boxes.path", "training", "learn from"), "test": ("split.test", "test", "be judged by")}


@dataclass(frozen=True)
class BoxDataset:
    """Images whose boxes are known, the real ones first."""

    images: DeviceDataset
    """On the device; its labels say nothing here."""
    boxes: np.ndarray
    """(N, M, 4) float32, x0, y0, x1, y1 in pixels; an image of fewer than M boxes is filled up with zeros."""
    classes: np.ndarray
    """(N, M) int64 in [0, K); -1 where there is no box."""

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def n_real(self) -> int:
        return self.images.n_real

    @property
    def device(self) -> torch.device:
        return self.images.device

    def batch(self, rows: np.ndarray, orientations: np.ndarray) -> tuple[Tensor, BoxTargets]:
        """(n, C, H, W) images in [-1, 1] and their boxes, image i turned by orientations[i] (see `schedule`)."""
        at = self.images.at(rows, orientations)
        most = int(self._counts[rows].max())
        boxes, classes = (part[at.rows, :most] for part in self._marks)
        boxes = turned(boxes, at.orientations, *self.images.stored.shape[1:3])
        return self.images.turned(at), BoxTargets(boxes, classes)

    @cached_property
    def _marks(self) -> BoxTargets:
        """Of all images, on the device."""
        return BoxTargets(
            *(torch.from_numpy(part).to(self.images.stored.device) for part in (self.boxes, self.classes))
        )

    @cached_property
    def _counts(self) -> np.ndarray:
        """(N,) boxes of each image."""
        return (self.classes >= 0).sum(1)


def annotated_rows(images: ImageSet, split: str) -> np.ndarray:
    """(n,) int64, rows of a split that a detector may see: those whose boxes are known, background among them."""
    rows = images.rows(split)
    return rows[images.annotated[rows]]


def check(real: ImageSet, dataset: str) -> None:
    """Looks at the tables of the images and their boxes, at no image.

    Raises:
        UserError: no box in the training images, or none in the test images.
    """
    for split in NEEDED:
        _need(real, split, dataset)


def training(real: ImageSet, synthetic: Sequence[ImageSet], dataset: str, device: torch.device) -> BoxDataset:
    """What `annotated_rows` gives of the training images of the real set, then of every synthetic set.

    That may be nothing of a synthetic set none of whose images could be labelled: the arm is then that of the real
    images, which says all there is to say, where an error would keep the report from all the other arms.

    Raises:
        UserError: no real training image with a box, images that cannot be turned by a quarter, or a synthetic set
            that is empty, without boxes, or of another size, channels, depth or classes of boxes than the real one.
    """
    check_turns(real, dataset)
    _need(real, "train", dataset)
    for fakes in synthetic:
        _check(fakes, real)
    return _read([real, *synthetic], "train", device)


def choosing(real: ImageSet, device: torch.device) -> BoxDataset | None:
    """What `annotated_rows` gives of the real validation images; None where none of them has a box."""
    has = len(annotation_rows(real, "val"))
    return _read([real], "val", device) if has else None


def judging(real: ImageSet, dataset: str, device: torch.device) -> BoxDataset:
    """What `annotated_rows` gives of the real test images.

    Raises:
        UserError: none of them has a box, so that no precision could be said.
    """
    _need(real, "test", dataset)
    return _read([real], "test", device)


def annotation_rows(real: ImageSet, split: str) -> pd.DataFrame:
    """The rows of the set's table of boxes for the images that `annotated_rows` finds in a split."""
    assert real.boxes is not None  # `check` has looked
    return real.boxes[real.boxes["id"].isin(real.metadata["id"].iloc[annotated_rows(real, split)])]


def _need(real: ImageSet, split: str, dataset: str) -> None:
    if not len(annotation_rows(real, split)):
        setting, kind, purpose = NEEDED[split]
        raise UserError(
            f"datasets.{dataset}.{setting}: 0 boxes in the {len(annotated_rows(real, split))} {kind} images whose "
            f"boxes are known, a detector needs at least 1 to {purpose}"
        )


def without_boxes(images: ImageSet, rows: np.ndarray, device: torch.device) -> BoxDataset:
    """Images of a set at rows (n,), as if they had no boxes, for a detector to look at."""
    pool = _images([stored(images.images[rows])], device)
    return BoxDataset(pool, np.zeros((len(rows), 0, 4), np.float32), np.zeros((len(rows), 0), np.int64))


def _check(fakes: ImageSet, real: ImageSet) -> None:
    check_kind(fakes, real)
    unknown = sorted(set(fakes.box_classes) - set(real.box_classes))
    if unknown:
        raise UserError(
            f"{fakes.path}: boxes of class `{unknown[0]}`, the real ones have {', '.join(real.box_classes)}"
        )
    if not fakes.box_classes or not len(fakes.rows("train")):
        raise UserError(f"{fakes.path}: 0 synthetic training images with boxes, at least 1 is needed")


def _read(sets: list[ImageSet], split: str, device: torch.device) -> BoxDataset:
    """The annotated rows of a split of each set, the first of them the real one; no other row of an image file is
    read."""
    rows = [annotated_rows(one, split) for one in sets]
    tables = [_table(one, of, sets[0].box_classes) for one, of in zip(sets, rows, strict=True)]
    most = max(classes.shape[1] for _, classes in tables)
    wider = [((0, 0), (0, most - classes.shape[1])) for _, classes in tables]
    boxes = [np.pad(of, (*pad, (0, 0))) for (of, _), pad in zip(tables, wider, strict=True)]
    classes = [np.pad(of, pad, constant_values=-1) for (_, of), pad in zip(tables, wider, strict=True)]
    images = [stored(one.images[of]) for one, of in zip(sets, rows, strict=True)]
    return BoxDataset(_images(images, device), np.concatenate(boxes), np.concatenate(classes))


def _images(sets: list[Tensor], device: torch.device) -> DeviceDataset:
    labels = torch.zeros(sum(map(len, sets)), dtype=torch.int64, device=device)
    return DeviceDataset(held(sets, device), labels, len(sets[0]))


def _table(images: ImageSet, rows: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """`BoxDataset.boxes` and `classes` of these rows."""
    ids = images.metadata["id"].iloc[rows]
    assert images.boxes is not None  # as above
    table = images.boxes[images.boxes["id"].isin(ids)]
    row = table["id"].map(dict(zip(ids, range(len(ids)), strict=True))).to_numpy(np.int64)
    place = table.groupby("id").cumcount().to_numpy()
    most = int(place.max(initial=-1)) + 1
    boxes, classes = np.zeros((len(rows), most, 4), np.float32), np.full((len(rows), most), -1, np.int64)
    boxes[row, place] = table[ENDS].to_numpy(np.float32)
    classes[row, place] = table["label"].map({name: k for k, name in enumerate(names)}).to_numpy(np.int64)
    return boxes, classes
