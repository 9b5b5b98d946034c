"""One source image: what a reader tells before decoding it, and after."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.settings import Dataset


class Rejected(Exception):
    """An image that cannot be used. The message is the reason, in plain words, without the file's name."""


class Header(NamedTuple):
    """What is known of an image before it is decoded."""

    path: str
    """The file on disk."""
    source: str
    """What the user sees: the file relative to the source, with `[index]` or `/data set` where it holds several."""
    shape: tuple[int, int, int]
    """(H, W, C) as it will be read, C in {1, 3}."""
    dtype: str
    """Numpy name of the type it will be read as."""
    index: int | None = None  # type: ignore[assignment]  # hides tuple.index, which nobody asks for
    """Page of a TIFF or row of an HDF5 data set; None where the file or data set is one image."""
    key: str | None = None
    """Path of the data set inside an HDF5 file."""
    label: str | None = None
    """Class, where the file itself says it."""
    folder: str = ""
    """Folder inside an HDF5 file: the group of a single image, or a stack that is one of several."""
    pages: int = 1
    """Pages of its file, of which it is one."""
    scene: int = 1
    """How many of these show one scene, as channels do."""
    block: int | None = None
    """Number of the chunks that it shares with its neighbours in its data set: to decode one is to decode all."""
    micrometres: float | None = None
    """Side of a pixel of the specimen, where the file tells it."""


class Frame(NamedTuple):
    """A decoded image."""

    pixels: np.ndarray
    """(H, W) or (H, W, 3) in the source's type; upright, black is low, no alpha, palette applied."""
    bits: int | None
    """Significant bits a sample, which may be fewer than the type holds; None for floats."""

    @classmethod
    def of(cls, pixels: np.ndarray) -> Frame:
        """Whose samples have all the bits of their type."""
        return cls(pixels, {"f": None, "b": 1}.get(pixels.dtype.kind, 8 * pixels.dtype.itemsize))


def page_header(
    path: str,
    name: str,
    index: int,
    pages: int,
    shape: tuple[int, int, int],
    dtype: str,
    micrometres: float | None = None,
) -> Header:
    """Of one of the `pages` images of a file; the only one of its file has no index."""
    if pages == 1:
        return Header(path, name, shape, dtype, micrometres=micrometres)
    return Header(path, f"{name}[{index}]", shape, dtype, index, pages=pages, micrometres=micrometres)


def chosen_pages(settings: Dataset, count: int) -> list[int]:
    """Which of the `count` pages of a file are read. Raises Rejected where it has not the page that is asked for."""
    if settings.pages == "all":
        return list(range(count))
    if settings.pages >= count:
        raise Rejected(f"has {count} page(s), so no page {settings.pages} (`pages` counts from 0)")
    return [settings.pages]


def one_more(channels: int, why: str) -> str:
    """The question that two or four channels are, of which none is to be lost unasked."""
    return (
        f"has {channels} channels, and {why}: if it is, `channels: {'rgb' if channels == 4 else 'gray'}` leaves it "
        "out; else save each as an image"
    )


# More than this many bytes of pixels per byte of file: no picture of a real thing packs so well, a bomb does.
LARGEST_RATIO = 1000
SMALL = 64 * 2**20  # bytes of pixels below which nobody is harmed


def check_claim(settings: Dataset, height: int, width: int, images: int, bits: int, file_bytes: int) -> None:
    """Judge what a file claims to hold before a byte of it is decoded; `bits` is of one pixel with all its samples.

    Raises:
        Rejected: no pixels, more than `max_pixels` an image, or more than a file of this size can hold.
    """
    if height < 1 or width < 1 or images < 1:
        raise Rejected(f"holds no pixels: {images} image(s) of {height} x {width}")
    if height * width > settings.max_pixels:
        raise Rejected(f"claims {height} x {width} pixels, more than max_pixels ({settings.max_pixels})")
    claimed = height * width * images * bits / 8
    if claimed > SMALL and claimed > LARGEST_RATIO * file_bytes:
        raise Rejected(f"claims {claimed / 1e9:.1f} GB of pixels in {file_bytes} bytes, which cannot be")
