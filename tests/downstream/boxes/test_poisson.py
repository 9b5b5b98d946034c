"""The solution of the paper's equations, written out pixel by pixel and solved directly."""

import itertools

import numpy as np
import pytest
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from pipeline.downstream.boxes.poisson import blended


def reference(image, patch, row, col):
    """Eq. 7 and 8 of Pérez et al. 2003, an equation a pixel: neighbours outside the image are none."""
    height, width, channels = image.shape
    h, w = patch.shape[:2]
    rows = range(row + (row > 0), row + h - (row + h < height))
    columns = range(col + (col > 0), col + w - (col + w < width))
    number = {p: i for i, p in enumerate(itertools.product(rows, columns))}
    system, right = lil_matrix((len(number), len(number))), np.zeros((len(number), channels))
    for (y, x), i in number.items():
        for q in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= q[0] < height and 0 <= q[1] < width):
                continue
            system[i, i] += 1
            right[i] += patch[y - row, x - col] - patch[q[0] - row, q[1] - col]  # v_pq, eq. 11
            if q in number:
                system[i, number[q]] -= 1
            else:
                right[i] += image[q]
    result, inside = image.copy(), tuple(np.transpose(list(number)))
    for channel in range(channels):
        result[(*inside, channel)] = spsolve(system.tocsc(), right[:, channel])
    return result


PLACES = {
    "inside": (5, 7, 3, 4),
    "at the top": (5, 7, 0, 4),
    "at the bottom": (5, 7, 8, 4),
    "at the left": (5, 7, 3, 0),
    "at the right": (5, 7, 3, 9),
    "in a corner": (5, 7, 0, 9),
    "in the other corner": (5, 7, 8, 0),
    "across": (5, 16, 3, 0),
    "down": (13, 7, 0, 4),
    "all but one side": (12, 16, 0, 0),
    "all but the top": (12, 16, 1, 0),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_direct_solution_of_the_papers_equations(place, channels):
    h, w, row, col = place
    rng = np.random.default_rng(3)
    image, patch = rng.uniform(0, 255, (13, 16, channels)), rng.uniform(0, 255, (h, w, channels))
    np.testing.assert_allclose(blended(image, patch, row, col), reference(image, patch, row, col), rtol=0, atol=1e-9)


def test_three_pixels_by_hand():
    """Boundary 10 at the left, 50 at the right, none above and below; the patch rises by 4 and falls by 1.

    f1 - 10 = 0 + s, f2 - f1 = 4 + s, 50 - f2 = -1 + s: the gradients of the patch plus what is lacking, shared alike.
    """
    image = np.array([[3.0, 10, 99, 99, 50, 7]])[..., None]
    patch = np.array([[100.0, 100, 104, 103]])[..., None]
    share = (50 - 10 - 3) / 3
    assert blended(image, patch, 0, 1)[0, :, 0] == pytest.approx([3, 10, 10 + share, 14 + 2 * share, 50, 7])


def test_a_patch_that_is_the_image_gives_the_image_back():
    image = np.random.default_rng(0).uniform(0, 65535, (40, 50, 3))
    for row, col, h, w in ((7, 9, 20, 30), (0, 20, 40, 30), (0, 0, 40, 50)):
        patch = image[row : row + h, col : col + w]
        assert np.abs(blended(image, patch, row, col) - image).max() < 1e-10


def test_a_patch_that_is_brighter_alike_is_no_brighter_when_blended():
    image = np.random.default_rng(0).uniform(0, 255, (40, 50, 1))
    patch = image[7:27, 9:39] + 80
    assert np.abs(blended(image, patch, 7, 9) - image).max() < 1e-10
    at_the_edge = image[:27, 9:] + 80
    assert np.abs(blended(image, at_the_edge, 0, 9) - image).max() < 1e-10
    whole = blended(image, image + 80, 0, 0)
    assert np.abs(whole - image).max() < 1e-10


def test_there_is_no_seam():
    """Smooth image and smooth patch far apart in level: no step is larger than those of the two and of the membrane."""
    y, x = np.mgrid[:64, :64] / 64
    image = (60 + 20 * np.sin(3 * x + y))[..., None]
    patch = (200 + 30 * np.cos(9 * y) * x)[10:40, 20:60, None]
    result = blended(image, patch, 10, 20)
    pasted = image.copy()
    pasted[10:40, 20:60] = patch
    steps = [max(np.abs(np.diff(a, axis=axis)).max() for axis in (0, 1)) for a in (image, patch, result, pasted)]
    assert steps[3] > 100
    assert steps[2] < 2 * (steps[0] + steps[1]) < 12
    outside = np.ones((64, 64), bool)
    outside[11:39, 21:59] = False
    np.testing.assert_allclose(result[outside], image[outside], rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(2, 9), (9, 2), (1, 1)])
def test_what_is_all_boundary_changes_nothing(shape):
    image = np.random.default_rng(0).uniform(0, 255, (20, 20, 1))
    np.testing.assert_allclose(blended(image, np.zeros((*shape, 1)), 4, 5), image, rtol=0, atol=1e-10)
