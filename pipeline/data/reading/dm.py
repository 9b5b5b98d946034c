"""Reads images of Gatan's DigitalMicrograph: DM3 and DM4 files."""

from __future__ import annotations

import importlib.util
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from pipeline.data.reading.frame import Frame, Header, Rejected, check_claim, chosen_pages, page_header
from pipeline.data.reading.pixel_size import length, square
from pipeline.settings import Dataset

RGB = 23  # samples in the order blue, green, red, and a byte without meaning
TYPES = {
    1: "<i2", 2: "<f4", 6: "u1", 7: "<i4", 9: "i1", 10: "<u2", 11: "<u4", 12: "<f8", 14: "bool", RGB: "(4,)u1",
}  # fmt: skip
COMPLEX = (3, 5, 13, 27, 28)


class Plane(NamedTuple):
    """One image of a file."""

    offset: int
    """Of its first byte."""
    height: int
    width: int
    dtype: np.dtype
    """Of a pixel."""
    micrometres: float | None


def headers(path: str, name: str, settings: Dataset) -> list[Header]:
    """The chosen images of a file, undecoded. Raises Rejected."""
    planes = _planes(path)
    chosen = [(index, planes[index]) for index in chosen_pages(settings, len(planes))]
    return [_header(path, name, index, plane, len(planes), settings) for index, plane in chosen]


def frames(wanted: list[Header]) -> Iterator[Frame]:
    """Decode images of one file, one at a time. Raises Rejected at one that cannot be."""
    planes = _planes(wanted[0].path)
    for header in wanted:
        plane = planes[header.index or 0]
        count = plane.height * plane.width
        pixels = np.fromfile(header.path, plane.dtype, count, offset=plane.offset)
        pixels = pixels.reshape(plane.height, plane.width, *plane.dtype.shape)
        yield Frame.of(pixels[..., 2::-1] if pixels.ndim == 3 else pixels)


def _header(path: str, name: str, index: int, plane: Plane, images: int, settings: Dataset) -> Header:
    check_claim(settings, plane.height, plane.width, 1, 8 * plane.dtype.itemsize, os.path.getsize(path))
    shape = (plane.height, plane.width, 3 if plane.dtype.shape else 1)
    return page_header(path, name, index, images, shape, plane.dtype.base.name, plane.micrometres)


def _planes(path: str) -> list[Plane]:
    """All images of a file, without its thumbnail, and without the spectra beside them.

    Raises:
        Rejected: there is no image among its data.
    """
    tags = _tags(path)
    found: list[Plane] = []
    others: list[Rejected] = []
    for place in _shown(tags):
        try:
            found += _stack(tags, place, os.path.getsize(path))
        except Rejected as reason:
            others.append(reason)
    if not found:
        raise others[0] if others else Rejected("holds no image, only a thumbnail or tags")
    return found


def _tags(path: str) -> dict[str, Any]:
    """Values by their path in the tree, `.ImageList.2.ImageData.DataType` for one; what has no name is counted from 1.

    Raises:
        Rejected: the file is truncated, or ncempy does not read its kind, or is not there.
    """
    reader = _reader()
    with open(path, "rb") as file:
        start = file.read(16)
        size, order = struct.unpack_from(">QI" if start[3] == 4 else ">II", start, 4)
        if order != 1:
            raise Rejected("was written by DigitalMicrograph of an old Macintosh (big-endian), which is not read")
        if size > os.path.getsize(path):
            raise Rejected("is truncated")
        file.seek(0)
        return reader.fileDM(file).allTags  # given a path it maps all of the file, which may exceed the job's memory


def _reader() -> Any:
    """ncempy's module of the format, alone: it is under the MIT licence, what `import ncempy` runs along under the GPL.

    Raises:
        Rejected: ncempy is not installed.
    """
    package = importlib.util.find_spec("ncempy")
    if package is None or not package.submodule_search_locations:
        raise Rejected("is a file of DigitalMicrograph, which takes ncempy: `pip install 'pyrite[microscopy]'` adds it")
    path = os.path.join(package.submodule_search_locations[0], "io", "dm.py")
    spec = importlib.util.spec_from_file_location("ncempy_dm", path)
    assert spec is not None  # for a file that ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _shown(tags: dict[str, Any]) -> list[int]:
    """Entries of the list of images that the program shows when it opens the file; all where it does not say which."""
    there = {int(found[1]) for tag in tags if (found := re.match(r"\.ImageList\.(\d+)\.ImageData\.", tag))}
    shown = _references(tags, r"\.ImageSourceList\.\d+\.ImageRef") or there
    return sorted(there & shown - _references(tags, r"\.Thumbnails\.\d+\.ImageIndex"))


def _references(tags: dict[str, Any], pattern: str) -> set[int]:
    """Entries, counted from 1, that tags of this pattern name."""
    return {int(value) + 1 for tag, value in tags.items() if re.fullmatch(pattern, tag)}


def _stack(tags: dict[str, Any], place: int, file_bytes: int) -> list[Plane]:
    """The images of one entry. Raises Rejected where it has none."""
    at = f".ImageList.{place}.ImageData."
    code = int(tags[f"{at}DataType"])
    sides = [int(tags[f"{at}Dimensions.{axis}"]) for axis in range(1, 9) if f"{at}Dimensions.{axis}" in tags]
    dimension = f"{at}Calibrations.Dimension."
    units = [str(tags.get(f"{dimension}{axis + 1}.Units", "")) for axis in range(len(sides))]
    spectral = "spectrum" in str(tags.get(f".ImageList.{place}.ImageTags.Meta Data.Format", "")).lower()
    if len(sides) < 2 or 1 in sides[:2]:
        raise Rejected(f"holds a spectrum or profile of {max(sides, default=0)} values, no image")
    if spectral or any(unit.lower().endswith("ev") for unit in units):
        raise Rejected(f"holds a spectrum image, {_times(sides)} values: export a map or a sum of it as an image")
    if code in COMPLEX:
        raise Rejected("holds complex numbers, as of a Fourier transform: save their modulus as an image")
    if len(sides) > 3:
        raise Rejected(f"holds data of {len(sides)} dimensions, {_times(sides)} values: export images of it")
    if code not in TYPES:
        raise Rejected(f"holds values of the type {code} of DigitalMicrograph, which is not read")
    width, height, count = [*sides, 1][:3]
    dtype = np.dtype(TYPES[code])
    offset, size = int(tags[f"{at}Data.arrayOffset"]), width * height * dtype.itemsize
    if min(sides) < 1 or size * count > min(int(tags[f"{at}Data.arraySize"]), file_bytes - offset):
        raise Rejected(f"holds fewer values than the {_times(sides)} that it claims")
    pixel = None
    with suppress(Exception):  # of a diffraction pattern, or not told
        pixel = square(*(length(tags[f"{dimension}{axis}.Scale"], tags[f"{dimension}{axis}.Units"]) for axis in (1, 2)))
    return [Plane(offset + size * number, height, width, dtype, pixel) for number in range(count)]


def _times(sides: list[int]) -> str:
    return " x ".join(map(str, sides))
