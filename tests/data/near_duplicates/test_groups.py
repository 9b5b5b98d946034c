"""Groups that hold one scene become one."""

import pytest

from pipeline.data.near_duplicates import groups


def test_links_join_whole_groups_over_others():
    own = ["a", "b", "b", "c", "d", "e"]
    assert groups.joined(own, [(4, 3), (2, 4)]) == ["a", "b", "b", "b", "b", "e"]
    assert groups.joined(own, []) == own
    assert groups.joined(["x", "y", "x"], [(0, 2), (1, 1)]) == ["x", "y", "x"]


def test_a_long_chain_is_one_group():
    names = [str(i) for i in range(5000)]
    assert set(groups.joined(names, [(i, i + 1) for i in reversed(range(4999))])) == {"0"}


def test_copies_point_to_the_first():
    assert groups.copies([b"1", b"2", b"1", b"3", b"2", b"1"]) == [(0, 2), (1, 4), (0, 5)]


def test_leak_by_hand():
    sides = ["test", "train", "test", "val", "test", "train", "test"]
    assert groups.leaked(sides, [(0, 1), (5, 0), (3, 2), (4, 6)]) == 1 / 4  # 0 has two partners; 2's does not train
    assert groups.leaked(["train", "train"], [(0, 1)]) is None


def test_leak_of_a_random_split_is_that_of_probability():
    n = 200
    sides = ["test"] * 40 + ["train"] * 160
    pairs = [(2 * i, 2 * i + 1) for i in range(n // 2)]
    assert groups.leaked(sides, pairs) == 0
    # The partner of a test image is one of the other 199 images, of which 160 train.
    assert groups.leaked_at_random(sides, ["a"] * n, pairs) == pytest.approx(160 / 199, abs=0.02)
    # Each class keeps its sides: here all images that are held out are of a class in which nothing trains.
    labels = ["held"] * 40 + ["learnt"] * 160
    assert groups.leaked_at_random(sides, labels, pairs) == 0
    assert groups.leaked_at_random(["train"] * 4, ["a"] * 4, [(0, 1)]) is None
