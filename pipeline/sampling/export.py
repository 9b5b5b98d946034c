"""The image files a user takes away, in the type and range of values of the images they came with."""

from __future__ import annotations

import re
import shutil
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
import tifffile

from pipeline.base import csvfile
from pipeline.base.job import progress
from pipeline.base.units import MILLIMETRES
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.scaling import restore

PNG = (np.uint8, np.uint16)  # what the format holds
TABLE = "metadata.csv"
LONGEST = 80  # bytes of a name; file systems take 255, of which encrypted ones leave 143


def export(images: ImageSet, folder: Path, wish: str, threads: int = 1) -> None:
    """Write `{class}/{id}.tif` (or `.png`) for every image, and `metadata.csv` with the file of each.

    A class's folder and a file carry its name, with `_` for what file systems or shells trip over. TIFFs are
    Deflate-compressed and carry the pixel size as resolution where it is known. Where the images hold pixels of real
    ones, a column `real_pixels` of the table and the description of every TIFF say how. What was in `folder` goes.

    Args:
        wish: `tiff` or `png`; PNG holds uint8 and uint16 only, all else becomes TIFF.
        threads: that compress and write.

    Raises:
        OSError: the folder cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    png = wish == "png" and np.dtype(images.meta["dtype"]) in PNG
    table = images.metadata.copy()
    table.insert(0, "file", _files(table, images.meta["classes"], ".png" if png else ".tif"))
    if found := images.meta.get("real_pixels"):
        table["real_pixels"] = found
    for name in {Path(file).parent for file in table["file"]}:
        (folder / name).mkdir(parents=True, exist_ok=True)
    with progress("export", len(images)) as bar, ThreadPoolExecutor(threads) as pool:
        try:
            for _ in pool.map(partial(_write, images), range(len(images)), [folder / name for name in table["file"]]):
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


def _write(images: ImageSet, index: int, path: Path) -> None:
    pixels = restore(images.images[index], images.meta)
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    if path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(pixels))
    else:
        tifffile.imwrite(path, pixels, compression="zlib", **tiff_options(images.meta, pixels.ndim))


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


def tiff_options(meta: dict[str, Any], dimensions: int) -> dict[str, Any]:
    """What every TIFF of an image set says of itself: 2 dimensions are gray, 3 colour; the size of a pixel if known."""
    options: dict[str, Any] = {
        "photometric": "rgb" if dimensions == 3 else "minisblack",
        "metadata": None,
        "software": "Pyrite",
    }
    if found := meta.get("real_pixels"):
        options["description"] = f"synthetic: {found}"
    if meta["pixel_size"] and meta["unit"] in MILLIMETRES:
        per_centimetre = 10 / (meta["pixel_size"] * MILLIMETRES[meta["unit"]])
        options |= {"resolution": (per_centimetre, per_centimetre), "resolutionunit": "CENTIMETER"}
    return options
