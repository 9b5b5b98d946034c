"""Which images of a source overlap others, and what that means for its split."""

from __future__ import annotations

import csv
import math
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.base.files import whole
from pipeline.base.job import progress
from pipeline.data.near_duplicates import groups, search
from pipeline.data.near_duplicates.pair_cache import remembered
from pipeline.data.near_duplicates.placement import Placement
from pipeline.data.near_duplicates.search import Found
from pipeline.data.preparing.scan import Facts
from pipeline.data.reading.source import VORONOI
from pipeline.settings import Dataset

LARGEST = 100_000  # images that `auto` compares
IMAGE_SECONDS = 0.04  # on one core, for sets of more; for the estimate a user reads
COLUMNS = (
    "file", "other", "rows", "cols", "turn", "zoom", "mirrored", "windows", "agreeing", "height", "split", "other_split"
)  # fmt: skip
NOT_FOUND = (
    "copies zoomed by more than 2 (of all of a picture by more than about 3), many of those that are stretched in one "
    "direction, negatives, crops that share less than about 15 % (of images of 64 pixels less than about 60 %), "
    "smaller images or ones almost without details, one part in another pose or lit from another side"
)


class Overlaps(NamedTuple):
    """What was found among the images of a source; positions are theirs."""

    found: Found
    copies: list[tuple[int, int]]
    """Exact ones, which may be among the pairs too."""
    skipped: str | None
    """Why no pairs were looked for."""

    @property
    def links(self) -> list[tuple[int, int]]:
        return sorted({*self.copies, *((pair.first, pair.second) for pair in self.found.pairs)})


class Sources(NamedTuple):
    """Of each image of the source: name, class, split (empty where it is not in the set)."""

    names: list[str]
    labels: list[str]
    sides: list[str]


def reason_to_skip(settings: Dataset, labels: list[str]) -> str | None:
    """Why near-duplicates among images of these classes are not looked for; None where they are."""
    count = sum(min(n, settings.limit or n) for n in Counter(labels).values())
    match settings.split.near_duplicates:
        case "off":
            return "near-duplicates were not looked for (split.near_duplicates: off)"
        case "auto" if settings.source == VORONOI:
            return "drawn images were not searched for near-duplicates"
        case "auto" if count > LARGEST:
            minutes = count * IMAGE_SECONDS / 60
            return (
                f"near-duplicates were NOT looked for among {count} images, more than {LARGEST}: it would take about "
                f"{minutes:.0f} minutes on one core (split.near_duplicates: on); without, overlapping images may stand "
                "on both sides of the split"
            )
    return None


def find(facts: list[Facts], skipped: str | None, workers: int, earlier: Path | None = None) -> Overlaps:
    """Compare all images with one another.

    Args:
        workers: threads.
        earlier: folder of the pairs that jobs before this one found, see `pair_cache.remembered`; None has none.
    """
    copies = groups.copies([fact.digest for fact in facts])
    if skipped:
        return Overlaps(Found([], 0, 0), copies, skipped)
    images = [fact.traits for fact in facts if fact.traits is not None]
    assert len(images) == len(facts)  # taken where near-duplicates are looked for
    with progress("comparing", search.to_correlate(images), "pair") as bar:
        return Overlaps(remembered(earlier, images, partial(search.find, images, workers, bar.update)), copies, None)


def crossing(sources: Sources, found: Overlaps) -> list[tuple[int, int]]:
    """Linked images of which one trains and the other does not."""
    sides = sources.sides
    return [(i, j) for i, j in found.links if sides[i] and sides[j] and (sides[i] == "train") != (sides[j] == "train")]


def summary(sources: Sources, found: Overlaps) -> dict[str, Any] | None:
    """For `meta.json`; None where nothing was looked for. Shares are of the test images, null without any; `leaked` are
    the names of those with a partner in training, which only a given split has."""
    if found.skipped:
        return None
    return {
        "images": len({i for link in found.links for i in link}),
        "of": len(sources.names),
        "pairs": len(found.links),
        "crossing": len(crossing(sources, found)),
        "leaked": sorted(sources.names[i] for i in groups.met(sources.sides, found.links)),
        "leak": groups.leaked(sources.sides, found.links),
        "leak_at_random": groups.leaked_at_random(sources.sides, sources.labels, found.links),
        "compared": compared(len(sources.names), found.found),
    }


def notes(sources: Sources, found: Overlaps) -> list[str]:
    """One line a fact, for a person."""
    lines = [f"{len(found.copies)} image(s) are exact copies of others"] if found.copies else []
    odd = [(i, j) for i, j in found.copies if sources.labels[i] != sources.labels[j]]
    if odd:
        i, j = odd[0]
        lines.append(
            f"WARNING: {len(odd)} of these are of another class than what they are copies of (first: "
            f"{sources.names[j]} of {sources.names[i]}): no detector can learn both; keep one of each"
        )
    counts, across = summary(sources, found), crossing(sources, found)
    if counts is None:
        lines.append(str(found.skipped))
    elif not counts["pairs"]:
        lines += ["no two images were found to overlap", counts["compared"]]
    else:
        kept = "" if across else "; they stay on one side of the split"
        found_ones = f"{counts['images']} of {counts['of']} images overlap another ({_pairs(counts['pairs'])}"
        lines += [f"{found_ones}, in near_duplicates.csv){kept}{_leak(counts)}", counts["compared"]]
    if across:
        names = "; ".join(f"{sources.names[i]} and {sources.names[j]}" for i, j in across[:3])
        lines.append(
            f"WARNING: the given split has {len(across)} overlapping pair(s) across its sides, so its test images "
            f"are not new to the generators: {names}{'; ...' if len(across) > 3 else ''}"
        )
    return lines


def compared(images: int, found: Found) -> str:
    """What the search looked at, and what it cannot find."""
    pairs, shifts = math.comb(images, 2), ""
    if found.correlated:
        shifts = f" and {'all' if found.correlated == pairs else found.correlated} at all shifts"
    return (
        f"compared: all {pairs} pairs of images by spots in common{shifts}, {found.looked_at} in detail; "
        f"not to be found are {NOT_FOUND}"
    )


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"


def _leak(counts: dict[str, Any]) -> str:
    if counts["leak"] is None:
        return ""
    random, own = (f"{counts[key]:.0%}" for key in ("leak_at_random", "leak"))
    return f". Test images with such a partner in training: {own} here, {random} in a random split"


def write(path: Path, sources: Sources, found: Overlaps) -> None:
    """The pairs as a table; only its head where there are none.

    Pixel (r, c) of `other` shows what `file` shows at row `rows` + zoom (r cos turn - c sin turn) and column `cols` +
    zoom (r sin turn + c cos turn), with -c for c where it is `mirrored`. The evidence: `windows` that both show, the
    share of them that is `agreeing`, and the `height` of all together in standard deviations of chance; empty for exact
    copies that were told by their pixels alone.
    """
    rows = {(i, j): [*_placed(Placement(1, 0)), "", "", ""] for i, j in found.copies}
    for first, second, placement, windows, agreeing, height in found.found.pairs:
        rows[first, second] = [*_placed(placement), str(windows), f"{agreeing:.2f}", f"{height:.1f}"]
    with whole(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for (first, second), cells in sorted(rows.items()):
            names, sides = ([of[first], of[second]] for of in (sources.names, sources.sides))
            table.writerow([*names, *cells, *sides])


def _placed(placement: Placement) -> list[str]:
    a, b, mirrored = placement
    turn = math.degrees(math.atan2(a.imag, a.real))
    return [f"{b.real:.1f}", f"{b.imag:.1f}", f"{turn:.1f}", f"{abs(a):.3f}", "yes" if mirrored else "no"]
