"""Parts of images between their pixels."""

import numpy as np
import pytest

from pipeline.data.window import Window, cut


def test_between_pixels_a_ramp_has_the_values_of_the_ramp():
    y, x = np.mgrid[:40, :60] + np.float32(0.5)
    image = np.stack([2 * x + y, 300 - x], axis=-1).astype(np.float32)
    shown = cut(image, Window(10.25, 8.5, 34.25, 20.5), height=24, width=12)  # enlarged twice, reduced to a half
    row, column = np.mgrid[:24, :12] + 0.5
    x, y = 10.25 + 2 * column, 8.5 + row / 2
    np.testing.assert_allclose(shown, np.stack([2 * x + y, 300 - x], axis=-1), rtol=0, atol=1e-3)


def test_whole_pixels_stay_as_they_are_and_outside_lies_the_mirror_image():
    image = np.random.default_rng(0).random((5, 7, 1), dtype=np.float32)
    np.testing.assert_allclose(cut(image, Window(1, 2, 6, 5), 3, 5), image[2:5, 1:6], atol=1e-6)
    outside = cut(image, Window(-2, -1, 3, 8), 9, 5)
    rows, columns = [0, 0, 1, 2, 3, 4, 4, 3, 2], [1, 0, 0, 1, 2]
    np.testing.assert_allclose(outside, image[np.ix_(rows, columns)], atol=1e-6)


def test_detail_finer_than_the_new_pixels_becomes_its_mean():
    board = (np.indices((48, 48)).sum(0) % 2).astype(np.float32)[..., None]
    assert cut(board, Window(4, 4, 44, 44), 5, 5) == pytest.approx(0.5, abs=0.01)


def test_a_window_is_widened_by_fractions_of_its_own_sides():
    assert Window(10, 20, 30, 60).widened(0.25) == (5, 10, 35, 70)
