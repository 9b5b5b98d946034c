"""Pieces of training images are seen in whatever they are put together to, and in new images there are none."""

import numpy as np
import pytest

from benchmarks.local_copies import any_bent, bent, fine, polycrystals, quilt
from pipeline.base import symmetry
from pipeline.evaluation import local_copies
from pipeline.settings import Voronoi

TRAINING = polycrystals(Voronoi(seed=1), 80)


@pytest.fixture(scope="module")
def search():
    return local_copies.Search(fine(TRAINING), np.arange(len(TRAINING)), np.random.default_rng(0))


def test_an_index_takes_the_place_of_what_it_was_found_from(search, monkeypatch):
    monkeypatch.delattr(local_copies, "_centres")
    again = local_copies.Search(fine(TRAINING), np.arange(len(TRAINING)), np.random.default_rng(1), search.index)
    for name in ("known", "order", "starts", "proof_threshold", "smallest"):
        assert np.array_equal(getattr(again, name), getattr(search, name)), name


@pytest.fixture(scope="module")
def usual(search):
    return search.areas(fine(polycrystals(Voronoi(seed=2), 40)))


def test_new_images_hold_no_pieces(usual):
    assert usual.mean() <= 0.01


@pytest.mark.parametrize("kind", ["bent", "bent fast", "bent and moved", "16", "24", "32"])
def test_bent_images_and_quilts_are_above_new_images(search, usual, kind):
    rng = np.random.default_rng(5)
    made = {
        "bent": lambda: any_bent(TRAINING, 4, 8, 0, rng),
        "bent fast": lambda: any_bent(TRAINING, 4, 5, 0, rng),
        "bent and moved": lambda: any_bent(TRAINING, 4, 8, 16, rng),
    }
    make = made.get(kind) or (lambda: quilt(TRAINING, int(kind), rng))
    area = search.areas(fine(np.stack([make() for _ in range(8)])))
    assert np.mean(area > usual.mean()) >= 0.95


@pytest.mark.parametrize("view", range(8))
def test_the_area_of_a_pasted_piece(search, view):
    """A 28 pixel square of a training image in a new one: about its area is seen, whichever way it lies."""
    image = polycrystals(Voronoi(seed=3), 1)[0]
    image[20:48, 9:37] = symmetry.apply(TRAINING[10], view)[30:58, 17:45]
    assert search.areas(fine(image[None]))[0] == pytest.approx(28**2 / 62**2, rel=0.2)


def test_a_piece_in_another_brightness_and_contrast_is_seen(search):
    assert search.areas(fine((40 + 0.5 * TRAINING[:4]).astype(np.uint8))).min() > 0.8


def test_images_that_show_nothing_hold_no_pieces(search):
    assert search.areas(fine(np.full((2, 64, 64), 90, np.uint8))).tolist() == [0, 0]


def test_evidence_is_the_chance_of_gaussian_patches():
    """Of 20 000 pairs of 30 independent pixels as many correlate above r as exp(-evidence) says, to a factor: the exact
    tail has a power of r beside it."""
    rng = np.random.default_rng(0)
    one, other = (x - x.mean(axis=1, keepdims=True) for x in rng.standard_normal((2, 20_000, 30)))
    r = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    found = np.mean(r > 0.5)
    assert (
        np.exp(-local_copies.evidence(np.float64(0.5), 30)) / 10
        < found
        < np.exp(-local_copies.evidence(np.float64(0.5), 30))
    )


def test_straight_edges_and_even_patches_tell_nothing_and_noise_all_its_pixels():
    rng = np.random.default_rng(0)
    row, col = np.mgrid[: local_copies.PATCH, : local_copies.PATCH]
    edge = np.where(row + 0.5 * col > 8, 60, -40)
    corner = np.where((row > 5) & (col > 5), 60, -40)
    noise = rng.normal(0, 32, (200, local_copies.PATCH, local_copies.PATCH))
    patches = local_copies._centred(np.stack([np.full_like(edge, 3), edge, corner, *noise]))
    even, straight, bent_once, *free = local_copies.freedom(patches)
    assert even == 0
    assert straight < 0.5 * bent_once
    assert np.mean(free) == pytest.approx(
        local_copies.PATCH**2 / 2, rel=0.3
    )  # chance correlates a patch with itself as well


def test_the_bar_is_that_of_strangers():
    """Copies among the training images raise it only where most of them have one that the groups do not name."""
    scenes = fine(TRAINING[:10])
    twice, half = np.concatenate([scenes, scenes]), np.concatenate([scenes, scenes[:3]])
    named, unnamed, few = (
        local_copies.Search(images, groups, np.random.default_rng(0)).proof_threshold
        for images, groups in ((twice, np.tile(np.arange(10), 2)), (twice, np.arange(20)), (half, np.arange(13)))
    )
    assert named < 80
    assert few < named + 15
    assert unnamed > 300


def test_the_smallest_piece_is_seen_and_far_smaller_ones_are_not(search):
    """Eight new images, a piece of a training image in each."""
    for side, seen in ((search.smallest + 6, 7), (8, 0)):
        new = polycrystals(Voronoi(seed=4), 8)
        for i, image in enumerate(new):
            image[10 + i : 10 + i + side, 20 : 20 + side] = TRAINING[4 * i, 3 * i : 3 * i + side, 30 : 30 + side]
        found = search.areas(fine(new)) > 0
        assert abs(found.sum() - seen) <= 2


def test_bending_moves_pixels_as_far_as_it_says():
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))
    moved = np.abs(bent(ramp, 4, 8, 0, np.random.default_rng(0)).astype(float) - ramp)
    assert 6 < moved[:, 8:-8].max() <= 12
