"""Masks known by their names."""

import pytest

from pipeline.data.reading.mask_names import image_name, in_folders_of_masks, nearest, partners

PAIRS = {
    "Imgs/exp1_108.png": "Imgs/exp1_108.jpg",  # magnetic tiles
    "kos01/Part5_label.bmp": "kos01/Part5.jpg",  # the originals of Kolektor
    "masks/kos01_x250.png": "bad/kos01_x250.png",  # its tiles
    "ground_truth/crack/000_mask.png": "test/crack/000.png",  # MVTec
    "SegmentationClass/7.png": "JPEGImages/7.jpg",  # VOC
    "labels/13.jpg.png": "photos/13.jpg",
    "a/14.jpg.png": "a/14.jpg",
    "a/15_binary.jpg": "a/15.jpg",
    "Optical_segmented/16_binary.jpg": "Optical/16.jpg",
    "binarized/17.tif": "micrographs/17.tif",
    "a/7_GT.png": "a/7.tif",
    "a/gt-8.png": "a/8.png",
    "a/9_mask_2.png": "a/9_image.png",
    "a/img_10.gif": "a/img_10.jpg",
    "train_masks/x.gif": "train/x.jpg",
    "b/x.PNG": "b/x.TIF",
    "masks/c/plate_3_01.png": "c/plate_3.jpg",  # one of several
    "masks/c/plate_4.png": "c/plate_4.jpg",  # not one of `plate`
    "ground_truth/bent/020/021.png": "test/bent/020.png",  # one of those in the folder of an image, not of 021.png
    "masks/022/023.png": "images/022/023.png",  # a folder of several images, though one elsewhere is called so
}
NO_MASKS = [
    "c/plate.jpg", "b/7_mask.png",  # its image is in another folder
    "b/unlabelled.png", "b/labels.png", "a/img_11.png", "a/11.png", "a/good_12.png", "a/good_13.png",
    "test/good/000.png", "test/bent/021.png", "others/022.png",
]  # fmt: skip


def test_each_mask_finds_its_image_and_no_image_is_one():
    found = partners([*PAIRS, *PAIRS.values(), *NO_MASKS])
    assert found == PAIRS


def test_words_of_folders_tell_where_whole_ones_do_not():
    assert nearest("train_lab/7.png", ["test_img/7.jpg", "train_img/7.jpg"]) == ["train_img/7.jpg"]
    assert nearest("bad/masks/7.png", ["good bad/7.jpg", "bad/7.jpg"]) == ["bad/7.jpg"]
    assert nearest("drawings/7.png", ["bad/7.jpg", "good/7.jpg"]) == ["bad/7.jpg", "good/7.jpg"]


def test_without_its_image_a_name_makes_no_mask():
    assert partners(name for name in PAIRS if name != "b/x.PNG") == {}
    assert partners([]) == {}


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("a/b_mask.png", "a/b"),
        ("b_GT.png", "b"),
        ("a.b/label_c.d.bmp", "a.b/c.d"),
        ("mask.png", "mask"),
        ("x.png", "x"),
    ],
)
def test_the_name_of_a_mask_tells_that_of_its_image(mask, image):
    assert image_name(mask) == image


def test_what_lies_below_a_folder_of_masks():
    names = ["7/images/7.png", "7/masks/a.png", "7/masks/b.png"]
    assert in_folders_of_masks(names) == {"7/masks/a.png", "7/masks/b.png"}
    assert in_folders_of_masks(names[1:]) == set()
