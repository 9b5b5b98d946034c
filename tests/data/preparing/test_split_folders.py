"""`train`, `val` and `test` folders are the split, above the classes or below them."""

from collections import Counter

import pytest
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import split_folders, summary
from pipeline.data.preparing.prepare import prepare
from pipeline.data.reading.source import listing
from pipeline.settings import Dataset, UserError


def entries(tmp_path, *names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return listing(str(tmp_path))


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["Train/good/a.png", "valid/bad/b.png"], [("good", "train"), ("bad", "val")]),
        (["bad/testing/b.png", "good/training/a.png"], [("bad", "test"), ("good", "train")]),
        (["test/a.png", "train/b.png"], [("", "test"), ("", "train")]),
        (["x/y/test/bad/a.png", "x/y/train/good/b.png"], [("bad", "test"), ("good", "train")]),  # in folders of all
        (["bad/test/a.png", "bad/train/b.png"], [("bad", "test"), ("bad", "train")]),
        (["test_set/bad/a.png", "training_set/good/b.png"], [("bad", "test"), ("good", "train")]),
        (["testcrop/a.png", "traincrop/b.png"], [("", "test"), ("", "train")]),
        (["test_public/bad/a.png", "train/good/b.png"], [("bad", "test"), ("good", "train")]),
        (["train2017/a/x.png", "val2017/a/y.png"], [("a", "train"), ("a", "val")]),
        (["test/a.png", "val/b.png"], [("test", None), ("val", None)]),  # none to train on: classes of these names
        (["good/a.png", "train/b.png"], [("good", None), ("train", None)]),
        (["train/a/x.png", "train/b/y.png"], [("train", None), ("train", None)]),
        (["test/a.png", "train/b.png", "z.png"], [("test", None), ("train", None), (None, None)]),
    ],
)
def test_folders_are_sides_where_all_images_are_in_one(tmp_path, names, places):
    found = entries(tmp_path, *names)
    level = split_folders.depth(found)
    got = [tuple(split_folders.place(entry, level)) for entry in found]
    assert got == [(tmp_path.name if label is None else label, side) for label, side in places]


@pytest.mark.parametrize(
    ("names", "sides", "files"),
    [
        (["test/a.png", "train/b.png", "z.png"], ["test", "train"], ["z.png"]),
        (["x/test/a.png", "x/train/b.png", "x/z.png"], ["test", "train"], ["x/z.png"]),
        (["bad/test/a.png", "bad/train/b.png", "good/train/c.png", "good/z.png"], ["test", "train"], ["good/z.png"]),
        (["bad/test/a.png", "bad/train/b.png", "good/train/c.png", "z.png"], ["test", "train"], ["z.png"]),
        (["test/a.png", "train/b.png"], [], []),
        (["test/a.png", "train/b.png", "other/z.png"], [], []),  # classes may be called so
        (["test/a.png", "test/b.png", "z.png"], [], []),
        (["a/test/a.png", "a/train/b.png", "b/z.png"], [], []),
    ],
)
def test_files_that_keep_folders_from_being_sides(tmp_path, names, sides, files):
    assert split_folders.kept_from(entries(tmp_path, *names)) == (sides, files)


@pytest.mark.parametrize(
    ("names", "sides", "others"),
    [
        (["different_test/c.png", "test/a.png", "train/b.png"], ["test", "train"], ["different_test"]),
        (["test/a.png", "train/b.png", "other/x/z.png"], ["test", "train"], ["other"]),
        (["test/a.png", "train/b.png"], [], []),
        (["test/a.png", "other/b.png"], [], []),
    ],
)
def test_folders_that_keep_others_from_being_sides(tmp_path, names, sides, others):
    assert split_folders.passed_over(entries(tmp_path, *names)) == (sides, others)


@pytest.mark.parametrize(("rule", "warned"), [("none", True), ("folder", False)])
def test_sides_that_are_passed_over_are_told(tmp_path, picture, capsys, rule, warned):
    for k, name in enumerate(("train", "test", "more")):
        (tmp_path / "in" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(picture(9 * k + i)).save(tmp_path / "in" / name / f"{i}.png")
    words = {"split": {"near_duplicates": "off"}, "labels": {"rule": rule}}
    prepare(Dataset(source=str(tmp_path / "in"), size=16, **words), tmp_path / "out")
    said = "WARNING: the folders `test`, `train` are not read as the split, for others lie beside them: `more`"
    assert (said in capsys.readouterr().err) == warned


def test_a_stray_file_beside_the_sides_is_named(tmp_path, picture):
    for k, name in enumerate(("train/a/0", "train/b/1", "test/a/2", "test/b/3", "overview")):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(k, (32, 32))).save(path)
    settings = Dataset(source=str(tmp_path / "data"), size=32, labels={"rule": "folder"})
    with pytest.raises(UserError, match=r"1 file\(s\) lie beside the folders `test`, `train`.*: `overview.png`. Move"):
        prepare(settings, tmp_path / "out")
    alone = [str(tmp_path / "data" / side) for side in ("train", "test")]
    prepare(settings.model_copy(update={"source": alone}), tmp_path / "out")
    table = ImageSet.open(tmp_path / "out").metadata
    assert table["split"].tolist() == ["test", "test", "train", "train"]


def test_folders_of_a_list_are_sides_too(tmp_path):
    entries(tmp_path, "train/good/a.png", "test/good/b.png")
    found = listing([str(tmp_path / "train"), str(tmp_path / "test")])
    assert [split_folders.place(entry, split_folders.depth(found)) for entry in found] == [
        ("good", "test"),
        ("good", "train"),
    ]


@pytest.mark.parametrize("order", ["{side}/{label}", "{label}/{side}"])
def test_a_published_layout_keeps_its_split(tmp_path, picture, capsys, order):
    for k, (side, label) in enumerate((s, c) for s in ("train", "val", "test") for c in ("good", "bad") for _ in "ab"):
        path = tmp_path / "data" / order.format(side=side, label=label) / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(k, (32, 32))).save(path)
    settings = Dataset(source=str(tmp_path / "data"), size=32, labels={"rule": "folder"})
    prepare(settings, tmp_path / "out")
    table = ImageSet.open(tmp_path / "out").metadata
    assert sorted(set(table["label"])) == ["bad", "good"]
    assert all(row.split in row.source.split("/") and row.label in row.source.split("/") for row in table.itertuples())
    assert "are read as the split" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("classes", "sides"),
    [
        (["steel_train", "steel_test"], 2), (["Train", "TEST", "x"], 2), (["train", "unlabeled"], 1),
        (["fatigue_test", "tensile test"], 0), (["contest", "trainer"], 0),
        (["train_good", "train_bad", "test_good", "test_bad"], 4), (["train_wheel", "train_rail"], 0),
        (["test_good", "test_bad"], 0),
    ],
)  # fmt: skip
def test_classes_are_called_as_sides_where_one_trains(classes, sides):
    assert split_folders.may_be_sides(classes) == classes[:sides]


def test_names_that_look_the_same_are_said_to_be_alike():
    (said,) = summary.alike(Counter({"ok": 3, "\u200bok": 2, " OK": 1, "o k": 1}))
    assert said.startswith(
        "WARNING: the classes `ok` (3) and `\u200bok` (2) and ` OK` (1) differ in case, accents or blanks"
    )
