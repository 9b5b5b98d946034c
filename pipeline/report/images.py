"""Pictures embedded in the page, as data URIs."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.data.imageset import ImageSet

LARGEST = 192  # pixels of an embedded sample's side: more only makes the page heavy
GAP = 3  # white pixels between samples
GIF_BYTES = 1_500_000
WIDEST = 1200  # pixels of an embedded sheet


def samples(images: ImageSet, label: str, split: str | None, seed: int = 0) -> str | None:
    """A sheet of a few images of one class, drawn at random, not chosen.

    Args:
        images: real or synthetic set.
        label: the class.
        split: `train`, `val` or `test`; None takes all.
        seed: of the draw.

    Returns:
        Data URI of a PNG (2 × 2 images of 128 pixels or more, 3 × 2 of smaller ones), or None without an image.
    """
    table = images.metadata
    rows = np.flatnonzero(((table["label"] == label) & (split is None or table["split"] == split)).to_numpy())
    columns = 2 if images.meta["width"] >= 128 else 3
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[: 2 * columns])
    if len(chosen) == 0:
        return None
    return png(sheet([_picture(images.images[row]) for row in chosen], columns))


def sheet(pictures: list[Image.Image], columns: int) -> Image.Image:
    """Pictures of one size on white, row by row; places without a picture stay white."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    size = (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    canvas = Image.new(pictures[0].mode, size, "white")
    for i, picture in enumerate(pictures):
        canvas.paste(picture, (i % columns * (width + GAP), i // columns * (height + GAP)))
    return canvas


def png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return _uri(buffer.getvalue(), "image/png")


def picture(path: Path) -> str:
    """Data URI of a picture's file, reduced to WIDEST pixels at most."""
    with Image.open(path) as whole:
        reduced = whole.convert("L" if whole.getbands() == ("L",) else "RGB")
    reduced.thumbnail((WIDEST, 2 * WIDEST))
    return png(reduced)


def svg(text: str) -> str:
    """An image of its own, so that the ids inside never meet those of another figure."""
    return _uri(text.encode(), "image/svg+xml")


def animation(path: Path) -> tuple[str, bool] | None:
    """Data URI of an animated GIF and True; of its last frame and False where it is too heavy; None without a file."""
    if not path.is_file():
        return None
    if path.stat().st_size <= GIF_BYTES:
        return _uri(path.read_bytes(), "image/gif"), True
    with Image.open(path) as gif:
        gif.seek(gif.n_frames - 1)
        frame = gif.convert("L" if gif.getbands() == ("L",) else "RGB")
        frame.thumbnail((1200, 1200))
        return png(frame), False


def _picture(image: np.ndarray) -> Image.Image:
    """(H, W, C) uint8 or uint16 to eight bits for the screen."""
    if image.dtype == np.uint16:
        image = np.round(image / 257).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image[..., :3]))
    if max(picture.size) > LARGEST:
        picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return picture


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
