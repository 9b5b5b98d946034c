"""One sheet that shows what was prepared: some images of each class, with counts and notes."""

from __future__ import annotations

import itertools
import os
import textwrap
from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from pipeline.base.files import whole
from pipeline.base.texts import one_line
from pipeline.data.image_set import ImageSet

THUMB = 112  # pixels
COLUMNS = 8
MARGIN = 16
GAP = 6
LINE = 20
# Okabe & Ito (2008): told apart on gray, with colour-blind eyes too.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")
LARGEST_CLASSES = 40  # shown; a sheet of more is not looked at


def write(images: ImageSet, notes: list[str], path: Path, boxes: bool = False) -> None:
    """Draw the sheet of an image set as PNG; `notes` are lines on sizes, depths, channels and what was rejected.

    With `boxes` it shows images that have some, framed in the colour of their class, and of a class without any box
    its background.
    """
    width = 2 * MARGIN + COLUMNS * (THUMB + GAP) - GAP
    lines = [part for note in notes for part in textwrap.wrap(note, 104, subsequent_indent="    ") or [""]]
    classes = images.meta["classes"][:LARGEST_CLASSES]
    colours = dict(zip(images.box_classes, itertools.cycle(COLOURS), strict=False)) if boxes else {}
    height = MARGIN + LINE * (len(lines) + bool(boxes)) + 10 + len(classes) * (THUMB + LINE + 14) + MARGIN
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    y = MARGIN
    for i, line in enumerate(lines):
        draw.text((MARGIN, y), one_line(line), fill="black", font=_font(15 if i == 0 else 13, bold=i == 0))
        y += LINE
    if boxes:
        _legend(draw, colours, y)
        y += LINE
    y += 10
    for label in classes:
        draw.text((MARGIN, y), one_line(_counts(images, label)), fill="black", font=_font(14, bold=True))
        for column, row in enumerate(_chosen(images, label, boxes)):
            thumb = _thumb(images.images[row])
            if boxes:
                _frame(thumb, images, row, colours)
            sheet.paste(thumb, (MARGIN + column * (THUMB + GAP), y + LINE + 2))
        y += THUMB + LINE + 14
    with whole(path) as part:
        sheet.save(part, format="PNG")


def _counts(images: ImageSet, label: str) -> str:
    own = images.metadata[images.metadata["label"] == label]
    if "seed" in own:  # drawn by a model
        return f"{label}: {len(own)} images"
    sides = Counter(own["split"])
    listed = ", ".join(f"{sides[side]} {side}" for side in ("train", "val", "test") if sides[side])
    sources = own["source"].nunique()
    return f"{label}: {len(own)} images from {sources} sources ({listed})"


def _chosen(images: ImageSet, label: str, boxes: bool) -> np.ndarray:
    """Rows spread evenly over the class, so that neighbours are not tiles of one source; with boxes where asked for and
    there."""
    own = (images.metadata["label"] == label).to_numpy()
    if boxes:
        assert images.boxes is not None  # asked for of sets with boxes alone
        boxed = own & images.metadata["id"].isin(images.boxes["id"]).to_numpy()
        own = boxed if boxed.any() else own
    rows = np.flatnonzero(own)
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(COLUMNS, len(rows))).astype(int))]


def _thumb(image: np.ndarray) -> Image.Image:
    """As it is stored, without stretching: a picture that looks black here is black to the network."""
    image = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    factor = THUMB / max(picture.size)
    size = max(1, round(factor * picture.width)), max(1, round(factor * picture.height))
    small = picture.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)
    return small.convert("RGB")


def _frame(thumb: Image.Image, images: ImageSet, row: int, colours: dict[str, str]) -> None:
    """Draw the boxes of an image on its thumb, and the outlines of its masks."""
    if images.masks is not None:
        _outline(thumb, images.masks[row], [colours[name] for name in images.box_classes])
    scale = THUMB / max(images.meta["width"], images.meta["height"])
    draw = ImageDraw.Draw(thumb)
    assert images.boxes is not None  # asked for of sets with boxes alone
    for box in images.boxes[images.boxes["id"] == images.metadata["id"][row]].itertuples():
        x0, y0, x1, y1 = (scale * end for end in (box.x0, box.y0, box.x1, box.y1))
        # Pillow draws the last pixel too.
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colours[box.label])


def _outline(thumb: Image.Image, mask: np.ndarray, colours: list[str]) -> None:
    """Draw a line in the colour of its class around each part of a mask."""
    shown = np.asarray(Image.fromarray(np.asarray(mask)).resize(thumb.size, Image.Resampling.NEAREST))
    inner = ndimage.minimum_filter(shown, 3) == ndimage.maximum_filter(shown, 3)
    for place, colour in enumerate(colours, 1):
        line = Image.fromarray(((shown == place) & ~inner).astype(np.uint8) * 255)
        thumb.paste(Image.new("RGB", thumb.size, colour), mask=line)


def _legend(draw: ImageDraw.ImageDraw, colours: dict[str, str], y: int) -> None:
    """The classes of boxes in one line, as far as it reaches."""
    x = MARGIN
    for name, colour in colours.items():
        label = one_line(name)
        draw.rectangle((x, y + 4, x + 11, y + 13), fill=colour, outline="black")
        draw.text((x + 17, y), label, fill="black", font=_font(13))
        x += 17 + int(draw.textlength(label, font=_font(13))) + 16


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu, which comes with matplotlib and knows the letters of most European languages."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(os.path.join(matplotlib.get_data_path(), "fonts", "ttf", name), size)
