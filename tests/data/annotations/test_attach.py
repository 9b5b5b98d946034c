"""From annotated images to an image set with boxes."""

import csv
import json
import os
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.data import box_store
from pipeline.data.annotations import attach as module
from pipeline.data.annotations.attach import annotate
from pipeline.data.annotations.parse import read_file
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.prepare import prepare
from pipeline.data.reading.sandbox import Failed, SandboxPool
from pipeline.settings import UserError
from tests.data.annotated import coco, voc, yolo

BRIGHT = 250
WAY_OUT = "put it into a folder called as its image's"


@pytest.fixture
def source(tmp_path):
    """Writes {name: pixels, or text} below the folders `images` and `boxes`."""

    def make(images, boxes):
        for folder, content in (("images", images), ("boxes", boxes)):
            for name, value in content.items():
                path = tmp_path / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(value, str):
                    path.write_text(value, encoding="utf-8")
                else:
                    Image.fromarray(value).save(path)
        return str(tmp_path / "images")

    return make


@pytest.fixture
def annotated(tmp_path, dataset):
    """The image set of the folders, prepared and annotated with these settings."""

    def make(kind="voc", boxes=(), **settings):
        own = {"format": kind, "path": str(tmp_path / "boxes"), **dict(boxes)}
        settings = dataset(str(tmp_path / "images"), boxes=own, split={"near_duplicates": "off"}, **settings)
        prepare(settings, tmp_path / "out")
        annotate(settings, tmp_path / "out")
        return ImageSet.open(tmp_path / "out")

    return make


def remarks(out):
    with open(out / "boxes_remarks.csv", encoding="utf-8") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def dark(seed, height, width, box=None):
    """A dull random picture with one bright rectangle (x0, y0, x1, y1)."""
    pixels = np.random.default_rng(seed).integers(0, 60, (height, width), np.uint8)
    if box:
        x0, y0, x1, y1 = box
        pixels[y0:y1, x0:x1] = BRIGHT
    return pixels


def bright(image):
    """The rectangle (x0, y0, x1, y1) around what is bright."""
    rows, cols = np.nonzero(image[..., 0] > BRIGHT // 2)
    return (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)


@pytest.mark.parametrize(
    ("shape", "box", "settings"),
    [
        ((32, 32), (4, 6, 12, 26), {}),  # reduced to one half
        ((8, 8), (1, 2, 4, 7), {}),  # enlarged twice
        ((32, 60), (22, 0, 38, 10), {}),  # of a wide picture the centre, from column 14 on
        ((60, 32), (8, 16, 32, 38), {}),
        ((36, 32), (4, 6, 12, 26), {"crop_bottom": 4}),
        ((40, 32), (4, 6, 12, 26), {"crop_bottom": 0.2}),
        ((16, 60), (18, 3, 25, 11), {"fit": "tile", "tile_overlap": 0}),
        ((20, 60), (18, 3, 25, 15), {"fit": "tile", "tile_overlap": 0.5}),
        ((32, 80), (34, 2, 44, 16), {"fit": "tile", "tile_source": 32}),
    ],
)
def test_boxes_lie_on_their_defects(tmp_path, inline, source, annotated, shape, box, settings):
    x0, y0, x1, y1 = box
    mark = ("scratch", x0 + 1, y0 + 1, x1, y1)
    images = {f"{i}.png": dark(i, *shape, box) for i in range(4)}
    source(images, {f"{i}.xml": voc(mark, size=shape) for i in range(4)})
    found = annotated(**settings)
    assert len(found.boxes) >= 4
    assert found.boxes["label"].eq("scratch").all()
    positions = {name: i for i, name in enumerate(found.metadata["id"])}
    for name, _, *ends in found.boxes.itertuples(index=False):
        assert bright(found.images[positions[name]]) == tuple(ends)
    # What no box tells of is not bright, but for what is too small a part to count.
    for name in set(positions) - set(found.boxes["id"]):
        assert (found.images[positions[name]] > BRIGHT // 2).sum() < (x1 - x0) * (y1 - y0) / 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_drawn_on_the_upright_picture(tmp_path, inline, source, annotated, orientation):
    box = (4, 2, 14, 8)  # of the picture as a person sees it, 24 rows and 16 columns
    upright = dark(0, 24, 16, box)
    for i in range(3):
        source({}, {f"{i}.xml": voc(("a", 5, 3, 14, 8), size=(24, 16))})
        seen = Image.fromarray(upright if i == 0 else dark(i, 24, 16, box))
        back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that undoes what viewers do
        exif = Image.Exif()
        exif[274] = orientation
        (tmp_path / "images").mkdir(exist_ok=True)
        stored = seen.transpose(Image.Transpose(back[orientation])) if orientation > 1 else seen
        stored.save(tmp_path / "images" / f"{i}.png", exif=exif)
    found = annotated()
    assert found.annotated.all()
    for image, box in zip(found.images, found.boxes.itertuples(), strict=True):
        assert bright(image) == (box.x0, box.y0, box.x1, box.y1) == (4, 0, 14, 4)  # rows 4 to 20 are kept
    assert found.boxes["id"].is_unique


def test_hostile_annotations_cost_their_own_images_alone(tmp_path, inline, source, annotated):
    bomb = '<!DOCTYPE b [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><annotation>&b;</annotation>'
    texts = {"0.xml": voc(("a", 3, 3, 9, 9)), "1.xml": bomb, "2.xml": voc(("a", "nan", 3, "inf", 9))}
    source({f"{i}.png": dark(i, 16, 16) for i in range(7)}, texts | {"3.xml": voc(("n" * 10**6, 3, 3, 9, 9))})
    boxes = tmp_path / "boxes"
    os.mkfifo(boxes / "4.xml")
    (boxes / "5.xml").symlink_to(tmp_path / "nowhere")
    (boxes / "6.xml").mkdir()
    found = annotated()
    assert found.annotated.tolist() == [True] + [False] * 6
    said = {(file, done): reason for file, box, done, reason in remarks(tmp_path / "out") if not box}
    assert {file for file, _ in said} == {f"{i}.png" for i in range(1, 7)}
    assert "declares XML entities" in said["1.png", "unknown"]
    assert said["2.png", "unknown"] == said["3.png", "unknown"] == "none of its boxes can be used"
    assert said["4.png", "unknown"] == "is a pipe, not a file"
    assert "which is not there" in said["5.png", "unknown"]
    assert said["6.png", "unknown"] == "has no annotation"
    assert (tmp_path / "out" / "boxes_remarks.csv").stat().st_size < 4000


def test_half_letters_in_a_coco_file_end_in_no_error(tmp_path, inline, source, annotated):
    images = [("0.png", 16, 16), ("\ud800.png", 16, 16), ("1.png", 16, 16)]
    marks = [(0, "a", 4, 2, 6, 9), (1, "a", 4, 2, 6, 9), (2, "\ud800", 4, 2, 6, 9)]
    source({f"{i}.png": dark(i, 16, 16) for i in range(2)}, {"all.json": coco(images, marks, ("a", "\ud800"))})
    assert annotated("coco").annotated.tolist() == [True, False]


def test_three_formats_give_one_table(tmp_path, inline, source, dataset):
    shape, boxes = (33, 47), [("b", 8, 4, 29, 17), ("a", 16, 10, 40, 33)]
    source({f"{i}.png": dark(i, *shape) for i in range(3)}, {})
    files = [f"{i}.png" for i in range(3)]
    centred = [("ba".index(c), (x + u) / 94, (y + v) / 66, (u - x) / 47, (v - y) / 33) for c, x, y, u, v in boxes]
    written = {
        "voc": {f"{i}.xml": voc(*[(c, x + 1, y + 1, u, v) for c, x, y, u, v in boxes]) for i in range(3)},
        "coco": {"all.json": coco([(f, *shape) for f in files], [
            (i, c, x, y, u - x, v - y) for i in range(3) for c, x, y, u, v in boxes])},
        "yolo": {f"{i}.txt": yolo(*centred) for i in range(3)} | {"classes.txt": "b\na\n"},
    }  # fmt: skip
    tables = []
    for kind, content in written.items():
        for name, text in content.items():
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / name).write_text(text)
        settings = dataset(str(tmp_path / "images"), boxes={"format": kind, "path": str(tmp_path / kind)})
        if not tables:
            prepare(settings, tmp_path / "out")
        annotate(settings, tmp_path / "out")
        tables.append(ImageSet.open(tmp_path / "out").boxes)
        assert remarks(tmp_path / "out") == []
    assert tables[0].iloc[1].tolist() == ["real_000000", "a", pytest.approx((16 - 7) * 16 / 33), *[
        pytest.approx(v * 16 / 33) for v in (10, 33, 33)]]  # fmt: skip
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], rtol=1e-6)


LAUGHS = '<!DOCTYPE b [<!ENTITY l0 "lol"><!ENTITY l1 "&l0;&l0;">]><annotation>&l1;</annotation>'


@pytest.fixture
def troubled(source):
    """Images with everything that goes wrong; each is named after what is wrong with it."""
    good = ("a", 3, 3, 10, 10)
    fine = voc(good, size=(20, 20))
    wrong = {
        "partly": voc(("a", -3, 3, 10, 10)), "outside": voc(good, ("a", 30, 1, 35, 5)),
        "onlybad": voc(("a", 9, 3, 4, 9)), "nan": voc(good, ("a", "nan", 3, 9, 9)),
        "noclass": voc(good, ("", 1, 1, 5, 5)), "twice": voc(good, good),
        "size": voc(good, size=(40, 20)), "empty": voc(), "bomb": LAUGHS, "cut": "<annotation><object>", "zero": "",
        "other": voc(good, ("b", 1, 1, 5, 5)), "unwanted": voc(("z", 3, 3, 10, 10)),
        "v1/double": fine, "v2/double": fine,
        "v1/differ": fine, "v2/differ": voc(("b", 3, 3, 10, 10)), "b_0": voc(("b", 1, 1, 5, 5)), "nobody": fine,
    }  # fmt: skip
    names = {name.rsplit("/", 1)[-1] for name in wrong} - {"nobody", "b_0"} | {"missing", "fine"}
    images = {f"a/{name}.png": dark(i, 20, 20) for i, name in enumerate(sorted(names))}
    images |= {f"b/b_{i}.png": dark(50 + i, 20, 20) for i in range(3)}
    boxes = {f"{name}.xml": text for name, text in wrong.items()} | {
        "fine.xml": fine,
        "b_1.xml": voc(),
        "b_2.xml": voc(),
    }
    source(images, boxes)


EXPECTED = {
    ("a/bomb.png", "", "unknown", "declares XML entities (a bomb, or a way to other files), which no annotation needs"),
    ("a/cut.png", "", "unknown", "is no XML: line 1, column 20"),
    ("a/differ.png", "", "unknown", "is annotated twice, and not alike: v1/differ.xml and v2/differ.xml"),
    ("a/missing.png", "", "unknown", "has no annotation"),
    ("a/nan.png", "a [nan, 2, 9, 9]", "left out", "has a coordinate that is not finite (NaN or infinity)"),
    ("a/noclass.png", "object 2", "left out", "has no class"),
    ("a/onlybad.png", "", "unknown", "none of its boxes can be used"),
    ("a/onlybad.png", "a [8, 2, 4, 9]", "left out", "is empty or inverted"),
    ("a/other.png", "b [0, 0, 5, 5]", "kept", "is of another class than its image"),
    ("a/outside.png", "a [29, 0, 35, 5]", "left out", "lies outside the image"),
    ("a/partly.png", "a [-4, 2, 10, 10]", "clipped", "reaches out of the image"),
    ("a/size.png", "", "unknown", "its boxes were drawn on 40 x 20 pixels, but the upright picture has 20 x 20"),
    ("a/twice.png", "a [2, 2, 10, 10]", "left out", "is the same as another of its image"),
    ("a/unwanted.png", "z [2, 2, 10, 10]", "left out", "is of a class that boxes.classes does not name"),
    ("a/zero.png", "", "unknown", "is no XML: line 1, column 0"),
    ("nobody.xml", "", "left out", "no image of the source is called so"),
    ("v2/double.xml", "", "left out", "says the same as v1/double.xml"),
}


def test_everything_that_is_wrong_is_named_and_the_rest_goes_on(tmp_path, inline, troubled, annotated, capsys):
    found = annotated(boxes={"classes": ["b", "a"]}, labels={"rule": "folder"})
    assert set(remarks(tmp_path / "out")) == EXPECTED
    assert len(remarks(tmp_path / "out")) == len(EXPECTED)
    names = found.metadata["source"].str.extract(r"/(\w+)\.png")[0]
    unknown = {"bomb", "cut", "differ", "missing", "onlybad", "size", "zero"}
    assert set(names[~found.annotated]) == unknown
    with_boxes = set(names[found.metadata["id"].isin(found.boxes["id"])])
    assert set(names) - unknown - with_boxes == {"empty", "unwanted", "b_1", "b_2"}  # background
    assert found.box_classes == ["b", "a"]
    assert found.boxes["label"].value_counts().to_dict() == {"a": 8, "b": 2}
    said = capsys.readouterr().err
    assert "10 boxes in 9 of 20 images; a 8, b 2" in said
    assert "4 image(s) without a box: background" in said
    assert "7 image(s) whose boxes are not known" in said
    assert "1 box(es) of 1 file(s) left out: has no class" in said
    assert "... and for 6 more reasons (boxes_remarks.csv)" in said
    with Image.open(tmp_path / "out" / "boxes.png") as sheet:
        colours = {tuple(pixel) for pixel in np.asarray(sheet).reshape(-1, 3).tolist()}
    assert {(0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9)} <= colours


def test_in_a_process_of_its_own_the_same(tmp_path, inline, troubled, annotated, monkeypatch):
    monkeypatch.setattr(module, "SandboxPool", SandboxPool)
    annotated(boxes={"classes": ["b", "a"]}, labels={"rule": "folder"})
    assert set(remarks(tmp_path / "out")) == EXPECTED


def test_a_file_that_kills_its_reader_costs_one_image(tmp_path, inline, source, annotated, monkeypatch):
    def killed(task):
        return Failed("crashed its decoder (exit status -11)") if task.annotation.name == "1.xml" else read_file(task)

    source({f"{i}.png": dark(i, 20, 20) for i in range(3)}, {f"{i}.xml": voc(("a", 2, 2, 9, 9)) for i in range(3)})
    monkeypatch.setattr(module, "read_file", killed)
    assert annotated().annotated.tolist() == [True, False, True]
    assert remarks(tmp_path / "out") == [("1.png", "", "unknown", "crashed its decoder (exit status -11)")]


def test_a_scratch_on_a_bad_part_is_nothing_odd(tmp_path, inline, source, annotated):
    images = {f"{label}/{label}{i}.png": dark(i, 20, 20) for label in ("good", "bad") for i in range(3)}
    boxes = {f"bad{i}.xml": voc(("scratch", 2, 2, 9, 9)) for i in range(3)}
    source(images, boxes)
    found = annotated(labels={"rule": "folder"}, boxes={"missing": "background"})
    assert remarks(tmp_path / "out") == []
    assert found.annotated.all()
    assert len(found.boxes) == 3


def test_what_a_missing_file_means_depends_on_the_format_and_can_be_said(tmp_path, inline, source, annotated):
    source({f"{i}.png": dark(i, 20, 20) for i in range(4)}, {"1.txt": yolo((0, 0.5, 0.5, 0.5, 0.5)), "2.txt": ""})
    assert annotated("yolo", {"names": ["a"]}).annotated.all()
    unsaid = annotated("yolo", {"names": ["a"], "missing": "unknown"})
    assert unsaid.metadata["source"][unsaid.annotated].tolist() == ["1.png", "2.png"]


@pytest.mark.parametrize(("boxed", "warned"), [("train", "test"), ("test", "train"), ("both", None)])
def test_a_side_without_a_box_is_warned_of(inline, source, annotated, capsys, boxed, warned):
    sides = ("train", "test")
    images = {f"{side}/{side}{i}.png": dark(i + len(side), 20, 20) for side in sides for i in range(3)}
    source(images, {f"{name}.xml": voc(("a", 3, 3, 10, 10)) for side in sides if boxed in (side, "both")
                    for name in (f"{side}0", f"{side}1", f"{side}2")})  # fmt: skip
    annotated()
    does = {"train": "learn", "test": "be judged"}
    said = f"images shows a known box, so no detector of boxes can {does.get(warned)}"
    assert (said in capsys.readouterr().err) == (warned is not None)


@pytest.mark.parametrize("kind", ["yolo", "voc", "coco", "labelme"])
def test_splits_may_have_equal_file_names(tmp_path, inline, source, annotated, kind):
    boxes = {"train": (2, 4, 8, 14), "valid": (10, 2, 18, 8), "test": (4, 10, 16, 18)}
    images = {f"{side}/images/{i}.png": dark(9 * i + x0, 20, 20, (x0, y0, x1, y1))
              for side, (x0, y0, x1, y1) in boxes.items() for i in range(3)}  # fmt: skip
    texts = {}
    for side, (x0, y0, x1, y1) in boxes.items():
        one = {
            "yolo": yolo((0, (x0 + x1) / 40, (y0 + y1) / 40, (x1 - x0) / 20, (y1 - y0) / 20)),
            "voc": voc(("a", x0 + 1, y0 + 1, x1, y1)),
            "coco": coco([(f"{i}.png", 20, 20) for i in range(3)],
                         [(i, "a", x0, y0, x1 - x0, y1 - y0) for i in range(3)]),
            "labelme": json.dumps(
                {"shapes": [{"label": "a", "shape_type": "rectangle", "points": [[x0, y0], [x1, y1]]}]}),
        }[kind]  # fmt: skip
        suffix = {"yolo": "txt", "voc": "xml"}.get(kind, "json")
        files = ("_annotations.coco",) if kind == "coco" else [f"labels/{i}" for i in range(3)]
        texts |= {f"{side}/{name}.{suffix}": one for name in files}
    source(images, texts)
    found = annotated(kind, {"names": ["a"]} if kind == "yolo" else {}, size=20)
    assert found.annotated.all()
    assert remarks(tmp_path / "out") == []
    places = {name: i for i, name in enumerate(found.metadata["id"])}
    for name, _, *ends in found.boxes.itertuples(index=False):
        assert bright(found.images[places[name]]) == tuple(ends)


def test_an_image_that_a_file_may_mean_is_no_background(tmp_path, inline, source, annotated):
    mark = yolo((0, 0.5, 0.5, 0.5, 0.5))
    places = ["x/0", "y/0", "x/1", "y/1", "x/2", "y/2", "z/3", "z/4"]
    texts = {"0.txt": mark, "x/1.txt": mark, "1.txt": mark, "z/4.txt": mark}  # 1 has one of its own in x, none in y
    source({f"{place}.png": dark(i, 20, 20) for i, place in enumerate(places)}, texts)
    (tmp_path / "boxes" / "2.txt").write_bytes(b"\xff\xfe\xfa")
    found = annotated("yolo", {"names": ["a"]})
    assert found.metadata["source"][found.annotated].tolist() == ["x/1.png", "z/3.png", "z/4.png"]
    assert set(remarks(tmp_path / "out")) == {
        *[(f"{i}.txt", "", "left out", f"could mean x/{i}.png or y/{i}.png: {WAY_OUT}") for i in range(3)],
        *[(f"{place}.png", "", "unknown", f"has no annotation of its own, but {place[2]}.txt may mean it")
          for place in ("x/0", "y/0", "y/1", "x/2", "y/2")],
    }  # fmt: skip


def test_why_a_file_cannot_be_read_is_said_where_no_image_is_called_as_it_is(tmp_path, inline, source, annotated):
    source({f"{i}.png": dark(i, 20, 20) for i in range(4)}, {"0.txt": yolo((0, 0.5, 0.5, 0.5, 0.5))})
    (tmp_path / "boxes" / "export.txt").write_bytes(b"\xff\xfe\xfa")
    annotated("yolo", {"names": ["a"]})
    assert ("export.txt", "", "left out", "is no text") in remarks(tmp_path / "out")


def test_a_lost_file_of_many_images_leaves_no_background(tmp_path, inline, source, annotated):
    whole = coco([("1.png", 20, 20), ("2.png", 20, 20)], [(0, "a", 3, 3, 5, 5)])
    source({f"{i}.png": dark(i, 20, 20) for i in range(4)}, {"one.json": whole, "two.json": whole[:90]})
    found = annotated("coco", {"missing": "background"})
    assert found.metadata["source"][found.annotated].tolist() == ["1.png", "2.png"]
    assert ("two.json", "", "left out") in [row[:3] for row in remarks(tmp_path / "out")]


def test_parts_of_boxes_are_counted(tmp_path, inline, source, annotated, capsys):
    # Tiles of 16 in columns 0 to 16 and 16 to 32: a box of 10 columns with 4 and 6, a scratch through both, one within.
    marks = [("a", 13, 2, 22, 5), ("b", 1, 8, 32, 9), ("a", 2, 12, 4, 15)]
    source({f"{i}.png": dark(i, 16, 32) for i in range(3)}, {f"{i}.xml": voc(*marks) for i in range(3)})
    first = annotated(fit="tile", tile_overlap=0).boxes.head(4)
    assert [tuple(row) for row in first.itertuples(index=False)] == [
        ("real_000000", "b", 0, 7, 16, 9), ("real_000000", "a", 1, 11, 4, 15),
        ("real_000001", "a", 0, 1, 6, 5), ("real_000001", "b", 0, 7, 16, 9),
    ]  # fmt: skip
    said = capsys.readouterr().err
    assert "9 boxes reach out of their prepared image" in said
    assert "3 smaller parts of boxes (boxes.visible: 0.5)" in said
    assert remarks(tmp_path / "out") == []
    assert len(annotated(boxes={"visible": 0.4}, fit="tile", tile_overlap=0).boxes) == 15
    strict = annotated(boxes={"visible": 0.7}, fit="tile", tile_overlap=0)
    assert len(strict.boxes) == 9
    (lost, *_) = remarks(tmp_path / "out")
    assert lost[1:] == ("a [12, 1, 22, 5]", "left out", "no prepared image shows enough of it (boxes.visible)")


def test_defects_that_the_cut_leaves_out_are_counted(tmp_path, inline, source, annotated, capsys):
    places = {"all": (20, 2, 28, 8), "none": (0, 2, 8, 8), "third": (12, 2, 18, 8)}  # the square has columns 16 to 32
    images = {f"{name}.png": dark(i, 16, 48, box) for i, (name, box) in enumerate(places.items())}
    images |= {f"good{i}.png": dark(9 + i, 16, 48) for i in range(4)}
    boxes = {f"{name}.xml": voc(("pit", x0 + 1, y0 + 1, x1, y1)) for name, (x0, y0, x1, y1) in places.items()}
    source(images, boxes)
    warning = "of 3 pictures with boxes 1 show none of them now, 1 less than half, for `fit: resize` cuts them off"
    found = annotated(boxes={"missing": "background"})
    said = capsys.readouterr().err
    assert warning in said
    assert any(warning in line for line in box_store.lost(found.path))
    assert found.metadata["source"][~found.annotated].tolist() == ["third.png"], "a third of a pit is no background"
    assert "1 image(s) show nothing else, and no detector of boxes learns from them" in said
    for settings in ({"fit": "stretch"}, {}):
        placed = annotated(boxes={"missing": "background", "place_cut": not settings}, **settings)
        assert "cuts them off" not in capsys.readouterr().err
        assert len(placed.boxes) == 3
    at = placed.metadata.set_index("source")["col"]
    assert at[["all.png", "none.png", "third.png", "good0.png"]].tolist() == [16, 0, 12, 16]
    for image in placed.boxes.merge(placed.metadata.reset_index(), on="id").itertuples():
        assert bright(placed.images[image.index]) == (image.x0, image.y0, image.x1, image.y1)
    padded = annotated(boxes={"missing": "background"}, fit="pad", padding="edge", size=48)
    assert "cuts them off" not in capsys.readouterr().err
    at = padded.boxes.merge(padded.metadata, on="id").set_index("source")
    assert at.loc["none.png", ["x0", "y0", "x1", "y1"]].tolist() == [0, 18, 8, 24]


@pytest.mark.parametrize(("padding", "warned"), [("edge", True), ("constant", False)])
def test_defects_that_a_drawn_out_edge_shows_again_are_warned_of(inline, source, annotated, capsys, padding, warned):
    marks = {"top": (20, 0, 28, 8), "middle": (20, 4, 28, 12), "left": (0, 4, 8, 12)}  # the rim is above and below
    images = {f"{name}.png": dark(i, 16, 48, box) for i, (name, box) in enumerate(marks.items())}
    boxes = {f"{name}.xml": voc(("pit", x0 + 1, y0 + 1, x1, y1)) for name, (x0, y0, x1, y1) in marks.items()}
    source(images, boxes)
    annotated(fit="pad", padding=padding, size=48)
    assert ("WARNING: 1 image(s) have boxes at an edge of the picture" in capsys.readouterr().err) == warned


def test_only_the_images_of_the_set_have_boxes(tmp_path, inline, source, annotated):
    images = {f"a_{i}.png": dark(i, 20, 20) for i in range(12)}
    source(images, {f"a_{i}.xml": voc(("a", 2, 2, 9, 9)) for i in range(12)})
    found = annotated(labels={"rule": "filename"}, shots=2)
    assert set(found.boxes["id"]) == set(found.metadata["id"])
    assert len(found) < 12
    assert remarks(tmp_path / "out") == []


def test_nothing_usable_stops_with_the_reason(tmp_path, inline, source, annotated):
    source({f"{i}.png": dark(i, 20, 20) for i in range(3)}, {"0.xml": "<x/>", "1.xml": voc(), "9.xml": voc()})
    with pytest.raises(UserError, match=r"none of 3 annotation file\(s\) gives a box: .*begins with <x>"):
        annotated()
    (tmp_path / "boxes" / "2.xml").write_text(voc(("a", 2, 2, 9, 9)))
    with pytest.raises(UserError, match=r"boxes\.classes: no usable box of `b`; the annotations hold a \(1\)"):
        annotated(boxes={"classes": ["a", "b"]})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["Pit", "crack"], "no usable box of `Pit`; the annotations hold crack (3), gepr\u00fcft (3), pit (3); "
         "`Pit` and `pit` differ in case, accents or blanks alone"),
        (["gepru\u0308ft"], "`gepru\u0308ft` and `gepr\u00fcft` differ in case, accents or blanks alone"),
        (["pits"], "; the nearest is `pit`"),
        (["void"], "no usable box of `void`; the annotations hold crack (3), gepr\u00fcft (3), pit (3)"),
    ],
)  # fmt: skip
def test_a_class_without_a_box_is_told_those_with_some(tmp_path, inline, source, annotated, asked, said):
    marks = [(label, 2 + 5 * i, 2, 6 + 5 * i, 9) for i, label in enumerate(("pit", "crack", "gepr\u00fcft"))]
    source({f"{i}.png": dark(i, 20, 20) for i in range(3)}, {f"{i}.xml": voc(*marks) for i in range(3)})
    with pytest.raises(UserError, match=re.escape(said)):
        annotated(boxes={"classes": asked})


def test_classes_of_boxes_that_differ_in_case_are_warned_of(tmp_path, inline, source, annotated, capsys):
    texts = {f"{i}.xml": voc((label, 2, 2, 9, 9)) for i, label in enumerate(("crack", "Crack", "CRACK", "pit"))}
    source({f"{i}.png": dark(i, 20, 20) for i in range(4)}, texts)
    for words in ({}, {"classes": ["crack", "pit"]}):
        annotated(boxes=words)
        assert "classes of boxes `crack` (1) and `Crack` (1) and `CRACK` (1) differ in case" in capsys.readouterr().err


def test_boxes_in_fractions_are_not_taken_for_pixels(tmp_path, inline, source, annotated):
    marks = [(i, "a", 0.1, 0.2, 0.3, 0.3) for i in range(3)]
    sizes = [(f"{i}.png", 20, 20) for i in range(3)]
    source({f"{i}.png": dark(i, 20, 20) for i in range(3)}, {"0.json": coco(sizes, marks)})
    with pytest.raises(UserError, match=r"look like fractions .* in pixels, as `format: coco` has"):
        annotated("coco")
    source({}, {f"{i}.xml": voc(("a", 0.1, 0.2, 0.4, 0.5)) for i in range(2)} | {"2.xml": voc(("a", 3, 3, 9, 9))})
    assert annotated("voc").annotated.tolist() == [False, False, True]
    with pytest.raises(UserError, match="look like fractions"):
        annotated("voc", {"path": str(tmp_path / "boxes/[01].xml")})


def test_boxes_change_nothing_of_the_images(tmp_path, inline, source, annotated, dataset):
    root = source({f"{i}.png": dark(i, 20, 20) for i in range(4)}, {"0.xml": voc(("a", 2, 2, 9, 9))})
    annotated()
    prepare(dataset(root, split={"near_duplicates": "off"}), tmp_path / "without")
    for name in ("images.npy", "metadata.csv", "meta.json", "rejected.csv", "preview.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "without" / name).read_bytes(), name
    assert ImageSet.open(tmp_path / "without").boxes is None
    assert "boxes" not in json.loads((tmp_path / "without" / "meta.json").read_text())["settings"]


NEU = ["splits/train.csv", "splits/val.csv"]


@pytest.fixture
def steel(tmp_path, shared_data, dataset):
    """Prepares steel at 64 pixels; its table of images with what it says of their boxes."""

    def make(which):
        root = shared_data("neu_det")
        table = pd.concat([pd.read_csv(root / name) for name in NEU]).set_index("file")
        labels = {"rule": "csv", "csv": [str(root / name) for name in NEU]}
        boxes = {"format": "voc", "path": str(root / "ANNOTATIONS" / f"{which}.xml")}
        split = {"near_duplicates": "off"}
        given = dataset(str(root / "IMAGES" / f"{which}.jpg"), size=64, labels=labels, boxes=boxes, split=split)
        prepare(given, tmp_path / "out", workers=2)
        annotate(given, tmp_path / "out", workers=2)
        images = ImageSet.open(tmp_path / "out")
        return images, table.loc[images.metadata["source"]]

    return make


def test_steel_has_the_boxes_that_its_table_counts(tmp_path, inline, steel):
    images, table = steel("*_1?")
    own = images.boxes.groupby("id")["label"]
    twice = sum(row[3].startswith("is the same") for row in remarks(tmp_path / "out"))
    assert own.size().sum() + twice == table["n_boxes"].sum()
    assert [set(labels) for _, labels in own] == [set(text.split("|")) for text in table["box_classes"]]
    sides = images.boxes[["x0", "y0", "x1", "y1"]]
    assert sides.to_numpy().min() >= 0
    assert sides.to_numpy().max() <= 64


@pytest.mark.slow
def test_all_boxes_of_steel(tmp_path, steel):
    images, table = steel("*")
    assert len(images.boxes) == table["n_boxes"].sum() - 2 == 3769
    done = pd.DataFrame(remarks(tmp_path / "out"), columns=["file", "box", "done", "reason"])
    assert done["done"].value_counts().to_dict() == {"kept": 176, "left out": 2}
    assert done["file"][done["done"] == "kept"].nunique() == 114
    assert images.annotated.all()
