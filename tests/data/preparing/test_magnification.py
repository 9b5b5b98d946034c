"""Pictures of several magnifications are told, and brought to one."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from pydantic import ValidationError

from pipeline.data.annotations.attach import annotate
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import magnification
from pipeline.data.preparing.prepare import prepare
from pipeline.settings import UserError

PLAIN = {"near_duplicates": "off", "test": 0.3}


def waves(side, pixel, seed):
    """A chessboard of fields of 8 µm, in pixels of `pixel` µm, with a little noise."""
    field = np.floor(np.arange(side) * pixel / 8 + 1e-9).astype(int)
    board = 60 + 120 * ((field[:, None] + field) % 2)
    return (board + np.random.default_rng(seed).integers(0, 9, (side, side))).astype(np.uint8)


@pytest.fixture
def micrographs(tmp_path):
    """TIFFs: {name: (side in pixels, µm a pixel or None)}."""

    def write(kinds):
        root = tmp_path / "micrographs"
        root.mkdir(exist_ok=True)
        for seed, (name, (side, pixel)) in enumerate(kinds.items()):
            words = {"resolution": (1e4 / pixel, 1e4 / pixel), "resolutionunit": "CENTIMETER"} if pixel else {}
            tifffile.imwrite(root / name, waves(side, pixel or 1, seed), photometric="minisblack", **words)
        return str(root)

    return write


MIXED = {f"{i}.tif": [(64, 1.0), (128, 0.5)][i % 2] for i in range(6)}


def test_the_length_of_a_pixel_is_that_of_the_file(tmp_path, inline, micrographs, dataset, capsys):
    root = micrographs({f"{i}.tif": (64, 0.5) for i in range(4)})
    for words, length in (({}, 2.0), ({"unit": "nm"}, 2000.0), ({"pixel_size": 3.0}, 12.0), ({"unit": "voxel"}, None)):
        prepare(dataset(root, split=PLAIN, **words), tmp_path / "out")
        assert ImageSet.open(tmp_path / "out").meta["pixel_size"] == (length and pytest.approx(length))
        assert "mixed magnification" not in capsys.readouterr().err


def test_mixed_magnification_is_warned_of_by_name(tmp_path, inline, micrographs, dataset, capsys):
    root = micrographs(MIXED | {"6.tif": (64, None)})
    prepare(dataset(root, fit="tile", split=PLAIN), tmp_path / "out")
    said = capsys.readouterr().err
    assert "6 of 7 files tell how long a pixel is" in said
    (noticed,) = ImageSet.open(tmp_path / "out").meta["noticed"]  # which the report says again
    assert "mixed magnification" in noticed
    assert (
        "a pixel of the images is 1 µm in 3 (0.tif, 2.tif, 4.tif); 0.5 µm in 3 (1.tif, 3.tif, 5.tif); not told" in said
    )
    assert ImageSet.open(tmp_path / "out").meta["pixel_size"] is None
    # at the same width of view, however many pixels a picture has, the images are of one magnification
    same = {f"{i}.tif": kind for i, kind in enumerate([(64, 1.0), (128, 0.5)] * 3)}
    prepare(dataset(micrographs(same | {"6.tif": (32, 2.0)}), split=PLAIN), tmp_path / "out")
    assert "WARNING" not in capsys.readouterr().err
    assert ImageSet.open(tmp_path / "out").meta["pixel_size"] == pytest.approx(4.0)


@pytest.mark.parametrize(("fit", "overlap"), [("tile", {"tile_overlap": 0}), ("resize", {})])
def test_one_scale_for_all(tmp_path, inline, micrographs, dataset, capsys, fit, overlap):
    root = micrographs(MIXED | {"6.tif": (100, 1.0), "7.tif": (64, None)})
    settings = dataset(root, fit=fit, size=32, same_scale=True, split=PLAIN, **overlap)
    prepare(settings, tmp_path / "out")
    images = ImageSet.open(tmp_path / "out")
    assert images.meta["pixel_size"] == pytest.approx(1.0 if fit == "tile" else 2.0)
    cut = images.metadata.groupby("source")[["rows", "cols"]].first()
    side = 32 if fit == "tile" else 64
    assert cut.loc["0.tif"].tolist() == cut.loc["6.tif"].tolist() == [side, side]
    assert cut.loc["1.tif"].tolist() == [2 * side, 2 * side]
    assert "7.tif" not in set(images.metadata["source"])
    assert '7.tif,"does not tell how long a pixel is' in (tmp_path / "out" / "rejected.csv").read_text()
    assert "WARNING" not in capsys.readouterr().err
    if fit == "tile":  # the fields are of one size in all of them
        first = images.metadata.groupby("source").head(1).index
        fields = [images.images[i, 4, :, 0] > 120 for i in first[:2]]
        np.testing.assert_array_equal(*fields)
        assert np.flatnonzero(np.diff(fields[0].astype(int))).tolist() == [7, 15, 23]


def test_a_picture_too_coarse_for_what_all_show_is_named(tmp_path, inline, micrographs, dataset, capsys):
    kinds = {f"{i}.tif": (64, 1.0) for i in range(4)} | {
        "fine.tif": (64, 0.1)
    }  # of which 6.4 pixels of the others are left
    settings = dataset(micrographs(kinds), fit="resize", same_scale=True, split=PLAIN)
    prepare(settings, tmp_path / "out")
    said = capsys.readouterr().err
    assert "4 picture(s) have less than 50% of the pixels of an image along a side and are a blur (0.tif, 1.tif" in said
    assert "same_scale: true" not in said


def test_names_tell_magnifications_where_files_tell_nothing(tmp_path, inline, micrographs, dataset, capsys):
    kinds = ["a_500x.tif", "b_500x.tif", "c_2000X.tif"]
    prepare(dataset(micrographs(dict.fromkeys(kinds, (64, None))), split=PLAIN), tmp_path / "out")
    said = capsys.readouterr().err
    assert "by their names the pictures are of mixed magnification, 500x in 2 (a_500x.tif); 2000x in 1 (c_2000X" in said
    for names in (
        ["a_500x.tif", "b_500x.tif"], ["64x64.tif", "a_32x32.tif"], ["x12_y40.tif", "x24_y40.tif"], ["s1x/x2.tif"],
        ["y40_x12.tif", "y40_x24.tif"], ["image500x.tif", "image100x.tif"],
    ):  # fmt: skip
        assert magnification._by_name(names) == []
    for names in (["x500/a.tif", "X100/a.tif"], ["x500.tif", "a/X100.tif"], ["mag500x.tif", "b_Mag100x_2.tif"]):
        assert f"500x in 1 ({names[0]}); 100x in 1 ({names[1]})" in magnification._by_name(names)[0]


def test_files_that_contradict_the_settings_are_named(tmp_path, inline, micrographs, dataset, capsys):
    root = micrographs(MIXED)
    prepare(dataset(root, split=PLAIN, pixel_size=500.0, unit="nm"), tmp_path / "out")
    said = capsys.readouterr().err
    assert (
        "500 nm holds for all, but 3 of 6 files that tell how long a pixel is say otherwise (first: 0.tif, 1000 nm"
        in said
    )


def test_files_that_say_what_the_settings_say_are_not(tmp_path, inline, micrographs, dataset, capsys):
    root = micrographs({name: (side, 0.5) for name, (side, _) in MIXED.items()})
    prepare(dataset(root, split=PLAIN, pixel_size=500.0, unit="nm"), tmp_path / "out")
    assert "say otherwise" not in capsys.readouterr().err


def test_boxes_are_cut_at_the_scale_of_their_picture(tmp_path, inline, micrographs, dataset):
    root = micrographs(MIXED)
    for name, (side, pixel) in MIXED.items():
        mask = np.zeros((side, side), np.uint8)
        low, high = (round(at / pixel) for at in (4, 12))
        mask[low:high, low:high] = 255
        (Path(root).parent / "masks").mkdir(exist_ok=True)
        tifffile.imwrite(Path(root).parent / "masks" / name, mask, photometric="minisblack")
    own = {"format": "mask", "path": str(Path(root).parent / "masks")}
    settings = dataset(root, fit="tile", size=32, tile_overlap=0, same_scale=True, split=PLAIN, boxes=own)
    prepare(settings, tmp_path / "out")
    annotate(settings, tmp_path / "out")
    boxes = ImageSet.open(tmp_path / "out").boxes
    assert len(boxes) == 6
    assert (boxes[["x0", "y0", "x1", "y1"]].to_numpy() == (4, 4, 12, 12)).all()


def test_what_has_no_scale_is_refused(tmp_path, inline, micrographs, dataset):
    with pytest.raises(UserError, match=r"none of 4 pictures tells how long a pixel is .*; `pixel_size` says it"):
        prepare(dataset(micrographs({f"{i}.tif": (64, None) for i in range(4)}), same_scale=True), tmp_path / "out")
    with pytest.raises(ValidationError, match="same_scale: is for `fit: tile` and `resize`"):
        dataset(same_scale=True, fit="pad")
