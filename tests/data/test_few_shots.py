"""Few-shot sets of one source: the same test images, nested training images, and nothing of any other image."""

import numpy as np
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.prepare import prepare

BY_NAME = {"rule": "filename"}
FILES = ("images.npy", "metadata.csv", "meta.json", "rejected.csv", "near_duplicates.csv", "preview.png")


@pytest.fixture
def prepared(tmp_path, inline, dataset):
    """Prepares a source with some shots and opens the result."""

    def make(root, shots, folder="", **settings):
        out = tmp_path / f"{folder}{shots}"
        prepare(dataset(root, shots=shots, **settings), out)
        return ImageSet.open(out)

    return make


@pytest.fixture
def root(folder, picture):
    """20 images of class a, 30 of class b: with the usual split 4 + 6 judge, 2 + 2 choose, 14 + 22 train."""
    return folder({f"{c}_{i}.png": picture(100 * ord(c) + i) for c, n in (("a", 20), ("b", 30)) for i in range(n)})


def ids(images, split):
    return set(images.metadata["id"].iloc[images.rows(split)])


def test_a_family_shares_its_test_images_and_each_set_holds_its_shots_and_nothing_else(prepared, root):
    whole = prepared(root, None, labels=BY_NAME)
    assert [len(whole.rows(side)) for side in ("train", "val", "test")] == [36, 4, 10]
    known = dict(zip(whole.metadata["id"], zip(whole.metadata["source"], whole.images, strict=True), strict=True))
    smaller = {"train": set(), "val": set()}
    for shots, per_class in ((1, {"a": (1, 1), "b": (1, 1)}), (5, {"a": (5, 2), "b": (5, 2)}), (14, None), (22, None)):
        few = prepared(root, shots, labels=BY_NAME)
        assert ids(few, "test") == ids(whole, "test")
        for side, fewer in smaller.items():
            assert fewer <= ids(few, side) <= ids(whole, side)
            smaller[side] = ids(few, side)
        counts = few.metadata.groupby(["label", "split"]).size()
        for label, (train, val) in (per_class or {}).items():
            assert (counts[label, "train"], counts[label, "val"]) == (train, val)
        assert len(few.images) == len(few) == sum(len(few.rows(side)) for side in ("train", "val", "test"))
        for identity, source, image in zip(few.metadata["id"], few.metadata["source"], few.images, strict=True):
            assert known[identity][0] == source
            np.testing.assert_array_equal(image, known[identity][1])
    assert ids(few, "train") == ids(whole, "train"), "22 shots are all that class b has, and more than class a has"


def test_the_same_shots_are_the_same_bytes_and_another_seed_has_others(tmp_path, prepared, root):
    one, _ = (prepared(root, 5, folder, labels=BY_NAME) for folder in ("one-", "two-"))
    for name in FILES:
        assert (tmp_path / "one-5" / name).read_bytes() == (tmp_path / "two-5" / name).read_bytes(), name
    other = prepared(root, 5, "other-", labels=BY_NAME, split={"seed": 1})
    assert ids(one, "train") != ids(other, "train")


def test_a_class_with_fewer_images_gives_all_and_that_is_said(prepared, root, capsys):
    few = prepared(root, 20, labels=BY_NAME)
    assert few.metadata.groupby(["label", "split"]).size()[:, "train"].to_dict() == {"a": 14, "b": 20}
    said = capsys.readouterr().err
    assert "of each class at most 20 source images train and as many choose" in said
    assert "fewer than 20 source images to train, so all there are: a 14\n" in said
    prepared(root, 14, labels=BY_NAME)
    assert "so all there are" not in capsys.readouterr().err


def test_without_classes_shots_are_counted_in_all(prepared, root):
    few = prepared(root, 3)
    assert [len(few.rows(side)) for side in ("train", "val", "test")] == [3, 3, 10]


def test_a_shot_is_a_photograph_with_all_its_tiles(prepared, folder, picture):
    root = folder({f"{i}.png": picture(i, (16, 80 if i % 2 else 48)) for i in range(20)})  # 5 tiles or 3
    few = prepared(root, 2, fit="tile", tile_overlap=0)
    table = few.metadata.groupby("split")["source"]
    assert table.nunique().to_dict() == {"test": 4, "train": 2, "val": 2}
    for source, tiles in few.metadata["source"].value_counts().items():
        assert tiles == (5 if int(source.split(".")[0]) % 2 else 3)


def test_percentiles_are_those_of_the_shots(prepared, folder):
    levels = {f"{i}.png": np.tile(np.array([[i], [i + 60]], np.uint8), (12, 24)) for i in range(40)}  # i and i + 60
    ends = {"low_percentile": 0, "high_percentile": 100}
    few = prepared(folder(levels), 3, scaling={"rule": "percentile"} | ends)
    train, test = (
        {int(name.split(".")[0]) for name in few.metadata["source"].iloc[few.rows(side)]} for side in ("train", "test")
    )
    assert (few.meta["scaling"]["low"], few.meta["scaling"]["high"]) == (min(train), max(train) + 60)
    assert min(test) < min(train) or max(test) > max(train), "the case tells the shots from the others"
    each = prepared(folder(levels), 3, "each-", scaling={"rule": "image_percentile"} | ends)
    assert each.meta["scaling"] == {
        "rule": "image_percentile", "low": sorted(train)[1], "high": sorted(train)[1] + 60,
    }  # fmt: skip


def test_no_shot_shows_a_scene_that_chooses_or_judges(prepared, crops):
    few = prepared(crops(), 6)
    scenes = {
        side: set(few.metadata["source"].iloc[few.rows(side)].str.split("_").str[0])
        for side in ("train", "val", "test")
    }
    assert len(few.rows("train")) == 6
    assert not scenes["train"] & (scenes["val"] | scenes["test"])
    assert not scenes["val"] & scenes["test"]
    whole = prepared(crops(), None)
    assert ids(few, "test") == ids(whole, "test")


def test_a_given_split_is_kept(tmp_path, prepared, root):
    table = tmp_path / "t.csv"
    lines = [f"{c}_{i}.png,{c},{'test' if i < 5 else 'train'}" for c, n in (("a", 20), ("b", 30)) for i in range(n)]
    table.write_text("\n".join(["file,class,split", *lines]))
    settings = {"labels": {"rule": "csv", "csv": [str(table)]}, "split": {"column": "split"}}
    few = prepared(root, 4, **settings)
    assert set(few.metadata["source"].iloc[few.rows("test")]) == {f"{c}_{i}.png" for c in "ab" for i in range(5)}
    assert few.metadata.groupby(["label", "split"]).size()[:, "train"].to_dict() == {"a": 4, "b": 4}
