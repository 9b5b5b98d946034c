"""Against pycocotools, and by hand."""

import contextlib
import io
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.data.annotations.attach import annotate
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.prepare import prepare
from pipeline.downstream.boxes.average_precision import BoxTable, average_precision
from pipeline.downstream.boxes.box_dataset import judging, training
from pipeline.downstream.boxes.fit import find, train
from pipeline.downstream.boxes.scoring import drawn
from pipeline.downstream.boxes.scoring import listed as listed_boxes
from pipeline.settings import Dataset, DetectBoxes


def listed(*marks):
    """(image, class, x0, y0, x1, y1, score) each; true boxes have no score."""
    columns = np.array([mark[:6] for mark in marks], float).reshape(-1, 6)
    scores = np.array([mark[6] for mark in marks if len(mark) > 6])
    return BoxTable(columns[:, 0].astype(int), columns[:, 1].astype(int), columns[:, 2:], scores)


def by_pycocotools(truth, found, images, classes):
    """(mAP50-95, mAP50) of all sizes, the first two of its twelve figures."""
    return judged(truth, found, images, classes).stats[:2]


def by_class(truth, found, images, classes):
    """(K, 10) average precision of each class at each overlap, NaN for a class without true boxes."""
    precision = judged(truth, found, images, classes).eval["precision"][:, :, :, 0, -1]  # all sizes, 100 boxes
    return np.where(precision < 0, np.nan, precision).mean(1).T


def judged(truth, found, images, classes):
    """pycocotools when it is done."""

    def marks(boxes):
        return [
            {"id": i, "image_id": int(image), "category_id": int(k), "bbox": [x0, y0, x1 - x0, y1 - y0]}
            | {"area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
            for i, (image, k, (x0, y0, x1, y1)) in enumerate(zip(*boxes[:3], strict=True), 1)
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {"info": {}, "images": [{"id": i} for i in range(images)], "annotations": marks(truth)}
        known.dataset["categories"] = [{"id": k, "name": str(k)} for k in range(classes)]
        known.createIndex()
        said = known.loadRes([m | {"score": float(s)} for m, s in zip(marks(found), found.score, strict=True)])
        judge = COCOeval(known, said, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


# Two classes, three images, the last without a true box: a double, a near miss, a wrong class, a false alarm.
TRUTH = listed((0, 0, 0, 0, 10, 10), (0, 0, 20, 0, 30, 10), (1, 0, 5, 5, 15, 15), (1, 1, 0, 0, 4, 8))
FOUND = listed(
    (0, 0, 0, 0, 10, 10, 0.9),  # found
    (0, 0, 0, 0, 10, 9, 0.8),  # once more
    (2, 0, 0, 0, 10, 10, 0.7),  # on background
    (0, 0, 20, 0, 30, 7, 0.6),  # overlap 0.7
    (1, 1, 0, 0, 4, 10, 0.5),  # overlap 0.8
    (1, 1, 5, 5, 15, 15, 0.4),  # of the other class
)


def test_precision_by_hand():
    found = average_precision(TRUTH, FOUND, 3, 2)
    # Class 0: right, wrong, wrong, right, the third box missed. At recalls up to 1/3 (34 of 101) the precision is 1, up
    # to 2/3 (33 more) 1/2. At overlaps above 0.7 the second is a miss.
    assert found[0] == pytest.approx([(34 + 33 / 2) / 101] * 5 + [34 / 101] * 5)
    assert found[1] == pytest.approx([1] * 7 + [0] * 3)


def test_a_false_alarm_on_background_costs_precision():
    quiet = listed(*[(*row, s) for row, s in zip(rows(FOUND), FOUND.score, strict=True) if row[0] != 2])
    assert average_precision(TRUTH, quiet, 3, 2)[0, 0] == pytest.approx((34 + 33 * 2 / 3) / 101)


def rows(boxes):
    return [(i, k, *box) for i, k, box in zip(*boxes[:3], strict=True)]


def test_the_means_are_those_of_pycocotools():
    found = average_precision(TRUTH, FOUND, 3, 2)
    assert (found.mean(), found[:, 0].mean()) == pytest.approx(by_pycocotools(TRUTH, FOUND, 3, 2), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_means_are_those_of_pycocotools_in_a_crowd(seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 90, (300, 2))
    truth = BoxTable(
        rng.integers(0, 40, 300),
        rng.integers(0, 4, 300),
        np.hstack([low, low + rng.uniform(1, 40, (300, 2))]),
        np.empty(0),
    )
    near = truth.box[rng.integers(0, 300, 1500)] + rng.normal(0, 4, (1500, 4))
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 0.5)
    found = BoxTable(rng.integers(0, 40, 1500), rng.integers(0, 5, 1500), near, rng.random(1500).round(2))
    scores = average_precision(truth, found, 45, 5)
    assert np.isnan(scores[4]).all(), "no true box of the last class"
    ours = np.nanmean(scores), np.nanmean(scores[:, 0])
    assert 0 < ours[0] < ours[1] < 1
    assert ours == pytest.approx(by_pycocotools(truth, found, 45, 5), abs=1e-12)


@pytest.fixture(scope="module")
def real(shared_data):
    """Boxes that people drew around real defects of six classes, and the number of images."""
    files = sorted((shared_data("neu_det") / "ANNOTATIONS").glob("*.xml"))[::9]
    marks = [
        (i, mark.findtext("name"), *(float(mark.findtext(f"bndbox/{end}")) for end in ("xmin", "ymin", "xmax", "ymax")))
        for i, file in enumerate(files)
        for mark in ElementTree.parse(file).iter("object")
    ]
    names = sorted({mark[1] for mark in marks})
    assert (len(names), len(marks) > 300) == (6, True)
    return listed(*((i, names.index(name), *box) for i, name, *box in marks)), len(files)


@pytest.mark.parametrize("seed", range(3))
def test_all_precisions_are_those_of_pycocotools_on_real_defects(real, seed):
    """Of true boxes that were moved, left out, doubled, of a wrong class, and of others thrown in."""
    truth, images = real
    rng, n = np.random.default_rng(seed), len(truth.class_id)
    kept = np.flatnonzero(rng.random(n) < 0.8)
    again = np.concatenate([kept, rng.choice(kept, n // 3), rng.choice(n, n // 5)])
    size = truth.box[again, 2:] - truth.box[again, :2]
    box = truth.box[again] + rng.normal(0, 0.12, (len(again), 4)) * np.hstack([size, size])
    class_id = np.where(rng.random(len(again)) < 0.1, rng.integers(0, 6, len(again)), truth.class_id[again])
    image = np.where(
        np.arange(len(again)) < len(again) - n // 5, truth.image[again], rng.integers(0, images, len(again))
    )
    found = BoxTable(image, class_id, box, rng.random(len(again)).round(1 + seed))  # many of one score, few, hardly any
    scores = average_precision(truth, found, images, 6)
    assert 0.05 < scores.mean() < scores[:, 0].mean() < 0.95
    np.testing.assert_allclose(scores, by_class(truth, found, images, 6), rtol=0, atol=1e-12)
    assert (scores.mean(), scores[:, 0].mean()) == pytest.approx(by_pycocotools(truth, found, images, 6), abs=1e-12)


@pytest.mark.slow
def test_all_precisions_are_those_of_pycocotools_of_a_detector_of_real_defects(shared_data, tmp_path):
    root = shared_data("neu_det")
    boxes = sorted(map(str, (root / "ANNOTATIONS").glob("*.xml")))[::12]
    images = [box.replace("ANNOTATIONS", "IMAGES").replace(".xml", ".jpg") for box in boxes]
    settings = Dataset(
        source=images,
        size=64,
        labels={"rule": "filename"},
        boxes={"format": "voc", "path": boxes},
        split={"test": 0.4, "val": 0, "near_duplicates": "off"},
    )
    prepare(settings, tmp_path)
    annotate(settings, tmp_path)
    steel, cpu = ImageSet.open(tmp_path), torch.device("cpu")
    learnt, test = training(steel, [], "steel", cpu), judging(steel, "steel", cpu)
    network = train(DetectBoxes(steps=80, batch=8, width=6, learning_rate=5e-3), steel.spec, 6, learnt, seed=0)
    truth, found = drawn(test), listed_boxes(find(network, test, 16))
    scores = average_precision(truth, found, len(test), 6)
    assert 0 < scores.mean() < scores[:, 0].mean() < 0.9
    np.testing.assert_allclose(scores, by_class(truth, found, len(test), 6), rtol=0, atol=1e-12)
    assert (scores.mean(), scores[:, 0].mean()) == pytest.approx(by_pycocotools(truth, found, len(test), 6), abs=1e-12)


def test_nothing_found_is_no_precision_and_no_error():
    found = average_precision(TRUTH, listed(), 3, 3)
    assert (found[:2] == 0).all()
    assert np.isnan(found[2]).all()
