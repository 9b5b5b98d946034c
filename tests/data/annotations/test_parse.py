"""Three formats, one meaning; and files that are none, or mean harm."""

import base64
import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from pipeline.data.annotations import parse
from pipeline.data.annotations.records import Region
from pipeline.data.annotations.shapes import paint
from pipeline.settings import Dataset
from tests.data import annotated
from tests.data.annotated import coco, voc, yolo

SUFFIX = {"voc": "xml", "cvat": "xml", "yolo": "txt", "coco": "json", "labelme": "json", "labelstudio": "json"}


def settings(kind):
    return Dataset(source="unused", boxes={"format": kind, "path": "unused"})


@pytest.fixture
def reading(tmp_path):
    """What a file of this format and text holds."""

    def read(kind, text, names=("b", "a")):
        path = tmp_path / f"one.{SUFFIX[kind]}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return annotated.reading(path, settings(kind), names)

    return read


@pytest.fixture
def record(reading):
    """Of its only image."""

    def read(kind, text, names=("b", "a")):
        (only,) = reading(kind, text, names).records
        return only

    return read


# A picture of 40 columns and 20 rows; columns 4 to 9 and rows 2 to 16 of it, both included and counted from 0.
HERE = Region("a", 4, 2, 10, 17)


def test_voc_counts_from_one_and_includes_the_last_pixel(record):
    found = record("voc", voc(("a", 5, 3, 10, 17), size=(20, 40)))
    assert found.pixels(20, 40) == [HERE]
    assert found.size == (20, 40)
    whole = record("voc", voc(("a", 1, 1, 40, 20)))
    assert whole.pixels(20, 40) == [("a", 0, 0, 40, 20)]
    assert whole.size is None


def test_coco_has_a_corner_and_a_width(record):
    found = record("coco", coco([("x.png", 20, 40)], [(0, "a", 4, 2, 6, 15)]))
    assert found.pixels(20, 40) == [HERE]
    assert (found.image, found.size) == ("x.png", (20, 40))


def test_yolo_has_a_centre_in_fractions_of_width_and_height(record):
    found = record("yolo", yolo((1, 7 / 40, 9.5 / 20, 6 / 40, 15 / 20)))
    np.testing.assert_allclose(found.pixels(20, 40)[0][1:], HERE[1:], atol=1e-12)
    assert found.pixels(20, 40)[0].label == "a"
    assert found.size is None


def test_the_same_boxes_in_three_formats_are_the_same(record):
    height, width = 133, 517
    rng = np.random.default_rng(0)
    x0, y0 = rng.integers(0, width - 1, 50), rng.integers(0, height - 1, 50)
    x1, y1 = rng.integers(x0 + 1, width + 1), rng.integers(y0 + 1, height + 1)
    labels = ["ba"[i % 2] for i in range(50)]
    boxes = list(zip(labels, *(side.tolist() for side in (x0, y0, x1, y1)), strict=True))
    as_voc = voc(*[(c, a + 1, b + 1, p, q) for c, a, b, p, q in boxes])
    as_coco = coco([("x.png", height, width)], [(0, c, a, b, p - a, q - b) for c, a, b, p, q in boxes])
    as_yolo = yolo(
        *[
            ("ba".index(c), (a + p) / 2 / width, (b + q) / 2 / height, (p - a) / width, (q - b) / height)
            for c, a, b, p, q in boxes
        ]
    )
    found = [
        record(kind, text).pixels(height, width)
        for kind, text in (("voc", as_voc), ("coco", as_coco), ("yolo", as_yolo))
    ]
    assert found[0] == found[1] == boxes
    assert [region.label for region in found[2]] == labels
    np.testing.assert_allclose([r[1:] for r in found[2]], [b[1:] for b in boxes], atol=1e-9)


@pytest.mark.parametrize(
    "encoding", ["gb2312", "gbk", "big5", "shift_jis", "windows-1252", "ISO-8859-1", "utf-16", "koi8-r"]
)
def test_voc_in_any_encoding_that_python_knows(record, encoding):
    word = {
        "big5": "\u88c2\u7d0b",
        "windows-1252": "Ri\u00df",
        "ISO-8859-1": "Ri\u00df",
        "koi8-r": "\u0442\u0440\u0435\u0449",
    }
    label = word.get(encoding, "\u88c2")
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + voc((label, 5, 3, 10, 17))
    assert record("voc", text.encode(encoding)).regions == [HERE._replace(label=label)]


@pytest.mark.parametrize(
    ("encoding", "why"),
    [
        ("klingon", "declares the encoding `klingon`, which Python does not know"),
        ("rot13", "declares the encoding `rot13`, which Python does not know"),
        ("base64", "which Python does not know"),
        ("big5", "is not in the encoding `big5`"),
    ],
)
def test_an_encoding_that_is_none(record, encoding, why):
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
        + voc(("a", 5, 3, 10, 17)).encode()
        + b"<!-- \xff\xff -->"
    )
    assert why in record("voc", text).unreadable


def test_an_encoding_hides_no_bomb(record):
    text = f'<?xml version="1.0" encoding="gbk"?>{BOMB}'
    assert "declares XML entities" in record("voc", text).unreadable


L = [(4, 2), (10, 2), (10, 17), (4, 17), (4, 9)]  # around HERE, with one corner more
FLAT = [end for corner in L for end in corner]


def test_coco_tells_outlines_as_polygons_and_runs(record):
    content = json.loads(coco([("x.png", 20, 40)], [(0, "a", 4, 2, 6, 15)] * 3))
    mask = np.zeros((20, 40), bool)
    mask[2:17, 4:10] = True
    changes = np.flatnonzero(np.diff(mask.T.reshape(-1), prepend=False))
    counts = np.diff([0, *changes, 800]).tolist()
    content["annotations"][0]["segmentation"] = [FLAT, [1, 1, 2, 1, 2, 2]]
    content["annotations"][1]["segmentation"] = {"counts": counts, "size": [20, 40]}
    del content["annotations"][1]["bbox"]
    found = record("coco", json.dumps(content))
    assert found.regions == [HERE] * 3
    assert found.shapes is None  # of the last nothing is told
    del content["annotations"][2]
    found = record("coco", json.dumps(content))
    assert found.shapes[0].rings == [L, [(1, 1), (2, 1), (2, 2)]]
    np.testing.assert_array_equal(found.shapes[1].runs.pixels(), mask)
    content["annotations"][1] |= {"segmentation": {"counts": [600], "size": [20, 30]}, "bbox": [4, 2, 6, 15]}
    found = record("coco", json.dumps(content))  # of another size than the image
    assert (found.regions, found.shapes) == ([HERE] * 2, None)


def test_yolo_tells_outlines_as_polygons(record):
    line = "1 " + " ".join(f"{x / 40} {y / 20}" for x, y in L)
    found = record("yolo", line)
    np.testing.assert_allclose(found.pixels(20, 40)[0][1:], HERE[1:], atol=1e-12)
    assert len(found.shapes[0].rings[0]) == 5
    assert record("yolo", f"{line}\n1 .5 .5 .5 .5").shapes is None
    assert record("yolo", "").shapes == []


def test_labelme(record):
    polygon = {"label": "a", "shape_type": "polygon", "points": L}
    content = {"shapes": [polygon], "imagePath": "../elsewhere.png", "imageHeight": 20, "imageWidth": 40}
    found = record("labelme", json.dumps(content | {"imageData": "A" * 1000}))
    assert (found.image, found.size, found.regions) == ("one", (20, 40), [HERE])
    assert found.shapes[0].rings == [L]
    content["shapes"] += [
        {"label": "b", "shape_type": "rectangle", "points": [[10, 17], [4, 2]]},
        {"label": "c", "shape_type": "circle", "points": [[10, 8], [13, 12]]},
        {"label": "a", "shape_type": "point", "points": [[3, 3]]},
        {"label": "", "points": L}, {"label": "a", "points": 3},
    ]  # fmt: skip
    found = record("labelme", json.dumps(content))
    assert found.regions[:2] == [HERE, HERE._replace(label="b")]
    np.testing.assert_allclose(found.regions[2][1:], (5, 3, 15, 13), atol=1e-9)
    assert found.shapes is None
    assert [fault.reason for fault in found.faults] == [
        "is a point, which has no extent", "has no class", "has no points (x, y)"]  # fmt: skip


def test_cvat(reading):
    points = ";".join(f"{x}.00,{y}.00" for x, y in L)
    found = reading(
        "cvat",
        f'''<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task/></meta>
      <image id="0" name="sub/x.png" width="40" height="20">
        <polygon label="a" points="{points}" occluded="0" z_order="0"><attribute name="n">1</attribute></polygon>
        <mask label="b" rle="1, 2, 4, 1" left="10" top="5" width="4" height="2"/><tag label="bad"/>
      </image>
      <image id="1" name="y.png" width="40" height="20"><box label="a" xtl="4" ytl="2" xbr="10" ybr="17"/>
        <box label="a" xtl="4" ytl="8" xbr="14" ybr="12" rotation="90"/><points label="a" points="3,3"/></image>
      <image id="2" name="z.png" width="40" height="20"/></annotations>''',
    )
    first, second, third = found.records
    assert (first.image, first.size, first.regions) == ("sub/x.png", (20, 40), [HERE, ("b", 11, 5, 14, 7)])
    assert len(first.shapes) == 2
    assert second.regions[0] == HERE
    np.testing.assert_allclose(second.regions[1][1:], (7, 5, 11, 15), atol=1e-9)
    assert second.shapes is None
    assert [fault.box for fault in second.faults] == ["points 3"]
    assert (third.regions, third.shapes, third.faults) == ([], [], [])
    film = reading("cvat", "<annotations><track id='0' label='a'/></annotations>")
    assert "tracks of a film are not read" in film.unreadable


def test_label_studio(reading):
    size = {"original_width": 40, "original_height": 20}
    polygon = {"points": [[100 * x / 40, 100 * y / 20] for x, y in L], "polygonlabels": ["a"]}
    box = {"x": 10, "y": 10, "width": 15, "height": 75, "rotation": 0, "rectanglelabels": ["a"]}
    turned = {"x": 25, "y": 10, "width": 37.5, "height": 30, "rotation": 90, "rectanglelabels": ["a"]}
    results = [
        [{"type": "polygonlabels", "value": polygon} | size, {"type": "choices", "value": {"choices": ["bad"]}}],
        [{"type": "rectanglelabels", "value": value} | size for value in (box, turned)],
        [{"type": "brushlabels", "value": {"format": "rle", "rle": [1], "brushlabels": ["a"]}} | size],
    ]
    images = ["/data/upload/1/1a2b3c4d-x.png", "/data/local-files/?d=parts/y%201.png", "s3://bucket/z.png?sig=1"]
    tasks = [
        {"id": i, "data": {"image": image, "note": "n"}, "annotations": [{"result": result, "was_cancelled": False}]}
        for i, (image, result) in enumerate(zip(images, results, strict=True))
    ]
    tasks.append({"id": 9, "data": {"image": "w.png"}, "annotations": []})
    first, second, third = reading("labelstudio", json.dumps(tasks)).records
    assert [r.image for r in (first, second, third)] == [
        "/data/upload/1/1a2b3c4d-x.png",
        "parts/y 1.png",
        "s3://bucket/z.png",
    ]
    assert (first.size, first.regions, len(first.shapes)) == ((20, 40), [HERE], 1)
    assert second.regions[0] == HERE
    np.testing.assert_allclose(second.regions[1][1:], HERE[1:], atol=1e-9)
    assert third.faults[0].reason == "is a brush stroke whose packed pixels are damaged"
    mini = [{"id": 1, "image": "x.png", "label": [box | size], "annotator": 1}]
    assert reading("labelstudio", json.dumps(mini)).records[0].regions == [HERE]
    assert "no export of Label Studio" in reading("labelstudio", "[{}]").unreadable


def test_what_a_brush_painted_in_label_studio(reading):
    # four pixels, of which the third is painted: 16 values of 8 bits; lengths of 1, 2, 3 and 4 bits
    head = f"{16:032b}" + f"{7:05b}" + f"{0:04b}{1:04b}{2:04b}{3:04b}"
    codes = "1" + "11" + f"{7:04b}" + f"{0:08b}"  # 8 values, all 0
    codes += "0" + "01" + f"{3:02b}" + "".join(f"{value:08b}" for value in (9, 9, 9, 255))  # 4, one by one
    codes += "1" + "10" + f"{3:03b}" + f"{0:08b}"  # 4, all 0
    text = head + codes
    packed = [int(text[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(text), 8)]
    size = {"original_width": 2, "original_height": 2}
    mark = {"format": "rle", "rle": packed, "brushlabels": ["a"]} | size
    (found,) = reading("labelstudio", json.dumps([{"id": 1, "image": "x.png", "tag": [mark]}])).records
    assert found.regions == [("a", 0, 1, 1, 2)]
    assert found.shapes[0].runs.pixels().tolist() == [[False, False], [True, False]]
    wrongs = [packed[:-2], packed[:-1], "x", [300], 5, 10**30]
    for wrong in ({"original_width": 3}, {"original_width": 1e9}, *({"rle": rle} for rle in wrongs)):
        (found,) = reading("labelstudio", json.dumps([{"image": "x.png", "tag": [mark | wrong]}])).records
        assert (len(found.faults), found.regions) == (1, [])


def test_a_mark_of_two_labels_is_a_defect_of_each(record):
    size = {"original_width": 40, "original_height": 20}
    box = {"x": 10, "y": 10, "width": 15, "height": 75, "rectanglelabels": ["a", "b", "a"]} | size
    found = record("labelstudio", json.dumps([{"image": "x.png", "tag": [box]}]))
    assert (found.regions, found.faults) == ([HERE, HERE._replace(label="b")], [])
    ring = {"points": [[10, 10], [25, 10], [25, 85]], "polygonlabels": ["a", "b"]} | size
    found = record("labelstudio", json.dumps([{"image": "x.png", "tag": [ring]}]))
    assert [shape.label for shape in found.shapes] == ["a", "b"]
    found = record("labelstudio", json.dumps([{"image": "x.png", "tag": [box | {"rectanglelabels": ["a", ""]}]}]))
    assert (found.regions, [fault.reason for fault in found.faults]) == ([], ["has no class"])


def test_label_studio_with_classes_apart_from_tools(reading):
    """A defect that is not understood must not leave its image background."""
    size = {"original_width": 40, "original_height": 20, "id": "q"}
    place = {"x": 10, "y": 10, "width": 15, "height": 75, "rotation": 0}
    kinds = ({}, {"labels": ["a"]}, {"choices": ["deep"]})  # of one region: its place, its class, a remark on it
    result = [{"value": place | words} | size for words in kinds]
    task = {"data": {"image": "x.png"}, "annotations": [{"result": result}]}
    (found,) = reading("labelstudio", json.dumps([task])).records
    assert (found.regions, found.faults) == ([HERE], [])
    task["annotations"] = [{"result": result[:1]}]
    (found,) = reading("labelstudio", json.dumps([task])).records
    assert [fault.reason for fault in found.faults] == ["has no class"]
    point = {"x": 10, "y": 10, "width": 0.3, "keypointlabels": ["a"]}
    mini = {"image": "x.png", "box": [place | size | {"rectanglelabels": ["a"]}], "point": [point | size]}
    (found,) = reading("labelstudio", json.dumps([mini])).records  # two tools, one person
    assert found.regions == [HERE]
    assert [fault.reason for fault in found.faults] == ["is a point, which has no extent"]


def test_masks_and_turned_boxes_of_labelme(record):
    picture = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 0], [0, 0, 255]], np.uint8)).save(picture, "png")
    mask = {"label": "a", "shape_type": "mask", "points": [[4, 2], [6, 3]]}
    mask["mask"] = base64.b64encode(picture.getvalue()).decode()
    content = {"shapes": [mask], "imageHeight": 20, "imageWidth": 40}
    found = record("labelme", json.dumps(content))
    assert found.regions == [("a", 5, 2, 7, 4)]
    canvas = np.zeros((5, 8), np.uint8)
    paint(canvas, 1, found.shapes[0], False)
    assert np.argwhere(canvas).tolist() == [[2, 5], [3, 6]]
    content["shapes"] = [mask | {"points": [[-1, 2], [1, 3]]}]  # begins left of the image
    assert record("labelme", json.dumps(content)).regions == [("a", 0, 2, 2, 4)]
    content["shapes"] = [{"label": "a", "shape_type": "rotation", "points": L}, mask | {"mask": "?"}]
    found = record("labelme", json.dumps(content))
    assert (found.regions, found.faults[0].reason) == ([HERE], "has a mask that is no picture in base64")
    Image.new("L", (2, 2)).save(black := io.BytesIO(), "png")
    content["shapes"][1]["mask"] = base64.b64encode(black.getvalue()).decode()
    found = record("labelme", json.dumps(content))
    assert (found.regions, found.faults) == ([HERE], [("shape 2", "has an empty mask")])


def test_boxes_that_cannot_be_read_are_named_and_the_others_kept(record):
    xml = voc(("a", 5, 3, 10, 17), ("a", "five", 3, 10, 17), ("  ", 1, 1, 2, 2)).replace(
        "</annotation>", "<object><name>b</name></object></annotation>"
    )
    found = record("voc", xml)
    assert found.regions == [HERE]
    assert found.faults == [
        ("object 2", "its xmin is no number"), ("object 3", "has no class"), ("object 4", "has 0 <bndbox>"),
    ]  # fmt: skip
    found = record("yolo", "1 .5 .5 .5 .5\n\n2 .5 .5 .5 .5\n1 .5 .5 .5\n0 .1 .1 .1 .1 .97\n1 .5 x .5 .5\n-1 0 0 1 1")
    assert len(found.regions) == 1
    assert found.faults == [
        ("line 3", "is of an unknown class: number 2 of 2, counted from 0"),
        ("line 4", "has 4 values, where a box has 5: class, centre x and y, width, height"),
        ("line 5", "has 6 values, where a box has 5: class, centre x and y, width, height"),
        ("line 6", "its centre y is no number"),
        ("line 7", "is of an unknown class: number -1 of 2, counted from 0"),
    ]


@pytest.mark.parametrize("own", ["70", 70.0, 70, "00070"])
def test_an_id_is_one_as_text_and_as_number(reading, own):
    content = json.loads(coco([("x.png", 20, 40), ("y.png", 20, 40)], [(0, "a", 4, 2, 6, 15)]))
    content["annotations"][0]["image_id"] = own
    found = reading("coco", json.dumps(content))
    assert [len(record.regions) for record in found.records] == [1, 0]
    assert [record.unreadable for record in found.records] == [None, None]  # the second is background


@pytest.mark.parametrize("own", ["00", "x", 7, None])
def test_images_without_boxes_are_unknown_where_annotations_belong_to_none(reading, own):
    content = json.loads(coco([("x.png", 20, 40), ("y.png", 20, 40)], [(0, "a", 4, 2, 6, 15)] * 2))
    content["annotations"][1]["image_id"] = own
    found = reading("coco", json.dumps(content))
    assert [len(record.regions) for record in found.records] == [1, 0]
    assert found.records[0].unreadable is None
    assert found.records[1].unreadable == "has no box, but 1 annotation(s) of its file belong to no image"


def test_coco_files_with_loose_ends(reading):
    content = json.loads(coco([("x.png", 20, 40), ("y.png", 0, 0)], [(0, "a", 4, 2, 6, 15)]))
    content["annotations"] += [
        {"id": 1, "image_id": 99, "category_id": 11, "bbox": [0, 0, 1, 1]},
        {"id": 2, "image_id": 70, "category_id": 5, "bbox": [0, 0, 1, 1]},
        {"id": 3, "image_id": 70, "category_id": 11, "bbox": [0, 0, 1]},
        {"id": 4, "image_id": 70, "category_id": 11, "bbox": [0, 0, 1, 10**400]},
        {"id": 5, "image_id": 70, "category_id": 11, "bbox": [0, 0, 1, 1], "iscrowd": 1},
        {"id": 6, "image_id": [70], "category_id": 11, "bbox": [0, 0, 1, 1]},
    ]
    content["images"].append({"id": 71, "file_name": "z.png"})
    found = reading("coco", json.dumps(content))
    assert found.faults == [
        ("annotation 1", "belongs to no image: the file has none with id 99"),
        ("annotation 6", "belongs to no image: the file has none with id [70]"),
    ]
    first, second, third = found.records
    assert first.regions == [HERE]
    assert [fault.reason for fault in first.faults] == [
        "is of an unknown class: the file has no category 5",
        "has no bbox of 4 numbers",
        "its height is no number",
        "marks a crowd (iscrowd), not one thing",
    ]
    assert second.size is None  # 0 x 0 is what tools write that do not know
    assert second.unreadable == third.unreadable == "its id 71 stands for 2 images"


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
BOMB = f'<!DOCTYPE b [<!ENTITY l0 "lol">{LAUGHS}]><annotation><object><name>&l9;</name></object></annotation>'


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("voc", BOMB, "declares XML entities"),
        ("voc", "<annotation><object>", "is no XML"),
        ("voc", b"\xff\xfe\x00\xd8", "is no XML"),
        ("voc", "", "is no XML"),
        ("voc", "<" + "a" * 100 + "/>", "begins with <" + "a" * 40 + ">"),
        ("voc", "<a>" * 200_000, "is no XML"),
        ("coco", "[" * 200_000, "is no JSON"),
        ("coco", b"\x89PNG\r\n", "is no JSON"),
        ("coco", "[]", "is no COCO annotation: it has no list of `images`"),
        ("coco", '{"images": [], "annotations": {}, "categories": []}', "it has no list of `annotations`"),
        ("coco", '{"images": [3], "annotations": [], "categories": []}', "it has no list of `images`"),
        ("yolo", b"\x89PNG\r\n\xff\xfe", "is no text"),
    ],
)
def test_what_is_no_annotation_is_said(reading, kind, text, reason):
    found = reading(kind, text)
    said = found.unreadable if kind == "coco" else found.records[0].unreadable
    assert reason in said
    assert len(said) < 250


VIA = {"a.png12": {"filename": "a.png", "size": 12, "regions": [], "file_attributes": {}}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (VIA, "looks like a file of the VGG Image Annotator, whose menu exports COCO"),
        ({"_via_settings": {}, "_via_img_metadata": VIA}, "VGG Image Annotator"),
        ([{"image": "a.png", "annotations": []}], "CreateML"),
        ({"description": "", "objects": [], "size": {"height": 4, "width": 5}}, "Supervisely"),
        ({"info": {}, "categories": {}, "items": []}, "Datumaro"),
        ({"shapes": [], "imagePath": "a.png"}, "looks like LabelMe: `format: labelme`"),
        ({"images": [{"id": 1}], "annotations": []}, "looks like COCO: `format: coco`"),
        ([{"id": 1, "annotations": [], "data": {"image": "a.png"}}], "looks like Label Studio: `format: labelstudio`"),
    ],
)
def test_json_of_another_tool_is_called_what_it_is(reading, content, why):
    for kind in ("coco", "labelme"):
        found = reading(kind, json.dumps(content))
        if kind not in why:
            assert why in (found.unreadable or found.records[0].unreadable)
    own = reading("labelstudio", json.dumps(content))
    assert own.records == [] or "labelstudio" in why  # of none of them an image without a mark is background


def test_what_is_of_no_tool_is_called_so_by_none(reading):
    for content in ([], [3], {}, {"a": []}, {"images": {}}, 7, None):
        assert "looks like" not in reading("coco", json.dumps(content)).unreadable


def test_an_xml_file_cannot_read_another(tmp_path, record):
    secret = tmp_path / "secret.txt"
    secret.write_text("open sesame")
    for declaration in (f'<!ENTITY x SYSTEM "file://{secret}">', f'<!ENTITY % x SYSTEM "file://{secret}"> %x;'):
        hostile = f"<!DOCTYPE a [{declaration}]>" + voc(("a", 5, 3, 10, 17)).replace(">a<", ">&x;<")
        found = record("voc", hostile)
        assert found.regions == []
        assert "declares XML entities" in found.unreadable
    outside = f'<!DOCTYPE a SYSTEM "file://{secret}">' + voc(("a", 5, 3, 10, 17))
    assert record("voc", outside).regions == [HERE]  # a document type alone is not looked at


def test_a_file_that_is_too_large_is_not_opened(reading, monkeypatch):
    text = yolo((1, 0.5, 0.5, 1, 1))
    monkeypatch.setitem(parse.LARGEST, "yolo", len(text))
    assert reading("yolo", text).records[0].unreadable is None
    assert reading("yolo", text + "\n").records[0].unreadable == "has 14 bytes, more than the 13 that a yolo file may"


def test_what_is_no_file_is_never_opened(tmp_path):
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "link.xml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.xml").symlink_to(tmp_path / "loop.xml")
    (tmp_path / "zero.xml").symlink_to("/dev/zero")  # without an end
    os.mkfifo(tmp_path / "pipe.xml")  # nobody will ever write into it
    reasons = {path.name: annotated.reading(path, settings("voc")).records[0].unreadable for path in tmp_path.iterdir()}
    assert reasons == {
        "folder.xml": "is a folder that cannot be listed",
        "link.xml": f"is a link to {tmp_path}/nowhere, which is not there: was its content fetched?",
        "loop.xml": "is a link that leads back to itself",
        "zero.xml": "is a device, not a file",
        "pipe.xml": "is a pipe, not a file",
    }


def test_a_file_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "denied")

    path = tmp_path / "a.txt"
    path.write_text("0 .5 .5 1 1")
    monkeypatch.setattr(
        "pipeline.data.annotations.yolo.open", denied, raising=False
    )  # a test may run as a user who may do all
    (record,) = annotated.reading(path, settings("yolo"), ["a"]).records
    assert record.unreadable == "cannot be read: Permission denied"


WRONG = [None, True, 3, 2.5, "x", [], {}, [[1]], {"a": []}, -1, 10**400, "9" * 400, float("nan"), "\ud800", ""]


def test_wrong_types_anywhere_in_a_coco_file_make_no_error(reading):
    """Each value of a right file in turn is replaced by each wrong one: what is said has a bounded length."""
    right = json.loads(coco([("x.png", 20, 40)], [(0, "a", 4, 2, 6, 15)]))
    places = [(key, None, None) for key in right] + [(key, 0, None) for key in right]
    places += [(key, 0, field) for key in right for field in right[key][0]]
    places += [("annotations", 0, ("bbox", i)) for i in range(4)]
    seen = 0
    for section, place, field in places:
        for wrong in WRONG:
            content = json.loads(json.dumps(right))
            if place is None:
                content[section] = wrong
            elif field is None:
                content[section][place] = wrong
            elif isinstance(field, tuple):
                content[section][place][field[0]][field[1]] = wrong
            else:
                content[section][place][field] = wrong
            found = reading("coco", json.dumps(content))
            reasons = [found.unreadable or "", *(f.reason + f.box for f in found.faults)]
            for record in found.records:
                reasons += [record.unreadable or "", *(fault.reason + fault.box for fault in record.faults)]
                assert all(isinstance(end, float) for region in record.regions for end in region[1:])
            assert not any("decoder" in reason or len(reason) > 300 for reason in reasons), (section, field, wrong)
            seen += any(reasons)
    assert seen > len(places) * len(WRONG) / 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * 201, "has a class whose name has 201 characters, more than 200"),
        ("a" * 10**6, "has a class whose name has 1000000 characters, more than 200"),
        ("a\x1b[31m", "has a class whose name has a control character or half a letter"),
        ("a\0", "has a class whose name has a control character or half a letter"),
        ("\ud800", "has a class whose name has a control character or half a letter"),
    ],
    ids=["long", "huge", "escape", "nul", "half"],
)
def test_a_name_that_no_table_can_hold_is_none(record, name, reason):
    found = record("coco", coco([("x.png", 20, 40)], [(0, name, 4, 2, 6, 15)], categories=(name,)))
    assert (found.regions, [fault.reason for fault in found.faults]) == ([], [reason])


def test_a_whole_number_is_a_name_and_true_is_none(record):
    numbered = coco([("x.png", 20, 40)], [(0, 7, 4, 2, 6, 15)], categories=(7,))
    assert record("coco", numbered).regions == [HERE._replace(label="7")]
    marks = [{"label": label, "points": [[4, 2], [10, 2], [10, 17]]} for label in (1, True, None)]
    found = record("labelme", json.dumps({"shapes": marks}))
    assert [region.label for region in found.regions] == ["1"]
    wrong, none = (fault.reason for fault in found.faults)
    assert "class true" in wrong
    assert "in quotes" in wrong
    assert none == "has no class"


def test_letters_of_every_language_are_names(record):
    for name in ("Lunker-Ø", "裂纹", "\u0628\u200c\u0627", "a" * 200):
        found = record("coco", coco([("x.png", 20, 40)], [(0, name, 4, 2, 6, 15)], categories=(name,)))
        assert found.regions[0].label == name


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e400", "9" * 5000])
def test_numbers_beyond_all_images_come_through_to_be_judged(record, text):
    (region,) = record("voc", voc(("a", text, 3, 10, 17))).regions
    assert not np.isfinite(region.x0)


def test_what_only_python_calls_a_number_is_none(record):
    assert record("voc", voc(("a", "1_0", 3, 10, 17))).faults == [("object 1", "its xmin is no number")]
    content = json.loads(coco([("x.png", 20, 40)], [(0, "a", 4, 2, 6, 15)]))
    content["annotations"][0]["bbox"][0] = True
    assert record("coco", json.dumps(content)).faults == [("annotation 0", "its x is no number")]


def test_a_file_of_nonsense_is_said_in_a_few_words(record):
    found = record("yolo", "junk\n" * 5000)
    assert len(found.faults) == 101
    assert found.faults[-1] == ("4900 others", "cannot be used either")


def test_more_boxes_than_a_picture_can_have_are_none(record, monkeypatch):
    monkeypatch.setattr(parse, "MOST_BOXES", 3)
    lines = [(1, 0.5, 0.5, 0.1 * i, 1) for i in range(1, 5)]
    assert len(record("yolo", yolo(*lines[:3])).regions) == 3
    found = record("yolo", yolo(*lines))
    assert (found.regions, found.unreadable) == ([], "marks 4 boxes, more than the 3 that an image may have")


@pytest.mark.parametrize("kind", ["voc", "coco", "yolo", "labelme", "cvat", "labelstudio"])
def test_damaged_files_make_no_error(reading, kind):
    """Bytes of right files changed, left out, doubled: read, or said why not."""
    rng = np.random.default_rng(0)
    marks = [("a", 5 + i, 3, 10 + i, 17) for i in range(3)]
    right = {
        "voc": voc(*marks, size=(20, 40)),
        "coco": coco([("x.png", 20, 40)], [(0, "a", 4, 2, 6, 15)] * 3),
        "yolo": yolo(*[(1, 0.5, 0.5, 0.1, 0.1), (1, *np.ravel(L) / 40)] * 2),
        "labelme": json.dumps({"shapes": [{"label": "a", "points": L, "shape_type": "polygon"}] * 3}),
        "cvat": '<annotations><image name="x.png" width="40" height="20">'
        + '<polygon label="a" points="1,2;3,4;5,9"/><mask label="a" rle="1,2,1" left="1" top="1" width="2" height="2"/>'
        * 2
        + "</image></annotations>",
        "labelstudio": json.dumps(
            [
                {
                    "image": "x.png",
                    "label": [
                        {
                            "x": 1,
                            "y": 2,
                            "width": 3,
                            "height": 4,
                            "original_width": 40,
                            "original_height": 20,
                            "rectanglelabels": ["a"],
                        }
                    ]
                    * 3,
                }
            ]
        ),
    }[kind].encode()
    for _ in range(150):
        damaged = bytearray(right)
        for at in rng.integers(0, len(right), rng.integers(1, 6)):
            start, end = sorted(rng.integers(0, len(damaged) + 1, 2).tolist())
            match rng.integers(4):
                case 0:
                    damaged[at % len(damaged) : at % len(damaged) + 1] = rng.bytes(1)
                case 1:
                    del damaged[start : min(end, start + 8)]
                case 2:
                    damaged[start:start] = damaged[start:end]
                case _:
                    damaged[start:start] = rng.bytes(4)
            damaged = damaged or bytearray(b" ")
        found = reading(kind, bytes(damaged))
        reasons = [found.unreadable or "", *(record.unreadable or "" for record in found.records)]
        assert all(len(reason) < 300 for reason in reasons)


def test_coco_that_lists_an_image_twice_writes_pairs_or_names_none(reading):
    content = json.loads(coco([("x.png", 20, 40), ("y.png", 20, 40)], [(0, "a", 4, 2, 6, 15)]))
    content["images"].append(dict(content["images"][0]))
    content["images"][1]["file_name"] = None
    mark = content["annotations"][0]
    mark["segmentation"] = [[[4, 2], [10, 2], [10, 17], [4, 17]]]
    del mark["bbox"]
    first, second = reading("coco", json.dumps(content)).records
    assert (first.regions, first.unreadable) == ([HERE], None)
    assert second.unreadable == "its entry names no image (file_name)"


@pytest.mark.parametrize("declared", ["gb2312", "gbk", "windows-1251", "iso-8859-1"])
def test_utf_8_that_another_encoding_is_declared_for(record, declared):
    text = voc(("裂纹" if declared.startswith("gb") else "größe", 5, 3, 10, 17))
    found = record("voc", f'<?xml version="1.0" encoding="{declared}"?>{text}')
    assert found.regions[0].label in ("裂纹", "größe")


def test_letters_of_no_declared_encoding(record):
    found = record("voc", voc(("größe", 5, 3, 10, 17)).encode("latin-1"))
    assert found.unreadable == "is no text in UTF-8, and declares no other encoding"
