"""Pictures of a page: embedded as data URIs, or files beside it."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from pipeline.base.files import write_whole
from pipeline.data.image_set import ImageSet

LARGEST = 192  # pixels of an embedded sample's side: more only makes the page heavy
SMALLEST = 96
GAP = 3  # white pixels between samples
FRAMES = 24  # of a film: more only make the page heavy
FILM_BYTES = 600_000
WIDEST = 1200  # pixels of an embedded sheet


def samples(images: ImageSet, label: str, split: str | None) -> str | None:
    """A sheet of a few images of one class, drawn at random, not chosen.

    Args:
        images: real or synthetic set.
        label: the class.
        split: `train`, `val` or `test`; None takes all.

    Returns:
        Data URI of a PNG (2 × 2 images of 128 pixels or more, 3 × 2 of smaller ones), or None without an image.
    """
    rows = drawn(images, label, split)[: 2 * columns(images)]
    if len(rows) == 0:
        return None
    return png(sheet([picture(images.images[row]) for row in np.sort(rows)], columns(images)))


def drawn(images: ImageSet, label: str, split: str | None) -> np.ndarray:
    """(n,) all rows of one class (and split) in random order, always the same. Args as `samples`."""
    table = images.metadata
    rows = np.flatnonzero(((table["label"] == label) & (split is None or table["split"] == split)).to_numpy())
    return np.random.default_rng(0).permutation(rows)


def columns(images: ImageSet) -> int:
    """How many images stand side by side in a cell of the page."""
    return 2 if images.meta["width"] >= 128 else 3


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
    return _uri(_png(picture), "image/png")


def beside(picture: Image.Image, path: Path, page: Path) -> str:
    """The link from a page to the picture, which is written as a PNG of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _png(picture))
    return Path(os.path.relpath(path, page.parent)).as_posix()


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def file(path: Path) -> str:
    """Data URI of a picture's file, reduced to WIDEST pixels at most."""
    with Image.open(path) as whole:
        reduced = whole.convert("L" if whole.getbands() == ("L",) else "RGB")
    reduced.thumbnail((WIDEST, 2 * WIDEST))
    return png(reduced)


def svg(text: str) -> str:
    """An image of its own, so that the ids inside never meet those of another figure."""
    return _uri(text.encode(), "image/svg+xml")


def animation(path: Path) -> tuple[str, bool] | None:
    """Data URI of a GIF's film, as WebP (a tenth of the weight), and True; None without a file.

    Of its last frame and False where it is too heavy all the same, and where it has no more.
    """
    if not path.is_file():
        return None
    with Image.open(path) as gif:
        assert isinstance(gif, GifImageFile)
        frames = [_frame(gif, i) for i in np.unique(np.linspace(0, gif.n_frames - 1, FRAMES).round().astype(int))]
        duration = gif.info.get("duration", 0)
    if len(frames) > 1:
        film = io.BytesIO()
        frames[0].save(film, "WEBP", save_all=True, append_images=frames[1:], duration=duration, loop=0, quality=60)
        if film.tell() <= FILM_BYTES:
            return _uri(film.getvalue(), "image/webp"), True
    return png(frames[-1]), False


def _frame(gif: Image.Image, i: int) -> Image.Image:
    gif.seek(int(i))
    frame = gif.convert("RGB")
    frame.thumbnail((WIDEST, WIDEST))
    return frame


def picture(image: np.ndarray, largest: int = LARGEST) -> Image.Image:
    """(H, W, C) uint8 or uint16 to eight bits for the screen, its longer side between SMALLEST and `largest` pixels.

    A small image is enlarged by a whole number, pixel for pixel: a browser would blur it, and hide what to look for.
    """
    if image.dtype == np.uint16:
        image = np.round(image / 257).astype(np.uint8)
    shown = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image[..., :3]))
    times = -(-SMALLEST // max(shown.size))
    if times > 1:
        return shown.resize((times * shown.width, times * shown.height), Image.Resampling.NEAREST)
    if max(shown.size) > largest:
        shown.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return shown


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
