"""Tiles of a picture with defects that show none are background."""

import json

import numpy as np
import pytest

from pipeline.data.annotations.attach import annotate
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.prepare import prepare
from tests.data.annotations.test_attach import dark

SIDE = 48  # nine tiles of 16


def scratch():
    """A line from the upper left to the lower right, 3 pixels thick: the rectangle around it is the whole picture."""
    return (np.abs(np.subtract.outer(np.arange(SIDE), np.arange(SIDE))) <= 1).astype(np.uint8)


@pytest.fixture
def tiles(tmp_path, inline, folder, dataset):
    """Class and boxes of each tile of the first bad picture, in a set of bad ones with masks and good ones without."""

    def make(mask, **words):
        content = {f"images/{kind}/{i}.png": dark(i, SIDE, SIDE) for kind in ("bad", "good") for i in range(3)}
        content |= {f"masks/bad/{i}.png": mask * 255 for i in range(3)}
        root = folder(content)
        own = {"format": "mask", "path": f"{root}/masks"}
        words = {"labels": {"rule": "folder"}, "split": {"near_duplicates": "off"}} | words
        settings = dataset(f"{root}/images", fit="tile", tile_overlap=0, boxes=own, **words)
        prepare(settings, tmp_path / "out")
        annotate(settings, tmp_path / "out")
        images = ImageSet.open(tmp_path / "out")
        return images, images.metadata[images.metadata["source"] == "bad/0.png"].set_index(["row", "col"])

    return make


def test_only_tiles_on_the_scratch_are_bad(tiles, capsys):
    images, own = tiles(scratch())
    corners = [(a, b) for a in (0, 16, 32) for b in (0, 16, 32)]
    # its three pixels across the corners of the others are too little of it to be bad, and no background
    beside = {(0, 16), (16, 0), (16, 32), (32, 16)}
    assert set(own.index) == set(corners) - beside
    assert own["label"].to_dict() == {at: "bad" if at[0] == at[1] else "background" for at in own.index}
    assert images.meta["classes"] == ["background", "bad", "good"]
    assert set(images.metadata[images.metadata["source"] == "good/0.png"]["label"]) == {"good"}
    boxes = images.boxes.merge(own.reset_index(), on="id")
    assert boxes[["row", "col"]].apply(tuple, axis=1).tolist() == [(0, 0), (16, 16), (32, 32)]
    assert (boxes[["x0", "y0", "x1", "y1"]].to_numpy() == (0, 0, 16, 16)).all()
    assert "6 tile(s) of pictures with defects show none and are background; 12 show too little" in (
        said := capsys.readouterr().err
    )
    assert "without a defect in sight" not in said


def test_a_net_larger_than_a_tile_is_in_every_tile_that_shows_as_much_of_it_as_others(tiles):
    net = np.zeros((SIDE, SIDE), np.uint8)
    net[5::16] = net[:, 5::16] = 1
    net[5, 32:] = net[:21, 37] = 0  # of the upper right tile nothing is left
    _images, own = tiles(net)
    assert own["label"].to_dict() == {at: "background" if at == (0, 32) else "bad" for at in own.index}
    assert len(own) == 9


def test_a_pit_on_an_edge_is_where_most_of_it_is(tiles):
    pit = np.zeros((SIDE, SIDE), np.uint8)
    pit[4:8, 6:17] = pit[20:24, 14:18] = 1  # ten of eleven columns; two and two
    _images, own = tiles(pit)
    assert own["label"].to_dict() == {
        at: "bad" if at in [(0, 0), (16, 0), (16, 16)] else "background" for at in own.index
    }
    assert (0, 16) not in own.index


def test_tiles_of_a_picture_without_an_annotation_are_warned_of(tiles, folder, capsys):
    folder({"images/bad/9.png": dark(9, SIDE, SIDE)})
    tiles(scratch())
    said = capsys.readouterr().err
    assert "WARNING: 9 tile(s) of 1 picture(s) keep their class without a defect in sight" in said
    assert "(first: bad/9.png)" in said


def test_with_a_good_class_they_are_good(tiles):
    images, own = tiles(scratch(), good="good")
    assert images.meta["classes"] == ["bad", "good"]
    assert own["label"][0, 32] == "good"


def test_without_classes_there_is_nothing_to_tell(tiles):
    images, own = tiles(scratch(), labels="none")
    assert images.meta["classes"] == ["all"]
    assert len(own) == 9
    assert len(images.boxes) == 9  # three pictures


def test_classes_that_are_asked_for_are_all(tiles, capsys):
    images, own = tiles(scratch(), labels={"rule": "folder", "classes": ["bad", "good"]})
    assert images.meta["classes"] == ["bad", "good"]
    assert set(own.index) == {(0, 0), (16, 16), (32, 32)}


def test_polygons_are_what_they_enclose(tmp_path, inline, folder, dataset):
    root = folder({f"bad/{i}.png": dark(i, SIDE, SIDE) for i in range(3)})
    corners = [[0, 0], [2, 0], [48, 46], [48, 48], [46, 48], [0, 2]]
    for i in range(3):
        text = {"imageHeight": SIDE, "imageWidth": SIDE, "shapes": [{"label": "scratch", "points": corners}]}
        (tmp_path / f"{i}.json").write_text(json.dumps(text))
    own = {"format": "labelme", "path": str(tmp_path / "*.json")}
    words = {"labels": {"rule": "folder"}, "split": {"near_duplicates": "off"}}
    prepare(dataset(root, fit="tile", tile_overlap=0, boxes=own, **words), tmp_path / "out")
    table = ImageSet.open(tmp_path / "out").metadata
    found = table[table["source"].str.endswith("0.png")].set_index(["row", "col"])["label"]
    assert found[16, 16] == "bad"
    assert found[0, 32] == "background"
