"""Reads PNG, JPEG, BMP, WebP and GIF files."""

from __future__ import annotations

import os
from collections.abc import Iterator

import imagecodecs
import numpy as np
from PIL import Image

from pipeline.data.reading.frame import Frame, Header, Rejected, check_claim, chosen_pages
from pipeline.data.reading.orientation import swaps_axes, upright
from pipeline.settings import Dataset

FORMATS = ["PNG", "JPEG", "BMP", "WEBP", "GIF"]
FILMS = {"PNG", "WEBP", "GIF"}  # a JPEG of several pictures has thumbnails, and other views of one scene
LEAST = 13  # bytes of a picture of a film, at the very least (GIF)
ORIENTATION = 274  # EXIF tag
Image.MAX_IMAGE_PIXELS = None  # `max_pixels` is checked here, before decoding

# Pillow's modes: channels and type as read. All others are colour and become RGB.
GRAY = {"1": "bool", "L": "uint8", "LA": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}


def headers(path: str, name: str, settings: Dataset) -> list[Header]:
    """The image of a file, or the chosen ones of a film, undecoded. Raises Rejected."""
    with Image.open(path, formats=FORMATS) as image:
        width, height = image.size
        deep, size = _deep_png(path), os.path.getsize(path)
        check_claim(settings, height, width, 1, 32 if deep is None else 64, size)
        if swaps_axes(_orientation(image)):
            height, width = width, height
        channels = 1 if image.mode in GRAY else 3
        dtype = GRAY.get(image.mode, "uint8")
        count = getattr(image, "n_frames", 1) if image.format in FILMS else 1
    if deep is not None:
        channels, dtype = deep, "uint16"
    if count == 1:
        return [Header(path, name, (height, width, channels), dtype)]
    if count * LEAST > size:  # what a moving PNG says of itself
        raise Rejected(f"claims {count} pictures in {size} bytes, which cannot be")
    if deep is not None:
        raise Rejected(f"is a moving PNG of {count} pictures of 16 bits; save each of them alone")
    shape = (height, width, 3)  # from the second on they are in colour, whatever the first is
    return [Header(path, f"{name}[{i}]", shape, "uint8", i, pages=count) for i in chosen_pages(settings, count)]


def frames(wanted: list[Header]) -> Iterator[Frame]:
    """Decode the image of one file. Raises Rejected where it cannot be."""
    for header in wanted:
        with Image.open(header.path, formats=FORMATS) as image:
            image.seek(header.index or 0)
            orientation = _orientation(image)
            if header.index is not None:
                pixels = np.asarray(image.convert("RGB"))
            else:
                pixels = _deep_pixels(header.path) if header.dtype == "uint16" else _pixels(image)
        yield Frame.of(upright(pixels, orientation))


def _pixels(image: Image.Image) -> np.ndarray:
    if image.mode == "LA":
        return np.asarray(image)[..., 0]
    return np.asarray(image if image.mode in GRAY or image.mode == "RGB" else image.convert("RGB"))


def _deep_png(path: str) -> int | None:
    """Colour channels of a 16-bit PNG, which Pillow would reduce to 8 bits where it has colour; None for others."""
    with open(path, "rb") as file:
        start = file.read(26)  # signature, then the IHDR chunk: width, height, bit depth (24), colour type (25)
    if not start.startswith(b"\x89PNG") or len(start) < 26 or start[24] != 16:
        return None
    return 3 if start[25] & 2 else 1


def _deep_pixels(path: str) -> np.ndarray:
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(b"\x89PNG"):
        raise Rejected("changed while it was read")
    pixels = imagecodecs.png_decode(data)
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return pixels if pixels.ndim == 2 else pixels[..., 0] if channels <= 2 else pixels[..., :3]


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(ORIENTATION, 1)
    return value if value in range(1, 9) else 1
