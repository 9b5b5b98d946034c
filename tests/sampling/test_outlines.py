"""Masks as one polygon, against cases worked by hand and two rules of filling."""

import numpy as np
import pytest
from skimage.draw import polygon2mask

from pipeline.sampling.outlines import outline


def drawn(text):
    return np.array([[c == "#" for c in line] for line in text.split()])


@pytest.mark.parametrize(
    ("text", "corners"),
    [
        ("... ..#", [(2, 1), (3, 1), (3, 2), (2, 2)]),
        (".## .#. ...", [(1, 0), (3, 0), (3, 1), (2, 1), (2, 2), (1, 2)]),
        ("#..#", [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0), (3, 0), (4, 0), (4, 1), (3, 1), (3, 0)]),
        ("...", []),
    ],
)
def test_corners_go_round_with_the_pixels_at_the_right_hand(text, corners):
    assert outline(drawn(text)) == corners


def winding(corners, x, y):
    """How often a polygon goes round a point: the turns of the line of sight."""
    sight = np.array([complex(a - x, b - y) for a, b in [*corners, corners[0]]])
    return round(np.angle(sight[1:] / sight[:-1]).sum() / (2 * np.pi))


@pytest.mark.parametrize("text", ["##### #...# #.#.# #...# #####", "#.. .#. #.#", "###. #.## ###.", "####"])
def test_parts_and_holes_are_filled_by_both_rules(text):
    mask = drawn(text)
    times = [[winding(outline(mask), x + 0.5, y + 0.5) for x in range(mask.shape[1])] for y in range(len(mask))]
    assert times == mask.astype(int).tolist()


def test_any_mask_comes_back():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((9, 12)) < rng.random()
        mask[4, 7] = True
        corners = np.array(outline(mask))[:, ::-1] - 0.5  # there the centre of a pixel is a whole number
        assert np.array_equal(polygon2mask(mask.shape, corners), mask)
