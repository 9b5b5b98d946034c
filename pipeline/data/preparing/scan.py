"""The first pass: looks at every image once, and keeps a few numbers of it. Runs in the pool's processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.base import colour
from pipeline.data.annotations.records import Region
from pipeline.data.near_duplicates import search
from pipeline.data.near_duplicates.search import Traits
from pipeline.data.preparing import not_finite, scaling, tiling
from pipeline.data.preparing.infobar import bar_rows
from pipeline.data.preparing.tiling import Crop
from pipeline.data.reading import readers
from pipeline.data.reading.frame import Frame, Header, Rejected
from pipeline.data.reading.source import Entry
from pipeline.settings import Dataset

WIDE = 128  # gray values between the darkest and the brightest pixel of a mask
NEAR = 26  # gray values at either end, of a mask with smooth edges
FLAT, NEARLY_ALL = 0.35, 0.9  # shares of a mask: of one value, and near either end
LOOKED_AT = 512  # rows and columns at most, evenly spread, that these shares are taken of
STRAY = 0.005  # share of the pixels at either end
PART_BYTES = 32 * 2**20  # of squares that are sent at a time


class Facts(NamedTuple):
    """What the second pass and the preview need to know of a usable image."""

    header: Header
    shape: tuple[int, int]
    """(H, W) before cropping."""
    dtype: str
    bits: int | None
    low: float
    high: float
    bulk: tuple[float, float]
    """Ends of the values but for the lowest and the highest STRAY of them, hot pixels for one."""
    colour: bool
    two_values: bool
    """Whether it is of two values alone, as a mask is, or black and white but for smooth edges, as one in a JPEG."""
    bar: int
    """Rows of a likely information bar at the bottom of what `crop_bottom` leaves; 0 for none."""
    digest: bytes
    """Of type, shape and pixels: equal for exact copies, whatever their files."""
    boxes: list[Crop]
    flat_boxes: list[Crop]
    """Tiles of one single value, left out."""
    sample: np.ndarray | None
    """Values drawn from the image, for percentiles over the set."""
    traits: Traits | None
    """Where near-duplicates are looked for."""


class ScanTask(NamedTuple):
    rows: list[int]
    """Positions of the images among the candidates."""
    headers: list[Header]
    settings: Dataset
    picks: int
    """Values to sample of each image."""
    marks: list[list[Region]]
    """Of each image what its square is to show."""
    extents: list[tuple[int, int] | None]
    """Of each image height and width of its squares in source pixels, where `same_scale` says it."""
    reduced: int | None
    """By how much the images of the set are usually reduced for the search for near-duplicates; None without one."""

    def singly(self) -> list[ScanTask]:
        """A task for each image."""
        each = zip(self.rows, self.headers, self.marks, self.extents, strict=True)
        return [self._replace(rows=[r], headers=[h], marks=[m], extents=[e]) for r, h, m, e in each]


class FileTask(NamedTuple):
    entry: Entry
    settings: Dataset


@readers.explained
def list_file(task: FileTask) -> list[Header]:
    """The images of a file."""
    return readers.headers(task.entry.path, task.entry.name, task.settings)


def scan(task: ScanTask) -> list[Facts | str]:
    """Facts of each image of one file, or the reason why it cannot be used. Raises MemoryError."""
    results: list[Facts | str] = []
    frames = readers.frames(task.headers, task.settings)
    for place, (header, frame) in enumerate(zip(task.headers, frames, strict=True)):
        try:
            results.append(_facts(header, _usable(frame, task.settings), place, task))
        except Rejected as reason:
            results.append(str(reason))
    return results


def _usable(frame: Frame | Rejected, settings: Dataset) -> Frame:
    """Raises what came in place of a frame."""
    if isinstance(frame, Rejected):
        raise frame
    return frame._replace(pixels=not_finite.filled(frame.pixels)) if settings.not_finite == "fill" else frame


def _facts(header: Header, frame: Frame, place: int, task: ScanTask) -> Facts:
    settings, picks = task.settings, task.picks
    if settings.same_scale and task.extents[place] is None:
        raise Rejected("does not tell how long a pixel is, as `same_scale` needs it")
    height, width = frame.pixels.shape[:2]
    pixels = frame.pixels[: tiling.cropped_height(settings, height)]
    boxes = tiling.boxes(settings, len(pixels), width, task.marks[place], task.extents[place])
    low, high = _range(pixels)
    dtype = frame.pixels.dtype.name
    scaling.check_range(settings.scaling, dtype, low, high)
    full = scaling.type_range(dtype, frame.bits)
    flat = {box for box in boxes if _flat(tiling.patch(pixels, box))}
    if len(flat) == len(boxes):
        raise Rejected("is constant: all pixels that would be used have one value")
    if settings.scaling.rule in ("dtype", "fixed"):
        _check_levels(settings, low, high, full, dtype)
    sample = None
    if settings.scaling.rule == "percentile":
        chosen = np.random.default_rng(0).integers(0, pixels.size, picks) if picks < pixels.size else slice(None)
        sample = pixels.reshape(-1)[chosen].astype(np.float64 if dtype in ("float64", "int64") else np.float32)
    bar = bar_rows(pixels if pixels.ndim == 2 else pixels[..., 1])
    return Facts(
        header, (height, width), dtype, frame.bits, low, high, _bulk(pixels), colour.has_colour(pixels, *full),
        two_values(pixels, low, high), bar, _digest(frame.pixels), [box for box in boxes if box not in flat],
        sorted(flat), sample, None if task.reduced is None else search.traits(pixels, task.reduced, bar),
    )  # fmt: skip


def _range(pixels: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value. Raises Rejected for NaN, infinities and constant images."""
    low, high = float(pixels.min()), float(pixels.max())  # either is NaN where any pixel is
    if not np.isfinite([low, high]).all():
        count = int(np.size(pixels) - np.count_nonzero(np.isfinite(pixels)))
        raise Rejected(f"has {count} pixel value(s) that are not finite (NaN or infinity): `not_finite: fill`")
    if low == high:
        raise Rejected(f"is constant: every pixel is {low:g}")
    return low, high


def _check_levels(settings: Dataset, low: float, high: float, full: tuple[float, float], dtype: str) -> None:
    """Raises Rejected where scaling would leave an image constant: a depth map of int64 from 0 to 255, for instance."""
    black, white = scaling.decide(settings.scaling, full, None)
    ends = np.clip((np.array([low, high]) - black) / (white - black), 0, 1)
    if np.ptp(np.rint(ends * np.iinfo(scaling.stored_dtype(dtype)).max)) < 1:
        raise Rejected(
            f"its values from {low:g} to {high:g} become one level when {black:g} to {white:g} is scaled "
            f"(scaling.rule: {settings.scaling.rule}); use `fixed` or `percentile`"
        )


def _flat(patch: np.ndarray) -> bool:
    return bool(np.all(patch == patch.flat[0]))


def two_values(pixels: np.ndarray, low: float, high: float) -> bool:
    """Whether all are the lowest or the highest, or nearly all black or white and most alike, as in a mask that a JPEG
    holds; a row tells of most photographs that they are not two values."""
    if all(bool(np.all((some == low) | (some == high))) for some in (pixels[len(pixels) // 2], pixels)):
        return True
    if pixels.dtype != np.uint8 or high - low < WIDE:
        return False
    some = _evenly(pixels)
    shares = np.bincount(some.ravel(), minlength=256) / some.size
    return bool(shares.max() >= FLAT and shares[:NEAR].sum() + shares[256 - NEAR :].sum() >= NEARLY_ALL)


def _bulk(pixels: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(_evenly(pixels).astype(np.float64), [STRAY, 1 - STRAY])
    return float(low), float(high)


def _evenly(pixels: np.ndarray) -> np.ndarray:
    return pixels[:: len(pixels) // LOOKED_AT + 1, :: pixels.shape[1] // LOOKED_AT + 1]


def _digest(pixels: np.ndarray) -> bytes:
    head = f"{pixels.dtype} {pixels.shape}".encode()
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, key=head[:64], digest_size=16).digest()


class Plan(NamedTuple):
    """What was decided for the whole set."""

    channels: int
    dtype: str
    """Of the set: the deepest type that occurs."""
    full: tuple[float, float]
    """Range of that type."""
    low: float
    high: float
    stored: str


class ImageCrops(NamedTuple):
    """The squares to cut from one image."""

    header: Header
    boxes: list[Crop]
    rows: list[int]
    """Where each goes in the image set."""


class CropTask(NamedTuple):
    images: list[ImageCrops]
    settings: Dataset
    plan: Plan

    def singly(self) -> list[CropTask]:
        """A task for each image."""
        return [self._replace(images=[image]) for image in self.images]


class Crops(NamedTuple):
    """Some squares of an image."""

    rows: list[int]
    images: np.ndarray
    """(n, height, width, C) stored integers."""
    low: float
    high: float
    """Source values of black and white, on the scale of the set's type."""


class FailedCrops(NamedTuple):
    source: str
    reason: str


def crop(task: CropTask) -> Iterator[Crops | FailedCrops]:
    """The second pass: cut, scale and resample the squares of images of one file, some at a time: a large picture has
    as many pixels in its tiles as in itself, or more. Raises MemoryError."""
    frames = readers.frames([d.header for d in task.images], task.settings)
    for wanted, frame in zip(task.images, frames, strict=True):
        try:
            yield from _cropped(wanted, _usable(frame, task.settings), task.settings, task.plan)
        except Rejected as reason:
            yield FailedCrops(wanted.header.source, str(reason))


def _cropped(wanted: ImageCrops, frame: Frame, settings: Dataset, plan: Plan) -> Iterator[Crops]:
    pixels = frame.pixels[: tiling.cropped_height(settings, frame.pixels.shape[0])]
    own = scaling.type_range(frame.pixels.dtype.name, frame.bits)
    low, high = (scaling.converted(v, plan.full, own) for v in (plan.low, plan.high))
    if settings.scaling.rule == "image_percentile":
        low, high = scaling.percentiles(settings.scaling, pixels)
    ends = [scaling.converted(v, own, plan.full) for v in (low, high)]
    shape = (*settings.shape, plan.channels)
    most = max(1, PART_BYTES // (int(np.prod(shape)) * np.dtype(plan.stored).itemsize))
    for first in range(0, len(wanted.boxes), most):
        boxes = wanted.boxes[first : first + most]
        images = np.empty((len(boxes), *shape), plan.stored)
        for image, box in zip(images, boxes, strict=True):
            patch = tiling.patch(pixels, box)
            patch = colour.to_gray(patch) if plan.channels == 1 else colour.to_rgb(patch)
            part = tiling.inside(box, *pixels.shape[:2])
            unit = tiling.padded(scaling.to_unit(patch, low, high), box, part, settings.padding)
            image[...] = scaling.quantise(tiling.resize(unit, settings.shape), plan.stored)
        yield Crops(wanted.rows[first : first + most], images, *ends)
