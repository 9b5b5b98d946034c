"""Nearest training images, by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from pipeline.metrics.neighbours import CHUNK, neighbours


def test_a_case_by_hand():
    """Training images at 0, 1 and 10 on a line. 0.4 lies between two that are 1 apart, 13 beyond one whose nearest
    other is 9 away: neither is new. 2.5 and -1.2 are farther from their nearest than that is from its own."""
    found = neighbours([[0.4], [13.0], [2.5], [-1.2], [1.0]], [[0.0], [1.0], [10.0]])
    assert found.position.tolist() == [0, 2, 1, 0, 1]
    assert found.first == pytest.approx([0.4, 3, 1.5, 1.2, 0])
    assert found.second == pytest.approx([0.6, 12, 2.5, 2.2, 1])
    assert found.others == pytest.approx([1, 9, 1, 1, 1])
    assert found.ratio == pytest.approx([2 / 3, 0.25, 0.6, 6 / 11, 0])
    assert found.authentic.tolist() == [False, False, True, True, False]


def test_many_against_scikit_learn():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(CHUNK + 40, 30)), rng.normal(size=(CHUNK + 90, 30))
    found = neighbours(x, y)
    distance, position = NearestNeighbors(n_neighbors=2).fit(y).kneighbors(x)
    among, _ = NearestNeighbors(n_neighbors=2).fit(y).kneighbors(y)
    np.testing.assert_array_equal(found.position, position[:, 0])
    np.testing.assert_allclose(np.stack([found.first, found.second], axis=1), distance)
    np.testing.assert_allclose(found.others, among[position[:, 0], 1])  # 0 of the two is the image itself


def test_a_copy_of_a_training_image_that_is_there_twice_is_a_copy():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(20, 8))
    y[7] = y[3]
    found = neighbours(y[[3]] + 1e-7, y)  # features differ in their last digits where batches differ
    assert (found.first[0], found.second[0], found.ratio[0], found.authentic[0]) == (0, 0, 0, False)


def test_images_drawn_from_training_images_with_a_little_noise_are_not_authentic():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(300, 8))
    for spread, least, most in ((0.1, 0, 0), (1.0, 0.5, 1), (5.0, 0.99, 1)):
        authentic = neighbours(y + spread * rng.normal(size=y.shape), y).authentic.mean()
        assert least <= authentic <= most
