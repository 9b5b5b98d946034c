"""Reads images of Zeiss' light microscopes: CZI files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import defusedxml.ElementTree
import imagecodecs
import numpy as np

from pipeline.data.reading.frame import Frame, Header, Rejected, check_claim, chosen_pages, page_header
from pipeline.data.reading.pixel_size import length, square
from pipeline.settings import Dataset

ORDER = "SBVHIRTZC"  # dimensions along which images follow one another, the last runs fastest
TYPES = {"<u1", "<u2", "<f4", "<i4", "<3u1", "<3u2", "<3f4", "<4u1"}  # as czifile writes them; the others are complex
NONE, JPEG_XR, ZSTANDARD, ZSTANDARD_1 = 0, 4, 5, 6
COMPRESSIONS = {1: "JPEG", 2: "LZW"}


class Plane(NamedTuple):
    """One image of a file, whole or in tiles."""

    tiles: list[Any]
    """Entries of czifile."""
    left: int
    top: int
    width: int
    height: int
    dtype: np.dtype
    """Of a pixel."""


def headers(path: str, name: str, settings: Dataset) -> list[Header]:
    """The chosen images of a file, undecoded. Raises Rejected."""
    with _opened(path) as czi:
        planes = _planes(czi, os.path.getsize(path))
        channels = len({_places(tiles[0])["C"] for tiles, *_ in planes})
        size = _micrometres(czi)
        return [
            _header(path, name, index, planes, settings)._replace(scene=channels, micrometres=size)
            for index in chosen_pages(settings, len(planes))
        ]


def frames(wanted: list[Header]) -> Iterator[Frame]:
    """Decode images of one file, one at a time. Raises Rejected at one that cannot be."""
    path, file_bytes = wanted[0].path, os.path.getsize(wanted[0].path)
    with _opened(path) as czi:
        planes = _planes(czi, file_bytes)
        for header in wanted:
            yield Frame.of(_decoded(planes[header.index or 0], file_bytes))


def _opened(path: str) -> Any:
    try:
        import czifile

        usable = czifile.__version__.startswith("2019.")  # later ones were written anew
    except ImportError:
        usable = False
    if not usable:
        raise Rejected("is a CZI file, which takes czifile of 2019: `pip install 'pyrite[microscopy]'` adds it")
    return czifile.CziFile(path, multifile=False)


def _header(path: str, name: str, index: int, planes: list[Plane], settings: Dataset) -> Header:
    plane = planes[index]
    check_claim(settings, plane.height, plane.width, 1, 8 * plane.dtype.itemsize, os.path.getsize(path))
    shape = (plane.height, plane.width, 3 if plane.dtype.shape else 1)
    return page_header(path, name, index, len(planes), shape, plane.dtype.base.name)


def _planes(czi: Any, file_bytes: int) -> list[Plane]:
    """All images of a file, without the coarser copies that a mosaic has. Raises Rejected."""
    if czi.header.directory_position > file_bytes:
        raise Rejected("is truncated: it ends before its list of images")
    groups: dict[tuple[int, ...], list[Any]] = {}
    for entry in czi.subblock_directory:
        dimensions = {dimension.dimension: dimension for dimension in entry.dimension_entries}
        if any(dimensions[axis].stored_size != dimensions[axis].size for axis in "XY"):
            continue
        if czi.header.file_part or entry.file_part:
            raise Rejected("is one of several files that hold an image together: save it as one file")
        if any(dimension.size > 1 for axis, dimension in dimensions.items() if axis not in "XY"):
            raise Rejected("holds blocks of several images, which are not read: export it as images")
        if entry.dtype not in TYPES:
            raise Rejected("holds complex numbers, as of a Fourier transform: save their modulus as an image")
        places = _places(entry)
        groups.setdefault(tuple(places[axis] for axis in ORDER), []).append(entry)
    if not groups:
        raise Rejected("holds no image")
    return [_plane(groups[place]) for place in sorted(groups)]


def _places(entry: Any) -> dict[str, int]:
    """Where a tile lies along each dimension; 0 along those that it has not."""
    return dict.fromkeys(ORDER + "M", 0) | {d.dimension: d.start for d in entry.dimension_entries}


def _plane(tiles: list[Any]) -> Plane:
    if len({tile.dtype for tile in tiles}) > 1:
        raise Rejected("has tiles of several types in one image")
    boxes = [_box(tile) for tile in tiles]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(x + width for x, _, width, _ in boxes), max(y + height for _, y, _, height in boxes)
    ordered = sorted(tiles, key=lambda tile: _places(tile)["M"])
    return Plane(ordered, left, top, right - left, bottom - top, np.dtype(tiles[0].dtype))


def _box(tile: Any) -> tuple[int, int, int, int]:
    """Left, top, width, height."""
    sides = {dimension.dimension: dimension for dimension in tile.dimension_entries}
    return sides["X"].start, sides["Y"].start, sides["X"].size, sides["Y"].size


def _decoded(plane: Plane, file_bytes: int) -> np.ndarray:
    """(H, W) or (H, W, 3), put together from its tiles; where these overlap, the later ones lie above."""
    channels = (3,) if plane.dtype.shape else ()
    pixels = np.zeros((plane.height, plane.width, *channels), plane.dtype.base)
    covered = np.zeros((plane.height, plane.width), bool)
    for tile in plane.tiles:
        x, y, width, height = _box(tile)
        part = np.s_[y - plane.top : y - plane.top + height, x - plane.left : x - plane.left + width]
        pixels[part] = _tile(tile, (height, width, *plane.dtype.shape), plane.dtype.base, file_bytes)
        covered[part] = True
    if not covered.all():
        raise Rejected(f"is a mosaic of {len(plane.tiles)} tiles with gaps between: export it without these")
    return pixels


def _tile(tile: Any, shape: tuple[int, ...], dtype: np.dtype, file_bytes: int) -> np.ndarray:
    """(H, W) or (H, W, 3)."""
    segment = tile.data_segment()
    if not 0 <= segment.data_size <= file_bytes - segment.data_offset:
        raise Rejected("is truncated: its pixel data would end after the end of the file")
    data, size = segment.data(raw=True), int(np.prod(shape)) * dtype.itemsize
    if tile.compression == JPEG_XR:
        pixels = imagecodecs.jpegxr_decode(data)
        if (pixels.shape, pixels.dtype) != (shape, dtype):
            raise Rejected(f"decodes to {pixels.shape} {pixels.dtype} where it claims {shape} {dtype}")
    else:
        pixels = np.frombuffer(_bytes(data, tile.compression, size, dtype), dtype).reshape(shape)
        pixels = pixels[..., 2::-1] if len(shape) == 3 else pixels  # stored as blue, green, red, and perhaps alpha
    return pixels[..., :3] if len(shape) == 3 else pixels


def _bytes(data: bytes, compression: int, size: int, dtype: np.dtype) -> bytes | bytearray:
    if compression == NONE:
        return data[:size]
    if compression == ZSTANDARD:
        return imagecodecs.zstd_decode(data, out=size)
    if compression == ZSTANDARD_1:  # its header is of one byte, or of three: the last says how pixels are arranged
        apart = data[0] == 3 and data[2] & 1  # low bytes of all pixels first, then their high ones
        values = np.frombuffer(imagecodecs.zstd_decode(data[data[0] :], out=size), "u1")
        return values.reshape(2, -1).T.tobytes() if apart and dtype.itemsize == 2 else values.tobytes()
    name = COMPRESSIONS.get(compression, f"a method ({compression}) of its camera")
    raise Rejected(f"is compressed with {name}, which is not read: save it uncompressed or with Zstandard")


def _micrometres(czi: Any) -> float | None:
    with suppress(Exception):  # text of any program, or none
        scaling = ".//Scaling/Items/Distance[@Id='{}']/Value"
        root = defusedxml.ElementTree.fromstring(czi.metadata())
        return square(*(length(root.findtext(scaling.format(axis)), "m") for axis in "XY"))
    return None
