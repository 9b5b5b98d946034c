"""The store."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from pipeline.base.files import sha256
from pipeline.data.image_set import COLUMNS, ImageSet, ImageSetWriter
from pipeline.settings import ImageSpec, UserError

META = {"classes": ["b", "a"], "symmetry": "none", "dtype": "uint16", "scaling": {}, "pixel_size": None, "unit": "µm"}


def metadata(n):
    rows = [(f"r{i}", "ab"[i % 2], "NA", 0, i, "001", "test" if i == 3 else "train") for i in range(n)]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_what_is_written_is_read(tmp_path):
    images = np.random.default_rng(0).integers(0, 65535, (5, 6, 7, 1), np.uint16)
    with ImageSetWriter(tmp_path, 5, 6, 7, 1, "uint16") as writer:
        writer[3] = images[3]
        writer[0:3] = images[:3]
        writer[4:5] = images[4:]
        writer.finish(metadata(5), META)
    opened = ImageSet.open(tmp_path)
    np.testing.assert_array_equal(opened.images, images)
    assert opened.images.dtype == np.uint16
    assert opened.spec == ImageSpec(6, 7, 1, ("b", "a"), "none")
    assert opened.labels.tolist() == [1, 0, 1, 0, 1]  # `b` is the first class
    assert opened.rows("test").tolist() == [3]
    assert (opened.metadata["source"] == "NA").all()  # names are no missing numbers
    assert (opened.metadata["group"] == "001").all()
    assert opened.meta["data_hash"] == sha256(tmp_path / "images.npy")


def test_what_does_not_fit_is_refused(tmp_path):
    with ImageSetWriter(tmp_path, 5, 6, 7, 1, "uint16") as writer:
        for rows, shape, dtype in ((5, (6, 7, 1), "u2"), (slice(0, 2), (3, 6, 7, 1), "u2"), (0, (6, 7, 1), "u1")):
            with pytest.raises(ValueError, match="does not fit"):
                writer[rows] = np.zeros(shape, dtype)


def test_an_interrupted_set_leaves_nothing(tmp_path):
    def interrupted():
        with ImageSetWriter(tmp_path, 2, 4, 4, 3, "uint8") as writer:
            writer[0] = np.zeros((4, 4, 3), np.uint8)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match=r"images\.npy is missing"):
        ImageSet.open(tmp_path)


def test_parts_that_disagree_are_named(tmp_path):
    with ImageSetWriter(tmp_path, 2, 4, 4, 3, "uint8") as writer:
        writer.finish(metadata(2), META)
    meta = json.loads((tmp_path / "meta.json").read_text())
    (tmp_path / "meta.json").write_text(json.dumps(meta | {"channels": 1}))
    with pytest.raises(UserError, match=r"\(2, 4, 4, 3\).*\(2, 4, 4, 1\)"):
        ImageSet.open(tmp_path)


@pytest.fixture
def written(tmp_path):
    images = np.random.default_rng(1).integers(0, 255, (4, 8, 8, 1), np.uint8)
    with ImageSetWriter(tmp_path, 4, 8, 8, 1, "uint8") as writer:
        writer[0:4] = images
        writer.finish(metadata(4), META)
    return tmp_path


@pytest.mark.parametrize("place", [0, 9, 60, 128, 200, -1])
@pytest.mark.parametrize("what", ["flipped", "cut", "longer"])
def test_any_damage_to_the_images_is_named_on_their_first_use(written, place, what):
    path = written / "images.npy"
    whole = path.read_bytes()
    at = place % len(whole)
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    path.write_bytes({"flipped": flipped, "cut": whole[:at], "longer": whole[:at] + b"\0" + whole[at:]}[what])
    with pytest.raises(UserError, match=r"images\.npy"):
        ImageSet.open(written).images  # noqa: B018


def test_images_are_read_whole_once_in_a_process_and_again_when_they_change(written, monkeypatch):
    seen = []
    monkeypatch.setattr("pipeline.data.image_set.sha256", lambda path: seen.append(path) or sha256(path))
    os.utime(written / "images.npy", ns=(1, 1))  # the process that wrote it knows it
    for _ in range(3):
        ImageSet.open(written).images.sum()
    assert len(seen) == 1
    ImageSet.open(written).metadata["label"].tolist()
    os.utime(written / "images.npy", ns=(1, 2))
    assert len(seen) == 1
    ImageSet.open(written).images.sum()
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("meta.json", '"height": 8', '"height": "8"', r"height, width, channels are \['8', 8, 1\]"),
        ("meta.json", '"height"', '"hight"', "`height` is missing"),
        ("meta.json", "}", "", "no JSON"),
        ("meta.json", "µ", "\udcff", "no JSON"),
        ("meta.json", '"b"', "1", "no list of names"),
        ("metadata.csv", "r2,a,", "r2,c,", "row 2 has the label `c`"),
        ("metadata.csv", "001,test", "001,tost", "row 3 has the split `tost`"),
        ("metadata.csv", "r3,", "r2,", "several rows have the id `r2`"),
        ("metadata.csv", "group,", "", "damaged"),
        ("metadata.csv", "r2,a,NA,0,", "r2,a,NA,zero,", "damaged"),
        ("metadata.csv", "r2", "\udcff", "damaged"),
    ],
)
def test_a_damaged_description_is_named_with_what_is_wrong(written, name, old, new, said):
    text = (written / name).read_text(encoding="utf-8")
    assert old in text
    (written / name).write_bytes(text.replace(old, new).encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=rf"{name}: damaged.*{said}|{name}: {said}"):
        ImageSet.open(written)


def test_a_full_disk_names_the_file_and_leaves_none(tmp_path, full_disk):
    def written(rows):
        with ImageSetWriter(tmp_path, 40, 64, 64, 1, "uint8") as writer:
            for i in range(rows):
                writer[i] = np.zeros((64, 64, 1), np.uint8)
            writer.finish(metadata(40), META)

    for rows in (0, 1, 40):
        with pytest.raises(UserError, match=r"images\.npy: cannot be written \(File too large\)"), full_disk(2**16):
            written(rows)
    assert list(tmp_path.iterdir()) == []
