"""Small pieces of training images are seen where their gray values are kept; new images hold none."""

import numpy as np
import pytest

from benchmarks.local_copies import polycrystals, quilt
from pipeline.base import symmetry
from pipeline.evaluation.identical_pieces import PATCH, TELLING, IdenticalPieces, fingerprints, telling
from pipeline.settings import Voronoi

NOISY, CLEAN = ({"noise": noise, "grain_size": grain} for noise, grain in ((0.02, 11.0), (0.0, 14.0)))
EACH = np.arange(60)


def search(training, groups=EACH):
    return IdenticalPieces(training[..., None], np.arange(len(training)), groups)


@pytest.mark.parametrize("kind", [NOISY, CLEAN])
def test_quilts_of_the_smallest_pieces_are_seen_and_new_images_hold_none(kind):
    training, new = (polycrystals(Voronoi(seed=seed, **kind), count) for seed, count in ((1, 60), (2, 24)))
    rng = np.random.default_rng(0)
    quilts = np.stack([quilt(training, 16, rng) for _ in range(8)])
    found = search(training)
    assert found.areas(new[..., None], np.arange(len(new))).mean() <= 0.001
    assert found.areas(quilts[..., None], np.arange(len(quilts))).min() > 0.05
    assert found.areas(training[..., None], np.arange(5)).min() > (0.9 if kind is NOISY else 0.5)


@pytest.mark.parametrize("view", range(8))
def test_the_area_of_a_pasted_piece(view):
    """Of 13 pixels, the least that surely holds a patch of the grid; of two images one is looked at."""
    training = np.random.default_rng(0).integers(0, 256, (3, 40, 40), dtype=np.uint8)
    image = np.random.default_rng(1).integers(0, 256, (2, 40, 40), dtype=np.uint8)
    image[1, 5:18, 9:22] = symmetry.apply(training[1], view)[17:30, 20:33]
    found = search(training, np.arange(3)).areas(image[..., None], np.array([1, 0]))
    assert PATCH**2 <= found[0] * 40**2 <= 13**2
    assert found[1] == 0


def test_a_gray_value_more_is_another_piece():
    training = np.random.default_rng(0).integers(0, 250, (3, 40, 40), dtype=np.uint8)
    assert search(training, np.arange(3)).areas(training[..., None] + np.uint8(1), np.arange(3)).max() == 0


def test_what_several_groups_share_proves_nothing_and_what_one_has_twice_does():
    training = np.random.default_rng(0).integers(0, 256, (4, 40, 40), dtype=np.uint8)
    training[1:, :20] = training[0, :20]  # a label on all
    wide = training[..., None]
    assert 0.3 < search(training, np.arange(4)).areas(wide, np.arange(4)).max() < 0.7
    assert search(training, np.array([0, 0, 1, 1])).areas(wide, np.arange(4)).max() < 0.7
    assert search(training, np.zeros(4)).areas(wide, np.arange(4)).max() < 0.7  # no groups are known: each for itself
    pairs = training[[0, 0, 3, 3]]
    pairs[2:, :20] = 255 - pairs[2:, :20]
    assert search(pairs, np.array([0, 0, 1, 1])).areas(pairs[..., None], np.arange(4)).min() > 0.85


def test_even_and_straight_patches_tell_nothing_and_a_corner_its_edges():
    images = np.full((4, 15, 15, 1), 100, np.uint8)
    images[1, 7:] = 200  # a straight edge
    images[2, 14, 14] = 0  # one pixel in a corner
    images[3, 5:, 5:] = 200  # a corner: 10 pixels down and 10 to the right
    found = telling(images, 15)[:, 0, 0]
    assert found[:3].max() < 1.01 < TELLING
    assert found[3] == pytest.approx(18, abs=0.5)


def test_deep_and_coloured_images_and_large_ones():
    rng = np.random.default_rng(0)
    for shape, kind in (((3, 40, 40, 3), np.uint8), ((3, 40, 40, 1), np.uint16), ((3, 40, 30, 1), np.uint8)):
        training = rng.integers(0, 256, shape).astype(kind)
        found = IdenticalPieces(training, np.arange(3), np.arange(3))
        assert found.areas(training, np.arange(3)).min() > 0.9
        other = training.copy()
        other[..., -1] ^= 1
        assert found.areas(other, np.arange(3)).max() == 0
    large = rng.integers(0, 256, (2, 128, 128, 1), dtype=np.uint8)  # reduced by 2 elsewhere: patches of 22 pixels
    image = rng.integers(0, 256, (1, 128, 128, 1), dtype=np.uint8)
    image[0, 3:30, 40:67] = large[1, 50:77, 21:48]
    found = IdenticalPieces(large, np.arange(2), np.arange(2)).areas(image, np.arange(1))[0]
    assert 22**2 <= found * 128**2 <= 27**2


def test_a_fingerprint_is_one_of_the_patch_alone():
    image = np.random.default_rng(0).integers(1, 9, (1, 20, 30)).astype(np.uint64)
    numbers = fingerprints(image, 5)
    assert numbers.shape == (1, 16, 26)
    assert len(np.unique(numbers)) == numbers.size
    assert fingerprints(image[:, 3:8, 7:12], 5)[0, 0, 0] == numbers[0, 3, 7]
    assert np.array_equal(fingerprints(image, 5, 3), numbers[:, ::3, ::3])
    assert fingerprints(image.swapaxes(1, 2), 5)[0, 7, 3] != numbers[0, 3, 7]
