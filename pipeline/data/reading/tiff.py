"""Reads TIFF files: every type, layout, compression and colour model that has one meaning."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffFile, TiffPage

from pipeline.base.colour import cmyk_to_rgb
from pipeline.data.reading.frame import Frame, Header, Rejected, check_claim, chosen_pages, one_more, page_header
from pipeline.data.reading.orientation import swaps_axes, upright
from pipeline.data.reading.pixel_size import micrometres
from pipeline.settings import Dataset

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it warns of is either harmless or rejected here

COLOURS: dict[int, int] = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.YCBCR: 3,
    PHOTOMETRIC.SEPARATED: 4,
}

ALONE: Any = {"_multifile": False}  # an OME file may name others, anywhere, to be opened with it


def headers(path: str, name: str, settings: Dataset) -> list[Header]:
    """The chosen pages of a file, undecoded. Raises Rejected."""
    with TiffFile(path, **ALONE) as tiff:
        if hidden := _hidden(tiff):
            first = tiff.pages[0].aspage()
            chosen = chosen_pages(settings, hidden.images)
            size = micrometres(tiff, first)
            return [_header(path, name, index, first, hidden.images, settings, size) for index in chosen]
        there = _pages(tiff)
        found = [there[place] for place in chosen_pages(settings, len(there))]
        size = micrometres(tiff, found[0][1])
        channels = _channels(tiff, len(there))
        return [
            _header(path, name, index, page, len(there), settings, size)._replace(scene=channels)
            for index, page in found
        ]


def frames(wanted: list[Header]) -> Iterator[Frame]:
    """Decode pages of one file, one at a time. Raises Rejected at one that cannot be."""
    with TiffFile(wanted[0].path, **ALONE) as tiff:
        hidden = _hidden(tiff)
        for header in wanted:
            number = 0 if hidden else _pages(tiff)[0][0] if header.index is None else header.index
            page = tiff.pages[number].aspage()
            stored = _stored(tiff, hidden, header.index or 0) if hidden else None
            yield Frame(_decode(page, header, number, stored), _bits(page))


class Hidden(NamedTuple):
    """Images that follow the first without directories of their own, as ImageJ writes stacks above 4 GB."""

    images: int
    """The first among them."""
    offset: int
    """Of the first."""


def _hidden(tiff: TiffFile) -> Hidden | None:
    """Raises Rejected where the file ends before they do."""
    if len(tiff.pages) != 1 or not (tiff.is_imagej or tiff.is_shaped) or not tiff.series:
        return None
    page, series = tiff.pages[0].aspage(), tiff.series[0]
    size = int(np.prod(page.shape))
    count = int(np.prod(series.shape)) // max(1, size)
    if count <= 1 or series.dataoffset is None or page.dtype is None:
        return None
    if series.dataoffset + count * size * page.dtype.itemsize > tiff.filehandle.size:
        raise Rejected(f"is truncated: of its {count} images some would end after the end of the file")
    return Hidden(count, series.dataoffset)


def _stored(tiff: TiffFile, hidden: Hidden, index: int) -> np.ndarray:
    """The samples of one of them as they lie in the file."""
    page = tiff.pages[0].aspage()
    assert page.dtype is not None  # or it is none of a stack
    size = int(np.prod(page.shape))
    offset = hidden.offset + index * size * page.dtype.itemsize
    return tiff.filehandle.read_array(page.dtype.newbyteorder(tiff.byteorder), size, offset).reshape(page.shape)


def _pages(tiff: TiffFile) -> list[tuple[int, TiffPage]]:
    """The pages of a file with their numbers, without the thumbnails and overviews that some instruments add."""
    if len(tiff.pages) == 0:
        raise Rejected("holds no image: its first directory is missing")
    pages = [(index, tiff.pages[index].aspage()) for index in range(len(tiff.pages))]
    return [(index, page) for index, page in pages if not page.is_reduced] or pages[:1]


def _channels(tiff: TiffFile, pages: int) -> int:
    """How many pages show one scene: the channels of a file of OME or ImageJ, else 1."""
    if pages == 1 or not (tiff.is_ome or tiff.is_imagej) or not tiff.series:
        return 1
    series = tiff.series[0]
    return dict(zip(series.axes, series.shape, strict=False)).get("C", 1)


def _header(
    path: str, name: str, index: int, page: TiffPage, pages: int, settings: Dataset, size: float | None
) -> Header:
    channels = _check_model(page, settings)
    assert page.dtype is not None  # or there is no model
    height, width = page.imagelength, page.imagewidth
    bits = sum(page.bitspersample) if isinstance(page.bitspersample, tuple) else page.bitspersample
    bits = bits if isinstance(page.bitspersample, tuple) else bits * page.samplesperpixel
    check_claim(settings, height, width, 1, bits, os.path.getsize(path))
    _check_whole(page, os.path.getsize(path))
    if swaps_axes(_orientation(page)):
        height, width = width, height
    dtype = "uint8" if page.photometric == PHOTOMETRIC.PALETTE else page.dtype.name
    return page_header(path, name, index, pages, (height, width, channels), dtype, size)


def _check_model(page: TiffPage, settings: Dataset) -> int:
    """Channels of the decoded page; raises Rejected where its layout has no one meaning."""
    samples, extra = page.samplesperpixel, len(page.extrasamples)
    if page.dtype is None or page.dtype.kind not in "buif":
        raise Rejected(f"samples of {page.bitspersample} bits are no number type")
    if page.imagedepth > 1:
        raise Rejected(f"is a volume of {page.imagedepth} slices in one page; save it as a stack, a page each")
    colours = COLOURS.get(page.photometric)
    if colours is None:
        model = getattr(page.photometric, "name", page.photometric)
        raise Rejected(f"colour model {model} is not read; convert it to gray or RGB")
    if samples - colours not in (0, 1) or (colours == 1 and samples == 2 and not extra):
        raise Rejected(
            f"has {samples} channels where its colour model has {colours} (one more may be alpha): save each as an "
            "image"
        )
    if settings.channels == "auto" and EXTRASAMPLE.UNSPECIFIED in page.extrasamples:
        raise Rejected(one_more(samples, "the last is not said to be alpha"))
    if page.photometric == PHOTOMETRIC.PALETTE and (page.colormap is None or page.dtype.kind != "u"):
        raise Rejected("is a palette image without a usable palette")
    return 1 if colours == 1 and page.photometric != PHOTOMETRIC.PALETTE else 3


def _check_whole(page: TiffPage, size: int) -> None:
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if not segments:
        raise Rejected("holds no pixel data")
    if any(offset + count > size for offset, count in segments):
        raise Rejected("is truncated: its pixel data would end after the end of the file")
    if any(count == 0 for _, count in segments):
        raise Rejected("lacks parts of its pixel data")


def _decode(page: TiffPage, header: Header, number: int, stored: np.ndarray | None = None) -> np.ndarray:
    """The pixels of the page of this `number`; where `stored` is given, of these samples, laid out as the page's
    own."""
    unconverted = page.photometric == PHOTOMETRIC.YCBCR and page.compression != COMPRESSION.JPEG
    if unconverted or page.compression == COMPRESSION.OJPEG:
        pixels = _by_pillow(header.path, number)  # libtiff knows old-style JPEG and the conversion of subsampled YCbCr
    else:
        samples = page.asarray(maxworkers=1) if stored is None else stored
        pixels = upright(_model(page, _planes_last(page, samples)), _orientation(page))
    if pixels.shape[:2] != header.shape[:2]:
        raise Rejected(f"decodes to {pixels.shape[:2]} pixels where it claims {header.shape[:2]}")
    return pixels


def _planes_last(page: TiffPage, pixels: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, S): planes brought last."""
    axes = page.axes
    if axes not in ("YX", "YXS", "SYX"):
        raise Rejected(f"has axes {axes}; an image is expected")
    return np.moveaxis(pixels, 0, -1) if axes == "SYX" else pixels


def _model(page: TiffPage, pixels: np.ndarray) -> np.ndarray:
    """Gray, black is low, or RGB; alpha dropped."""
    colours = COLOURS[page.photometric]
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if colours == 1 else pixels[..., :colours]
    match page.photometric:
        case PHOTOMETRIC.MINISWHITE:
            return _inverted(pixels, page)
        case PHOTOMETRIC.PALETTE:
            return _coloured(pixels, page)
        case PHOTOMETRIC.SEPARATED:
            return cmyk_to_rgb(pixels)
    return pixels


def _inverted(pixels: np.ndarray, page: TiffPage) -> np.ndarray:
    if pixels.dtype == bool:
        return ~pixels
    if pixels.dtype.kind == "f":
        return pixels  # a float has no white to be zero; every reader leaves it as it is
    if pixels.dtype.kind == "i":
        return np.invert(pixels)  # low + high - v = -1 - v
    bits = _bits(page)
    assert bits is not None  # of no float
    return np.asarray((1 << bits) - 1, pixels.dtype) - pixels


def _coloured(pixels: np.ndarray, page: TiffPage) -> np.ndarray:
    palette = page.colormap  # (3, n) uint16; TIFF 6.0 section 5: 65535 is full intensity
    assert palette is not None  # or there is no model
    if pixels.max(initial=0) >= palette.shape[1]:
        raise Rejected(f"uses palette entry {pixels.max()} of a palette of {palette.shape[1]}")
    # Some writers store 0..255. Both v * 257 and v * 256, the other habits, shift back to v.
    levels = palette if palette.max() < 256 else palette >> 8
    return np.moveaxis(levels.astype(np.uint8)[:, pixels], 0, -1)


def _by_pillow(path: str, number: int) -> np.ndarray:
    with Image.open(path, formats=["TIFF"]) as image:
        image.seek(number)
        return np.asarray(image.convert("RGB"))  # Pillow turns TIFFs upright by itself


def _bits(page: TiffPage) -> int | None:
    assert page.dtype is not None  # or there is no model
    if page.photometric in (PHOTOMETRIC.PALETTE, PHOTOMETRIC.YCBCR, PHOTOMETRIC.SEPARATED):
        return 8 if page.dtype.itemsize == 1 else 8 * page.dtype.itemsize
    if page.dtype.kind == "f":
        return None
    bits = page.bitspersample
    return int(max(bits) if isinstance(bits, tuple) else bits)


def _orientation(page: TiffPage) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1
