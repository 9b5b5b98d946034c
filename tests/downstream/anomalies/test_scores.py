"""Scores of anomaly detectors against scikit-learn, and by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.downstream.anomalies import scoring
from pipeline.downstream.anomalies.dataset import JudgedPatches
from pipeline.downstream.anomalies.scores import LEVELS, average_precision, pixel_levels, recall_at


class Given:
    """A detector whose scores are the first number of each patch."""

    def scores(self, patches):
        return patches[..., 0].astype(float)


def judged(rng, n=12, cells=4, size=16, known=True):
    bad = np.arange(n) % 3 == 0
    masks = np.zeros((n, size, size), bool)
    masks[bad, 3:7, 5:12] = True
    patches = rng.normal(size=(n, cells, cells, 2)) + bad[:, None, None, None]
    return JudgedPatches(
        patches.astype(np.float16), bad, masks, np.full(n, known) | ~bad, [f"g{i % 5}" for i in range(n)]
    )


@pytest.mark.parametrize(("alarms", "found"), [(0.0, 1 / 4), (0.1, 2 / 4), (0.2, 2 / 4), (0.35, 3 / 4)])
def test_recall_by_hand(alarms, found):
    """Ten good images at 0 to 9: with one false alarm 8.5 is found, with three 6.5."""
    good, bad = np.arange(10.0), np.array([9.5, 8.5, 6.5, 2.0])
    truth = np.repeat([False, True], [10, 4])
    assert recall_at(truth, np.concatenate([good, bad]), alarms) == found


def test_a_bad_image_that_scores_as_a_good_one_is_not_found():
    assert recall_at(np.array([False, True]), np.array([1.0, 1.0]), 0.05) == 0
    assert np.isnan(recall_at(np.array([True, True]), np.array([1.0, 2.0]), 0.05))


def test_image_auroc_is_that_of_scikit_learn():
    of = judged(np.random.default_rng(0))
    record = scoring.test_record(Given(), of)
    assert record["auroc"] == pytest.approx(roc_auc_score(of.bad, record["scores"]))
    assert 0.5 < record["auroc"] < 1
    highest = of.patches[..., 0].astype(float).max(axis=(1, 2))  # 1 % of 16 patches is one
    np.testing.assert_allclose(record["scores"], highest, atol=1e-5)


def test_pixel_precision_is_that_of_scikit_learn_on_the_same_levels():
    rng = np.random.default_rng(1)
    scores = rng.integers(LEVELS, size=(6, 9, 7)).astype(float)
    scores[0, 0, :2] = 0, LEVELS - 1
    defect = rng.random(scores.shape) < 0.1
    group = np.array([0, 1, 2, 0, 1, 2])
    parts = list(pixel_levels(scores, defect, group, 3))
    assert average_precision(sum(parts)) == pytest.approx(average_precision_score(defect.ravel(), scores.ravel()))
    for g, own in enumerate(parts):
        rest = group != g
        expected = average_precision_score(defect[rest].ravel(), scores[rest].ravel())
        assert average_precision(sum(parts) - own) == pytest.approx(expected)


def test_pixel_precision_with_ties_and_without_positives():
    counts = np.array([[5, 2, 1], [1, 0, 1]])  # one positive of two on top, the other among six of eight below
    assert average_precision(counts) == pytest.approx(0.5 * 1 / 2 + 0.5 * 2 / 10)
    assert np.isnan(average_precision(np.array([[3, 2], [0, 0]])))
    flat = sum(pixel_levels(np.ones((1, 2, 2)), np.array([[[True, False], [False, False]]]), np.zeros(1, int), 1))
    assert average_precision(flat) == 0.25


def test_pixels_of_images_without_a_mask_are_not_judged():
    rng = np.random.default_rng(2)
    of = judged(rng)
    whole, without = scoring._pixels(of.patches[..., 0].astype(np.float32), of)
    assert 0 < whole < 1
    assert len(without) == 5
    unknown = judged(rng, known=False)
    assert scoring._pixels(unknown.patches[..., 0].astype(np.float32), unknown) is None
    assert scoring.test_record(Given(), unknown)["pixel_ap"] is None
