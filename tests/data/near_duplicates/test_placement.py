"""Where one image lies upon another: there and back, in details and in pixels of files."""

import numpy as np
import pytest

from pipeline.data.near_duplicates.placement import Placement

TURNED = Placement(0.8 * np.exp(0.3j), 5 - 2j)
MIRRORED = TURNED._replace(mirrored=True)


@pytest.mark.parametrize("placement", [TURNED, MIRRORED])
def test_the_inverse_leads_back(placement):
    places = np.array([0, 3 + 4j, -7j])
    np.testing.assert_allclose(placement.inverse()(placement(places)), places, atol=1e-12)


def test_a_quarter_turn_by_hand():
    """Down the columns becomes along the rows: pixel (r, c) of the second lies at (4 - c, r) of the first."""
    second = np.arange(15).reshape(3, 5).astype(np.int8)
    laid, there = Placement(1j, 4).laid(second, (5, 3))
    np.testing.assert_array_equal(laid, np.rot90(second))
    assert there.all()


def test_a_mirror_image_by_hand():
    second = np.arange(15).reshape(3, 5).astype(np.int8)
    laid, there = Placement(1, 4j, True).laid(second, (4, 5))
    np.testing.assert_array_equal(laid[:3], second[:, ::-1])
    assert there.sum(axis=1).tolist() == [5, 5, 5, 0]


@pytest.mark.parametrize("by", [(1, -2), (-2, 1), (0, 0), (9, 0), (0, -9)])
def test_whole_shifts_are_those_between_pixels(by):
    second = np.random.default_rng(0).integers(-99, 99, (4, 6)).astype(np.int8)
    whole = Placement(1, complex(*by)).laid(second, (5, 5))
    between = Placement(1 + 1e-12j, complex(*by) + 1e-9).laid(second, (5, 5))
    inside = whole[1] & between[1]
    np.testing.assert_allclose(whole[0][inside], between[0][inside], atol=1e-4)
    rows, cols = np.mgrid[:5, :5] - np.array(by)[:, None, None]
    np.testing.assert_array_equal(whole[1], (rows >= 0) & (rows < 4) & (cols >= 0) & (cols < 6))


@pytest.mark.parametrize("placement", [TURNED, MIRRORED])
def test_pixels_of_files_that_were_reduced(placement):
    """Pixel i of the reduced image is the middle of pixels k i to k i + k - 1."""
    fine = placement.scaled(2, 3)
    details = np.array([0, 3 + 4j, 10 + 2j])
    middle = 3 * details + 1 * (1 + 1j)
    np.testing.assert_allclose(fine(middle), 2 * placement(details) + 0.5 * (1 + 1j))


@pytest.mark.parametrize("by", [14 + 0j, -9 + 0j, 14j, -11j, 12 - 12j])
def test_an_image_beyond_the_other_shows_nothing_of_it(by):
    laid, there = Placement(1, by).laid(np.ones((8, 10), np.int8), (12, 10))
    assert laid.shape == (12, 10)
    assert not there.any()
    assert not laid.any()
