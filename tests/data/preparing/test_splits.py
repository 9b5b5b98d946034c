"""Who trains and who judges."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from pipeline.data.preparing import splits, tiling
from pipeline.settings import FewShots, Split, UserError


def counts(labels, sides):
    return {(c, s): sum(a == (c, s) for a in zip(labels, sides, strict=True)) for c in set(labels) for s in set(sides)}


def test_single_images_are_split_in_exact_proportion():
    labels = ["a"] * 100 + ["b"] * 50
    groups = [str(i) for i in range(150)]
    sides = splits.assign(labels, groups, [None] * 150, Split(test=0.2, val=0.1))
    assert counts(labels, sides) == {
        ("a", "test"): 20, ("b", "test"): 10, ("a", "val"): 8, ("b", "val"): 4, ("a", "train"): 72, ("b", "train"): 36,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_groups_stay_whole_and_every_class_is_judged(seed):
    rng = np.random.default_rng(seed)
    groups = [str(g) for g in rng.integers(0, 25, 300)]
    labels = [str(c) for c in rng.choice(["common", "rare"], 300, p=[0.95, 0.05])]
    sides = splits.assign(labels, groups, [None] * 300, Split(seed=seed))
    for group in set(groups):
        assert len({s for s, g in zip(sides, groups, strict=True) if g == group}) == 1
    for label in ("common", "rare"):
        assert {s for s, c in zip(sides, labels, strict=True) if c == label} >= {"train", "test"}
    test = sides.count("test") / 300
    assert 0.1 < test < 0.35


def test_same_seed_same_split():
    labels, groups = ["a"] * 40, [str(i) for i in range(40)]
    first, again, other = (splits.assign(labels, groups, [None] * 40, Split(seed=s)) for s in (1, 1, 2))
    assert first == again != other


def test_given_test_images_stay_and_val_is_drawn_from_train_by_group():
    labels = ["a"] * 60
    groups = [str(i // 2) for i in range(60)]
    given = ["test" if i < 10 else "train" for i in range(60)]
    sides = splits.assign(labels, groups, given, Split(test=0.5, val=0.2))
    assert [i for i, s in enumerate(sides) if s == "test"] == list(range(10))
    assert sides.count("val") == 10
    assert all(sides[i] == sides[i + 1] for i in range(0, 60, 2))


def test_of_a_group_that_a_given_split_divides_nothing_is_held_out_to_choose_by():
    groups = [str(i // 2) for i in range(40)]
    given = ["test" if i % 2 and i < 20 else "train" for i in range(40)]  # half of each of the first ten groups
    sides = splits.assign(["a"] * 40, groups, given, Split(val=0.3))
    assert {groups[i] for i, side in enumerate(sides) if side == "val"} <= {str(k) for k in range(10, 20)}
    assert sides.count("val") == 8  # of 30 that train, whole groups


def test_of_a_group_that_a_given_split_divides_nothing_is_held_back_for_the_control():
    groups = [str(i // 2) for i in range(40)]
    sides = ["test" if i % 2 and i < 20 else "train" for i in range(40)]
    found = splits.few_shot(["a"] * 40, groups, sides, FewShots(4, 4, 10), seed=0)
    control = [i for i, side in found.items() if side == "control"]
    assert len(control) == 8  # half of the 16 of whole groups that no set needs, as those of whole groups allow
    assert min(control) >= 20


def test_a_class_that_cannot_be_judged_stops():
    with pytest.raises(UserError, match=r"class `b`: 1 image\(s\) of 1 group\(s\)"):
        splits.assign(["a", "a", "a", "b"], list("1234"), [None] * 4, Split())
    with pytest.raises(UserError, match=r"8 image\(s\) of 1 group\(s\)"):  # tiles of one source
        splits.assign(["a"] * 8, ["one"] * 8, [None] * 8, Split())


def test_two_sources_are_enough():
    sides = splits.assign(["a"] * 10, ["big"] * 9 + ["small"], [None] * 10, Split())
    assert sides == ["train"] * 9 + ["test"]


def test_few_shots_are_nested_and_leave_the_test_images_alone():
    labels = ["a", "b"] * 50
    sides = splits.assign(labels, [str(i) for i in range(100)], [None] * 100, Split())
    assert counts(labels, sides) == {
        ("a", "test"): 10, ("a", "val"): 4, ("a", "train"): 36, ("b", "test"): 10, ("b", "val"): 4, ("b", "train"): 36,
    }  # fmt: skip
    test = {i for i, s in enumerate(sides) if s == "test"}
    previous = set()
    for shots, train, val in ((1, 1, 1), (3, 3, 3), (10, 10, 4), (36, 36, 4), (50, 36, 4)):
        few = splits.few_shot(labels, list(map(str, range(100))), sides, FewShots(shots, None, 0), seed=3)
        assert list(few) == sorted(few)
        assert few == {i: sides[i] for i in few}
        kept = list(few)
        assert set(kept) >= test | previous
        own = counts([labels[i] for i in kept], [sides[i] for i in kept])
        assert {own[c, "train"] for c in "ab"} == {train}
        assert {own[c, "val"] for c in "ab"} == {val}
        previous = set(kept)


def test_good_images_are_no_shots():
    """Twelve groups of five good images and one bad: all good ones of the groups that train do so, and a bad one is
    held back for the control with its group."""
    labels, groups = ["good"] * 5 * 12 + ["bad"] * 12, [*np.repeat(range(12), 5).astype(str), *map(str, range(12))]
    sides = ["test" if int(group) < 4 else "train" for group in groups]
    few = splits.few_shot(labels, groups, sides, FewShots(2, 3, 1), seed=0, good="good")
    counts = Counter((labels[i], side) for i, side in few.items())
    assert counts == {
        ("good", "train"): 35, ("bad", "train"): 2, ("good", "test"): 20, ("bad", "test"): 4,
        ("good", "control"): 5, ("bad", "control"): 1,
    }  # fmt: skip
    by_group = {}
    for i, side in few.items():
        by_group.setdefault(groups[i], set()).add(side)
    assert all(len(found) == 1 for found in by_group.values())
    more = splits.few_shot(labels, groups, sides, FewShots(3, 3, 1), seed=0, good="good")
    assert few.items() < more.items(), "nested, and judged alike"


def test_beside_a_good_class_the_others_need_no_image_to_train():
    labels, sides = ["good"] * 4 + ["bad"] * 2, ["train", "train", "test", "test", "test", "test"]
    groups = list(map(str, range(6)))
    assert splits.assign(labels, groups, sides, Split(val=0), good="good") == sides
    for good in (None, "bad"):
        with pytest.raises(UserError, match=r"class `bad`: 2 image.s. of 2 group.s. leave none to train"):
            splits.assign(labels, groups, sides, Split(val=0), good=good)


def test_the_seed_chooses_the_shots():
    def drawn(seed):
        each = list(map(str, range(40)))
        return list(splits.few_shot(["a"] * 40, each, ["train"] * 40, FewShots(5, None, 0), seed))

    assert drawn(1) == drawn(1) != drawn(2)
    often = np.bincount(np.concatenate([drawn(seed) for seed in range(800)]))
    assert abs(often - 100).max() < 5 * (100 * 35 / 40) ** 0.5, "every image is as likely as any other"


@pytest.fixture
def scenes():
    """Of each of two classes 40 scenes of 3 images; of `b` one of 60 besides. Labels and groups."""
    groups = [f"{c}{scene}" for c in "ab" for scene in range(40) for _ in range(3)] + ["b-strip"] * 60
    return [group[0] for group in groups], groups


def test_what_no_few_shot_set_needs_is_held_back_or_judges(scenes):
    labels, groups = scenes
    sides = splits.assign(labels, groups, [None] * len(labels), Split())
    few = [splits.few_shot(labels, groups, sides, FewShots(k, 8, 20), seed=1) for k in (2, 8)]
    for k, of in zip((2, 8), few, strict=True):
        found = counts([labels[i] for i in of], list(of.values()))
        assert {found[c, side] for c in "ab" for side in ("train", "val")} == {k}
        assert [found[c, "control"] for c in "ab"] == [18, 18], "six whole scenes, at most 20 images"
        assert min(found[c, "test"] for c in "ab") > 30
        by_side = {}
        for i, side in of.items():
            by_side.setdefault(side, set()).add(groups[i])
        assert not by_side["control"] & (by_side["train"] | by_side["val"] | by_side["test"])
        assert not by_side["test"] & (by_side["train"] | by_side["val"])
    small, large = ({side: {i for i, s in of.items() if s == side} for side in of.values()} for of in few)
    assert (small["test"], small["control"]) == (large["test"], large["control"]), "the same for all of a family"
    assert small["train"] < large["train"]
    assert {i for i, side in enumerate(sides) if side == "test"} < small["test"]


def test_draws_share_no_group_and_are_judged_by_the_same_images(scenes):
    labels, groups = scenes
    sides = splits.assign(labels, groups, [None] * len(labels), Split())

    def drawn(shots, draw):
        found = splits.few_shot(labels, groups, sides, FewShots(shots, 8, 10, 3, draw), seed=1)
        return {side: {i for i, of in found.items() if of == side} for side in ("train", "val", "control", "test")}

    small, large = ([drawn(shots, draw) for draw in (1, 2, 3)] for shots in (2, 8))
    seen: list[set[str]] = []
    for one, other in zip(small, large, strict=True):
        assert (one["test"], one["control"]) == (small[0]["test"], small[0]["control"])
        assert (other["test"], other["control"]) == (small[0]["test"], small[0]["control"])
        assert one["train"] < other["train"], "nested within a draw"
        assert Counter(labels[i] for i in other["train"]) == {"a": 8, "b": 8}
        found = Counter(labels[i] for i in other["val"])
        assert found["a"] in (2, 3), "a third of the few that choose, as nearly as whole scenes allow"
        assert found["b"] in (3, 4, 5)
        assert not (other["train"] | other["val"]) & other["test"]
        seen.append({groups[i] for i in other["train"] | other["val"]})
    assert all(not one & other for k, one in enumerate(seen) for other in seen[:k])
    assert not seen[0] & {groups[i] for i in small[0]["test"]}


def test_draws_of_a_small_class_have_an_equal_part_of_it_each():
    labels, groups = ["a"] * 10, list(map(str, range(10)))
    parts = [splits.few_shot(labels, groups, ["train"] * 10, FewShots(8, 8, 0, 3, draw), seed=0) for draw in (1, 2, 3)]
    train = [{i for i, side in part.items() if side == "train"} for part in parts]
    assert [len(of) for of in train] == [3, 3, 3]
    assert len(set.union(*train)) == 9


def test_no_group_has_a_class_s_verdict_to_itself_where_others_can_judge(scenes):
    labels, groups = scenes
    for seed in range(20):
        sides = splits.assign(labels, groups, [None] * len(labels), Split(seed=seed))
        assert "test" not in {side for side, group in zip(sides, groups, strict=True) if group == "b-strip"}
        found = splits.few_shot(labels, groups, sides, FewShots(4, 4, 10), seed)
        assert all(groups[i] != "b-strip" for i, side in found.items() if side == "test")
    only = ["b"] * 63
    sides = splits.assign(only, ["strip"] * 60 + list("xyz"), [None] * 63, Split(test=0.5, val=0))
    assert sides.count("test") >= 3, "where no others can, it judges"


def test_nothing_is_held_back_where_the_largest_set_needs_all():
    labels, groups = ["a"] * 20, list(map(str, range(20)))
    sides = ["train"] * 12 + ["val"] * 2 + ["test"] * 6
    found = splits.few_shot(labels, groups, sides, FewShots(4, 12, 50), seed=0)
    assert "control" not in found.values()
    everything = splits.few_shot(labels, groups, sides, FewShots(4, None, 50), seed=0)
    assert list(everything.values()).count("test") == 6


def test_a_limit_keeps_the_proportion_of_given_sides_and_is_nested():
    labels = ["a"] * 100
    given = ["test"] * 10 + ["train"] * 90
    order = splits.drawn_order(labels, given, seed=0)["a"]
    assert sorted(order) == list(range(100))
    assert {given[i] for i in order[:2]} == {"train", "test"}
    assert sum(given[i] == "test" for i in order[:50]) in (5, 6)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("overlap", [0, 0.5])
def test_regions_are_contiguous_with_a_gap_of_a_tile(flipped, overlap):
    tiles = [(start, start + 64) for start in tiling.positions(2000, 64, overlap)]
    sides = splits.by_region(tiles, 2000, tiles[0][1] - tiles[0][0], Split(test=0.2, val=0.1), flipped)
    spans = {
        side: (min(t[0] for t, s in zip(tiles, sides, strict=True) if s == side),
               max(t[1] for t, s in zip(tiles, sides, strict=True) if s == side))
        for side in ("train", "val", "test")
    }  # fmt: skip
    order = sorted(spans, key=spans.__getitem__)
    assert order == (["test", "val", "train"] if flipped else ["train", "val", "test"])
    for one, other in pairwise(order):
        assert spans[other][0] - spans[one][1] >= 64
    for side, (start, end) in spans.items():
        inside = [s for t, s in zip(tiles, sides, strict=True) if t[0] >= start and t[1] <= end]
        assert set(inside) == {side}
    usable = 2000 - 2 * 64
    assert spans["test"][1] - spans["test"][0] == pytest.approx(0.2 * usable, abs=64)
    assert spans["train"][1] - spans["train"][0] == pytest.approx(0.72 * usable, abs=64)


def test_a_picture_too_short_for_regions_says_what_it_needs():
    tiles = [(start, start + 64) for start in tiling.positions(500, 64, 0)]
    with pytest.raises(UserError, match="a picture of 500 pixels along its longer side is too short"):
        splits.by_region(tiles, 500, 64, Split(), flipped=False)
    tiles = [(start, start + 64) for start in tiling.positions(512, 64, 0)]  # three times two tiles, and two gaps
    assert set(splits.by_region(tiles, 512, 64, Split(), flipped=False)) >= {"train", "val", "test"}


def test_classes_that_one_group_judges():
    sides = ["test"] * 6 + ["train"] * 2
    assert splits.judged_by_one(list("aabbcabc"), list("gghijxyz"), sides) == ["c"]
    assert splits.judged_by_one(list("aabbccbc"), list("gghijjyz"), sides) == ["a", "c"]
    assert splits.judged_by_one(list("aabba"), list("ghijk"), ["test", "train", "test", "test", "train"]) == ["a"]
