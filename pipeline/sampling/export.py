"""The image files a user takes away, in the type and range of values of the images they came with."""

from __future__ import annotations

import re
import shutil
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base import csvfile
from pipeline.base.job import progress
from pipeline.data.image_set import ImageSet
from pipeline.sampling.files import suffix, write_file
from pipeline.sampling.provenance import Provenance

TABLE = "metadata.csv"
LONGEST = 80  # bytes of a name; file systems take 255, of which encrypted ones leave 143


def export(images: ImageSet, folder: Path, wish: str, provenance: Provenance, threads: int = 1) -> None:
    """Write the images of a set as `write_images` does. What was in `folder` goes.

    Raises:
        OSError: the folder cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    write_images(images.images, images.metadata, images.meta, folder, wish, provenance, threads)


def write_images(
    stored: np.ndarray,
    metadata: pd.DataFrame,
    meta: dict[str, Any],
    folder: Path,
    wish: str,
    provenance: Provenance,
    threads: int = 1,
) -> None:
    """Write `{class}/{class}_{number}.tif` (`.png`, `.jpg`) for every image, and `metadata.csv` with the file of each.

    A class's folder and a file carry its name, with `_` for what file systems or shells trip over. Every file carries
    XMP that says what made it and from which seed; TIFFs are Deflate-compressed and carry the pixel size where it is
    known. Columns `digital_source_type` and, where the images hold pixels of real ones, `real_pixels` of the table say
    it too.

    Args:
        stored: (N, H, W, C) unsigned integers.
        metadata: `id`, `label` and `seed` of each.
        meta: `classes`, `dtype`, `scaling`, `pixel_size` and `unit` of the set.
        wish: `tiff`, `png` or `jpeg`; where the format does not hold the type of the source, it becomes TIFF.
        threads: that compress and write.

    Raises:
        OSError: the folder cannot be written.
    """
    table = metadata.copy()
    table.insert(0, "file", _files(table, meta["classes"], suffix(wish, meta["dtype"])))
    table["digital_source_type"] = provenance.source_type
    if provenance.real_pixels:
        table["real_pixels"] = provenance.real_pixels
    for name in {Path(file).parent for file in table["file"]}:
        (folder / name).mkdir(parents=True, exist_ok=True)

    def write(row: tuple[int, str, int]) -> None:
        write_file(folder / row[1], stored[row[0]], meta, provenance, row[2])

    rows = zip(range(len(table)), table["file"], table["seed"].astype(object), strict=True)
    with progress("export", len(table)) as bar, ThreadPoolExecutor(threads) as pool:
        try:
            for _ in pool.map(write, rows):
                bar.update()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error the rest is not tried
    csvfile.write(table, folder / TABLE)


def _files(table: pd.DataFrame, classes: list[str], suffix: str) -> list[str]:
    """`{class}/{class}_{number}` of each image."""
    labels = table["label"].map(safe_names(classes))
    return [
        f"{label}/{label}_{name.rpartition('_')[2]}{suffix}" for label, name in zip(labels, table["id"], strict=True)
    ]


def safe_names(names: list[str]) -> dict[str, str]:
    """A folder or file name for each class: letters, digits, `.`, `-` and `_`, none twice (also where case is ignored,
    or how an accent is written), none that is taken by the export itself, and of LONGEST bytes and a number at most."""
    safe: dict[str, str] = {}
    taken = {TABLE}
    for name in names:
        stem = re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", name)).strip(".")
        stem = stem.encode()[:LONGEST].decode(errors="ignore") or "_"
        free, number = stem, 2
        while free.casefold() in taken:
            free, number = f"{stem}_{number}", number + 1
        safe[name] = free
        taken.add(free.casefold())
    return safe
