"""Labelled sheets of images, for people: NumPy and Pillow alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.base.texts import one_line

GAP = 2  # pixels between images
TEXT = 14  # height of the letters
LABEL = 170  # widest column of labels


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Images to uint8 for the eye: uint8 as they are, uint16 by their high byte, floats from [-1, 1].

    Any shape. Floats outside [-1, 1] saturate.
    """
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.uint16:
        return (images >> 8).astype(np.uint8)
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def sheet(
    rows: dict[str, np.ndarray], title: str = "", columns: int = 8, tile: int | None = None, heads: Sequence[str] = ()
) -> Image.Image:
    """A row a name, the name at its left; what is more than `columns` goes on in rows below.

    Args:
        rows: (n, H, W, C) arrays by row name, of any dtype `to_uint8` takes; C is 1 or 3; n may differ.
        title: a line above.
        tile: width of an image in pixels; None enlarges small images by a whole factor to 64 or more, and reduces
            large ones to 160.
        heads: a word above each column.
    """
    lines = [
        (name if start == 0 else "", to_uint8(np.asarray(images[start : start + columns])))
        for name, images in rows.items()
        for start in range(0, len(images), columns)
    ]
    _, height, width, channels = lines[0][1].shape
    tile = tile or _tile(width)
    size = (tile, max(1, round(tile * height / width)))
    font = ImageFont.load_default(TEXT)
    names = [_shorten(name, font) for name, _ in lines]
    left = max(int(font.getlength(name)) for name in names)
    left += 10 if left else 0
    top = bool(title) * (TEXT + 10) + bool(heads) * (TEXT + 6)
    across = left + max(len(images) for _, images in lines) * (size[0] + GAP)
    canvas = Image.new(
        "L" if channels == 1 else "RGB",
        (max(across, int(font.getlength(title)) + 8), top + len(lines) * (size[1] + GAP)),
        "white",
    )
    draw = ImageDraw.Draw(canvas)
    draw.text((4, 4), title, fill="black", font=font)
    for c, head in enumerate(heads):
        draw.text((left + c * (size[0] + GAP) + size[0] // 2, top - 4), head, fill="black", font=font, anchor="ms")
    for r, (name, (_, images)) in enumerate(zip(names, lines, strict=True)):
        y = top + r * (size[1] + GAP)
        draw.text((4, y + size[1] // 2), name, fill="black", font=font, anchor="lm")
        for c, image in enumerate(images):
            canvas.paste(resized(image, size), (left + c * (size[0] + GAP), y))
    return canvas


def compact(rows: dict[str, np.ndarray], side: int = 256) -> Image.Image:
    """An unlabelled sheet of at most `side` x `side` pixels: what MLflow's slider shows without resampling.

    Images are at least 16 pixels wide; what does not fit is left out. A single row goes on below.
    """
    _, height, width, channels = next(iter(rows.values())).shape
    tile = min(max(height, width), max(16, side // max(4, len(rows))))
    fit = side // tile
    shown = [to_uint8(np.asarray(images)) for images in rows.values()]
    if len(shown) == 1:
        shown = [shown[0][start : start + fit] for start in range(0, len(shown[0]), fit)]
    shown = [images[:fit] for images in shown[:fit]]
    canvas = Image.new(
        "L" if channels == 1 else "RGB", (max(len(images) for images in shown) * tile, len(shown) * tile), "white"
    )
    scale = tile / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    for r, images in enumerate(shown):
        for c, image in enumerate(images):
            canvas.paste(resized(image, size), (c * tile, r * tile))
    return canvas


def resized(image: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """(H, W, C) uint8 as a picture of `size` (width, height): pixels repeated when enlarged, filtered when reduced."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if picture.size == size:
        return picture
    enlarged = size[0] % picture.width == 0 and size[1] % picture.height == 0
    return picture.resize(size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


def png(picture: Image.Image) -> bytes:
    """A picture as the content of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def animation(frames: Sequence[Path], path: Path, widest: int = 640) -> None:
    """A GIF of pictures, in order; the last stays for two seconds. Wider pictures are reduced to `widest` pixels."""
    pictures = []
    for frame in frames:
        with Image.open(frame) as picture:
            scale = min(1.0, widest / picture.width)
            size = (round(picture.width * scale), round(picture.height * scale))
            small = picture.resize(size, Image.Resampling.LANCZOS) if scale < 1 else picture.copy()
        pictures.append(small if small.mode == "L" else small.quantize(256, dither=Image.Dither.NONE))
    durations = [200] * (len(pictures) - 1) + [2000]
    pictures[0].save(path, format="GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)


def _tile(width: int) -> int:
    if width < 64:
        return width * -(-64 // width)
    return min(width, 160)


def _shorten(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    short = one_line(name[:LABEL])
    while font.getlength(short) > LABEL:
        short = short.rstrip("…")[:-1] + "…"
    return short
