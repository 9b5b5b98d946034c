"""Which images must stay on one side of the split: groups, joined where they hold the same scene."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

RANDOM_SPLITS = 100  # drawn to say what a split that knows no groups would leak


def joined(groups: list[str], links: Iterable[tuple[int, int]]) -> list[str]:
    """The group of each image, with the groups of linked images (positions) made one, under the name of its first."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while parent.setdefault(group, group) != group:
            parent[group] = parent[parent[group]]  # halves the way for the next
            group = parent[group]
        return group

    rank = {group: i for i, group in reversed(list(enumerate(groups)))}
    for first, second in links:
        low, high = sorted((root(groups[first]), root(groups[second])), key=rank.__getitem__)
        parent[high] = low
    return [root(group) for group in groups]


def copies(digests: list[bytes]) -> list[tuple[int, int]]:
    """Each image that equals an earlier one, as (the first of its kind, it)."""
    first: dict[bytes, int] = {}
    found = ((first.setdefault(digest, i), i) for i, digest in enumerate(digests))
    return [(one, other) for one, other in found if one != other]


def leaked(sides: list[str], links: list[tuple[int, int]]) -> float | None:
    """Share of the test images that are linked to a training image; None without test images."""
    test = sides.count("test")
    return len(met(sides, links)) / test if test else None


def met(sides: list[str], links: list[tuple[int, int]]) -> set[int]:
    """The test images that are linked to a training image."""
    return {i for pair in links for i, j in (pair, pair[::-1]) if (sides[i], sides[j]) == ("test", "train")}


def leaked_at_random(sides: list[str], labels: list[str], links: list[tuple[int, int]]) -> float | None:
    """What `leaked` is on average where each class's sides are dealt out anew, image by image."""
    rng = np.random.default_rng(0)
    dealt, classes = np.array(sides), np.unique(labels, return_inverse=True)[1]
    if "test" not in sides:
        return None
    trains, tests = dealt == "train", dealt == "test"
    of_class = np.split(np.argsort(classes, kind="stable"), np.cumsum(np.bincount(classes))[:-1])
    ends = np.array(links, np.int64).reshape(-1, 2)
    first, second = np.concatenate([ends, ends[:, ::-1]]).T
    order, shares = np.arange(len(sides)), []
    for _ in range(RANDOM_SPLITS):
        for rows in of_class:
            order[rows] = rng.permutation(order[rows])
        train, test = trains[order], tests[order]
        shares.append(len(np.unique(first[test[first] & train[second]])) / tests.sum())
    return float(np.mean(shares))
