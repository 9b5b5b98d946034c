"""Real images whose defects are filled anew: what is where, what it depends on, and what is read for it."""

import json

import numpy as np
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.data.patches import cut_patches
from pipeline.downstream.boxes.blend import blend
from pipeline.settings import Blend, Dataset, Patches, UserError
from tests import boxed

CUT = Patches(margin=0.25)


class Journal:
    def __init__(self):
        self.noted = []

    def artifact(self, path, folder):
        self.noted.append((path.name, folder))


@pytest.fixture
def blended(tmp_path):
    """blended(images, split, marks, patches, of, ...) -> the blended set."""

    def make(images, split, marks, patches, of, settings=None, name="blended", unknown=(), **how):
        classes = sorted({mark[1] for mark in marks})
        real = boxed.write(tmp_path / "real", images, split, marks=marks, classes=classes, unknown=unknown, **how)
        fakes = tmp_path / "defects" / "gan" / "seed-0" / "synthetic"
        boxed.write(fakes, patches, ["train"] * len(patches), labels=of)
        blend(settings or Blend(), CUT, real, fakes, tmp_path / name, Journal())
        return ImageSet.open(tmp_path / name)

    return make


def flat(n, level=50, size=32, dtype="uint8", channels=1):
    return np.full((n, size, size, channels), level, dtype)


def spots(levels, dtype="uint8", channels=1):
    """Patches with a square of each level on 50: the box is there, its margin is not."""
    patches = flat(len(levels), 50, 24, dtype, channels)
    for patch, level in zip(patches, levels, strict=True):
        patch[4:20, 4:20] = level
    return patches


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint16", 1), ("uint8", 3), ("uint16", 3)])
def test_defects_are_where_their_boxes_say_and_of_their_class(blended, dtype, channels):
    marks = [(0, "bright", 4, 6, 14, 18), (0, "dark", 18, 8, 26, 28), (1, "bright", 8, 12, 24, 20)]
    images, patches = flat(2, dtype=dtype, channels=channels), spots([200, 10], dtype, channels)
    made = blended(images, ["train"] * 2, marks, patches, ["bright", "dark"])
    assert made.images.dtype == dtype
    source = made.boxes["id"].map(dict(zip(made.metadata["id"], made.metadata["source"], strict=True)))
    rows = made.boxes.assign(source=source).sort_values("source", kind="stable")
    assert rows[["source", "label", "x0", "y0", "x1", "y1"]].values.tolist() == [
        ["real_000000", "dark", 18, 8, 26, 28],
        ["real_000000", "bright", 4, 6, 14, 18],
        ["real_000001", "bright", 8, 12, 24, 20],
    ]
    assert sorted(made.metadata["source"]) == ["real_000000", "real_000001"]
    assert set(made.metadata["split"]) == {"train"}
    assert made.annotated.all()
    both = made.images[made.metadata["source"].argsort()].astype(int)
    first, second = both
    assert abs(first[8:16, 6:12] - 200).max() <= 3
    assert abs(first[11:25, 20:24] - 10).max() <= 3
    assert abs(second[14:18, 11:21] - 200).max() <= 3
    outside = np.ones((2, 32, 32), bool)
    outside[0, 3:21, 1:17] = outside[0, 3:, 16:28] = outside[1, 10:22, 4:28] = False
    assert (both[outside] == 50).all()


@pytest.mark.parametrize(
    "box",
    [(10, 14, 40, 26), (0, 14, 22.4, 47), (30.3, 0, 64, 25), (20, 31.5, 41, 64), (0, 0, 64, 30)],
    ids=["inside", "at the left", "in a corner", "at the bottom", "from side to side"],
)
def test_the_defect_that_was_cut_out_of_a_box_fits_there_again(tmp_path, blended, box):
    """Cutting and putting back are each other's inverse, wherever the box is: a smooth image comes back."""
    y, x = np.mgrid[:64, :64] / 64
    image = np.rint(30_000 + 20_000 * np.sin(4 * x + 2 * y) * np.cos(3 * y - x))[..., None].astype(np.uint16)
    marks = [(0, "hole", *box)]
    real = boxed.write(tmp_path / "real", image[None], ["train"], marks=marks, classes=["hole"])
    cut_patches(Dataset(patches_of="steel", size=64, patches=CUT), real, tmp_path / "cut")
    made = blended(image[None], ["train"], marks, ImageSet.open(tmp_path / "cut").images, ["hole"])
    # Without the outermost pixels: at the edge the mirror image has a kink, which no resampling keeps.
    assert abs(made.images[0] - image.astype(float))[1:-1, 1:-1].max() < 0.01 * 40_000


def test_a_small_box_within_a_large_one_is_put_in_last(blended):
    marks = [(0, "dark", 14, 14, 18, 18), (0, "bright", 7, 7, 25, 25)]
    made = blended(flat(1), ["train"], marks, spots([200, 10]), ["bright", "dark"])
    assert abs(made.images[0, 15:17, 15:17].astype(int) - (10 + 150)).max() <= 5, (
        "150 brighter, as its surroundings are"
    )


def test_of_the_patches_the_one_is_taken_that_is_as_fine_as_the_real_defect(blended):
    """Stripes two pixels wide and six in the images, along rows and along columns; patches of all four kinds."""
    y, x = np.mgrid[:48, :48]
    stripes = np.stack([100 + 50 * (c // width % 2) for c in (x, y) for width in (2, 6)])[..., None].astype(np.uint8)
    marks = [(i, "worn", 8, 8, 40, 40) for i in range(4)]
    made = blended(stripes, ["train"] * 4, marks, np.tile(stripes, (10, 1, 1, 1)), ["worn"] * 40)
    order = made.metadata["source"].argsort()
    for image, real in zip(made.images[order][:, 12:36, 12:36, 0], stripes[:, 12:36, 12:36, 0], strict=True):
        for axis in (0, 1):
            own, other = (np.square(np.diff(a.astype(float), axis=axis)).mean() for a in (image, real))
            assert abs(own - other) < 0.25 * 50**2 / 2


def test_an_image_without_boxes_gets_those_of_another_in_a_view_that_the_symmetry_allows(blended):
    marks = [(1, "bright", 4, 6, 12, 10)]
    made = blended(flat(2), ["train"] * 2, marks, spots([200]), ["bright"], Blend(images=40), symmetry="both")
    ends = made.boxes.set_index("id")[["x0", "y0", "x1", "y1"]].apply(tuple, axis=1)
    is_own = (made.metadata["source"] == "real_000001").to_numpy()
    background, own = set(ends[~is_own]), set(ends[is_own])
    assert is_own.sum() == 20
    assert own == {(4, 6, 12, 10)}
    assert background == {(4, 6, 12, 10), (20, 6, 28, 10), (4, 22, 12, 26), (20, 22, 28, 26)}
    for image, (x0, y0, x1, y1) in zip(made.images, ends, strict=True):
        assert (image[int(y0) + 1 : int(y1) - 1, int(x0) + 2 : int(x1) - 2] > 190).all()


def test_an_image_depends_on_its_own_seed_alone(blended):
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 1), np.uint8)
    marks = [(0, "bright", 4, 6, 20, 20), (1, "bright", 8, 12, 24, 20)]
    patches = np.random.default_rng(1).integers(0, 255, (40, 24, 24, 1), np.uint8)
    given = images, ["train"] * 3, marks, patches, ["bright"] * 40
    long = blended(*given, Blend(images=9), "long")
    short = blended(*given, Blend(images=4), "short")
    other = blended(*given, Blend(images=9, seed=1), "other")
    assert len(blended(*given, name="all")) == 3
    assert (long.images[:4] == short.images).all()
    assert long.boxes[long.boxes["id"] < "blended_000004"].equals(short.boxes)
    assert (long.images != other.images).any(axis=(1, 2, 3)).sum() >= 5
    assert (long.images[::3] != long.images[0]).any(), "other patches in the same image"


def test_only_training_rows_are_read_and_nothing_follows_from_the_others(tmp_path, blended, monkeypatch):
    """Images, boxes and classes of val and test rows are replaced: what is written stays the same, byte for byte."""
    split, read = ["val", "train", "test", "train", "train", "test"], {}

    class Spy:
        def __init__(self, path):
            self.array, self.rows = np.load(path / "images.npy", mmap_mode="r"), read.setdefault(path.name, set())
            self.shape, self.dtype = self.array.shape, self.array.dtype

        def __getitem__(self, row):
            self.rows.add(int(row))
            return self.array[row]

    own = [(1, "bright", 4, 6, 12, 10), (3, "bright", 8, 12, 24, 20)]
    images = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 1), np.uint8)
    given = spots([200, 10]), ["bright"] * 2, Blend(images=20)
    first = blended(images, split, [*own, (0, "bright", 1, 1, 9, 9), (2, "bright", 1, 1, 9, 9)], *given, "first")
    monkeypatch.setattr("pipeline.data.image_set.ImageSet.images", property(lambda self: Spy(self.path)))
    images[[0, 2, 5]] = 255
    blended(images, split, [*own, (0, "bright", 3, 2, 8, 8), (5, "bright", 1, 1, 9, 9)], *given, "second")
    assert read["real"] == {1, 3, 4}
    monkeypatch.undo()
    second = ImageSet.open(tmp_path / "second")
    assert first.meta["data_hash"] == second.meta["data_hash"]
    assert first.boxes.equals(second.boxes)
    assert first.metadata.equals(second.metadata)


def test_images_whose_boxes_are_unknown_or_lack_a_patch_are_left_out(blended, capsys):
    marks = [(0, "bright", 4, 6, 12, 10), (1, "dark", 8, 12, 24, 20), (1, "bright", 1, 1, 9, 9)]
    made = blended(flat(3), ["train"] * 3, marks, spots([200]), ["bright"], Blend(images=2), unknown=[2])
    assert made.metadata["source"].tolist() == ["real_000000"] * 2
    assert "1 of 2 training images are not used: there is no patch of dark" in capsys.readouterr().err
    assert made.box_classes == ["bright", "dark"]


@pytest.mark.parametrize(
    ("marks", "split", "patches", "message"),
    [
        (
            [(0, "dark", 4, 6, 12, 10)],
            ["train"],
            spots([9]),
            "has patches of no class of boxes; none of the 1 training",
        ),
        (
            [(1, "bright", 4, 6, 12, 10)],
            ["train", "test"],
            spots([9]),
            r"has patches of bright; none of the 1 training images of .*real whose boxes are known has such boxes",
        ),
        (
            [(0, "bright", 4, 6, 12, 10)],
            ["train"],
            spots([9], "uint16"),
            r"patches of 1 channel\(s\) of uint16 do not fit into images of 1 channel\(s\) of uint8",
        ),
        (
            [(0, "bright", 4, 6, 12, 10)],
            ["train"],
            spots([9], channels=3),
            r"patches of 3 channel\(s\) of uint8 do not",
        ),
    ],
    ids=["no patch of a class of boxes", "no training image with a box", "other depth", "other channels"],
)
def test_what_cannot_be_blended_is_named(blended, marks, split, patches, message):
    with pytest.raises(UserError, match=message):
        blended(flat(len(split)), split, marks, patches, ["bright"])


def test_what_is_written(tmp_path, blended):
    made = blended(flat(1), ["train"], [(0, "bright", 4, 6, 12, 10)], spots([200]), ["bright"])
    assert {path.name for path in made.path.iterdir()} == {
        "images.npy", "metadata.csv", "meta.json", "boxes.csv", "boxes.json", "samples.png",
    }  # fmt: skip
    seal = json.loads((made.path / "boxes.json").read_text())
    assert (seal["classes"], seal["unknown"]) == (["bright"], [])
