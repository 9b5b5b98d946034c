"""How long a pixel of each picture is, and what is done where pictures differ in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from pipeline.base.units import MILLIMETRES
from pipeline.data.preparing import tiling
from pipeline.data.preparing.tiling import Crop
from pipeline.data.reading.frame import Header
from pipeline.settings import Dataset, UserError

ALIKE = 1.01  # ratio of lengths below which they are one: boxes are cut at whole pixels, and files round
SHOWN = 4  # lengths of a warning
FEWEST = 0.5  # share of the pixels of an image that it has in its picture, of each side

# `a_500x.png`, `mag500x.png`, `x500/a.png` and `x500.png`; not `64x64`, nor the place `x012_y034` of a tile.
MAGNIFICATION = re.compile(
    r"(?:^|/)[xX×](\d{2,6})(?=/|\.\w+$)|(?:(?<![a-zA-Z0-9.])|(?<=[mM][aA][gG]))(\d{2,6})[xX×](?![a-zA-Z0-9])"
)


def length(settings: Dataset, header: Header) -> float | None:
    """Of a source pixel, in the data set's unit, by the settings or else by the file; None where neither tells it."""
    if settings.pixel_size is not None:
        return settings.pixel_size
    if header.micrometres is None or settings.unit not in MILLIMETRES:
        return None
    return header.micrometres * 1e-3 / MILLIMETRES[settings.unit]


def extents(settings: Dataset, headers: Sequence[Header]) -> dict[str, tuple[int, int]]:
    """Under `same_scale`, height and width in source pixels of what becomes an image, for each picture by its name:
    the same lengths in all of them. Pictures whose length of a pixel is not known have none.

    Under `fit: tile` it is a tile of the coarsest pictures, under `fit: resize` the largest part that all of them hold.

    Raises:
        UserError: no length is known.
    """
    if not settings.same_scale:
        return {}
    known = {h: own for h in headers if (own := length(settings, h)) is not None}
    if not known:
        raise UserError(
            f"same_scale: none of {len(headers)} pictures tells how long a pixel is (in a unit of length; unit is "
            f"`{settings.unit}`); `pixel_size` says it for all"
        )
    if settings.fit == "tile":
        coarsest = max(known.values())
        sides = [side * coarsest for side in tiling.tile_extent(settings)]
    else:
        inner = {h: tiling.extent(settings, tiling.cropped_height(settings, h.shape[0]), h.shape[1]) for h in known}
        sides = [min(inner[h][axis] * own for h, own in known.items()) for axis in (0, 1)]
    return {h.source: (max(1, round(sides[0] / own)), max(1, round(sides[1] / own))) for h, own in known.items()}


def stored(settings: Dataset, boxes: Sequence[tuple[Header, Crop]]) -> list[float | None]:
    """Length of a pixel of each image of the set, in the data set's unit; None where it is not known, or where it
    differs along the two axes."""
    found: list[float | None] = []
    for header, box in boxes:
        own = length(settings, header)
        down, across = box.height / settings.shape[0], box.width / settings.shape[1]
        alike = max(down, across) < ALIKE * min(down, across)
        found.append(own * (down + across) / 2 if own is not None and alike else None)
    return found


def common(lengths: Sequence[float | None]) -> float | None:
    """The one length of all images; None where there is no such."""
    known = [one for one in lengths if one is not None]
    if len(known) < len(lengths) or max(known) >= ALIKE * min(known):
        return None
    return float(np.mean(known))


def notes(settings: Dataset, boxes: Sequence[tuple[Header, Crop]]) -> list[str]:
    """Where the length of a pixel is from, and a warning of files that differ in it.

    Args:
        boxes: what each image of the set shows of which picture.
    """
    pictures = list(dict(boxes).items())
    told = [header for header, _ in pictures if header.micrometres is not None]
    if settings.pixel_size is not None:
        return _contradicted(settings, settings.pixel_size, told)
    if not told:
        return _by_name([header.source for header, _ in pictures])
    by_length: dict[str, list[str]] = {}
    for header, lengths in zip([h for h, _ in pictures], stored(settings, pictures), strict=True):
        by_length.setdefault("not told" if lengths is None else f"{lengths:.3g} {settings.unit}", []).append(
            header.source
        )
    lines = [f"{len(told)} of {len(pictures)} files tell how long a pixel is"]
    if settings.same_scale:
        return lines + _coarse(settings, pictures)
    if len(by_length) == 1 or common(stored(settings, pictures)) is not None:
        return lines
    ranked = sorted(by_length.items(), key=lambda item: -len(item[1]))
    parts = [
        f"{name} in {len(files)} ({', '.join(files[:3])}{', ...' if len(files) > 3 else ''})" for name, files in ranked
    ]
    more = f"; and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    way = (
        "`same_scale: true` brings all to one"
        if settings.fit in ("tile", "resize")
        else "`fit: tile` with `same_scale`"
    )
    return [
        *lines,
        f"WARNING: mixed magnification: a pixel of the images is {'; '.join(parts[:SHOWN])}{more}: {way}",
    ]


def _contradicted(settings: Dataset, asked: float, told: list[Header]) -> list[str]:
    """A warning of files that tell another length than `pixel_size` says."""
    of_files = settings.model_copy(update={"pixel_size": None})
    lengths = {header.source: own for header in told if (own := length(of_files, header)) is not None}
    others = {name: own for name, own in lengths.items() if max(own, asked) >= ALIKE * min(own, asked)}
    if not others:
        return []
    first = next(iter(others))
    return [
        f"WARNING: pixel_size: {asked:g} {settings.unit} holds for all, but {len(others)} of {len(lengths)} files that "
        f"tell how long a pixel is say otherwise (first: {first}, {others[first]:.4g} {settings.unit}); null takes "
        "what each file says"
    ]


def _by_name(names: list[str]) -> list[str]:
    """A warning where the names of files and folders tell several magnifications, and no file a length."""
    found: dict[str, list[str]] = {}
    for name in names:
        for folder, last in MAGNIFICATION.findall(name):
            found.setdefault(f"{int(folder or last)}x", []).append(name)
    if len(found) < 2:
        return []
    ranked = sorted(found.items(), key=lambda item: -len(item[1]))
    parts = [f"{power} in {len(some)} ({some[0]})" for power, some in ranked]
    more = f"; and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return [
        f"WARNING: by their names the pictures are of mixed magnification, {'; '.join(parts[:SHOWN])}{more}, and none "
        "tells how long a pixel is: take those of one, each in a data set of its own with its `pixel_size`"
    ]


def _coarse(settings: Dataset, pictures: Sequence[tuple[Header, Crop]]) -> list[str]:
    """A warning of pictures that have few pixels for what all others show too."""
    high, wide = settings.shape
    few = [header.source for header, box in pictures if min(box.height / high, box.width / wide) < FEWEST]
    if not few:
        return []
    names = f"{', '.join(few[:3])}{', ...' if len(few) > 3 else ''}"
    return [
        f"WARNING: at the scale of all, {len(few)} picture(s) have less than {FEWEST:.0%} of the pixels of an image "
        f"along a side and are a blur ({names}): leave those of the most different magnifications out"
    ]
