"""The images of the set to be: which parts of which pictures, of which class, on which side of the split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.data.near_duplicates import groups
from pipeline.data.near_duplicates.report import Overlaps
from pipeline.data.preparing import labels, splits, tiling
from pipeline.data.preparing.list_images import Candidate
from pipeline.data.preparing.scan import Facts
from pipeline.data.preparing.tiling import Crop
from pipeline.settings import Dataset, FewShots, UserError

MANY = 10  # classes; few images of fewer may each be of one of its own
TOLD_BY = {
    "folder": "labels.rule: folder", "filename": "labels.pattern", "csv": "labels.class_column", "hdf5": "hdf5.labels",
    "none": "labels.rule",
}  # fmt: skip

Thing = tuple[str, str | None]  # a file, or a data set in it: what is divided


class Picture(NamedTuple):
    """A usable image of the source."""

    candidate: Candidate
    facts: Facts
    labels: list[str]
    """The class of each of its boxes."""


class Square(NamedTuple):
    """An image of the set to be."""

    place: int
    """Among all squares of the source: one square has one name in all data sets of a few-shot family."""
    picture: Picture
    box: Crop
    label: str
    group: str
    split: str


def check_good(settings: Dataset, pictures: list[Picture]) -> None:
    """Raises UserError where `good` names a class of none of the images."""
    there = sorted({label for picture in pictures for label in picture.labels})
    if settings.good is not None and settings.good not in there:
        raise UserError(f"good: `{settings.good}` is the class of no image; {labels.found([settings.good], there)}")


def squares(settings: Dataset, pictures: list[Picture], found: Overlaps, few: FewShots | None) -> list[Square]:
    """Every image of the set, in the order of the files.

    Raises:
        UserError: a class is left without an image to train or to judge; what `split.by` divides cannot be divided.
    """
    if settings.split.by != "source":
        return _divided(settings, pictures, found)
    own = groups.joined([p.candidate.group for p in pictures], found.links)
    cut = list(_cut(pictures))
    given = [pictures[i].candidate.split for i, _, _ in cut]
    try:
        labelled = [label for _, _, label in cut]
        sides = splits.assign(labelled, [own[i] for i, _, _ in cut], given, settings.split, settings.good)
    except UserError as error:
        raise UserError(f"{error}{_advice(settings, pictures, own, found)}") from None
    side = {i: side for (i, _, _), side in zip(cut, sides, strict=True)}  # one a picture, which is of one group
    if settings.shots is not None:  # of pictures, with all their squares: a shot is what a person has to photograph
        classes = [p.candidate.label for p in pictures]
        few = few or FewShots(settings.shots, None, 0)
        side = splits.few_shot(classes, own, list(side.values()), few, settings.split.seed, settings.good)
    return [
        Square(place, pictures[i], box, label, own[i], side[i])
        for place, (i, box, label) in enumerate(cut)
        if i in side
    ]


def _cut(pictures: list[Picture]) -> Iterator[tuple[int, Crop, str]]:
    """Of each square the position of its picture, what it shows of it, and its class."""
    for i, picture in enumerate(pictures):
        for box, label in zip(picture.facts.boxes, picture.labels, strict=True):
            yield i, box, label


def _advice(settings: Dataset, pictures: list[Picture], own: list[str], found: Overlaps) -> str:
    """What helps where a class has too few groups."""
    several = len({p.candidate.label for p in pictures})
    if several >= MANY and 2 * several > len(pictures):
        return (
            f"; {len(pictures)} images have {several} classes: what should tell a class looks like a measurement, or a "
            f"name of each image ({TOLD_BY[settings.labels.rule]})"
        )
    if any(p.candidate.split for p in pictures):
        return (
            ": folders or a CSV give the split, and put all of them elsewhere; of good images and a few bad ones to "
            "judge by, set `good` to the class without defects; else leave the class out with labels.classes"
        )
    before = len({p.candidate.group for p in pictures})
    stack = len(pictures) > 1 and len({(p.candidate.header.path, p.candidate.header.key) for p in pictures}) == 1
    slices = "; `split.by: slices` divides a stack by ranges of its slices"
    if before > len(set(own)):
        why = (
            "are copies of one another, which are kept together even where `split.near_duplicates` is `off`"
            if settings.split.near_duplicates == "off"
            else "show one scene: where these are different parts that only look alike, `split.near_duplicates: off` "
            "leaves them apart"
        )
        return (
            f"; {before} groups became {len(set(own))} because {len(found.links)} pairs of images {why}"
            f"{slices if stack else ''}"
        )
    if before > 1:
        return " (leave the class out with labels.classes)"
    one_scene = settings.pages == "all" or any(p.candidate.header.scene > 1 for p in pictures)  # channels are no images
    unread = 0 if one_scene else sum(p.candidate.header.pages - 1 for p in pictures)
    if unread:
        return f"; {unread} more pages are not read: `pages: all`, with `split.by: slices` where they are of one stack"
    if len(pictures) > 1:
        return f"; all images are of one group{slices if stack else ''}"
    return "; there is one picture: `fit: tile` with `split.by: region` divides it"


# ---------------------------------------------------------------- regions of pictures, slices of stacks


def _divided(settings: Dataset, pictures: list[Picture], found: Overlaps) -> list[Square]:
    """Those of `split.by: region` and `slices`; each piece of each thing is a group of its own."""
    things = _things(settings, pictures)
    of = {i: thing for thing, rows in things.items() for i in rows}
    apart = [link for link in found.links if of[link[0]] != of[link[1]]]
    if apart:
        first = " and ".join(pictures[i].candidate.header.source for i in apart[0])
        raise UserError(
            f"split.by: `{settings.split.by}` cannot keep {len(apart)} pair(s) of pictures of one scene together, the "
            f"first {first}: `split.by: source` can"
        )
    flipped = np.random.default_rng([settings.split.seed, len(things)]).integers(0, 2, len(things)) == 1
    pieces: dict[tuple[int, Crop], str | None] = {}
    divide = _by_slices if settings.split.by == "slices" else _by_regions
    short: list[tuple[str, UserError]] = []
    for rows, flip in zip(things.values(), flipped, strict=True):
        try:
            pieces |= divide(settings, pictures, rows, bool(flip))
        except UserError as error:
            short.append((pictures[rows[0]].candidate.header.source, error))
    if short:
        first, why = short[0]
        others = f" ({len(short)} of {len(things)} cannot be divided)" if len(things) > 1 else ""
        raise UserError(f"{first}{others}: {why}")
    made = [
        Square(place, pictures[i], box, label, f"{pictures[i].candidate.group}, {side}", side)
        for place, (i, box, label) in enumerate(_cut(pictures))
        if (side := pieces[i, box]) is not None
    ]
    try:
        splits.check([s.label for s in made], [s.group for s in made], [s.split for s in made], settings.split)
    except UserError as error:
        raise UserError(f"{error} (leave the class out with labels.classes)") from None
    return made


def _things(settings: Dataset, pictures: list[Picture]) -> dict[Thing, list[int]]:
    """Positions of the pictures of each file, or of each data set in one."""
    found: dict[Thing, list[int]] = {}
    for i, picture in enumerate(pictures):
        header = picture.candidate.header
        if settings.split.by == "slices" and header.index is None:
            raise UserError(
                f"split.by: `slices` divides stacks, but {header.source} is one picture"
                f"{' (`pages: all` reads all pages)' if header.pages > 1 else ''}; `split.by: source` takes whole files"
            )
        found.setdefault((header.path, header.key), []).append(i)
    return found


def _by_slices(
    settings: Dataset, pictures: list[Picture], rows: list[int], flip: bool
) -> dict[tuple[int, Crop], str | None]:
    number = {i: pictures[i].candidate.header.index or 0 for i in rows}
    count = max(number.values()) + 1
    gap = settings.split.gap
    gap = max(1, round(gap * count)) if isinstance(gap, float) else gap
    sides = splits.by_region([(number[i], number[i] + 1) for i in rows], count, gap, settings.split, flip)
    side = dict(zip(rows, sides, strict=True))
    return {(i, box): side[i] for i in rows for box in pictures[i].facts.boxes}


def _by_regions(
    settings: Dataset, pictures: list[Picture], rows: list[int], flip: bool
) -> dict[tuple[int, Crop], str | None]:
    """Pages of one file lie over one another: they are divided alike."""
    found: dict[tuple[int, Crop], str | None] = {}
    for i in rows:
        boxes, (height, width) = pictures[i].facts.boxes, pictures[i].facts.shape
        height = tiling.cropped_height(settings, height)
        tall = height > width
        tiles = [(b.row, b.row + b.height) if tall else (b.col, b.col + b.width) for b in boxes]
        gap = tiles[0][1] - tiles[0][0]
        sides = splits.by_region(tiles, max(height, width), gap, settings.split, flip)
        found |= {(i, box): side for box, side in zip(boxes, sides, strict=True)}
    return found
