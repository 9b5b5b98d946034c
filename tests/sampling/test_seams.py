"""The seam ratio on strips worked by hand."""

import numpy as np
import pytest

from pipeline.sampling.seams import gradient_energy, ratio_by_place


def seam_ratio(strip, period, grid=1):
    return ratio_by_place(gradient_energy(strip), period, grid)[0]


def test_by_hand():
    """Differences along the rows: 1 2 1 0 3 and 1 0 -1 2 1; their mean squares: 1 2 1 2 5."""
    strip = np.array([[0, 1, 3, 4, 4, 7], [0, 1, 1, 0, 2, 3]], np.uint8)
    np.testing.assert_array_equal(gradient_energy(strip), [1, 2, 1, 2, 5])
    # Tiles of two columns meet in front of columns 2 and 4: differences 1 and 3, both 2; the others are 1, 1, 5.
    assert seam_ratio(strip, 2) == pytest.approx(2 / (7 / 3))
    # Tiles of three meet in front of column 3: difference 2, which is 1; the others are 1, 2, 2, 5.
    assert seam_ratio(strip, 3) == pytest.approx(1 / 2.5)
    np.testing.assert_allclose(ratio_by_place(gradient_energy(strip), 2, 1), [2 / (7 / 3), (7 / 3) / 2])


def test_colours_and_rows_count_alike():
    strip = np.zeros((2, 4, 3))
    strip[1, 2:, 1] = 6  # one of six numbers a column changes by 6, at the border of tiles of two
    np.testing.assert_array_equal(gradient_energy(strip), [0, 6, 0])


def test_deep_and_unsigned_values_do_not_wrap():
    assert gradient_energy(np.array([[65535, 0]], np.uint16))[0] == 65535.0**2


def test_a_ramp_has_no_seam_and_tiles_of_two_grays_have_nothing_else():
    assert seam_ratio(np.tile(np.arange(64.0), (3, 1)), 8) == 1
    assert seam_ratio(np.tile(np.repeat([0.0, 1.0], 8), (3, 4)), 8) == np.inf


def test_what_a_network_leaves_at_every_place_of_its_grid_is_no_seam():
    """Energies 4 1 4 2 8 1 4 2 6 in front of columns 1 to 9, tiles of four, a grid of two: the borders in front of
    columns 4 and 8 (2 and 2) are compared with those in front of columns 2 and 6 (1 and 1)."""
    found = ratio_by_place(np.array([4, 1, 4, 2, 8, 1, 4, 2, 6.0]), 4, 2)
    np.testing.assert_allclose(found, [2, 6 / 4, 1 / 2, 4 / 6])
    striped = np.cumsum(np.tile([1.0, 5, 1, 5], (3, 50)), 1)
    assert seam_ratio(striped, 4, 2) == 1
    assert seam_ratio(striped, 4) < 1


def test_noise_has_none_and_tiles_side_by_side_do():
    rng = np.random.default_rng(0)
    white = rng.standard_normal((64, 8192))
    smooth = np.cumsum(white, 1)  # differences are white: no column differs from another
    assert seam_ratio(smooth, 32) == pytest.approx(1, abs=0.05)
    tiles = np.cumsum(white.reshape(64, -1, 32), 2).reshape(64, -1)
    # At a border the difference is that of 0 + e and a sum of 32: variance 33 where the interior's is 1.
    assert seam_ratio(tiles, 32) == pytest.approx(33, rel=0.1)
    places = ratio_by_place(gradient_energy(tiles), 32, 1)
    assert places.argmax() == 0
    assert places[1:].max() < 1
