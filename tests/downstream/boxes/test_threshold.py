"""By hand, and by counting anew at every score."""

import numpy as np
import pytest

from pipeline.downstream.boxes.average_precision import BoxTable
from pipeline.downstream.boxes.matching import hits
from pipeline.downstream.boxes.threshold import FEW, Threshold, thresholds
from tests.downstream.boxes.test_average_precision import listed


def drawn(n, class_id=0):
    """n boxes of a class, an image each."""
    return [(i, class_id, 0, 0, 10, 10) for i in range(n)]


def found(scores, right, class_id=0):
    """A found box in each image, right or far off."""
    places = [(0, 0, 10, 10) if fine else (30, 30, 40, 40) for fine in right]
    return [(i, class_id, *place, score) for i, (score, place) in enumerate(zip(scores, places, strict=True))]


def test_the_threshold_has_the_largest_f1_by_hand():
    # F1 = 2 · right / (found + 12): 2/13, 4/14, 6/15, 6/16, 8/17, 8/18, and at 0.3 two boxes at once: 8/20.
    right = [True, True, True, False, True, False, False, False]
    said = listed(*found([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3], right))
    assert thresholds(listed(*drawn(12)), said, 1) == [Threshold(0.5, "class", 12, 0.8, round(4 / 12, 6))]


def test_boxes_of_one_score_come_all_or_not_at_all():
    said = listed(*found([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [True, True] + [False] * 5))
    # 0.9: 2/11; 0.5: 4/17, though the first of its boxes alone would give 4/12.
    assert thresholds(listed(*drawn(10)), said, 1)[0][:1] == (0.5,)
    said = listed(*found([0.9, 0.5, 0.5], [True, True, False]) + [(9, 0, 30, 30, 40, 40, 0.5)] * 20)
    assert thresholds(listed(*drawn(10)), said, 1)[0].value == 0.9


def test_a_class_has_its_own_threshold_one_with_few_boxes_that_of_all():
    truth = listed(*drawn(FEW), *drawn(FEW - 1, 1))
    said = listed(*found([0.4] * 10, [True] * 10), *found([0.8] * 9, [True] * 9, class_id=1))
    first, second, third = thresholds(truth, said, 3)
    assert first == (0.4, "class", 10, 1.0, 1.0)
    assert second == third == (0.4, "all", 19, 1.0, 1.0)


def test_a_detector_that_is_never_right_labels_nothing():
    truth = listed(*drawn(FEW), *drawn(FEW, 1))
    said = listed(*found([0.9] * 10, [False] * 10), *found([0.8] * 10, [True] * 10, class_id=1))
    none, some = thresholds(truth, said, 2)
    assert none == (None, "class", 10, None, None)
    assert some.value == 0.8
    assert [one.value for one in thresholds(truth, listed(), 2)] == [None, None]


@pytest.fixture(params=range(3))
def crowd(request):
    rng = np.random.default_rng(request.param)
    low = rng.uniform(0, 60, (200, 2))
    box = np.hstack([low, low + rng.uniform(5, 40, (200, 2))])
    truth = BoxTable(rng.integers(0, 20, 200), rng.integers(0, 3, 200), box, np.empty(0))
    again = rng.integers(0, 200, 700)
    near = truth.box[again] + rng.normal(0, 3, (700, 4))
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 0.5)
    return truth, BoxTable(truth.image[again], truth.class_id[again], near, rng.permutation(700) / 700)


def test_no_other_score_has_a_larger_f1(crowd):
    truth, said = crowd
    for class_id, chosen in enumerate(thresholds(truth, said, 3)):
        own, drawn_boxes = said.class_id == class_id, int((truth.class_id == class_id).sum())

        def f1(limit, own=own, drawn_boxes=drawn_boxes):
            kept = own & (said.score >= limit)
            right = hits(truth, BoxTable(*(part[kept] for part in said)), 3)[:, 0].sum()
            return 2 * right / (kept.sum() + drawn_boxes)

        assert chosen.by == "class"
        assert f1(chosen.value) >= max(f1(limit) for limit in said.score[own][::10])
        precision, recall = chosen.precision, chosen.recall
        assert 2 * precision * recall / (precision + recall) == pytest.approx(f1(chosen.value), abs=1e-5)
