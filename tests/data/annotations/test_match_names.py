"""Which image an annotation means."""

import pytest

from pipeline.data.annotations.match_names import Names
from pipeline.data.annotations.records import Record
from pipeline.data.reading.frame import Header, Rejected


def names(*sources):
    return Names([Header("unused", source, (20, 20, 1), "uint8") for source in sources])


def wanted(image, stem=True):
    return Record(image, stem, "a file", None, [], [])


@pytest.mark.parametrize(
    ("image", "stem", "found"),
    [
        ("v1.2", True, "train/v1.2.jpg"),
        ("v1", True, None),
        ("labels/train/x", True, "train/x.jpg"),
        ("labels/val/x", True, "val/x.jpg"),
        ("elsewhere/x", True, "two"),
        ("x.jpg", False, "two"),
        (r"C:\photos\val\x.jpg", False, "val/x.jpg"),
        ("../../../../val/x.jpg", False, "val/x.jpg"),
        ("/etc/passwd", False, None),
        ("y.bmp", False, "y.tif"),  # converted since
        ("", False, None),
        ("", True, None),
        ("..", False, None),
    ],
)
def test_the_longest_common_end_of_a_path_decides(image, stem, found):
    source = names("train/v1.2.jpg", "train/x.jpg", "val/x.jpg", "y.tif")
    if found in (None, "two"):
        with pytest.raises(Rejected, match=r"no image" if found is None else r"could mean train/x\.jpg or val/x\.jpg"):
            source.find(wanted(image, stem))
    else:
        assert source.find(wanted(image, stem)) == found


def test_the_suffix_decides_where_it_is_known():
    source = names("x.png", "x.tif")
    assert source.find(wanted("x.tif", stem=False)) == "x.tif"
    with pytest.raises(Rejected, match=r"could mean x\.png or x\.tif"):
        source.find(wanted("x"))


def test_images_inside_a_file_have_their_own_names():
    source = Names([Header("unused", f"s.tif[{i}]", (20, 20, 1), "uint8", index=i) for i in range(2)])
    assert source.find(wanted("a/s.tif[1]")) == "s.tif[1]"
    with pytest.raises(Rejected, match="no image"):
        source.find(wanted("s"))


@pytest.mark.parametrize(
    ("source", "image"),
    [
        ("sub/p01.png", "1a2b3c4d-p01.png"),  # Label Studio
        ("p01.png", "p01_png.rf.0a1b2c3d4e5f.jpg"),  # Roboflow
        ("sub/p01.png", "Sub/P01.PNG"),
        ("Stra\u00dfe/b\u00e4r.png", "b\u0061\u0308r.png"),  # as another file system writes accents
        ("ba\u0308r.png", "b\u00e4r.png"),
        ("my part 1.png", "my%20part%201.png"),
        ("001_image.png", "001"),  # of a mask 001_mask.png
    ],
)
def test_what_tools_make_of_a_name_is_seen_through(source, image):
    stem = "." not in image
    assert names(source, "other.png").find(wanted(image, stem)) == source


def test_the_exact_name_comes_first_and_two_alike_are_a_question():
    source = names("p1.png", "P1.png", "1a2b3c4d-x.png", "2a2b3c4d-x.png")
    assert source.find(wanted("P1")) == "P1.png"
    assert source.find(wanted("2a2b3c4d-x")) == "2a2b3c4d-x.png"
    with pytest.raises(Rejected, match=r"could mean 1a2b3c4d-x\.png or 2a2b3c4d-x\.png"):
        source.find(wanted("x"))


@pytest.mark.parametrize(
    ("file", "image", "found"),
    [
        ("train/labels/0.txt", "train/labels/0", "train/images/0.jpg"),
        ("valid/_annotations.coco.json", "0.jpg", "valid/images/0.jpg"),
        ("all.json", "valid/images/0.jpg", "valid/images/0.jpg"),
        ("valid_masks/0.png", "valid_masks/0", "valid/images/0.jpg"),
        ("train/labels/1.txt", "train/labels/1", "valid/images/1.jpg"),  # the only one, wherever it lies
        ("labels/0.txt", "labels/0", None),
        ("test/labels/0.txt", "test/labels/0", None),
        ("train/labels/2.txt", "train/labels/2", None),
    ],
)
def test_of_equal_names_the_one_nearest_to_the_annotation_is_meant(file, image, found):
    equal = (f"{side}/images/{i}.jpg" for side in ("train", "valid") for i in (0, 2))
    source = names(*equal, "valid/images/1.jpg", "train/images/2.png")
    record = wanted(image, stem=not image.endswith(".jpg"))
    if found is None:
        with pytest.raises(Rejected, match=r"could mean .*put it into a folder called as its image's"):
            source.find(record, file)
    else:
        assert source.find(record, file) == found


def test_a_path_longer_than_any_is_no_name():
    with pytest.raises(Rejected, match="names an image in 4097 characters, more than a path may have"):
        names("x.png").find(wanted("a/" * 2047 + "x" * 3))
    assert names("x.png").find(wanted("a/" * 2045 + "x.png", stem=False)) == "x.png"
