"""The image files a user takes away, in the type and range of values of the images they came with."""

from __future__ import annotations

import re
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile

from pipeline.data import csvfile
from pipeline.data.imageset import ImageSet
from pipeline.data.scaling import restore
from pipeline.data.units import MILLIMETRES
from pipeline.job import progress

PNG = (np.uint8, np.uint16)  # what the format holds
TABLE = "metadata.csv"
LONGEST = 80  # bytes of a name; file systems take 255, of which encrypted ones leave 143


def export(images: ImageSet, folder: Path, wish: str) -> None:
    """Write `{class}/{id}.tif` (or `.png`) for every image, and `metadata.csv` with the file of each.

    A class's folder and a file carry its name, with `_` for what file systems or shells trip over. TIFFs are
    Deflate-compressed and carry the pixel size as resolution where it is known. What was in `folder` is removed.

    Args:
        wish: `tiff` or `png`; PNG holds uint8 and uint16 only, all else becomes TIFF.

    Raises:
        OSError: the folder cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    png = wish == "png" and np.dtype(images.meta["dtype"]) in PNG
    table = images.metadata.copy()
    folders = safe_names(images.meta["classes"])
    table.insert(0, "file", "")
    with progress("export", len(images)) as bar:
        for i, row in enumerate(table.itertuples(index=False)):
            number = row.id.rpartition("_")[2]
            label = folders[row.label]
            path = folder / label / f"{label}_{number}{'.png' if png else '.tif'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = restore(images.images[i], images.meta)
            pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
            if png:
                path.write_bytes(imagecodecs.png_encode(pixels))
            else:
                _write_tiff(path, pixels, images.meta)
            table.loc[i, "file"] = f"{label}/{path.name}"
            bar.update()
    csvfile.write(table, folder / TABLE)


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
    options = {"photometric": "rgb" if dimensions == 3 else "minisblack", "metadata": None, "software": "Pyrite"}
    if meta["pixel_size"] and meta["unit"] in MILLIMETRES:
        per_centimetre = 10 / (meta["pixel_size"] * MILLIMETRES[meta["unit"]])
        options |= {"resolution": (per_centimetre, per_centimetre), "resolutionunit": "CENTIMETER"}
    return options


def _write_tiff(path: Path, pixels: np.ndarray, meta: dict[str, Any]) -> None:
    tifffile.imwrite(path, pixels, compression="zlib", **tiff_options(meta, pixels.ndim))
