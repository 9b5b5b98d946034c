"""The image set: the folder that every stage reads and writes, real or synthetic."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data import boxstore, csvfile
from pipeline.data.boxstore import Boxes
from pipeline.settings import ImageSpec, UserError

COLUMNS = ["id", "label", "source", "row", "col", "group", "split"]  # of metadata.csv; synthetic sets add `seed`
FILES = ("images.npy", "metadata.csv", "meta.json")


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

    @classmethod
    def open(cls, path: str | os.PathLike) -> ImageSet:
        """Raises UserError where a file is missing, or does not agree with the others."""
        path = Path(path)
        for name in FILES:
            if not (path / name).is_file():
                raise UserError(f"{path}: not an image set, {name} is missing")
        meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
        text = {"id": str, "label": str, "source": str, "group": str, "split": str}
        metadata = pd.read_csv(path / "metadata.csv", dtype=text, keep_default_na=False)
        opened = cls(path, meta, metadata)
        expected = (len(metadata), meta["height"], meta["width"], meta["channels"])
        if opened.images.shape != expected:
            raise UserError(f"{path}: images.npy is {opened.images.shape}, metadata.csv and meta.json say {expected}")
        return opened

    @cached_property
    def images(self) -> np.ndarray:
        """(N, H, W, C) uint8 or uint16, memory-mapped, read only."""
        return np.load(self.path / "images.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def _boxes(self) -> Boxes | None:
        return boxstore.read(self.path, self.meta["data_hash"], self.metadata["id"])

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

    @property
    def spec(self) -> ImageSpec:
        m = self.meta
        return ImageSpec(m["height"], m["width"], m["channels"], tuple(m["classes"]), m["symmetry"])

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) int64, index into `meta["classes"]`."""
        return pd.Categorical(self.metadata["label"], categories=self.meta["classes"]).codes.astype(np.int64)

    def rows(self, split: str) -> np.ndarray:
        """(n,) int64, ascending positions of the images of a split (`train`, `val`, `test`)."""
        return np.flatnonzero((self.metadata["split"] == split).to_numpy())

    def __len__(self) -> int:
        return len(self.metadata)


class ImageSetWriter:
    """Writes an image set image by image, whatever its size; a context manager.

    The files take their names only when the block ends without an error, `meta.json` last: what opens is whole.
    """

    def __init__(self, path: str | os.PathLike, n: int, height: int, width: int, channels: int, dtype: str):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.shape, self.dtype = (n, height, width, channels), np.dtype(dtype)
        # Written, not memory-mapped: pages of a map count as this process's memory until the disk has them.
        self._file = open(self.path / "images.npy.part", "wb")  # noqa: SIM115 (closed by __exit__)
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._start = self._file.tell()
        self._file.truncate(self._start + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize)

    def __enter__(self) -> ImageSetWriter:
        return self

    def __setitem__(self, rows: int | slice, images: np.ndarray) -> None:
        """Write one image (H, W, C) at a row, or n images (n, H, W, C) at a slice of n neighbouring rows."""
        n = self.shape[0]
        first, last, step = rows.indices(n) if isinstance(rows, slice) else (rows, rows + 1, 1)
        images = np.asarray(images).reshape(-1, *self.shape[1:])
        if step != 1 or not 0 <= first <= last <= n or len(images) != last - first or images.dtype != self.dtype:
            raise ValueError(f"{images.dtype} {images.shape} does not fit rows {rows} of {self.dtype} {self.shape}")
        self._file.seek(self._start + first * int(np.prod(self.shape[1:])) * self.dtype.itemsize)
        self._file.write(np.ascontiguousarray(images).data)

    def finish(self, metadata: pd.DataFrame, meta: dict[str, Any]) -> None:
        """Write the table and the description, then give all three files their names."""
        _, height, width, channels = self.shape
        self._file.close()
        digest = sha256(self.path / "images.npy.part")
        meta = {"height": height, "width": width, "channels": channels} | meta | {"data_hash": digest}
        csvfile.write(metadata, self.path / "metadata.csv.part")
        text = json.dumps(meta, indent=2, ensure_ascii=False, sort_keys=True)
        (self.path / "meta.json.part").write_text(text + "\n", encoding="utf-8")
        for name in FILES:
            os.replace(self.path / f"{name}.part", self.path / name)

    def __exit__(self, kind, error, traceback) -> None:
        self._file.close()
        for name in FILES:
            (self.path / f"{name}.part").unlink(missing_ok=True)


def sha256(path: str | os.PathLike) -> str:
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
