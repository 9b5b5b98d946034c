"""Reads images of TIA, the program of FEI's and Thermo Fisher's microscopes: series files (SER)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.data.reading.frame import Frame, Header, Rejected, check_claim, chosen_pages, page_header
from pipeline.data.reading.pixel_size import COARSEST_RESOLUTION, length, square
from pipeline.settings import Dataset

# The layout was published by C. Boothroyd: http://www.er-c.org/cbb/info/TIAformat/
HEADER = struct.Struct("<HHHIIII")  # byte order, series, version, kind of data, kind of tags, elements, valid elements
ELEMENT = struct.Struct("<ddiddihii")  # twice where zero lies, step and its place; type, width, height
WIDE = 0x220  # version from which offsets have 8 bytes
SPECTRA, IMAGES, OF_POSITIONS = 0x4120, 0x4122, 0x4142
TYPES = {1: "u1", 2: "<u2", 3: "<u4", 4: "i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8"}
COMPLEX = (9, 10)


class Element(NamedTuple):
    """One image of a file."""

    offset: int
    """Of its first byte."""
    height: int
    width: int
    dtype: str
    """Of a pixel, as numpy names it."""
    micrometres: float | None


def headers(path: str, name: str, settings: Dataset) -> list[Header]:
    """The chosen images of a file, undecoded. Raises Rejected."""
    offsets = _offsets(path)
    return [_header(path, name, index, offsets, settings) for index in chosen_pages(settings, len(offsets))]


def frames(wanted: list[Header]) -> Iterator[Frame]:
    """Decode images of one file, one at a time. Raises Rejected at one that cannot be."""
    offsets = _offsets(wanted[0].path)
    for header in wanted:
        element = _element(header.path, offsets[header.index or 0])
        pixels = np.fromfile(header.path, element.dtype, element.height * element.width, offset=element.offset)
        yield Frame.of(pixels.reshape(element.height, element.width)[::-1])  # the lowest row comes first


def _header(path: str, name: str, index: int, offsets: list[int], settings: Dataset) -> Header:
    element, file_bytes = _element(path, offsets[index]), os.path.getsize(path)
    dtype = np.dtype(element.dtype)
    check_claim(settings, element.height, element.width, 1, 8 * dtype.itemsize, file_bytes)
    if element.offset + element.height * element.width * dtype.itemsize > file_bytes:
        raise Rejected("is truncated: an image would end after the end of the file")
    shape = (element.height, element.width, 1)
    return page_header(path, name, index, len(offsets), shape, dtype.name, element.micrometres)


def _offsets(path: str) -> list[int]:
    """Where each element of a series of images begins. Raises Rejected where it is none."""
    with open(path, "rb") as file:
        _, _, version, data, tags, _, count = HEADER.unpack(file.read(HEADER.size))
        if data == SPECTRA:
            raise Rejected(f"holds {count} spectra, no image")
        if data != IMAGES:
            raise Rejected(f"holds data of the kind {data:#x} of TIA, which is not read")
        if tags == OF_POSITIONS and count > 1:
            raise Rejected(f"holds {count} images or diffraction patterns, one at each position of a scan: export maps")
        dtype = np.dtype("<i8" if version >= WIDE else "<i4")
        (start,) = struct.unpack("<q" if version >= WIDE else "<i", file.read(dtype.itemsize))
    if not 0 <= start <= os.path.getsize(path) - count * dtype.itemsize:
        raise Rejected("is truncated: it ends before its list of images")
    if count == 0:
        raise Rejected("holds no image: its series was never filled")
    return np.fromfile(path, dtype, count, offset=start).tolist()


def _element(path: str, offset: int) -> Element:
    """Raises Rejected where it is no image."""
    if not 0 <= offset <= os.path.getsize(path) - ELEMENT.size:
        raise Rejected("is truncated: an image would begin outside the file")
    with open(path, "rb") as file:
        file.seek(offset)
        start = file.read(ELEMENT.size)
    _, across, _, _, down, _, code, width, height = ELEMENT.unpack(start)
    if code in COMPLEX:
        raise Rejected("holds complex numbers, as of a Fourier transform: save their modulus as an image")
    if code not in TYPES:
        raise Rejected(f"holds values of the type {code} of TIA, which is not read")
    side = square(length(across, "m"), length(down, "m"))  # or 1/m, of a diffraction pattern: the file does not say
    side = None if side is None or side > COARSEST_RESOLUTION else side
    return Element(offset + ELEMENT.size, height, width, TYPES[code], side)
