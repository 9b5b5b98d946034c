import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from pipeline.detection.scores import accuracy, confusion, f1, macro_f1


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
