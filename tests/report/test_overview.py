"""What the page says went into a data set."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.report import overview
from pipeline.report.inputs import DatasetInputs, RunInputs


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        (["train", "train", "test", "test"], "all images of one stay on one side of the split"),
        (["train", "test", "val", "test"], "the split that was given divides 1 of them: its sides are not independent"),
    ],
)
def test_the_page_says_whether_groups_are_whole(sides, said):
    table = pd.DataFrame({"label": "a", "split": sides, "group": ["g0", "g0", "g1", "g2"]})
    meta = {"width": 32, "height": 32, "channels": 1, "dtype": "uint8", "classes": ["a"]}
    page = overview.dataset(ImageSet(Path("nowhere"), meta, table), {})
    assert page["groups"] == f"3 independent sources or groups; {said}."


@pytest.mark.parametrize(
    ("by", "groups", "said"),
    [
        ("region", [f"zr_{i}.png, {side}" for i in (1, 2) for side in ("train", "test")], "the same 2 pictures"),
        ("slices", ["a, 1.tif, train", "a, 1.tif, test"] * 2, "the same stack"),
        ("source", ["a, train", "b, test"] * 2, ""),
    ],
)
def test_parts_of_pictures_that_train_and_judge_are_not_called_independent(by, groups, said):
    table = pd.DataFrame({"label": "a", "split": ["train", "test"] * 2, "group": groups})
    meta = {"width": 32, "height": 32, "channels": 1, "dtype": "uint8", "classes": ["a"]}
    meta["settings"] = {"split": {"by": by}}
    page = overview.dataset(ImageSet(Path("nowhere"), meta, table), {})
    assert page["same_pictures"] == (f"{said} (split.by: {by})" if said else "")
    assert ("independent" in page["groups"]) == (by == "source")
    assert (f"pieces of {said}" in page["groups"] and "other specimens" in page["groups"]) == (by != "source")


def test_a_single_held_out_group_is_said():
    meta = {"width": 32, "height": 32, "channels": 1, "dtype": "uint8", "classes": ["a", "b"]}
    for groups, said in ((["g0", "g1", "g1", "g2", "g3"], True), (["g0", "g1", "g2", "g3", "g4"], False)):
        table = pd.DataFrame({"label": list("aaabb"), "split": ["train", *["test"] * 3, "train"], "group": groups})
        page = overview.dataset(ImageSet(Path("nowhere"), meta, table), {})
        assert page["groups"].endswith(
            f"The held-out images of {'a and b' if said else 'b'} are of one group: numbers "
            "on them say nothing about others."
        )


@pytest.mark.parametrize(("sides", "said"), [("tvtt", True), ("tvtv", False), ("tttt", False)])
def test_a_class_without_validation_images_is_said(sides, said):
    meta = {"width": 32, "height": 32, "channels": 1, "dtype": "uint8", "classes": ["a", "b"]}
    split = [{"t": "train", "v": "val"}[side] for side in sides]
    table = pd.DataFrame({"label": list("aabb"), "split": split, "group": list("0123")})
    text = "No validation image is of b: what they choose is chosen for the other classes."
    assert overview.dataset(ImageSet(Path("nowhere"), meta, table), {})["groups"].endswith(text) == said


def test_what_framing_cuts_off_is_among_the_facts():
    table = pd.DataFrame({"label": "a", "split": ["train"], "group": ["g"]})
    meta = {"width": 32, "height": 32, "channels": 1, "dtype": "uint8", "classes": ["a"]}
    said = "`fit: resize` cuts off 35% of a picture"
    for key in ("framing", "noticed"):
        assert said in overview.dataset(ImageSet(Path("nowhere"), meta | {key: [said]}, table), {})["facts"]


def test_what_framing_leaves_of_the_defects_is_among_the_facts(tmp_path):
    table = pd.DataFrame({"label": "a", "split": ["train"], "group": ["g"]})
    meta = {"width": 32, "height": 32, "channels": 1, "dtype": "uint8", "classes": ["a"]}
    said = "of 66 pictures with boxes 19 show none of them now"
    (tmp_path / "boxes.json").write_text(json.dumps({"lost": [said]}), encoding="utf-8")
    assert said in overview.dataset(ImageSet(tmp_path, meta, table), {})["facts"]


SHOTS = "few shots: at most {} to train, and as many to choose by"


@pytest.mark.parametrize(
    ("shots", "good", "said"),
    [
        (None, {}, None),
        (5, {}, SHOTS.format("5 source images a class")),
        (1, {}, SHOTS.format("1 source image a class")),
        (3, {"good": "a"}, SHOTS.format("3 bad source images")),
    ],
)
def test_few_shots_are_said_beside_the_counts_of_each_class(shots, good, said):
    rows = [("a", "train")] * 3 + [("b", "train")] * 5 + [("a", "test")] * 2
    table = pd.DataFrame(rows, columns=["label", "split"]).assign(group=[str(i) for i in range(10)])
    meta = {"width": 32, "height": 32, "channels": 1, "dtype": "uint8", "classes": ["a", "b"]}
    page = overview.dataset(ImageSet(Path("nowhere"), meta | good | {"settings": {"shots": shots}}, table), {})
    assert [fact for fact in page["facts"] if "few shots" in fact] == ([said] if said else [])
    assert page["counts"][0] == {"label": "a", "train": 3, "val": 0, "test": 2}


def test_what_was_compared_is_said_whether_images_overlap_or_not():
    compared = "compared: all 780 pairs by spots in common, 3 in detail"
    none = {"images": 0, "of": 40, "pairs": 0, "crossing": 0, "leak": 0.0, "leak_at_random": 0.0, "compared": compared}
    said = "Compared: all 780 pairs by spots in common, 3 in detail."
    assert overview._overlaps(none) == f"No two source images were found to overlap. {said}"
    for some in ({"pairs": 1, "images": 2}, {"pairs": 1, "images": 2, "crossing": 1}):
        assert overview._overlaps(none | some).endswith(said)


def test_images_held_back_for_the_positive_control_are_counted_where_there_are_any():
    meta = {"width": 32, "height": 32, "channels": 1, "dtype": "uint8", "classes": ["a"]}

    def page(*sides):
        table = pd.DataFrame({"label": "a", "split": sides, "group": [str(i) for i in range(len(sides))]})
        return overview.dataset(ImageSet(Path("nowhere"), meta, table), {})

    assert page("train", "test", "control", "control")["totals"] == {"train": 1, "val": 0, "test": 1, "control": 2}
    assert "control" not in page("train", "test")["splits"]


def test_generators_without_training_are_told_by_what_they_hold():
    models = {"q": {"family": "quilting"}, "c": {"family": "cgan", "total_images": 100, "batch": 4}}
    inputs = DatasetInputs(Path("nowhere"), runs=[RunInputs(name, 0, Path("nowhere")) for name in models])
    rows = overview.generators(models, inputs, 10)
    assert [row["real_pixels"] for row in rows] == ["its images are pieces of training images, joined", ""]
    assert [row["images"] for row in rows] == ["–", "100"]
