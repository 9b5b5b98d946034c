"""The image set: the folder that every stage reads and writes, real or synthetic."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.base import csvfile
from pipeline.base.files import AGAIN, read_json, sha256, sync, writing
from pipeline.data import box_store
from pipeline.data.box_store import Boxes
from pipeline.settings import ImageSpec, UserError

COLUMNS = ["id", "label", "source", "row", "col", "group", "split"]  # of metadata.csv; synthetic sets add `seed`
FILES = ("images.npy", "metadata.csv", "meta.json")
SHAPE = ("height", "width", "channels")  # of an image, in meta.json
RIM = ["rim_top", "rim_left", "rim_bottom", "rim_right"]  # of a set with `fit: pad`, beside COLUMNS
SMALLEST_PART = 16  # pixels of a side below which images are compared as a whole
SPLITS = {"train", "val", "test", "control"}
_digests: dict[tuple[int, ...], str] = {}  # of files that this process has read whole, by `_state`


class Part(NamedTuple):
    """Rows `top` to `bottom` and columns `left` to `right` of every image of a set, half-open."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left


@dataclass(frozen=True)
class ImageSet:
    """A folder holding `images.npy`, `metadata.csv` (one row an image), `meta.json` and, where there are boxes, these.

    `meta` holds: `height`, `width`, `channels`, `classes` (all that occur, in order; `["all"]` without labels),
    `symmetry`, `dtype` (of the source files, a numpy name), `scaling` (`{"rule", "low", "high"}`: the source values of
    stored 0 and stored maximum), `pixel_size` (length of a *stored* pixel or null), `unit`, `data_hash` (SHA-256 of
    images.npy).
    """

    path: Path
    meta: dict[str, Any]
    metadata: pd.DataFrame
    part: Part | None = None
    """What `images` shows of each; None is all."""

    @classmethod
    def open(cls, path: str | os.PathLike) -> ImageSet:
        """Raises UserError where a file is missing or damaged, or does not agree with the others."""
        path = Path(path)
        for name in FILES:
            if not (path / name).is_file():
                raise UserError(f"{path}: not an image set, {name} is missing")
        meta = _meta(path / "meta.json")
        metadata = _table(path / "metadata.csv", meta["classes"])
        shape, expected = _mapped(path / "images.npy").shape, (len(metadata), *(meta[key] for key in SHAPE))
        if shape != expected:
            raise UserError(f"{path}: images.npy is {shape}, metadata.csv and meta.json say {expected}")
        return cls(path, meta, metadata)

    @cached_property
    def images(self) -> np.ndarray:
        """(N, H, W, C) uint8 or uint16, memory-mapped, read only. The first use in a process reads the file whole.

        Raises:
            UserError: the file is not the one that was written: its SHA-256 is not `data_hash`.
        """
        path = self.path / "images.npy"
        if _digest(path) != self.meta["data_hash"]:
            raise UserError(f"{path}: damaged, its SHA-256 is not the one in meta.json; {AGAIN}")
        images = _mapped(path)
        if self.part is None:
            return images
        return images[:, self.part.top : self.part.bottom, self.part.left : self.part.right]

    @property
    def inherited(self) -> dict[str, Any]:
        """What of `meta` holds for a set that is made of this one or like it."""
        return {key: self.meta[key] for key in ("classes", "symmetry", "dtype", "scaling", "pixel_size", "unit")}

    @property
    def digest(self) -> str:
        """Names what `images` shows: two sets of one digest show the same."""
        return self.meta["data_hash"] + ("" if self.part is None else f" {[*self.part]}")

    @property
    def filled(self) -> Part | None:
        """The largest part that every picture fills, where `fit: pad` gave any of them a rim.

        None where none has one, and where less than SMALLEST_PART pixels of a side are left.
        """
        part = common_part(self.metadata, self.meta["height"], self.meta["width"])
        return part if part is not None and min(part.shape) >= SMALLEST_PART else None

    def within(self, part: Part | None) -> ImageSet:
        """The same files, of each image this part of the whole; the boxes and masks stay those of the whole."""
        if part is None:
            return self
        height, width = part.shape
        return replace(self, part=part, meta=self.meta | {"height": height, "width": width})

    @cached_property
    def _boxes(self) -> Boxes | None:
        return box_store.read(self.path, self.meta["data_hash"], self.metadata["id"])

    @property
    def boxes(self) -> pd.DataFrame | None:
        """One row a box: `id`, `label`, `x0`, `y0`, `x1`, `y1` in pixels, half-open; None for a set without boxes.

        Raises:
            UserError: the file belongs to other images, or was altered.
        """
        return self._boxes.table if self._boxes else None

    @property
    def box_classes(self) -> list[str]:
        """All classes of boxes, in order; none for a set without boxes."""
        return self._boxes.classes if self._boxes else []

    @property
    def annotated(self) -> np.ndarray:
        """(N,) bool: whether the boxes of an image are known; one known to have none is background."""
        return self._boxes.annotated if self._boxes else np.zeros(len(self), bool)

    @cached_property
    def masks(self) -> np.ndarray | None:
        """(N, H, W) uint8, memory-mapped, read only: 0 where no defect is, else 1 + the place of its class in
        `box_classes`. None for a set whose annotations tell no shapes.

        Raises:
            UserError: they belong to other images, or were altered.
        """
        if self._boxes is None or self._boxes.masks is None:
            return None
        path = self.path / box_store.MASKS
        if not path.is_file() or _digest(path) != self._boxes.masks:
            raise UserError(f"{path}: is missing or was altered; prepare the boxes again")
        return _mapped(path)

    @property
    def masked(self) -> np.ndarray:
        """(N,) bool: whether the mask of an image is known; a known mask without a defect is of a good image."""
        return self._boxes.masked if self._boxes else np.zeros(len(self), bool)

    @property
    def spec(self) -> ImageSpec:
        m = self.meta
        return ImageSpec(m["height"], m["width"], m["channels"], tuple(m["classes"]), m["symmetry"])

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) int64, index into `meta["classes"]`."""
        return pd.Categorical(self.metadata["label"], categories=self.meta["classes"]).codes.astype(np.int64)

    def rows(self, split: str) -> np.ndarray:
        """(n,) int64, ascending positions of the images of a split: `train`, `val`, `test`, or `control`, which is held
        back for the positive control of the detectors."""
        return np.flatnonzero((self.metadata["split"] == split).to_numpy())

    def split_sizes(self) -> dict[str, int]:
        """Number of images of each split."""
        return {str(name): int(n) for name, n in self.metadata["split"].value_counts(sort=False).items()}

    def presenting(self, split: str) -> ImageSet:
        """The same files, the images of this split as those to train with, no others in any split."""
        given = self.metadata["split"].where(self.metadata["split"] == split, "")
        return replace(self, metadata=self.metadata.assign(split=given.replace(split, "train")))

    def __len__(self) -> int:
        return len(self.metadata)


def common_part(table: pd.DataFrame, height: int, width: int) -> Part | None:
    """What the rims in the table of an image set leave of an image (height, width) in common; None without any rim.

    A side may be left with no pixel, or fewer than none.
    """
    if RIM[0] not in table or not (rims := table[RIM].max()).any():
        return None
    top, left, bottom, right = (int(rim) for rim in rims)
    return Part(top, left, height - bottom, width - right)


class ImageSetWriter:
    """Writes an image set image by image, whatever its size; a context manager.

    The files take their names only when the block ends without an error, `meta.json` last: what opens is whole.
    """

    def __init__(self, path: str | os.PathLike, n: int, height: int, width: int, channels: int, dtype: str):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.shape, self.dtype = (n, height, width, channels), np.dtype(dtype)
        # Written, not memory-mapped: pages of a map count as this process's memory until the disk has them.
        with writing(self.path / "images.npy"):
            self._file = open(self.path / "images.npy.part", "wb")  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> ImageSetWriter:
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": self.shape}
        with writing(self.path / "images.npy"):
            np.lib.format.write_array_header_1_0(self._file, header)
        self._start = self._file.tell()
        return self

    def __setitem__(self, rows: int | slice, images: np.ndarray) -> None:
        """Write one image (H, W, C) at a row, or n images (n, H, W, C) at a slice of n neighbouring rows."""
        n = self.shape[0]
        first, last, step = rows.indices(n) if isinstance(rows, slice) else (rows, rows + 1, 1)
        images = np.asarray(images).reshape(-1, *self.shape[1:])
        if step != 1 or not 0 <= first <= last <= n or len(images) != last - first or images.dtype != self.dtype:
            raise ValueError(f"{images.dtype} {images.shape} does not fit rows {rows} of {self.dtype} {self.shape}")
        with writing(self.path / "images.npy"):
            self._file.seek(self._start + first * int(np.prod(self.shape[1:])) * self.dtype.itemsize)
            self._file.write(np.ascontiguousarray(images).data)

    def finish(self, metadata: pd.DataFrame, meta: dict[str, Any]) -> None:
        """Write the table and the description, then give all three files their names."""
        _, height, width, channels = self.shape
        images, table, description = (self.path / f"{name}.part" for name in FILES)
        with writing(self.path / "images.npy"):
            self._file.truncate(self._start + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize)
            self._file.close()
            sync(images)
        meta = {"height": height, "width": width, "channels": channels} | meta | {"data_hash": _digest(images)}
        text = json.dumps(meta, indent=2, ensure_ascii=False, sort_keys=True)
        with writing(self.path / "metadata.csv"):
            csvfile.write(metadata, table)
            sync(table)
        with writing(self.path / "meta.json"):
            description.write_text(text + "\n", encoding="utf-8")
            sync(description)
            for name in FILES:
                os.replace(self.path / f"{name}.part", self.path / name)
            sync(self.path)

    def __exit__(self, kind, error, traceback) -> None:
        with suppress(OSError):  # what a full disk did not take before, it does not take now
            self._file.close()
        for name in FILES:
            (self.path / f"{name}.part").unlink(missing_ok=True)


def _meta(path: Path) -> dict[str, Any]:
    meta = read_json(path, *SHAPE, "classes", "symmetry", "dtype", "data_hash")
    sides, classes = [meta[key] for key in SHAPE], meta["classes"]
    if not all(type(side) is int and side > 0 for side in sides):
        raise UserError(f"{path}: damaged, {', '.join(SHAPE)} are {sides}; {AGAIN}")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise UserError(f"{path}: damaged, classes are {classes!r}, which is no list of names; {AGAIN}")
    return meta


def _table(path: Path, classes: list[str]) -> pd.DataFrame:
    types = {"id": str, "label": str, "source": str, "row": int, "col": int, "group": str, "split": str}
    table = csvfile.read(path, *COLUMNS, dtype=types, keep_default_na=False)
    for column, known in (("label", classes), ("split", SPLITS)):
        if not (good := table[column].isin(known)).all():
            line = int(np.argmin(good))
            raise UserError(f"{path}: damaged, row {line} has the {column} `{table[column].iloc[line]}`; {AGAIN}")
    if (twice := table["id"].duplicated()).any():
        raise UserError(f"{path}: damaged, several rows have the id `{table['id'][twice].iloc[0]}`; {AGAIN}")
    return table


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # numpy reads the head of the file as Python, which fails in many ways
        raise UserError(f"{path}: damaged, it is no array of images that is whole; {AGAIN}") from None


def _digest(path: Path) -> str:
    """SHA-256 of a file, read once in a process as long as it stays as it is."""
    state = _state(path)
    if state not in _digests:
        _digests[state] = sha256(path)
    return _digests[state]


def _state(path: Path) -> tuple[int, ...]:
    """Stays when the file gets another name; changes when it is written."""
    facts = os.stat(path)
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
