"""Against faster-coco-eval and pycocotools, on all images and on what is left of them, and by hand."""

import contextlib
import io

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.downstream.boxes import matching
from pipeline.downstream.boxes.average_precision import BoxTable, average_precision
from pipeline.downstream.boxes.matching import hits, iou, matched, precision_without
from tests.downstream.boxes.test_average_precision import FOUND, TRUTH, by_pycocotools, listed


def without(truth, found, group, classes):
    """(G + 1, K, 10), the last of all images."""
    groups = group.max() + 2
    return np.stack([precision_without(of, group, groups) for of in matched(truth, found, classes)], 1)


def kept(boxes, images):
    """The boxes in these images, which are numbered anew."""
    of = np.isin(boxes.image, images)
    score = boxes.score[of] if len(boxes.score) else boxes.score
    return BoxTable(np.searchsorted(images, boxes.image[of]), boxes.class_id[of], boxes.box[of], score)


def crowd(seed, images=30, classes=4, true=150, found=1500):
    """Overlapping boxes, many near true ones, with many equal scores; the last class has no true box."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 90, (true, 2))
    box = np.hstack([low, low + rng.uniform(1, 40, (true, 2))])
    truth = BoxTable(rng.integers(0, images - 3, true), rng.integers(0, classes - 1, true), box, np.empty(0))
    again = rng.integers(0, true, found)
    near = box[again] + rng.normal(0, 3, (found, 4))
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 0.5)
    wrong = rng.random(found) < 0.3
    image = np.where(wrong, rng.integers(0, images, found), truth.image[again])
    class_id = np.where(wrong, rng.integers(0, classes, found), truth.class_id[again])
    return truth, BoxTable(image, class_id, near, rng.random(found).round(2))


@pytest.mark.parametrize("seed", range(3))
def test_each_part_of_the_images_has_the_precision_that_coco_gives_it(seed):
    truth, found = crowd(seed)
    group = np.random.default_rng(seed).integers(0, 12, 30)
    ours = without(truth, found, group, 4)
    assert 0 < np.nanmean(ours[-1]) < np.nanmean(ours[-1][:, 0]) < 1
    assert np.isnan(ours[:, 3]).all()
    for g in range(13):
        left = np.flatnonzero(group != g)
        theirs = average_precision(kept(truth, left), kept(found, left), len(left), 4)
        assert ours[g] == pytest.approx(theirs, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("block", [1, 100, 300])
def test_working_through_groups_in_blocks_changes_no_bit(monkeypatch, block):
    """One group at a time, a few, and a last block that is not full."""
    truth, found = crowd(4)
    group = np.random.default_rng(4).integers(0, 12, 30)
    at_once = without(truth, found, group, 4)
    monkeypatch.setattr(matching, "BLOCK", block)
    np.testing.assert_array_equal(without(truth, found, group, 4), at_once)


def test_the_whole_is_that_of_pycocotools():
    truth, found = crowd(3)
    ours = without(truth, found, np.zeros(30, int), 4)[-1]
    means = np.nanmean(ours), np.nanmean(ours[:, 0])
    assert means == pytest.approx(by_pycocotools(truth, found, 30, 4), abs=1e-12)


def test_of_a_crowd_of_found_boxes_the_surest_hundred_count():
    truth, hit = listed((0, 0, 0, 0, 10, 10)), (0, 0, 0, 0, 10, 10, 0.5)
    far = [(0, 0, 50, 50, 60, 60, 0.9)] * 100
    assert without(truth, listed(hit, *far), np.zeros(1, int), 1)[-1] == pytest.approx(0)
    assert without(truth, listed(*far[:99], hit), np.zeros(1, int), 1)[-1] == pytest.approx(1 / 100)


def test_without_an_image_by_hand():
    """Three images, as in test_precision; without the third the false alarm on background is gone."""
    ours = without(TRUTH, FOUND, np.arange(3), 2)
    assert ours[3, 0] == pytest.approx([(34 + 33 / 2) / 101] * 5 + [34 / 101] * 5)
    assert ours[2, 0, 0] == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert np.isnan(ours[1, 1]).all(), "all true boxes of the second class are in the second image"
    assert ours[1, 0, 0] == pytest.approx((51 + 50 / 2) / 101)  # one of two found at once, the other fourth of four
    assert ours[0, 0] == pytest.approx(0)  # one is left, and was not found
    assert ours[0, 1] == pytest.approx([1] * 7 + [0] * 3)


def test_nothing_found_and_nothing_to_find():
    assert without(TRUTH, listed(), np.arange(3), 2)[3] == pytest.approx(0)
    assert np.isnan(without(listed(), FOUND, np.arange(3), 2)).all()


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_intersection_over_union_by_hand(kind):
    boxes = kind([[0, 0, 10, 10.0]])
    others = kind([[5, 5, 15, 15.0], [10, 0, 20, 10], [2, 2, 4, 6], [0, 0, 10, 10]])
    assert iou(boxes, others).tolist() == pytest.approx([25 / 175, 0, 8 / 100, 1])


# ---------------------------------------------------------------- which found box meets which true one


def test_the_surest_takes_the_box_it_overlaps_most_and_leaves_the_others_the_rest():
    truth = listed((0, 0, 0, 0, 10, 10), (0, 0, 2, 0, 12, 10), (1, 0, 0, 0, 10, 10))
    said = listed(
        (0, 0, 1, 0, 10, 10, 0.5),  # the second box, 8/11, and the first, 9/10: which the surer one has
        (0, 0, 0, 0, 10, 9, 0.9),  # the first
        (0, 0, 0, 0, 10, 10, 0.4),  # nothing is left
        (1, 1, 0, 0, 10, 10, 0.8),  # of another class
        (1, 0, 0, 0, 10, 5, 0.7),  # half of it is enough
        (2, 0, 0, 0, 10, 10, 0.6),  # of another image
    )
    assert hits(truth, said, 2)[:, 0].tolist() == [True, True, False, False, True, False]


def test_of_two_true_boxes_that_it_overlaps_equally_a_found_box_takes_the_last():
    truth = listed((0, 0, 0, 0, 10, 10), (0, 0, 2, 0, 12, 10))
    both, second, first = (0, 0, 1, 0, 11, 10), (0, 0, 4, 0, 14, 10), (0, 0, -2, 0, 8, 10)
    # 9/11 with either; the others 8/12 with one and 6/14 with the other, which is too little.
    assert hits(truth, listed((*both, 0.9), (*second, 0.5)), 1)[:, 0].tolist() == [True, False]
    assert hits(truth, listed((*both, 0.9), (*first, 0.5)), 1)[:, 0].tolist() == [True, True]
    for found in (listed((*both, 0.9), (*second, 0.5)), listed((*both, 0.9), (*first, 0.5))):
        np.testing.assert_array_equal(hits(truth, found, 1), by_pycocotools_box_by_box(truth, found, 1))


@pytest.mark.parametrize("seed", range(3))
def test_which_boxes_are_right_is_what_pycocotools_matches_ties_and_all(seed):
    """Boxes on a coarse grid, of few sizes and few scores: every kind of tie occurs many times."""
    rng = np.random.default_rng(seed)

    def boxes(n):
        low = 2 * rng.integers(0, 8, (n, 2))
        box = np.hstack([low, low + 4 * rng.integers(1, 4, (n, 2))]).astype(float)
        return rng.integers(0, 12, n), rng.integers(0, 3, n), box

    truth = BoxTable(*boxes(150), np.empty(0))
    found = BoxTable(*boxes(900), rng.integers(1, 6, 900) / 5)
    ours = hits(truth, found, 3)
    assert 0.05 < ours[:, 0].mean() < 0.5
    np.testing.assert_array_equal(ours, by_pycocotools_box_by_box(truth, found, 12))


def by_pycocotools_box_by_box(truth, found, images):
    """(n, 10) bool: whether it matched each found box."""

    def marks(boxes):
        places = np.hstack([boxes.box[:, :2], boxes.box[:, 2:] - boxes.box[:, :2]]).tolist()
        rows = zip(boxes.image.tolist(), boxes.class_id.tolist(), places, strict=True)
        return [{"id": i, "image_id": m, "category_id": k, "bbox": b} for i, (m, k, b) in enumerate(rows, 1)]

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        annotations = [mark | {"area": 1.0, "iscrowd": 0} for mark in marks(truth)]
        known.dataset = {"info": {}, "images": [{"id": i} for i in range(images)], "annotations": annotations}
        known.dataset["categories"] = [{"id": k} for k in range(3)]
        known.createIndex()
        scored = [mark | {"score": s} for mark, s in zip(marks(found), found.score.tolist(), strict=True)]
        judge = COCOeval(known, known.loadRes(scored), "bbox")
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
    met = np.zeros((len(found.class_id), 10), bool)
    for one in filter(None, judge.evalImgs):
        met[np.array(one["dtIds"], int) - 1] = (one["dtMatches"] > 0).T
    return met
