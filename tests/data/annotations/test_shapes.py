"""Outlines of defects, and what they cover."""

import numpy as np
import pytest
from pycocotools import mask as reference

from pipeline.data.annotations.shapes import Runs, Shape, ends, listed, packed_counts, paint, runs, turned
from pipeline.data.reading.frame import Rejected


def covered(shape, height=12, width=20, fractions=False):
    canvas = np.zeros((height, width), np.uint8)
    paint(canvas, 3, shape, fractions)
    return canvas


def test_pixels_with_their_centre_inside_a_polygon_are_covered():
    """Against the definition, at each centre: the winding number of an L, a thin triangle and one beyond the image."""
    corners = [[2, 1, 9, 1, 9, 4, 5, 4, 5, 10, 2, 10], [1.2, 0.3, 18.7, 6.1, 0.4, 11.8], [-5, -5, 30, 2, 8, 40]]
    for numbers in corners:
        ring = np.array(listed(numbers))
        seen = covered(Shape("a", [listed(numbers)])) == 3
        for row, col in np.ndindex(seen.shape):
            way = ring - (col + 0.5, row + 0.5)
            angles = np.arctan2(way[:, 1], way[:, 0])
            turns = np.sum((np.diff(angles, append=angles[0]) + np.pi) % (2 * np.pi) - np.pi) / (2 * np.pi)
            assert seen[row, col] == (round(abs(turns)) == 1), (numbers, row, col)


def test_fractions_are_of_width_and_height():
    shape = Shape("a", [listed([0.1, 0.25, 0.5, 0.25, 0.5, 0.75, 0.1, 0.75])])
    expected = np.zeros((12, 20), bool)
    expected[3:9, 2:10] = True
    np.testing.assert_array_equal(covered(shape, fractions=True) == 3, expected)
    assert ends(shape) == (0.1, 0.25, 0.5, 0.75)


def test_packed_runs_are_those_of_the_reference():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((37, 53)) < rng.uniform(0.02, 0.9)
        text = reference.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        found = runs(packed_counts(text), 37, 53)
        np.testing.assert_array_equal(found.pixels(), mask)


def test_runs_in_a_window_and_along_rows():
    window = Runs([1, 2, 4, 1], 2, 4, row=5, col=10, by_column=False)  # .##. / ...#
    shape = Shape("a", [], window)
    expected = np.zeros((12, 20), np.uint8)
    expected[5, 11:13] = expected[6, 13] = 3
    np.testing.assert_array_equal(covered(shape), expected)
    assert ends(shape) == (11, 5, 14, 7)
    assert covered(Shape("a", [], window._replace(row=11, col=12)))[11].tolist() == [0] * 13 + [3, 3] + [0] * 5


def test_a_quarter_turn_is_clockwise():
    # A bar to the right of (2, 2), as y points down, turns to one below it.
    np.testing.assert_allclose(turned([(2, 2), (5, 2), (5, 3), (2, 3)], 90, 2, 2), [(2, 2), (2, 5), (1, 5), (1, 2)])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: listed([1, 2, 3, 4]), r"2 corner\(s\)"),
        (lambda: listed([1, 2, 3, 4, 5]), "no list of corners"),
        (lambda: listed("123456"), "no list of corners"),
        (lambda: listed([1, 2, 3, 4, 5, float("nan")]), "where no image has pixels"),
        (lambda: listed([1, 2, 3, 4, 5, 1e300]), "where no image has pixels"),
        (lambda: listed([1, 2, 3, 4, 5, "x"]), "its y is no number"),
        (lambda: runs([5], 2, 2), "a mask of 5 pixels in 2 x 2"),
        (lambda: runs([-1, 5], 2, 2), "runs are no lengths"),
        (lambda: runs([10**12], 10**6, 10**6), "no size"),
        (lambda: runs([4], None, 2), "no size"),
        (lambda: packed_counts("P"), "ends inside a number"),
        (lambda: packed_counts("\x10"), "none of packed runs"),
        (lambda: ends(Shape("a", [], runs([4], 2, 2))), "empty mask"),
    ],
)
def test_what_is_no_shape_is_said(make, why):
    with pytest.raises(Rejected, match=why):
        make()
