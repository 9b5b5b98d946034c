"""Against faster-coco-eval and pycocotools, on all images and on what is left of them, and by hand."""

import numpy as np
import pytest

from pipeline.detection.boxes import matches
from pipeline.detection.boxes.matches import matched, overlap, precision_without
from pipeline.detection.boxes.precision import Listed, average_precision
from tests.detection.boxes.test_precision import FOUND, TRUTH, by_pycocotools, listed


def without(truth, found, group, classes):
    """(G + 1, K, 10), the last of all images."""
    groups = group.max() + 2
    return np.stack([precision_without(of, group, groups) for of in matched(truth, found, classes)], 1)


def kept(boxes, images):
    """The boxes in these images, which are numbered anew."""
    of = np.isin(boxes.image, images)
    score = boxes.score[of] if len(boxes.score) else boxes.score
    return Listed(np.searchsorted(images, boxes.image[of]), boxes.klass[of], boxes.box[of], score)


def crowd(seed, images=30, classes=4, true=150, found=1500):
    """Overlapping boxes, many near true ones, with many equal scores; the last class has no true box."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 90, (true, 2))
    box = np.hstack([low, low + rng.uniform(1, 40, (true, 2))])
    truth = Listed(rng.integers(0, images - 3, true), rng.integers(0, classes - 1, true), box, np.empty(0))
    again = rng.integers(0, true, found)
    near = box[again] + rng.normal(0, 3, (found, 4))
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 0.5)
    wrong = rng.random(found) < 0.3
    image = np.where(wrong, rng.integers(0, images, found), truth.image[again])
    klass = np.where(wrong, rng.integers(0, classes, found), truth.klass[again])
    return truth, Listed(image, klass, near, rng.random(found).round(2))


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
    monkeypatch.setattr(matches, "BLOCK", block)
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


def test_overlap_by_hand():
    boxes = np.array([[0, 0, 10, 10.0]])
    others = np.array([[5, 5, 15, 15.0], [10, 0, 20, 10], [2, 2, 4, 6], [0, 0, 10, 10]])
    assert overlap(boxes, others) == pytest.approx([25 / 175, 0, 8 / 100, 1])
