"""Divides images into those that train, choose and judge; groups stay whole, but where a given split divides them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from pipeline.settings import FewShots, Split, UserError

DOMINANT = 1 / 8  # of a class's images on a side, of more than which no group is taken where others could be


def assign(
    labels: list[str], groups: list[str], given: list[str | None], settings: Split, good: str | None = None
) -> list[str]:
    """The split of each image: `train`, `val` or `test`.

    A side that `given` names (for any image) is taken as given; the others are drawn from what is `train` or not
    given, group by group in seeded order, until each class has its share as nearly as whole groups allow; groups that
    are much of a class's share come last, so that others judge where they can.

    Raises:
        UserError: a class is left without an image to train or, where any are held out, to judge. Where one is `good`,
            the others need none to train.
    """
    result = ["train" if side is None else side for side in given]
    for side, share in (("test", settings.test), ("val", settings.val)):
        if side not in given and share > 0:
            for i in _drawn(labels, groups, result, share, settings.seed, at_least_one=side == "test"):
                result[i] = side
    check(labels, groups, result, settings, good)
    return result


def by_region(tiles: list[tuple[int, int]], length: int, gap: int, settings: Split, flipped: bool) -> list[str | None]:
    """The side of each tile of a picture, or slice of a stack, None for those in the gaps: regions along one axis,
    first what trains, then what chooses and what judges, with a gap between each two.

    Args:
        tiles: start and end of each along the axis, in pixels or slices, all of one width.
        length: of the axis.
        gap: its width.
        flipped: begin at the other end.

    Raises:
        UserError: the axis is too short for a tile in each region.
    """
    side = tiles[0][1] - tiles[0][0]
    starts = sorted({start for start, _ in tiles})
    least = side + max((b - a for a, b in pairwise(starts)), default=0)  # holds a tile for certain
    shares = {"test": settings.test, "val": settings.val}
    held = [name for name in ("val", "test") if shares[name] > 0]
    left = length - gap * len(held)
    sizes = {}
    for name in reversed(held):
        sizes[name] = max(round(shares[name] * left), least)
        left -= sizes[name]
    if left < least:
        needed = least * (1 + len(held)) + gap * len(held)
        if settings.by == "slices":
            raise UserError(
                f"split.by: a stack of {length} slices is too short for {1 + len(held)} sides with gaps of {gap}, it "
                f"needs {needed}; a smaller `split.gap`, or whole stacks (`split.by: source`)"
            )
        raise UserError(
            f"split.by: a picture of {length} pixels along its longer side is too short for regions of tiles of {side} "
            f"with gaps between them, it needs {needed}; smaller tiles (tile_source), or whole pictures "
            "(`split.by: source`)"
        )
    result: list[str | None] = [None] * len(tiles)
    first = 0
    for name, size in {"train": left, **{name: sizes[name] for name in held}}.items():
        for i, (start, end) in enumerate(tiles):
            start, end = (length - end, length - start) if flipped else (start, end)
            if start >= first and end <= first + size:
                result[i] = name
        first += size + gap
    return result


def divided(groups: list[str], sides: list[str]) -> dict[str, set[str]]:
    """The groups with images on several sides, and these sides: only a given split has any."""
    found: dict[str, set[str]] = {}
    for group, side in zip(groups, sides, strict=True):
        found.setdefault(group, set()).add(side)
    return {group: several for group, several in found.items() if len(several) > 1}


def judged_by_one(labels: list[str], groups: list[str], sides: list[str]) -> list[str]:
    """The classes whose judging images are of one group: a single image is."""
    found: dict[str, list[str]] = {}
    for label, group, side in zip(labels, groups, sides, strict=True):
        if side == "test":
            found.setdefault(label, []).append(group)
    return sorted(label for label, own in found.items() if len(set(own)) == 1)


def _drawn(
    labels: list[str], groups: list[str], sides: list[str], share: float, seed: int, at_least_one: bool
) -> list[int]:
    """Positions of the images to hold out of `train`."""
    fixed = {groups[i] for i, side in enumerate(sides) if side != "train"}
    members = _members(groups, [i for i, side in enumerate(sides) if side == "train" and groups[i] not in fixed])
    there = Counter(labels[i] for i, side in enumerate(sides) if side == "train")
    wanted = {c: max(round(share * n), 1 if at_least_one else 0) for c, n in there.items()}
    taken: list[str] = []
    have: Counter[str] = Counter()
    for group in _order(labels, members, wanted, seed):
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


def check(labels: list[str], groups: list[str], sides: list[str], settings: Split, good: str | None = None) -> None:
    """Raises UserError where a class is left without an image to train or, where any are held out, to judge."""
    needed = ["train", "test"] if settings.test > 0 or "test" in sides else ["train"]
    for label in sorted(set(labels)):
        rows = [i for i, c in enumerate(labels) if c == label]
        for side in needed if good in (None, label) else needed[1:]:
            if not any(sides[i] == side for i in rows):
                sources = len({groups[i] for i in rows})
                raise UserError(
                    f"class `{label}`: {len(rows)} image(s) of {sources} group(s) leave none to {side}; at least one "
                    "group to train and one to test are needed"
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


def few_shot(
    labels: list[str], groups: list[str], sides: list[str], few: FewShots, seed: int, good: str | None = None
) -> dict[int, str]:
    """The side of each image of a few-shot set, by its position, ascending; the others are left out.

    Of each class at most `few.shots` images train and at most as many choose. The images of a smaller number are among
    those of a larger one. Who has K images has not hundreds more to choose by: a choice made on many is one that few
    shots could not have made (Perez et al. 2021, True few-shot learning); as many as train is the protocol of Gao et
    al. 2021 (LM-BFF, section 3).

    Before that, groups are held back for the positive control: `few.control` images a class, but at most half of those
    that the largest set of the family (`few.most`) has no need of. Of what that set leaves over, the rest judges with
    those that do anyway: labelled images are dear, and many judge better than few. A group that would have a class's
    verdict to itself is left out (`DOMINANT`). So all sets of a family are judged by the same images. Where one of them
    has all images (`few.most` is None), nothing is left over.

    Of several draws (`few.draws`) each has images of its own, as many of a class as there are for each, and no group
    of shots is in two of them; what judges is what none of them needs.

    Images of the class `good` are no shots: all of them train or choose, in groups that are not held back.
    """
    control = _control(labels, groups, sides, few, seed, good)
    found = {i: side for i, side in enumerate(sides) if side == "test"} | dict.fromkeys(control, "control")
    used = {groups[i] for i in found}
    owners: dict[str, int] = {}
    for label in sorted(set(labels)):
        for side in ("train", "val"):
            rows = [i for i, c in enumerate(labels) if c == label and sides[i] == side and i not in found]
            order = [int(i) for i in np.random.default_rng([seed, len(rows)]).permutation(rows)]
            drawn = [order] if label == good else _apart(order, groups, owners, few)
            shots = None if label == good else few.shots
            found |= dict.fromkeys(drawn[0 if label == good else few.draw - 1][:shots], side)
            used |= {groups[i] for one in drawn for i in one}
    left = _members(groups, [i for i, g in enumerate(groups) if g not in used and few.most is not None])
    judged = Counter(labels[i] for i, side in found.items() if side == "test")
    judged += Counter(labels[i] for rows in left.values() for i in rows)
    for rows in left.values():
        if all(n <= DOMINANT * judged[label] for label, n in Counter(labels[i] for i in rows).items()):
            found |= dict.fromkeys(rows, "test")
    return dict(sorted(found.items()))


def _apart(order: list[int], groups: list[str], owners: dict[str, int], few: FewShots) -> list[list[int]]:
    """The images that each draw may take of one class and side: as many as the largest set of the family wants, where
    there are so many for each draw; no group in two of them. `owners`, the draw of each group, grows."""
    if few.most is None and few.draws == 1:
        return [order]
    quota = len(order) // few.draws
    quota = quota if few.most is None else min(few.most, quota)
    drawn: list[list[int]] = [[] for _ in range(few.draws)]
    for i in order:
        owner = owners.get(groups[i], min(range(few.draws), key=lambda d: len(drawn[d])))
        if len(drawn[owner]) < quota:
            owners[groups[i]] = owner
            drawn[owner].append(i)
    return drawn


def _control(
    labels: list[str], groups: list[str], sides: list[str], few: FewShots, seed: int, good: str | None
) -> list[int]:
    """Positions held back for the positive control, of whole groups of those that train, small ones first."""
    if few.most is None:
        return []
    fixed = {group for group, side in zip(groups, sides, strict=True) if side != "train"}
    left = _members(groups, [i for i, group in enumerate(groups) if group not in fixed])
    there = Counter(labels[i] for rows in left.values() for i in rows)
    most = {label: min(few.control, max(n - few.most * few.draws, 0) // 2) for label, n in there.items()}
    if good is not None:  # a group with bad images may well have many good ones
        most[good] = there[good] // 2 if few.control else 0
    have: Counter[str] = Counter()
    taken: list[int] = []
    for group in _order(labels, left, most, seed):
        its = Counter(labels[i] for i in left[group])
        if all(have[label] + n <= most[label] for label, n in its.items()):
            have.update(its)
            taken += left[group]
    return sorted(taken)


def _members(groups: list[str], rows: list[int]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for i in rows:
        members.setdefault(groups[i], []).append(i)
    return members


def _order(labels: list[str], members: dict[str, list[int]], wanted: Mapping[str, int], seed: int) -> list[str]:
    """Groups in seeded order; those that alone would be much of what is wanted of a class come last."""
    names = sorted(members)
    mixed = [names[i] for i in np.random.default_rng([seed, len(names)]).permutation(len(names))]

    def dominant(group: str) -> bool:
        return any(n > DOMINANT * wanted[c] for c, n in Counter(labels[i] for i in members[group]).items())

    return sorted(mixed, key=dominant)
