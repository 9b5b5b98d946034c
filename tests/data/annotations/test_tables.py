"""Tables of boxes and of runs of pixels: what they mean, in which dress, and what is wrong with them."""

import time

import numpy as np
import pytest

from pipeline.data.annotations import attach
from pipeline.data.annotations.attach import annotate
from pipeline.data.annotations.shapes import paint
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.prepare import prepare
from pipeline.data.reading.frame import Header
from pipeline.settings import Dataset
from tests.data.annotated import reading as known
from tests.data.annotations.test_attach import bright, dark, remarks

HEIGHT, WIDTH = 5, 7
HEADERS = [Header(f"/{i}.png", f"{i}.png", (HEIGHT, WIDTH, 1), "uint8") for i in "abcd"]
TENSORFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
KAGGLE = "ImageId,ClassId,EncodedPixels\n"


@pytest.fixture
def reading(tmp_path):
    """What a table of this text or these bytes holds."""

    def read(text, headers=HEADERS):
        path = tmp_path / "_annotations.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        settings = Dataset(source="unused", boxes={"format": "csv", "path": "unused"})
        return known(path, settings, headers=headers)

    return read


def regions(reading):
    return {record.image: record.regions for record in reading.records}


def encoded(mask):
    """Starts and lengths, written down a pixel at a time."""
    inside = [x * len(mask) + y + 1 for x in range(mask.shape[1]) for y in range(len(mask)) if mask[y, x]]
    starts = [at for at in inside if at - 1 not in inside]
    return " ".join(f"{at} {next(n for n in range(1, mask.size + 1) if at + n not in inside)}" for at in starts)


def painted(record):
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    for shape in record.shapes:
        paint(canvas, 1, shape, False)
    return canvas


def test_boxes_of_tensorflow_are_edges_from_0(reading):
    found = reading(
        f"{TENSORFLOW}x/a.png,40,20,crack,4,2,10,17\nb.png,40,20,pore,0,0,40,20\nx/a.png,40,20,pore,1,2,3,4.5\n"
    )
    first, second = found.records
    assert (first.image, first.size) == ("x/a.png", (20, 40))
    assert first.regions == [("crack", 4, 2, 10, 17), ("pore", 1, 2, 3, 4.5)]
    assert (second.regions, second.faults, second.shapes) == ([("pore", 0, 0, 40, 20)], [], None)
    assert (found.faults, found.unreadable) == ([], None)


def test_boxes_without_names_of_columns(reading):
    found = reading("a.png,4,2,10,17,crack\nb.png,,,,,\na.png,1.5,2,3,4,7\n")
    assert regions(found) == {"a.png": [("crack", 4, 2, 10, 17), ("7", 1.5, 2, 3, 4)], "b.png": []}
    assert not any(record.faults or record.unreadable or record.size for record in found.records)
    assert [record.outlined for record in found.records] == [False, True]  # an empty mask is known
    assert regions(reading("b.png,,,,,\na.png,4,2,10,17,crack\n")) == {"b.png": [], "a.png": [("crack", 4, 2, 10, 17)]}


def test_runs_go_down_the_columns_from_1(reading):
    # columns of 5 pixels: 7 to 9 and 12 to 13 are rows 1 to 3 and 1 to 2 of columns 1 and 2; 33 is row 2 of column 6
    found = reading(f"{KAGGLE}a.png,3,7 3 12 2 33 1\nb.png,1,1 35\nc.png,,\n")
    first, second, third = found.records
    assert first.regions == [("3", 1, 1, 3, 4), ("3", 6, 2, 7, 3)]
    assert painted(first).tolist() == [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0, 1],
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    assert (second.regions, painted(second).all()) == ([("1", 0, 0, 7, 5)], True)
    assert (third.regions, third.shapes, third.unreadable) == ([], [], None)


def test_runs_of_an_image_and_a_class_in_one_cell(reading):
    found = reading("ImageId_ClassId,EncodedPixels\na_1.png_1,\na_1.png_2,13 1 7 1\na_1.png_3,7 1\n",
                    [HEADERS[0]._replace(source="a_1.png")])  # fmt: skip
    assert regions(found) == {"a_1.png": [("2", 1, 1, 3, 3), ("3", 1, 1, 2, 2)]}  # what touches at a corner is one


def test_runs_of_random_masks(reading):
    rng = np.random.default_rng(0)
    masks = rng.random((50, HEIGHT, WIDTH)) < 0.5
    for mask in masks:
        (found,) = reading(f"{KAGGLE}a.png,x,{encoded(mask)}\n").records
        np.testing.assert_array_equal(painted(found), mask)
        for (_, *ends), shape in zip(found.regions, found.shapes, strict=True):
            canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
            paint(canvas, 1, shape, False)
            rows, columns = np.nonzero(canvas)
            assert ends == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
def test_dialects(reading, mark, encoding):
    boxes = "YMax,xmin,note,Class,ymin,xmax,FileName\r\n17,4,,Riß,2,10,größe.png\r\n,,,,,,\r\n,,,,,,b.png\r\n"
    found = reading(boxes.replace(",", mark).encode(encoding))
    assert regions(found) == {"größe.png": [("Riß", 4, 2, 10, 17)], "b.png": []}
    found = reading("größe.png,4,2,10,17,Riß\r\n".replace(",", mark).encode(encoding))
    assert regions(found) == {"größe.png": [("Riß", 4, 2, 10, 17)]}
    found = reading('"imageid","classid","encodedpixels"\n"a.png","1","7 3"\n'.replace(",", mark).encode(encoding))
    assert regions(found) == {"a.png": [("1", 1, 1, 2, 4)]}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("x,4,2,10,17", "has fewer cells"),
        ("40,20,crack,x,2,10,17", "its xmin is no number"),
        ("40,20,crack,4,,10,17", "its ymin is no number"),
        ("40,20,crack,,,,", "its xmin is no number"),
        ("40,20,,4,2,10,17", "has no class"),
        ('40,20,crack,"4,5",2,10,17', "its xmin is no number"),
        ("40,20,crack,1_0,2,10,17", "its xmin is no number"),
        ("40", "has fewer cells"),
    ],
)
def test_a_line_that_is_no_box_is_a_fault_of_its_image(reading, row, why):
    (found,) = reading(f"{TENSORFLOW}a.png,{row}\n").records
    ((box, reason),) = found.faults
    assert (box, found.regions) == ("line 2", [])
    assert why in reason


@pytest.mark.parametrize("corners", ["-4,2,10,17", "nan,2,10,17", "1e30,2,1e31,17", "10,2,4,17", "9" * 400 + ",2,3,4"])
def test_numbers_beyond_all_images_come_through_to_be_judged(reading, corners):
    (found,) = reading(f"{TENSORFLOW}a.png,40,20,crack,{corners}\n").records
    assert len(found.regions) == 1


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ("7", "no pairs"),
        ("7 3 12", "no pairs"),
        ("-7 3", "no pairs"),
        ("-1", "no pairs"),
        ("nan", "no pairs"),
        ("7 1.5", "no pairs"),
        ("7 " + "9" * 10**6, "no pairs"),
        ("٧ 3", "no pairs"),
        ("7,3", "no image"),
        ("0 3", "has the run 0 3, where its image has pixels 1 to 35"),
        ("7 0", "has the run 7 0, where"),
        ("33 4", "has the run 33 4, where its image has pixels 1 to 35"),
        (f"7 3 {10**17} 3", "where its image has pixels 1 to 35"),
        ("7 3 9 3", "overlap, at pixel 9"),
        ("9 3 7 3", "overlap, at pixel 9"),
        ("7 3 7 3", "overlap, at pixel 7"),
    ],
)
def test_of_runs_that_are_wrong_nothing_is_known(reading, runs, why):
    found = reading(f"{KAGGLE}a.png,1,1 2\na.png,2,{runs}\nb.png,2,7 1\n")
    if why == "no image":
        assert found.faults == [("line 3", "names no image, or has more cells than the first line")]
        return
    first, second = found.records
    assert (first.regions, second.regions) == ([], [("2", 1, 1, 2, 2)])
    assert first.unreadable.startswith("line 3 of _annotations.csv has ")
    assert why in first.unreadable
    assert len(first.unreadable) < 200


def test_a_line_of_no_image_leaves_no_background(reading):
    """Its defect may be any image's."""
    found = reading(
        f"{TENSORFLOW},40,20,crack,4,2,10,17\na.png,,,,,,,\nb.png,40,20,x,1,1,2,2\nc, d.png,40,20,x,1,1,2,2\n"
    )
    assert [fault.box for fault in found.faults] == ["line 2", "line 5"]
    assert found.unreadable == "has 2 line(s) that belong to no image"
    assert [record.unreadable for record in found.records] == [
        "has no box, but 2 line(s) of its file belong to no image", None]  # fmt: skip
    found = reading("ImageId_ClassId,EncodedPixels\na.png,7 3\nb.png_1,\n")
    assert found.unreadable == "has 1 line(s) that belong to no image"
    assert found.records[0].unreadable


def test_an_image_of_two_sizes(reading):
    (found,) = reading(f"{TENSORFLOW}a.png,40,20,x,4,2,10,17\na.png,20,40,x,4,2,10,17\n").records
    assert found.unreadable == "has 2 sizes by the lines of its table"
    (found,) = reading(f"{TENSORFLOW}a.png,0,0,x,4,2,10,17\na.png,40,20,x,4,2,10,17\n").records
    assert (found.size, found.unreadable) == ((20, 40), None)
    (found,) = reading("ImageId,ClassId,EncodedPixels,Width,Height\na.png,x,7 3,40,20\n").records
    assert found.size == (20, 40)  # by which an image of another is refused


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its first line does not name the columns filename, class, xmin"),
        ("file,label\na.png,good\n", "its first line does not name the columns"),
        ("filename,class,xmin,ymin,xmax\na.png,x,1,2,3\n", "does not name the columns"),
        ("ImageId,EncodedPixels\na.png,1 2\n", "or ImageId, ClassId, EncodedPixels; or ImageId_ClassId"),
        ("a.png,x,2,10,17,crack\nb.png,4,2,10,17,crack\n", "does not name the columns"),
        ("filename,class,CLASS,Class,xmin,ymin,xmax,Ymax,YMAX\n", "does not name the columns"),
        (f'{TENSORFLOW}a.png,40,20,"crack,4,2,10,17\nb.png,40,20,crack,4,2,10,17\n', "is no table (unexpected end"),
        (f'{TENSORFLOW}"a.png,40,20,x,4,2,10,17\n"b.png",40,20,x,4,2,10,17\n', "is no table"),
        ("filename,file_size,region_id,region_shape_attributes\n", "VGG Image Annotator, whose menu exports COCO too"),
        ("filename,class,class,xmin,ymin,xmax,ymax\na.png,x,y,1,2,3,4\n", "does not name the columns"),
        (b"PK\x03\x04\x14\0\6\0", "is a workbook"),
        (f"{TENSORFLOW}a.png,40,20,трещина,4,2,10,17\n".encode("cp1251"), "several readings"),
        (f"{TENSORFLOW}a.png,40,20,x,.1,.1,.5,.5\n", "look like fractions"),
    ],
)
def test_what_is_no_table_of_boxes_is_said(reading, text, why):
    found = reading(text)
    assert found.records == []
    assert why in found.unreadable
    assert len(found.unreadable) < 300


def test_damaged_tables_make_no_error(reading):
    rng = np.random.default_rng(0)
    rights = [f"{TENSORFLOW}a.png,7,5,x,1,2,3,4\nb.png,7,5,y,1,2,3,4\n", "a.png,1,2,3,4,x\nb.png,,,,,\n",
              f"{KAGGLE}a.png,1,7 3 12 2\nb.png,2,33 1\n"]  # fmt: skip
    for i in range(300):
        damaged = bytearray(rights[i % 3].encode())
        for at in rng.integers(0, len(damaged), rng.integers(1, 6)):
            match rng.integers(3):
                case 0:
                    damaged[at : at + 1] = rng.bytes(1)
                case 1:
                    del damaged[at : at + rng.integers(8)]
                case _:
                    damaged[at:at] = damaged[: rng.integers(9)]
        found = reading(bytes(damaged))
        said = [found.unreadable or "", *(record.unreadable or "" for record in found.records)]
        assert all(len(reason) < 300 and "Error" not in reason for reason in said)


def test_a_cell_may_be_longer_than_the_limit_of_the_module(reading):
    mask = np.zeros((400, 400), bool)
    mask[::2, ::2] = True
    flat = np.flatnonzero(mask.T.ravel()) + 1
    text = f"{KAGGLE}a.png,1,{' '.join(f'{at} 1' for at in flat)}\n"
    assert len(text) > 131_072
    (found,) = reading(text, [HEADERS[0]._replace(shape=(400, 400, 1))]).records
    assert found.unreadable == "marks 40000 boxes, more than the 10000 that an image may have"


def test_large_tables_take_seconds(reading):
    rows = "".join(f"{i % 9000}.png,40,20,crack,{i % 31},2,{i % 31 + 4},17\n" for i in range(50_000))
    start = time.process_time()
    assert sum(map(len, regions(reading(TENSORFLOW + rows)).values())) == 50_000
    assert time.process_time() - start < 15  # a tenth of 500 000, on a slow machine ten times over


# ---------------------------------------------------------------- in an image set


@pytest.fixture
def annotated(tmp_path, folder, dataset):
    """The set of {name: pixels} with {name: table}."""

    def make(images, tables, **boxes):
        root = folder({f"images/{name}": pixels for name, pixels in images.items()})
        (tmp_path / "tables").mkdir()
        for name, text in tables.items():
            (tmp_path / "tables" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "tables" / name).write_text(text)
        own = {"format": "csv", "path": str(tmp_path / "tables")} | boxes
        given = dataset(f"{root}/images", boxes=own, split={"near_duplicates": "off"}, size=24)
        prepare(given, tmp_path / "out")
        annotate(given, tmp_path / "out")
        return ImageSet.open(tmp_path / "out")

    return make


def where(found):
    """Sources whose boxes are known."""
    return found.metadata["source"][found.annotated].tolist()


def test_boxes_lie_on_their_defects(tmp_path, inline, annotated):
    sides = {"train": (2, 4, 8, 14), "test": (10, 2, 20, 8)}
    images = {f"{side}/{i}.png": dark(i + box[0], 24, 24, box) for side, box in sides.items() for i in range(3)}
    tables = {f"{side}/_annotations.csv": TENSORFLOW + "".join(
        f"{i}.png,24,24,a,{','.join(map(str, box))}\n" for i in range(3)) for side, box in sides.items()}  # fmt: skip
    found = annotated(images, tables)
    assert found.annotated.all()
    assert remarks(tmp_path / "out") == []
    places = {name: i for i, name in enumerate(found.metadata["id"])}
    for name, _, *ends in found.boxes.itertuples(index=False):
        assert bright(found.images[places[name]]) == tuple(ends)


def test_runs_become_masks_and_a_box_for_each_part(tmp_path, inline, annotated):
    images, rows = {}, []
    for i in range(3):
        pixels = dark(i, 24, 30, (5 + i, 4, 8 + i, 19))
        pixels[2:5, 20:26] = 250
        images[f"{i}.jpg.png"] = pixels
        rows.append(f"{i}.jpg.png,2,{encoded(pixels > 100)}\n")
    images |= {"good.png": dark(3, 24, 30), "unsaid.png": dark(4, 24, 30)}
    found = annotated(images, {"train.csv": f"{KAGGLE}{''.join(rows)}good.png,1,\n"}, outlines=True)
    assert where(found) == ["0.jpg.png", "1.jpg.png", "2.jpg.png", "good.png"]
    assert found.box_classes == ["2"]
    assert len(found.boxes) == 6
    assert found.masked.tolist() == found.annotated.tolist()
    np.testing.assert_array_equal(found.masks[:4] > 0, found.images[:4, ..., 0] > 100)
    assert ("unsaid.png", "", "unknown", "has no annotation") in remarks(tmp_path / "out")


def test_a_table_is_given_the_sizes_of_its_own_images_alone(inline, annotated, monkeypatch):
    given, read_file = [], attach.read_file
    monkeypatch.setattr(attach, "read_file", lambda task: given.append(task.sizes) or read_file(task))
    images = {f"{i}.png": dark(i, 24, 30 + i, (5, 4, 8, 19)) for i in range(4)}
    rows = {f"{i}.csv": f"{KAGGLE}{i}.png,2,{encoded(images[f'{i}.png'] > 100)}\n" for i in range(3)}
    annotated(images, rows | {"3.csv": f"{TENSORFLOW}3.png,33,24,2,5,4,8,19\n"})
    assert given == [None] * 4 + [{f"{i}.png": (24, 30 + i)} for i in range(3)]


def test_what_is_wrong_costs_its_own_images_alone(tmp_path, inline, annotated):
    images = {f"{i}.png": dark(i, 24, 24) for i in range(10)}
    one = f"""{TENSORFLOW}0.png,24,24,a,4,2,10,17
1.png,24,24,a,nan,2,10,17
2.png,24,24,a,-9,2,-4,17
3.png,24,24,a,4,x,10,17
4.png,30,24,a,4,2,10,17
5.png,24,24,a,4,2,10,17
6.png,24,24,,,,,
nobody.png,24,24,a,4,2,10,17
7.png,24,24,a,4,2,1e30,17
"""
    two = f"{TENSORFLOW}5.png,24,24,a,4,2,10,18\n0.png,24,24,a,4,2,10,17\n"
    found = annotated(images, {"one.csv": one, "two.csv": two}, missing="background")
    assert where(found) == ["0.png", "6.png", "7.png", "8.png", "9.png"]
    said = {(file, done): reason for file, _, done, reason in remarks(tmp_path / "out")}
    for name in ("1.png", "2.png", "3.png"):
        assert said[name, "unknown"] == "none of its boxes can be used"
    assert "were drawn on 24 x 30 pixels" in said["4.png", "unknown"]
    assert "annotated twice, and not alike: one.csv, image 5.png" in said["5.png", "unknown"]
    assert said["one.csv, image nobody.png", "left out"] == "no image of the source is called so"
    assert said["7.png", "clipped"]


def test_tables_of_runs_that_contradict_each_other(tmp_path, inline, annotated):
    images = {f"{i}.png": dark(i, 24, 24) for i in range(4)}
    one, two = f"{KAGGLE}0.png,a,7 3\n1.png,a,7 3\n2.png,a,7\n", f"{KAGGLE}0.png,a,7 2\n1.png,a,7 3\n"
    found = annotated(images, {"one.csv": one, "two.csv": two}, missing="background")
    assert where(found) == ["1.png", "3.png"]
    said = {file: reason for file, _, done, reason in remarks(tmp_path / "out") if done == "unknown"}
    assert said["0.png"].startswith("is annotated twice, and not alike")
    assert "line 4 of one.csv has runs that are no pairs" in said["2.png"]


def test_a_table_with_a_line_of_no_image_leaves_no_background(tmp_path, inline, annotated):
    images = {f"{i}.png": dark(i, 24, 24) for i in range(3)}
    text = f"{TENSORFLOW}0.png,24,24,a,4,2,10,17\n1.png,24,24,,,,,\n,24,24,a,4,2,10,17\n"
    assert where(annotated(images, {"one.csv": text}, missing="background")) == ["0.png"]
    assert ("one.csv", "line 4", "left out") in [row[:3] for row in remarks(tmp_path / "out")]


def test_in_processes_of_their_own_and_where_the_cut_is_placed(annotated):
    pixels = [dark(i, 24, 60, (44, 3, 54, 17)) for i in range(3)]
    rows = "".join(f"{i}.png_1,{encoded(image > 100)}\n{i}.png_2,\n" for i, image in enumerate(pixels))
    found = annotated(
        {f"{i}.png": image for i, image in enumerate(pixels)},
        {"train.csv": f"ImageId_ClassId,EncodedPixels\n{rows}"}, place_cut=True, outlines=True,
    )  # fmt: skip
    assert len(found.boxes) == 3
    np.testing.assert_array_equal(found.masks > 0, found.images[..., 0] > 100)
