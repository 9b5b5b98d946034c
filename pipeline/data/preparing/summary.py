"""What a person should know of a prepared set, in lines for the console and the preview."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter

import numpy as np
import pandas as pd

from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import scaling, split_folders, splits, tiling
from pipeline.data.preparing.labels import loose
from pipeline.data.preparing.scan import Facts, Plan
from pipeline.settings import Dataset

DEEPER = 6  # folders listed that tell no class
MANY = 0.5  # share of the images with an information bar from which a crop is suggested
NEARLY_ALL = 0.9  # share of images of two values from which the set is of such images, not one with masks among them
PIECES = {"train": "train", "val": "choose", "test": "judge"}  # sides of the split, and what they do
SHOWN = {
    "resize": "of each the largest centred part of the shape of `size`, resampled",
    "pad": "each brought to the shape of `size` by a rim, and resampled",
    "stretch": "each brought to the shape of `size` by distortion",
}
DIM = 0.25  # share of the range below which the use of it is reported
ONE_CLASS = {
    "filename": "Another `labels.pattern`",
    "csv": "Another `labels.class_column`",
    "hdf5": "Another data set in `hdf5.labels`",
}
STRAY_IMAGES = 0.05  # share of the images whose own brightness is not asked where a few pixels hide that of the others
BLACK = 0.02  # and below which a person sees nothing of them


def headline(images: ImageSet) -> str:
    """Numbers, size, type and classes."""
    meta = images.meta
    colour = "gray" if meta["channels"] == 1 else "RGB"
    classes = ", ".join(f"{c} {n}" for c, n in Counter(images.metadata["label"]).items())
    bits = 8 * images.images.dtype.itemsize
    return f"{len(images)} images of {meta['height']} x {meta['width']}, {colour}, {bits} bit; {classes}"


def few_shots(settings: Dataset, images: ImageSet) -> list[str]:
    """What was left of a class for a few-shot set, and which classes have less than was asked for."""
    if settings.shots is None:
        return []
    train = images.metadata[images.metadata["split"] == "train"]
    have = train.groupby("label")["source"].nunique()
    bad = [c for c in images.meta["classes"] if c != settings.good]
    fewer = ", ".join(f"{c} {have.get(c, 0)}" for c in bad if have.get(c, 0) < settings.shots)
    which = "each class" if settings.good is None else f"each class but `{settings.good}`"
    lines = [f"few shots: of {which} at most {settings.shots} source images train and as many choose"]
    return (
        [*lines, f"fewer than {settings.shots} source images to train, so all there are: {fewer}"] if fewer else lines
    )


def alike(counts: Counter[str], what: str = "classes") -> list[str]:
    """Warnings of names that differ in case, accents, blanks or signs without width alone, from how often each
    occurs."""
    found: dict[str, list[str]] = {}
    for label in counts:
        seen = "".join(letter for letter in loose(label) if unicodedata.category(letter) != "Cf")
        found.setdefault(" ".join(seen.split()), []).append(f"`{label}` ({counts[label]})")
    return [
        f"WARNING: the {what} {' and '.join(names)} differ in case, accents or blanks alone; if they are one, give "
        "them one name"
        for names in found.values()
        if len(names) > 1
    ]


def classes(settings: Dataset, images: ImageSet) -> list[str]:
    """Warnings of names that differ in case or accents alone, of those that sides of a split have, and of one class
    where folders should tell several apart."""
    counts = Counter(images.metadata["label"])
    lines = alike(counts)
    sides = [f"`{label}`" for label in split_folders.may_be_sides(counts)]
    if settings.labels.rule == "folder" and sides and not settings.split.column:
        lines.append(
            f"WARNING: the classes {', '.join(sides)} are called as sides of a split, and are none to this run: other "
            "folders lie beside them, or no `train` does. Point `source` to a folder that holds `train`, `val` and "
            "`test` alone, with folders of the classes in them"
        )
    if settings.labels.rule == "folder" and (deeper := _deeper(images.metadata)):
        listed = ", ".join(f"`{name}`" for name in deeper[:DEEPER]) + (", ..." if len(deeper) > DEEPER else "")
        lines.append(
            f"WARNING: the folders of the classes hold several folders each ({listed}), which tell no class; if they "
            "should, point `source` to them, as a list, or take the class from the path: `labels: {rule: filename, "
            "pattern: '([^/]+)/[^/]+$'}`"
        )
    if settings.labels.rule == "folder" and len(counts) == 1:
        lines.append(
            f"WARNING: `labels.rule: folder` finds one class, `{next(iter(counts))}`: nothing can be told apart. Point "
            "`source` to the folder that holds one folder a class, or `hdf5.images` to the group of an HDF5 file that "
            "holds one group a class; where names or a table tell the classes, use `labels.rule: filename` or `csv`; "
            "where there are none, `none`"
        )
    elif settings.labels.rule in ONE_CLASS and settings.labels.classes is None and len(counts) == 1:
        lines.append(
            f"WARNING: `labels.rule: {settings.labels.rule}` finds one class, `{next(iter(counts))}`: nothing can be "
            f"told apart. {ONE_CLASS[settings.labels.rule]} says the classes; where there are none, `labels.rule: none`"
        )
    return lines


def _deeper(table: pd.DataFrame) -> list[str]:
    """Folders below those of the classes, where each class has several; sides of a split are none."""
    found: dict[str, list[list[str]]] = {}
    for source, label in dict(zip(table["source"], table["label"], strict=True)).items():
        folders = source.split("/")[:-1]
        below = folders[folders.index(label) + 1 :] if label in folders else []
        found.setdefault(label, []).append([name for name in below if split_folders.side_of(name) is None])
    first = [dict.fromkeys(_first_apart(paths)) for paths in found.values()]
    return list(dict.fromkeys(name for names in first for name in names)) if all(len(n) > 1 for n in first) else []


def _first_apart(paths: list[list[str]]) -> list[str]:
    """Of each path the first folder that not all have, of those that have one."""
    same = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False))
    common = sum(1 for _ in same)
    return [path[common] for path in paths if len(path) > common]


def regions(settings: Dataset, table: pd.DataFrame, tiles: int) -> list[str]:
    """How many independent pieces `split.by: region` or `slices` leaves, and what it costs.

    Args:
        table: of the image set.
        tiles: of all its pictures.
    """
    if settings.split.by == "source":
        return []
    counts = table.groupby("split")["group"].nunique()
    thing = "picture" if settings.split.by == "region" else "stack"
    pieces = ", ".join(f"{counts[side]} to {does}" for side, does in PIECES.items() if side in counts)
    return [
        f"split by {settings.split.by}: {table['group'].nunique()} independent pieces ({pieces}); {tiles - len(table)} "
        f"of {tiles} images lie in the gaps between them and are left out. Pieces of one {thing} share its specimen "
        "and its microscope: numbers on them say nothing about other specimens"
    ]


def divided_groups(groups: list[str], sides: list[str]) -> list[str]:
    """A warning where images of one group are on several sides, as only a split of the user's own can have them."""
    divided = splits.divided(groups, sides)
    if not divided:
        return []
    group, several = next(iter(divided.items()))
    return [
        f"WARNING: the given split divides {len(divided)} group(s), so its sides are not independent of one "
        f"another: images of `{group}` are on {' and '.join(sorted(several))}"
    ]


def judged_by_one(table: pd.DataFrame) -> list[str]:
    """A warning where one group alone judges a class; `table` as of an image set."""
    found = splits.judged_by_one(*(table[column].tolist() for column in ("label", "group", "split")))
    if not found:
        return []
    which = ", ".join(f"`{label}`" for label in found[:4]) + (", ..." if len(found) > 4 else "")
    return [
        f"WARNING: the test images of {len(found)} class(es) are of one group each ({which}), one source or scene or a "
        "single image: "
        "numbers on them say nothing about others; more sources, or a larger `split.test`, hold out several"
    ]


def describe(settings: Dataset, facts: list[Facts], plan: Plan, rejected: int) -> list[str]:
    """One line a fact; only what is so of this set."""
    depth_rule = f"the full range of each stands for that of {plan.dtype}, stored as {plan.stored}"
    lines = [
        f"{rejected} rejected" if rejected else "none rejected",
        _mixed("sizes", Counter(f"{f.shape[0]} x {f.shape[1]}" for f in facts), _size_rule(settings)),
        _mixed("depths", Counter(_depth(f) for f in facts), depth_rule),
        _colours(settings, facts, plan),
        f"scaling `{settings.scaling.rule}`: {_scaled(settings, plan)}",
        _dim(settings, facts, plan),
        _enlarged(settings, facts),
        _unread_pages(settings, facts),
        _unread_channels(settings, facts),
        _channels(settings, facts),
        _like_masks(facts),
        _bar(settings, facts),
    ]
    return [line for line in lines if line]


def noticed(settings: Dataset, facts: list[Facts], plan: Plan) -> list[str]:
    """What of it the report repeats: what a person would set otherwise."""
    lines = _dim(settings, facts, plan), _channels(settings, facts), _like_masks(facts), _bar(settings, facts)
    return [line for line in lines if line]


def _mixed(what: str, counts: Counter, rule: str) -> str:
    listed = ", ".join(f"{value} ({n})" for value, n in counts.most_common(4)) + (", ..." if len(counts) > 4 else "")
    return f"sources of {what[:-1]} {next(iter(counts))}" if len(counts) == 1 else f"mixed {what}: {listed}: {rule}"


def _size_rule(settings: Dataset) -> str:
    if settings.fit == "tile":
        return "each cut into tiles of {} x {} source pixels".format(*tiling.tile_extent(settings))
    return SHOWN[settings.fit]


def _depth(facts: Facts) -> str:
    kind = np.dtype(facts.dtype)
    narrow = facts.bits is not None and facts.bits < 8 * kind.itemsize
    return f"{facts.bits}-bit {facts.dtype}" if narrow else facts.dtype


def _colours(settings: Dataset, facts: list[Facts], plan: Plan) -> str | None:
    coloured = [f for f in facts if f.colour]
    as_what = "gray" if plan.channels == 1 else "RGB"
    if coloured and len(coloured) < len(facts):
        first = coloured[0].header.source
        return f"{len(coloured)} of {len(facts)} show colour (first: {first}): all stored as {as_what} (channels)"
    stored_rgb = sum(f.header.shape[2] == 3 for f in facts)
    if stored_rgb and not coloured:
        return f"{stored_rgb} of {len(facts)} are RGB without colour: stored as {as_what}"
    return None


def _scaled(settings: Dataset, plan: Plan) -> str:
    if settings.scaling.rule == "image_percentile":
        return "each image by its own percentiles (columns low and high of metadata.csv)"
    return f"source values {plan.low:g} to {plan.high:g} become 0 to {np.iinfo(plan.stored).max}"


def _dim(settings: Dataset, facts: list[Facts], plan: Plan) -> str | None:
    if settings.scaling.rule not in ("dtype", "fixed"):
        return None
    ends = np.array([_on_scale(f, plan, (f.low, f.high)) for f in facts])
    low, high, what = ends.min(), ends.max(), "the images use"
    if (used := _used(plan, low, high)) >= DIM and np.dtype(plan.dtype).itemsize > 1:
        ends = np.array([_on_scale(f, plan, f.bulk) for f in facts])
        low, high = np.quantile(ends[:, 0], STRAY_IMAGES), np.quantile(ends[:, 1], 1 - STRAY_IMAGES)
        used, what = _used(plan, low, high), "all but a few pixels, hot ones for example, use"
    if used >= DIM:
        return None
    text = f"{what} {used:.1%} of this range ({low:g} to {high:g}): `percentile` or `fixed` keeps more contrast"
    return text if used >= BLACK else f"WARNING: {text}; as they are they look all of one gray"


def _on_scale(facts: Facts, plan: Plan, values: tuple[float, float]) -> list[float]:
    """Source values of an image on the scale of the set's type."""
    return [scaling.converted(v, scaling.type_range(facts.dtype, facts.bits), plan.full) for v in values]


def _used(plan: Plan, low: float, high: float) -> float:
    return (min(high, plan.high) - max(low, plan.low)) / (plan.high - plan.low)


def _enlarged(settings: Dataset, facts: list[Facts]) -> str | None:
    high, wide = settings.shape
    small = sum(box.height < high or box.width < wide for f in facts for box in f.boxes[:1])
    return f"{small} image(s) are smaller than size ({settings.size}) and were enlarged" if small else None


def _channels(settings: Dataset, facts: list[Facts]) -> str | None:
    if settings.pages != "all":
        return None
    several = {f.header.path: f.header for f in facts if f.header.scene > 1}
    if not several:
        return None
    first = next(iter(several.values()))
    return (
        f"WARNING: the pages of {len(several)} file(s) are {first.scene} channels of one scene (the first is "
        f"{first.source}), and each that is read is an image of its own: `pages` chooses one of them"
    )


def _unread_pages(settings: Dataset, facts: list[Facts]) -> str | None:
    several = [f.header.pages for f in facts if f.header.pages > 1 and f.header.scene == 1]
    if settings.pages == "all" or not several:
        return None
    left = sum(several) - len(several)
    rule = f"`pages: {settings.pages}`; `all` reads them"
    return f"{len(several)} file(s) of several pages: {left} pages are not read ({rule})"


def _unread_channels(settings: Dataset, facts: list[Facts]) -> str | None:
    several = Counter(f.header.scene for f in facts if f.header.scene > 1)
    if settings.pages == "all" or not several:
        return None
    counts = ", ".join(map(str, sorted(several)))
    return (
        f"{several.total()} file(s) of several channels ({counts}): one page of each is read, now number "
        f"{settings.pages} counted from 0; `pages` chooses another"
    )


def _like_masks(facts: list[Facts]) -> str | None:
    found = [f.header.source for f in facts if f.two_values]
    if not 0 < len(found) < NEARLY_ALL * len(facts):
        return None
    return (
        f"WARNING: {len(found)} of {len(facts)} images are of two values, and look like masks, yet are taken for "
        f"photographs ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''}). Masks are left out where each is "
        "called as its image with `_mask` behind, or lies in a folder `masks`; else take them out of the source"
    )


def _bar(settings: Dataset, facts: list[Facts]) -> str | None:
    bars = [f for f in facts if f.bar]
    if len(bars) < MANY * len(facts):
        return None
    already = [f.shape[0] - tiling.cropped_height(settings, f.shape[0]) for f in bars]
    rows = [f.bar + cut for f, cut in zip(bars, already, strict=True)]
    if len({f.shape[0] for f in bars}) == 1:
        suggestion = str(max(rows))
    else:
        suggestion = f"{max(row / f.shape[0] for row, f in zip(rows, bars, strict=True)) + 0.0005:.3f}"
    return f"{len(bars)} of {len(facts)} seem to have an information bar at the bottom: set `crop_bottom: {suggestion}`"
