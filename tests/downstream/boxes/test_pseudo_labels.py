"""Labels by a detector: what is kept, what is left out, and what the detector and its thresholds may see."""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import pseudo_labels
from pipeline.downstream.boxes.box_dataset import training
from pipeline.downstream.boxes.detector import BoxDetector, Detections
from pipeline.downstream.boxes.threshold import FIXED
from pipeline.settings import DetectBoxes, UserError
from tests.downstream.cases import scenes

SETTINGS = DetectBoxes(steps=4, batch=4, width=2)


def labelled(tmp_path, real, made, name="pseudo", settings=SETTINGS):
    """The set that becomes of `made`, and what the JSON says of it."""
    out = tmp_path / name
    pseudo_labels.pseudo_label(settings, real, made, out, "steel", "cgan")
    return ImageSet.open(out), json.loads((out / "pseudo_labels.json").read_text(encoding="utf-8"))


class Reader(BoxDetector):
    """Finds what the first row of an image says: in pixels 3 i to 3 i + 2 a class plus 1, a score in hundredths, and a
    side; the box begins at (1, 2)."""

    def losses(self, images, marks):
        raise NotImplementedError

    def detect(self, images):
        levels = ((images[:, 0, 0] + 1) * 127.5).round()
        return [self._said(row.reshape(-1, 3)) for row in levels[:, :30]]

    def _said(self, rows):
        rows = rows[rows[:, 0] > 0]
        rows = rows[rows[:, 1].argsort(descending=True, stable=True)]
        first = torch.tensor([1.0, 2.0]).expand(len(rows), 2)
        return Detections(torch.cat([first, first + rows[:, 2:]], 1), rows[:, 0].long() - 1, rows[:, 1] / 100)


def written(*pictures):
    """Images that the Reader reads: of each, what it finds in it."""
    images = np.zeros((len(pictures), 32, 32, 1), np.uint8)
    for image, found in zip(images, pictures, strict=True):
        for i, (class_id, score, side) in enumerate(found):
            image[0, 3 * i : 3 * i + 3, 0] = class_id + 1, score, side
    return images


@pytest.fixture
def reader(monkeypatch):
    taught = []

    def train(settings, spec, classes, pool, seed, tick):
        taught.append(seed)
        return Reader()

    monkeypatch.setattr(pseudo_labels, "train", train)
    return taught


# Twelve validation images have a disc, found with 40 to 51; in eight a square is found with 30, where none is.
DISCS = [[(0, 40 + i, 10), *([(1, 30, 10)] if i < 8 else [])] for i in range(12)]
REAL = written([], *DISCS, [])
SPLIT = ["train", *["val"] * 12, "test"]
MARKS = [(0, "disc", 1, 2, 11, 12), *((i, "disc", 1, 2, 11, 12) for i in range(1, 13)), (13, "disc", 1, 2, 11, 12)]
SQUARES = [(i, "square", 1, 2, 11, 12) for i in range(3, 13)]


def test_what_is_sure_is_a_label_and_the_other_images_are_unknown(tmp_path, boxed, image_set, reader):
    real = boxed("real", REAL, SPLIT, MARKS + SQUARES)  # the detector finds squares in six of ten, and twice wrongly
    pictures = [
        [(0, 40, 10), (0, 39, 5)],  # the surer disc alone
        [(0, 39, 10)],  # nothing sure
        [(1, 30, 8)],  # a square where a disc was asked for
        [(1, 30, 8)],  # where the class is none of the boxes'
        [(0, 90, 6), (1, 29, 8)],  # an unsure square is none
        [(1, 30, 8), (0, 99, 4)],  # a sure square and a sure disc
        [(0, 99, 0)],  # without width
        [],
    ]
    labels = [0, 0, 0, 1, 0, 0, 0, 1]
    made = image_set("made", written(*pictures), labels, ["train"] * 8, classes=("disc", "bad"))
    found, told = labelled(tmp_path, real, made)
    assert reader == [pseudo_labels.TEACHER]
    ids = ImageSet.open(made).metadata["id"]
    rows = [(ids[0], "disc", 1, 2, 11, 12), (ids[3], "square", 1, 2, 9, 10), (ids[4], "disc", 1, 2, 7, 8)]
    pd.testing.assert_frame_equal(found.boxes, pd.DataFrame(rows, columns=found.boxes.columns), check_dtype=False)
    assert np.flatnonzero(found.annotated).tolist() == [0, 3, 4]
    assert found.box_classes == ["disc", "square"]
    assert (found.images == ImageSet.open(made).images).all()
    assert found.metadata["id"].tolist() == ids.tolist()
    assert told["images"] == {
        "disc": {"kept": 2, "nothing sure": 2, "another class": 2},
        "bad": {"kept": 1, "nothing sure": 1, "another class": 0},
    }
    assert told["boxes"] == {"disc": 2, "square": 1}
    assert [(one["class"], one["value"], one["by"], one["drawn"]) for one in told["thresholds"]] == [
        ("disc", 0.4, "class", 12),
        ("square", 0.3, "class", 10),
    ]
    assert (told["thresholds"][1]["precision"], told["thresholds"][1]["recall"]) == (0.75, 0.6)
    assert (told["n_real"], told["n_validation"], told["model"], told["notes"]) == (1, 12, "cgan", [])
    with Image.open(tmp_path / "pseudo" / "pseudo_labels.png") as picture:
        assert picture.format == "PNG"


def test_where_no_image_can_be_labelled_it_is_said_and_the_arm_is_that_of_real_images(
    tmp_path, boxed, image_set, reader, monkeypatch
):
    said = []
    monkeypatch.setattr(pseudo_labels, "say", said.append)
    real = boxed("real", REAL, SPLIT, MARKS)
    made = image_set("made", written([(1, 99, 10)], [(0, 39, 10)]), [0, 0], ["train"] * 2, classes=("any", "none"))
    found, told = labelled(tmp_path, real, made)
    # Squares: no box to choose by, so the threshold of all classes together, which is that of the discs.
    assert [one["by"] for one in told["thresholds"]] == ["class", "all"]
    assert found.annotated.tolist() == [True, False]
    made = image_set("others", written([(0, 39, 10)], []), [0, 0], ["train"] * 2, classes=("any", "none"))
    found, told = labelled(tmp_path, real, made)
    assert not found.annotated.any()
    assert told["notes"] == ["none of 2 synthetic images can be labelled; their arm learns from real images alone"]
    assert said[-1] == f"steel: {told['notes'][0]}"
    assert len(training(ImageSet.open(real), [found], "steel", torch.device("cpu"))) == 1


def test_without_validation_boxes_the_threshold_is_fixed_and_said(tmp_path, boxed, image_set, reader):
    made = image_set("made", written([(0, 70, 10)], [(0, 69, 10)]), [0, 0], ["train"] * 2, classes=("any", "none"))
    for name, split, unknown in (("a", ["train"] * 13 + ["test"], ()), ("b", SPLIT, range(1, 13))):
        marks = [mark for mark in MARKS if mark[0] not in unknown]
        found, told = labelled(tmp_path, boxed(name, REAL, split, marks, unknown=unknown), made, f"pseudo-{name}")
        assert FIXED == 0.7
        assert found.annotated.tolist() == [True, False]
        assert told["notes"] == ["no validation image has a box: every box with a score of 0.7 and above is a label"]


def test_a_class_that_is_never_found_rightly_is_never_a_label(tmp_path, boxed, image_set, reader):
    squares = [(i, "square", 20, 20, 30, 30) for i in range(1, 13)]
    real = boxed("real", REAL, SPLIT, MARKS + squares)
    made = image_set("made", written([(1, 99, 10)], [(0, 50, 10), (1, 99, 10)]), [0, 0], ["train"] * 2)
    found, told = labelled(tmp_path, real, made)
    assert found.boxes["label"].tolist() == ["disc"]
    assert told["notes"] == [
        "no box is labelled square: of the boxes that the detector found in validation images none was right"
    ]


def test_images_unlike_the_real_ones_are_named(tmp_path, boxed, image_set, reader):
    real = boxed("real", REAL, SPLIT, MARKS)
    made = image_set("made", REAL[:, :16, :16], [0] * 14, ["train"] * 14)
    with pytest.raises(UserError, match=re.escape("height × width is (16, 16)")):
        labelled(tmp_path, real, made)
    assert reader == []


# ---------------------------------------------------------------- what may see what

IMAGES, SEEN = scenes(24, seed=4)
SIDES = np.array(["train"] * 10 + ["val"] * 6 + ["test"] * 8)
TRAIN, VAL = list(range(1, 10)), list(range(11, 16))  # the boxes of images 0 and 10 are not known
UNKNOWN = (0, 10, 16)
LEARNT = [mark for mark in SEEN if mark[0] not in UNKNOWN]
QUICK = DetectBoxes(steps=25, batch=4, width=4, learning_rate=5e-3)


@pytest.fixture
def fakes(image_set):
    return image_set("fakes", scenes(8, seed=9)[0], [0] * 8, ["train"] * 8)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_detector_reads_training_rows_the_threshold_validation_rows_and_nobody_test_rows(
    tmp_path, boxed, fakes, reads, monkeypatch
):
    real = boxed("real", IMAGES, SIDES, LEARNT, unknown=UNKNOWN)
    train = pseudo_labels.train

    def spy(*words):
        reads.events.append(("train", "begins", []))
        network = train(*words)
        reads.events.append(("train", "ends", []))
        return network

    reads.events.clear()
    monkeypatch.setattr(pseudo_labels, "train", spy)
    pseudo_labels.pseudo_label(QUICK, real, fakes, tmp_path / "pseudo", "steel", "cgan")
    of_real = [event for event in reads.events if event[1] in ("real", "begins", "ends")]
    assert [event for event, _ in itertools.groupby(of_real)] == [
        ("boxes", "real", TRAIN),
        ("images", "real", TRAIN),
        ("train", "begins", []),
        ("train", "ends", []),
        ("boxes", "real", VAL),
        ("images", "real", VAL),
    ]
    assert reads.rows("images", "fakes") == list(range(8))


def test_other_test_images_and_boxes_change_no_byte(tmp_path, boxed, fakes):
    other, marks = IMAGES.copy(), [mark for mark in LEARNT if mark[0] < 16]
    other[16:] = 255 - other[16:]
    sets = boxed("one", IMAGES, SIDES, LEARNT, unknown=UNKNOWN), boxed("two", other, SIDES, marks, unknown=UNKNOWN)
    for path in sets:
        pseudo_labels.pseudo_label(QUICK, path, fakes, tmp_path / "pseudo" / path.name, "steel", "cgan")
    one, two = (contents(tmp_path / "pseudo" / path.name) for path in sets)
    assert one == two
    assert ImageSet.open(tmp_path / "pseudo" / "one").annotated.any()


def test_other_validation_images_change_the_thresholds_and_not_the_detector(tmp_path, boxed, fakes, monkeypatch):
    networks, train = [], pseudo_labels.train

    def spy(*words):
        networks.append(train(*words))
        return networks[-1]

    monkeypatch.setattr(pseudo_labels, "train", spy)
    other = IMAGES.copy()
    other[10:16] = 255 - other[10:16]
    told = [
        labelled(tmp_path, boxed(name, images, SIDES, LEARNT, unknown=UNKNOWN), fakes, f"pseudo-{name}", QUICK)[1]
        for name, images in (("one", IMAGES), ("two", other))
    ]
    weights = zip(*(network.state_dict().values() for network in networks), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    assert told[0]["thresholds"] != told[1]["thresholds"]
