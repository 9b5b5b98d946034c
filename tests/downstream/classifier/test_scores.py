import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score, roc_curve

from pipeline.downstream.classifier.scores import (
    accuracy,
    auroc,
    auroc_without,
    confusion,
    f1,
    macro_f1,
    mean_roc,
    youden,
)


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.choice(5, 200, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    predicted = np.where(rng.random(200) < 0.6, truth, rng.integers(0, 4, 200))  # class 4 is almost never claimed
    matrix = confusion(truth, predicted, 5)
    assert np.array_equal(matrix, confusion_matrix(truth, predicted, labels=range(5)))
    assert accuracy(matrix) == accuracy_score(truth, predicted)
    assert f1(matrix) == pytest.approx(f1_score(truth, predicted, average=None, labels=range(5), zero_division=0))
    assert macro_f1(matrix) == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))


def test_a_class_without_images_is_left_out_of_the_mean_and_still_counts_as_a_mistake():
    truth, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 2, 1, 1])
    matrix = confusion(truth, predicted, 3)
    assert f1(matrix)[:2] == pytest.approx([0.8, 1.0])
    assert np.isnan(f1(matrix)[2])
    assert macro_f1(matrix) == pytest.approx(0.9)
    assert macro_f1(matrix) == pytest.approx(f1_score(truth, predicted, average="macro", labels=[0, 1]))


def test_a_class_never_claimed_scores_nothing():
    assert f1(confusion(np.array([0, 1]), np.array([0, 0]), 2)) == pytest.approx([2 / 3, 0])


def test_stacks_of_matrices_are_scored_one_by_one():
    matrices = np.random.default_rng(1).integers(1, 9, (3, 2, 4, 4))
    for score in (accuracy, macro_f1):
        assert score(matrices)[2, 1] == pytest.approx(score(matrices[2, 1]))


@pytest.fixture
def two():
    """(truth, scores) of an imbalanced case with ties."""
    rng = np.random.default_rng(2)
    truth = rng.random(150) < 0.2
    return truth, np.round(rng.normal(0, 1, 150) + truth, 1)


def test_auroc_is_that_of_scikit_learn_also_with_ties(two):
    assert auroc(*two) == pytest.approx(roc_auc_score(*two))
    assert auroc(np.array([True, False, True]), np.array([2.0, 1.0, 1.0])) == 0.75  # a pair right, a pair tied
    assert np.isnan(auroc(np.ones(3, bool), np.arange(3.0)))


def test_the_mean_roc_of_one_repetition_is_that_of_scikit_learn_and_its_area_is_the_mean_auroc(two):
    truth, scores = two
    alarms, found, _ = roc_curve(truth, scores, drop_intermediate=False)
    curve = mean_roc(truth, scores[None])
    for x, y in zip(alarms, found, strict=True):  # each corner lies on the curve
        assert np.any(np.all(np.isclose(curve, (x, y)), axis=1)) or np.interp(y, *curve.T[::-1]) == pytest.approx(x)
    assert np.trapezoid(*curve.T[::-1]) == pytest.approx(roc_auc_score(truth, scores))
    others = np.stack([scores, np.round(scores + np.random.default_rng(4).normal(0, 2, 150), 1), -scores])
    area = np.trapezoid(*mean_roc(truth, others).T[::-1])
    assert area == pytest.approx(np.mean([roc_auc_score(truth, row) for row in others]))


def test_the_mean_roc_of_a_case_by_hand():
    truth = np.array([True, True, False, False])
    curve = mean_roc(truth, np.array([[3.0, 1.0, 2.0, 0.0], [1.0, 1.0, 1.0, 0.0]]))
    # First: one found before any alarm, the other after one; second: both with one alarm, in one tie.
    np.testing.assert_allclose(curve, [(0, 0), (0, 0.25), (0.5, 0.75), (0.5, 1), (1, 1), (1, 1)])


def test_auroc_without_each_group_is_that_of_the_other_images(two):
    truth, scores = two
    group = np.random.default_rng(3).integers(0, 40, 150)
    weight = np.random.default_rng(4).uniform(0.2, 3, 150)
    rest = [group != g for g in range(41)]
    expected = [roc_auc_score(truth[of], scores[of], sample_weight=weight[of]) for of in rest]
    np.testing.assert_allclose(auroc_without(truth, scores, group, weight), expected)
    lone = np.array([True, False, False]), np.array([np.inf, 0.0, np.inf]), np.array([0, 1, 2]), np.ones(3)
    np.testing.assert_array_equal(auroc_without(*lone), [np.nan, 0.5, 1, 0.75])


def test_the_threshold_has_the_best_youden_index_of_scikit_learns_curve(two):
    truth, scores = two
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    called = scores >= youden(truth, scores)
    index = called[truth].mean() - called[~truth].mean()
    assert index == pytest.approx(np.max(true - false))


def test_a_threshold_lies_between_scores_as_near_to_even_odds_as_it_can():
    truth = np.array([False, False, True, True])
    assert youden(truth, np.array([-4.0, 1.0, 2.0, 9.0])) == 1.5
    assert youden(truth[[0, 2]], np.array([3.0, 3.0]).cumsum()) == 4.5
    assert np.isnan(youden(truth, np.zeros(4)))
    assert np.isnan(youden(truth[:2], np.arange(2.0)))
    # Two cuts are equally good, one mistake each: the one nearer to 0 is taken.
    assert youden(np.array([False, True, False, True]), np.array([-9.0, -1.0, 0.0, 7.0])) == 3.5
