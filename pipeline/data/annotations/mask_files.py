"""Reads masks: pictures of an image's size that show where its defects are, class by class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.data.annotations.records import Mask, Reading, Record, Region, name_of
from pipeline.data.reading import readers
from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.mask_names import image_name
from pipeline.settings import Dataset

ONE_CLASS = "defect"  # of masks whose values have no names
FEW = 16  # values of a drawn mask; more come of smooth edges, or of a photograph
ENDS = 0.1  # of the range, at either end: where nearly all pixels of a mask with smooth edges are
NEARLY_ALL = 0.9
ALIKE = 0.75  # share of a mask's pixels, but for those of its commonest value, that are as their left neighbour
FLAT = 0.5  # share of a mask that is of one value
TOUCHING = np.ones((3, 3), bool)  # pixels that touch at a corner are of one defect

Values = NDArray[Any]
Names = dict[str, str | None]


class Drawn(NamedTuple):
    """A mask as it is stored."""

    values: Values
    """(H, W): gray values, numbers of a palette, or colours as 0xRRGGBB."""
    coloured: bool
    full: float
    """The highest value that its type can hold."""
    lossy: bool
    """Whether it is a JPEG, which does not keep values."""


def read(path: str, name: str, settings: Dataset) -> Reading:
    """The one image that a mask is of; its regions are the connected parts of each class.

    Raises:
        Rejected: it is no picture, or none of classes.
    """
    drawn, names = _drawn_and_names(path, name, settings)
    marked, labels = _classes(drawn, names)
    regions = [region for region, _, _ in components(marked, labels)]
    height, width = marked.shape
    values = _several(drawn) if names is None else ()
    masks = (Mask(path, name),)
    return Reading([Record(image_name(name), True, name, (height, width), regions, [], masks=masks, values=values)], [])


def components(marked: NDArray[np.uint8], labels: list[str]) -> Iterator[tuple[Region, NDArray[np.int32], int]]:
    """The connected parts of each class of a mask (H, W) as `classes` returns it: the box around each, and an array
    (H, W) with the number that its pixels have there."""
    for place, label in enumerate(labels, 1):
        parts, _ = ndimage.label(marked == place, TOUCHING)
        for number, (rows, columns) in enumerate(ndimage.find_objects(parts), 1):
            ends = (columns.start, rows.start, columns.stop, rows.stop)
            yield Region(label, *map(float, ends)), parts, number


def classes(mask: Mask, settings: Dataset) -> tuple[NDArray[np.uint8], list[str]]:
    """(H, W): 0 for background, else 1 + the place of a pixel's class among those returned.

    Raises:
        Rejected: as `read`.
    """
    return _classes(*_drawn_and_names(*mask, settings))


def _drawn_and_names(path: str, name: str, settings: Dataset) -> tuple[Drawn, Names | None]:
    assert settings.boxes is not None  # of a data set with masks
    given = settings.boxes.names
    assert not isinstance(given, str)  # the settings refuse a file
    names: Names | None = (
        {str(value): label for value, label in enumerate(given, 1)} if isinstance(given, list) else given
    )
    by_number = names is not None and not any(value.startswith("#") for value in names)
    return _drawn(path, name, settings, by_number), names


def _classes(drawn: Drawn, names: Names | None) -> tuple[NDArray[np.uint8], list[str]]:
    if names is not None:
        return _named(drawn, names)
    return _defects(drawn).astype(np.uint8), [ONE_CLASS]


def _several(drawn: Drawn) -> tuple[str, ...]:
    """The values of a mask beside 0, as `boxes.names` writes them, where they may be several classes."""
    there = np.unique(drawn.values[drawn.values != 0])
    if drawn.lossy or not 2 <= len(there) < FEW or drawn.values.dtype.kind == "f":
        return ()
    return tuple(_written(drawn, value) for value in there.tolist())


def _written(drawn: Drawn, value: float) -> str:
    return f"#{int(value):06x}" if drawn.coloured else f"{value:g}"


def shows_mask(path: str, name: str, settings: Dataset) -> bool:
    """Whether a picture holds few values, or parts of one value each (the numbers of grains), or is black and white but
    for smooth edges: a mask is, and no photograph.

    Raises:
        Rejected: it is no picture.
    """
    drawn = _drawn(path, name, settings)
    values, counts = np.unique(drawn.values, return_counts=True)
    flat = counts.max() >= FLAT * drawn.values.size  # no photograph is, however dark
    parts = drawn.values[:, 1:] != values[counts.argmax()]  # the background of a photograph may be of one value, too
    same = parts & (drawn.values[:, 1:] == drawn.values[:, :-1])
    alike = int(same.sum()) / max(1, int(parts.sum()))
    return len(values) <= FEW or alike >= ALIKE or (flat and _black_and_white(drawn) >= NEARLY_ALL)


def _named(drawn: Drawn, names: Names) -> tuple[NDArray[np.uint8], list[str]]:
    labels = list(dict.fromkeys(name_of(label) for label in names.values() if label is not None))
    numbers = {
        _value(value): 0 if label is None else 1 + labels.index(name_of(label)) for value, label in names.items()
    }
    numbers.setdefault(0, 0)
    there = np.unique(drawn.values)
    for value in there.tolist():
        if value not in numbers:
            written = _written(drawn, value)
            hint = "; a JPEG does not keep values" if drawn.lossy else ""
            share = np.mean(drawn.values == value)
            raise Rejected(
                f"holds the value {written} ({share:.2%} of it), which boxes.names does not name "
                f"(null is background){hint}"
            )
    chosen = np.array([numbers[value] for value in there.tolist()], np.uint8)
    return chosen[np.searchsorted(there, drawn.values)], labels


def _value(text: str) -> int:
    """A value as `boxes.names` writes it: `3`, or `#ff0000`."""
    return int(text[1:], 16) if text.startswith("#") else int(text)


def _defects(drawn: Drawn) -> NDArray[np.bool_]:
    """Where a mask without names shows a defect: what is not 0, or brighter than half where edges are smooth."""
    values = _brightness(drawn)
    smooth = len(np.unique(drawn.values)) > FEW and values.max() >= (1 - ENDS) * drawn.full
    if not smooth and not drawn.lossy:
        return drawn.values != 0
    if (share := _black_and_white(drawn)) < NEARLY_ALL:
        raise Rejected(f"is no mask: {1 - share:.0%} of its pixels are neither black nor white")
    return values > drawn.full / 2


def _black_and_white(drawn: Drawn) -> float:
    """Share of pixels near either end of the range."""
    values = _brightness(drawn) / drawn.full
    return float(np.mean((values <= ENDS) | (values >= 1 - ENDS)))


def _brightness(drawn: Drawn) -> Values:
    """Gray values; of colours the strongest of the three."""
    if not drawn.coloured:
        return drawn.values
    return np.maximum.reduce([(drawn.values >> shift) & 255 for shift in (16, 8, 0)])


# ---------------------------------------------------------------- what is stored


def _drawn(path: str, name: str, settings: Dataset, by_number: bool = False) -> Drawn:
    """A mask; of a palette of colours the numbers where its values are named `by_number`, else the colours."""
    headers = readers.headers(path, name, settings.model_copy(update={"pages": 0}))
    if len(headers) != 1:
        raise Rejected(f"holds {len(headers)} pictures, where a mask is one")
    frame = next(iter(readers.frames(headers, settings)))
    if isinstance(frame, Rejected):
        raise frame
    pixels = frame.pixels
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise Rejected("is no mask: it holds NaN or infinity")
    lossy = os.path.splitext(path)[1].lower() in (".jpg", ".jpeg", ".jpe", ".jfif")
    if by_number and (numbers := _palette_numbers(path)) is not None:
        return Drawn(numbers, False, 255.0, lossy)
    if (hidden := _transparent(path)) is not None and hidden.shape == pixels.shape[:2]:
        pixels = np.where(hidden.reshape(*hidden.shape, *(1,) * (pixels.ndim - 2)), 0, pixels)
    if pixels.ndim == 2:
        full = 1.0 if pixels.dtype.kind in "fb" else float(np.iinfo(pixels.dtype).max)
        return Drawn(pixels, False, full, lossy)
    bytes_ = (pixels >> 8 if pixels.dtype == np.uint16 else pixels).astype(np.uint8)
    if (bytes_ == bytes_[..., :1]).all():
        return Drawn(bytes_[..., 0], False, 255.0, lossy)
    red, green, blue = (bytes_[..., i].astype(np.int32) for i in range(3))
    return Drawn(red << 16 | green << 8 | blue, True, 255.0, lossy)


def _palette_numbers(path: str) -> NDArray[np.uint8] | None:
    """(H, W) numbers of a picture with a palette of colours; None for all others."""
    try:
        with Image.open(path) as image:
            if image.mode != "P":
                return None
            palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            numbers = np.asarray(image)
    except OSError:  # what Pillow does not know has been read before
        return None
    used = palette[[value for value in np.unique(numbers) if value < len(palette)]]
    return None if (used == used[:, :1]).all() else numbers


def _transparent(path: str) -> NDArray[np.bool_] | None:
    """Where nothing was painted; None for pictures that have no such places."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.getchannel("A")) == 0 if image.mode in ("RGBA", "LA") else None
    except OSError:
        return None
