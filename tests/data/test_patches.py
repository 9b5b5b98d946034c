"""From an image set with boxes to one of their defects."""

import csv

import numpy as np
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.data.patches import cut_patches
from pipeline.settings import Dataset, UserError
from tests import boxed

SIDES = ["train", "train", "val", "test", "train", "train"]
MARKS = [
    (0, "hole", 4, 6, 12, 10),
    (2, "line", 1, 1, 9, 21),
    (0, "line", 20, 2, 28, 22),
    (3, "hole", 10, 10, 20, 20),
    (4, "line", 0, 0, 8, 32),
    (4, "hole", 10, 10, 30, 13.5),
    (2, "rare", 10, 10, 30, 30),
]


@pytest.fixture
def patches(tmp_path):
    """The patches of six images, the boxes of the last not known."""

    def make(images, marks=MARKS, **settings):
        classes = sorted({mark[1] for mark in marks})
        boxed.write(tmp_path / "real", images, SIDES, symmetry="both", marks=marks, classes=classes, unknown=[5])
        settings = Dataset.model_validate({"patches_of": "steel", "size": 16} | settings)
        cut_patches(settings, tmp_path / "real", tmp_path / "out")
        return ImageSet.open(tmp_path / "out")

    return make


def noise(dtype="uint8", channels=1):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (6, 32, 32, channels), dtype, endpoint=True)


def test_a_patch_is_called_after_its_box_and_stays_with_its_image(tmp_path, patches):
    found = patches(noise())
    rows = found.metadata[["id", "label", "source", "row", "col", "group", "split"]].values.tolist()
    assert rows == [
        ["real_000000_000", "hole", "0.png", 6, 4, "group 0", "train"],
        ["real_000000_001", "line", "0.png", 2, 20, "group 0", "train"],
        ["real_000002_000", "line", "2.png", 1, 1, "group 1", "val"],
        ["real_000003_000", "hole", "3.png", 10, 10, "group 1", "test"],
        ["real_000004_000", "line", "4.png", 0, 0, "group 2", "train"],
    ]
    assert (found.spec.classes, found.spec.symmetry, found.spec[:3]) == (("hole", "line"), "both", (16, 16, 1))
    with open(tmp_path / "out" / "rejected.csv", encoding="utf-8") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == [
            ("real_000002_001", "no training image has a box of `rare`"),
            ("real_000004_001", "a side of its box is below 4 pixels (patches.smallest)"),
        ]
    assert (tmp_path / "out" / "preview.png").is_file()


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint16", 1), ("uint8", 3), ("uint16", 3)])
def test_the_box_with_its_margin_fills_the_patch_whatever_its_aspect(patches, dtype, channels):
    """A ramp over y, then one over x: a patch shows from where to where it reaches."""
    y = np.mgrid[:32, :32][0] + 0.5
    top = np.iinfo(dtype).max
    step = top / 40
    down = np.broadcast_to((y * step)[None, ..., None], (6, 32, 32, channels)).round().astype(dtype)
    marks = [(0, "hole", 12, 10, 22, 15)]
    (patch,) = patches(down, marks, patches={"margin": 0.5}).images
    assert patch.dtype == dtype
    # Rows 7.5 to 17.5 in 16 steps, columns 7 to 27 with nothing changing along them.
    expected = step * (7.5 + (np.arange(16) + 0.5) * 10 / 16)
    assert abs(patch.astype(float) - expected[:, None, None]).max() < max(0.01 * top, 1)
    across = down.swapaxes(1, 2)
    (patch,) = patches(across, marks, patches={"margin": 0.5}).images
    expected = step * (7 + (np.arange(16) + 0.5) * 20 / 16)
    assert abs(patch.astype(float) - expected[:, None]).max() < max(0.01 * top, 1)


def test_lost_detail_is_said(patches, capsys):
    patches(noise(), size=16)
    assert "3 of 5 were larger than 16 x 16 pixels with their margin and have lost detail" in capsys.readouterr().err


@pytest.mark.parametrize(
    "marks",
    [[(2, "line", 1, 1, 9, 21)], [(0, "line", 1, 1, 4, 21)]],
    ids=["none in a training image", "too small"],
)
def test_without_a_training_patch_there_is_an_error(patches, marks):
    with pytest.raises(UserError, match=r"datasets\.steel\.boxes: 0 of 1 can be patches to train on, at least 1 must"):
        patches(noise(), marks)
