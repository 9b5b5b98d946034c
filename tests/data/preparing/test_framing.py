"""What is cut off or added is recorded and said, and a rim that tells the classes is warned of."""

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.prepare import prepare


def photographs(picture, shapes):
    """Two classes in turn, the shapes in turn for each class."""
    return {f"{'ab'[i % 2]}/{i:02d}.png": picture(i, shapes["ab"[i % 2]][i // 2 % 2]) for i in range(40)}


FOLDERS = {"labels": {"rule": "folder"}, "split": {"near_duplicates": "off"}}


def test_what_is_cut_off_is_said_and_recorded(tmp_path, inline, folder, dataset, picture, capsys):
    shapes = {"a": [(20, 20), (20, 40)], "b": [(20, 25), (20, 50)]}
    prepare(dataset(folder(photographs(picture, shapes)), **FOLDERS), tmp_path / "out")
    table = ImageSet.open(tmp_path / "out").metadata
    assert table["lost"].tolist()[:4] == [0, 0.5, 0, 0.5]
    said = "`fit: resize` cuts off 35% of a picture (median; at most 60%, b/03.png; column lost of metadata.csv)"
    assert said in capsys.readouterr().err
    assert ImageSet.open(tmp_path / "out").meta["framing"][0].startswith(said)


def test_square_pictures_need_no_word(tmp_path, inline, folder, dataset, picture, capsys):
    shapes = {"a": [(20, 20), (30, 30)], "b": [(30, 30), (20, 20)]}
    prepare(dataset(folder(photographs(picture, shapes)), **FOLDERS), tmp_path / "out")
    assert "cuts off" not in capsys.readouterr().err


@pytest.mark.parametrize(("fit", "rim"), [("stretch", {}), ("pad", {"padding": "constant"})])
def test_all_of_a_picture_is_kept(tmp_path, inline, folder, dataset, fit, rim):
    bright = np.full((16, 32), 90, np.uint8)
    bright[:, :4], bright[:, -4:] = 10, 200  # both ends, of which the centred square shows neither
    root = folder({f"{i}.png": np.roll(bright, i % 4, axis=0) + np.uint8(i) for i in range(6)})
    prepare(dataset(root, fit=fit, split={"near_duplicates": "off"}, **rim), tmp_path / "out")
    image = ImageSet.open(tmp_path / "out").images[0, ..., 0].astype(int)
    assert image[8, 0] < 30
    assert image[8, -1] > 180
    if fit == "pad":
        table = ImageSet.open(tmp_path / "out").metadata
        assert table[["rim_top", "rim_left", "rim_bottom", "rim_right"]].iloc[0].tolist() == [4, 0, 4, 0]
        assert not image[:3].any()
        assert not image[13:].any()


@pytest.mark.parametrize(("shapes", "warned"), [
    ({"a": [(20, 20), (20, 22)], "b": [(20, 40), (20, 44)]}, True),
    ({"a": [(20, 20), (20, 40)], "b": [(20, 40), (20, 20)]}, False),
])  # fmt: skip
def test_a_rim_that_tells_the_classes_is_warned_of(tmp_path, inline, folder, dataset, picture, capsys, shapes, warned):
    prepare(dataset(folder(photographs(picture, shapes)), fit="pad", **FOLDERS), tmp_path / "out")
    assert ("the rim alone names the class of 100% of the images (a guess 50%)" in capsys.readouterr().err) == warned


def test_images_that_are_twice_as_high_as_wide(tmp_path, inline, folder, dataset, picture, capsys):
    root = folder({f"{i}.png": picture(i, (80, 50)) for i in range(6)})
    settings = dataset(root, size=[64, 32], fit="pad", pixel_size=2.0, split={"near_duplicates": "off"})
    prepare(settings, tmp_path / "out")
    images = ImageSet.open(tmp_path / "out")
    assert images.images.shape == (6, 64, 32, 1)
    # 100 x 50 source pixels are shown: 10 rows above and below are rim, 6.4 of the image's
    assert images.metadata[["rim_top", "rim_left", "rim_bottom", "rim_right"]].iloc[0].tolist() == [7, 0, 7, 0]
    assert images.meta["pixel_size"] == pytest.approx(2.0 * 100 / 64)
    assert images.filled == (7, 0, 57, 32)
    assert images.within(images.filled).images.shape == (6, 50, 32, 1)
    assert images.within(images.filled).digest != images.digest == images.meta["data_hash"]
    assert "metrics and copies compare the 50 x 32 pixels that every picture fills" in capsys.readouterr().err
    with Image.open(tmp_path / "out" / "preview.png") as sheet:
        pixels = np.asarray(sheet.convert("L")).astype(int)
    assert np.ptp(pixels[-130:, 16:72]) > 200  # the first thumb, 56 wide; the place for it is 112
    assert np.ptp(pixels[-130:-18, 73:128]) == 0


def test_pictures_that_fill_too_little_in_common_are_compared_whole(tmp_path, inline, folder, dataset, picture, capsys):
    root = folder({f"{i}.png": picture(i, [(64, 12), (12, 64)][i % 2]) for i in range(6)})
    prepare(dataset(root, size=64, fit="pad", split={"near_duplicates": "off"}), tmp_path / "out")
    images = ImageSet.open(tmp_path / "out")
    assert images.filled is None
    assert images.within(None) is images
    assert "WARNING: every picture fills only 12 x 12 pixels, fewer than 16 of a side" in capsys.readouterr().err


def test_boxes_are_not_mirrored_into_the_rim(dataset):
    boxes = {"format": "yolo", "path": "x"}
    with pytest.raises(ValidationError, match="shows defects again in the rim, without boxes"):
        dataset(fit="pad", boxes=boxes)
    dataset(fit="pad", padding="edge", boxes=boxes)
