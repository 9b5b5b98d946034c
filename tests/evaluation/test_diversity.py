"""Pairs of images whose likeness is measured: independent, each image about equally often; and how sure it is."""

import numpy as np

from pipeline.evaluation.diversity import draw_pairs
from pipeline.metrics.intervals import likeness, symmetric


def test_pairs_are_of_one_class_and_of_different_groups_and_no_pair_comes_twice():
    labels, groups = np.array(list("aaaaaaaabbbbbb")), np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 5, 6, 7, 8, 8])
    pairs = draw_pairs(labels, groups, {"a": 99, "b": 3}, np.random.default_rng(0))
    assert (labels[pairs[:, 0]] == labels[pairs[:, 1]]).all()
    assert (groups[pairs[:, 0]] != groups[pairs[:, 1]]).all()
    assert len(np.unique(np.sort(pairs, axis=1), axis=0)) == len(pairs)
    counts = [int((labels[pairs[:, 0]] == label).sum()) for label in "ab"]
    assert counts == [8 * 7 // 2 - 3 - 1, 3]  # all but those of one group; the quota


def test_of_many_images_none_is_in_two_pairs_and_of_few_all_are_in_as_many():
    rng = np.random.default_rng(0)
    for n, count, least, most in ((1000, 200, 0, 1), (40, 200, 10, 10), (41, 200, 9, 10)):
        pairs = draw_pairs(np.array(["a"] * n), np.arange(n), {"a": count}, rng)
        used = np.bincount(pairs.ravel(), minlength=n)
        assert (used.sum(), used.min(), used.max()) == (2 * count, least, most)


def likeness_of(n, members, rng, h):
    groups, labels = np.arange(n) // members, np.array(["a"] * n)
    z = 0.8 * rng.standard_normal((n, 3))[groups] + 0.6 * rng.standard_normal((n, 3))
    pairs = draw_pairs(labels, groups, {"a": 200}, rng)
    return symmetric(likeness(h(z[pairs[:, 0]], z[pairs[:, 1]]), pairs, groups, labels, {"a": 1.0}))


def test_intervals_of_likeness_cover_with_twelve_images_and_with_groups_and_equal_sets_are_not_apart():
    """The worst cells: 12 images, 66 pairs; 30 images of 10 groups. Of 400 sets each, half against half, at least 92 %
    less three standard errors of 1.4; pairs drawn as if independent covered in 33 % and parted 56 %."""
    rng = np.random.default_rng(0)

    def h(a, b):
        return np.exp(-np.square(a - b).sum(axis=1) / 4)

    for n, members in ((12, 1), (30, 3)):
        found = np.array([likeness_of(n, members, rng, h) for _ in range(400)])
        truth = found[:, 0].mean()
        assert np.mean((found[:, 1] <= truth) & (truth <= found[:, 2])) > 0.92 - 3 * 0.014
        one, other = found[:200], found[200:]
        assert np.mean((one[:, 1] > other[:, 2]) | (other[:, 1] > one[:, 2])) < 0.05
