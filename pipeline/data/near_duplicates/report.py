"""Which images of a source overlap others, and what that means for its split."""

from __future__ import annotations

import csv
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base import symmetry
from pipeline.base.files import whole
from pipeline.base.job import progress
from pipeline.data.near_duplicates import correlate, groups
from pipeline.data.near_duplicates.correlate import Pair
from pipeline.data.near_duplicates.pair_cache import remembered
from pipeline.data.preparing.scan import Facts
from pipeline.data.reading.source import VORONOI
from pipeline.settings import Dataset

LARGEST = 10_000  # images that `auto` compares
PAIR_SECONDS = 4e-5  # on one core; for the estimate a user reads
COLUMNS = ("file", "other", "rows", "cols", "view", "correlation", "split", "other_split")


class Overlaps(NamedTuple):
    """What was found among the images of a source; positions are theirs."""

    pairs: list[Pair]
    """Shifts in source pixels."""
    copies: list[tuple[int, int]]
    """Exact ones, which may be among the pairs too."""
    skipped: str | None
    """Why no pairs were looked for."""

    @property
    def links(self) -> list[tuple[int, int]]:
        return sorted({*self.copies, *((pair.first, pair.second) for pair in self.pairs)})


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
            minutes = count**2 / 2 * PAIR_SECONDS / 60
            return (
                f"near-duplicates were NOT looked for among {count} images, more than {LARGEST}: it would take about "
                f"{minutes:.0f} minutes on one core (split.near_duplicates: on); without, overlapping images may stand "
                "on both sides of the split"
            )
    return None


def find(facts: list[Facts], skipped: str | None, workers: int, earlier: Path | None = None) -> Overlaps:
    """Compare all images of one size with one another; images of different sizes are not compared.

    Args:
        workers: threads.
        earlier: folder of the pairs that jobs before this one found, see `pairs.remembered`; None has none.
    """
    copies = groups.copies([fact.digest for fact in facts])
    if skipped:
        return Overlaps([], copies, skipped)
    sizes: dict[tuple[int, int], list[int]] = {}
    for i, fact in enumerate(facts):
        sizes.setdefault(fact.shape, []).append(i)
    sizes = {shape: rows for shape, rows in sizes.items() if len(rows) > 1}
    pairs = []
    with progress("comparing", sum(len(rows) * (len(rows) - 1) // 2 for rows in sizes.values()), "pair") as bar:
        for shape, rows in sizes.items():
            k = correlate.factor(shape, correlate.DETAIL)
            images = np.stack([_details(facts[i]) for i in rows])
            for pair in remembered(earlier, images, partial(correlate.find, images, workers, bar.update)):
                first, second = rows[pair.first], rows[pair.second]
                pairs.append(Pair(first, second, k * pair.rows, k * pair.cols, pair.correlation, pair.view))
    return Overlaps(sorted(pairs), copies, None)


def _details(facts: Facts) -> NDArray[np.int8]:
    assert facts.details is not None  # taken where near-duplicates are looked for
    return facts.details


def crossing(sources: Sources, found: Overlaps) -> list[tuple[int, int]]:
    """Linked images of which one trains and the other does not."""
    sides = sources.sides
    return [(i, j) for i, j in found.links if sides[i] and sides[j] and (sides[i] == "train") != (sides[j] == "train")]


def summary(sources: Sources, found: Overlaps) -> dict[str, Any] | None:
    """For `meta.json`; None where nothing was looked for. Shares are of the test images, null without any."""
    if found.skipped:
        return None
    return {
        "images": len({i for link in found.links for i in link}),
        "of": len(sources.names),
        "pairs": len(found.links),
        "crossing": len(crossing(sources, found)),
        "leak": groups.leaked(sources.sides, found.links),
        "leak_at_random": groups.leaked_at_random(sources.sides, sources.labels, found.links),
    }


def notes(sources: Sources, found: Overlaps) -> list[str]:
    """One line a fact, for a person."""
    lines = [f"{len(found.copies)} image(s) are exact copies of others"] if found.copies else []
    counts, across = summary(sources, found), crossing(sources, found)
    if counts is None:
        lines.append(str(found.skipped))
    elif not counts["pairs"]:
        lines.append("no two images of one size overlap")
    else:
        kept = "" if across else "; they stay on one side of the split"
        lines.append(
            f"{counts['images']} of {counts['of']} images overlap another ({counts['pairs']} pairs, in "
            f"near_duplicates.csv){kept}{_leak(counts)}"
        )
    if across:
        names = "; ".join(f"{sources.names[i]} and {sources.names[j]}" for i, j in across[:3])
        lines.append(
            f"WARNING: the given split has {len(across)} overlapping pair(s) across its sides, so its test images "
            f"are not new to the generators: {names}{'; ...' if len(across) > 3 else ''}"
        )
    return lines


def _leak(counts: dict[str, Any]) -> str:
    if counts["leak"] is None:
        return ""
    random, own = (f"{counts[key]:.0%}" for key in ("leak_at_random", "leak"))
    return f". Test images with such a partner in training: {own} here, {random} in a random split"


def write(path: Path, sources: Sources, found: Overlaps) -> None:
    """The pairs as a table; only its head where there are none.

    Pixel (r, c) of `other`, seen in `view`, shows what pixel (r + rows, c + cols) of `file` does; in source pixels.
    """
    with whole(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for pair in found.pairs:
            i, j = pair.first, pair.second
            shift = [pair.rows, pair.cols, list(symmetry.VIEWS)[pair.view], f"{pair.correlation:.3f}"]
            table.writerow([sources.names[i], sources.names[j], *shift, sources.sides[i], sources.sides[j]])
