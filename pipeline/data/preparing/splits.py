"""Divides images into those that train, choose and judge; groups stay whole, but where a given split divides them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np

from pipeline.settings import Split, UserError


def assign(labels: list[str], groups: list[str], given: list[str | None], settings: Split) -> list[str]:
    """The split of each image: `train`, `val` or `test`.

    A side that `given` names (for any image) is taken as given; the others are drawn from what is `train` or not
    given, group by group in seeded order, until each class has its share as nearly as whole groups allow.

    Raises:
        UserError: a class is left without an image to train or, where any are held out, to judge.
    """
    result = ["train" if side is None else side for side in given]
    for side, share in (("test", settings.test), ("val", settings.val)):
        if side not in given and share > 0:
            for i in _drawn(labels, groups, result, share, settings.seed, at_least_one=side == "test"):
                result[i] = side
    check(labels, groups, result, settings)
    return result


def by_region(tiles: list[tuple[int, int]], length: int, settings: Split, flipped: bool) -> list[str | None]:
    """The side of each tile of a picture, None for those in the gaps: regions along one axis, first what trains, then
    what chooses and what judges, with a gap as wide as a tile between each two.

    Args:
        tiles: start and end of each along the axis, in pixels, all of one width.
        length: of the axis.
        flipped: begin at the other end.

    Raises:
        UserError: the axis is too short for a tile in each region.
    """
    side = tiles[0][1] - tiles[0][0]
    starts = sorted({start for start, _ in tiles})
    least = side + max((b - a for a, b in pairwise(starts)), default=0)  # holds a tile for certain
    shares = {"test": settings.test, "val": settings.val}
    held = [name for name in ("val", "test") if shares[name] > 0]
    left = length - side * len(held)
    sizes = {}
    for name in reversed(held):
        sizes[name] = max(round(shares[name] * left), least)
        left -= sizes[name]
    if left < least:
        raise UserError(
            f"split.by: a picture of {length} pixels along its longer side is too short for regions of tiles of {side} "
            f"with gaps between them, it needs {least * (1 + len(held)) + side * len(held)}; smaller tiles "
            "(tile_source), or whole pictures (`split.by: source`)"
        )
    result: list[str | None] = [None] * len(tiles)
    first = 0
    for name, size in {"train": left, **{name: sizes[name] for name in held}}.items():
        for i, (start, end) in enumerate(tiles):
            start, end = (length - end, length - start) if flipped else (start, end)
            if start >= first and end <= first + size:
                result[i] = name
        first += size + side
    return result


def divided(groups: list[str], sides: list[str]) -> dict[str, set[str]]:
    """The groups with images on several sides, and these sides: only a given split has any."""
    found: dict[str, set[str]] = {}
    for group, side in zip(groups, sides, strict=True):
        found.setdefault(group, set()).add(side)
    return {group: several for group, several in found.items() if len(several) > 1}


def _drawn(
    labels: list[str], groups: list[str], sides: list[str], share: float, seed: int, at_least_one: bool
) -> list[int]:
    """Positions of the images to hold out of `train`."""
    members: dict[str, list[int]] = {}
    fixed = {groups[i] for i, side in enumerate(sides) if side != "train"}
    for i, side in enumerate(sides):
        if side == "train" and groups[i] not in fixed:
            members.setdefault(groups[i], []).append(i)
    there = Counter(labels[i] for i, side in enumerate(sides) if side == "train")
    wanted = {c: max(round(share * n), 1 if at_least_one else 0) for c, n in there.items()}
    names = sorted(members)
    order = [names[i] for i in np.random.default_rng([seed, len(names)]).permutation(len(names))]
    taken: list[str] = []
    have: Counter[str] = Counter()
    for group in order:
        gain = sum(
            abs(wanted[c] - have[c]) - abs(wanted[c] - have[c] - n)
            for c, n in Counter(labels[i] for i in members[group]).items()
        )
        if gain > 0:
            taken.append(group)
            have.update(labels[i] for i in members[group])
    if at_least_one:
        taken += _rescued(labels, members, taken, wanted)
    return [i for group in taken for i in members[group]]


def _rescued(labels: list[str], members: dict[str, list[int]], taken: list[str], wanted: dict[str, int]) -> list[str]:
    """The smallest group of every class that would hold out nothing, though it has groups to spare."""
    extra: list[str] = []
    for label in sorted(wanted):
        own = [g for g, rows in members.items() if any(labels[i] == label for i in rows)]
        if len(own) > 1 and not set(own) & {*taken, *extra}:
            extra.append(min(own, key=lambda g: (len(members[g]), g)))
    return extra


def check(labels: list[str], groups: list[str], sides: list[str], settings: Split) -> None:
    """Raises UserError where a class is left without an image to train or, where any are held out, to judge."""
    needed = ["train", "test"] if settings.test > 0 or "test" in sides else ["train"]
    for label in sorted(set(labels)):
        rows = [i for i, c in enumerate(labels) if c == label]
        for side in needed:
            if not any(sides[i] == side for i in rows):
                sources = len({groups[i] for i in rows})
                raise UserError(
                    f"class `{label}`: {len(rows)} image(s) of {sources} group(s) leave none to {side}; at least one "
                    "group to train and one to test are needed (leave the class out with labels.classes)"
                )


def drawn_order(labels: list[str], given: list[str | None], seed: int) -> dict[str, list[int]]:
    """Positions of each class in a seeded order whose every beginning has the sides of `given` in proportion.

    So `limit` keeps test images where a CSV names few of them, and a smaller limit is a part of a larger one.
    """
    order: dict[str, list[int]] = {}
    for label in sorted(set(labels)):
        keyed = []
        for side in sorted({str(given[i]) for i, c in enumerate(labels) if c == label}):
            rows = [i for i, c in enumerate(labels) if c == label and str(given[i]) == side]
            mixed = np.random.default_rng([seed, len(rows)]).permutation(rows)
            # the first of each side comes before all seconds
            keyed += [(rank > 0, (rank + 0.5) / len(rows), int(i)) for rank, i in enumerate(mixed)]
        order[label] = [i for *_, i in sorted(keyed)]
    return order


def few_shot(labels: list[str], sides: list[str], shots: int, seed: int) -> list[int]:
    """Ascending positions kept: of each class at most `shots` images to train and at most `shots` to choose by.

    Those that judge are all kept. The images of a smaller `shots` are among those of a larger one. Who has K images has
    not hundreds more to choose by: a choice made on many is one that few shots could not have made (Perez et al. 2021,
    True few-shot learning); as many as train is the protocol of Gao et al. 2021 (LM-BFF, section 3).
    """
    kept = [i for i, side in enumerate(sides) if side == "test"]
    for label in sorted(set(labels)):
        for side in ("train", "val"):
            rows = [i for i, c in enumerate(labels) if c == label and sides[i] == side]
            kept += [int(i) for i in np.random.default_rng([seed, len(rows)]).permutation(rows)[:shots]]
    return sorted(kept)
