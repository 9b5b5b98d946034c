"""Memory and head on made-up patches."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from pipeline.downstream.anomalies.detectors import learn, remember
from pipeline.downstream.anomalies.patches import Looks


@pytest.fixture
def good():
    return np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32) * [1, 2, 3, 4, 5] + 7


def looks(rng, where, cover, n=4, cells=5, d=5, shift=0.0):
    """Good patches, those at `where` shifted; `cover` there, NaN for all if it is None."""
    patches = (rng.normal(size=(n, 1, cells, cells, d)) * [1, 2, 3, 4, 5] + 7).astype(np.float32)
    patches[:, 0, *where, 1] += shift
    share = np.full((n, 1, cells, cells), np.nan if cover is None else 0.0, np.float32)
    if cover is not None:
        share[:, 0, *where] = cover
    return Looks(patches, share)


def test_a_training_patch_is_at_no_distance_and_a_far_one_is_found(good):
    memory = remember(good, len(good))
    assert np.all(memory.scores(good) == 0)
    far = good[:3] + np.float32([0, 40, 0, 0, 0])
    spread = good.std(axis=0)
    expected = cdist(far / spread, good / spread).min(axis=1)
    np.testing.assert_allclose(memory.scores(far), expected, rtol=1e-4)
    assert memory.scores(far[None]).shape == (1, 3)
    assert memory.scores(far).min() > 10


def test_a_small_memory_covers_the_good_patches_better_than_chance(good):
    """Greedy k-center is at most twice the best radius (Gonzalez 1985); with outliers random choices are far off."""
    good[:3] += 60
    memory = remember(good, 20)
    assert len(memory.kept) == 20
    assert np.all(memory.kept == remember(good, 20).kept), "no chance in it"
    scaled = memory.scale(good)
    random = [
        cdist(scaled, scaled[np.random.default_rng(s).permutation(300)[:20]]).min(axis=1).max() for s in range(20)
    ]
    assert memory.scores(good).max() < min(random)


def test_equal_patches_are_kept_once():
    assert len(remember(np.repeat(np.eye(3, dtype=np.float32), 10, axis=0), 20).kept) == 3


def test_a_head_finds_the_kind_of_defect_that_masks_showed(good):
    rng = np.random.default_rng(1)
    memory = remember(good, 50)
    head = learn(memory, good, [(looks(rng, (2, 3), 0.8, shift=12), 1.0)])
    new = looks(rng, (1, 1), 0.8, shift=12).patches
    best = head.scores(new).reshape(4, -1).argmax(axis=1)
    assert set(best) == {1 * 5 + 1}
    other = np.float32([7, 7, 7, 7 + 20, 7])  # far from all that is good, and unlike the defects that it knows
    assert memory.scores(other) > np.median(memory.scores(good)) + 1
    assert head.scores(other) < head.scores(np.float32([7, 7 + 12, 7, 7, 7]))


def test_without_masks_it_is_the_most_suspicious_patch_that_is_learnt(good):
    rng = np.random.default_rng(2)
    head = learn(remember(good, 300), good, [(looks(rng, (2, 3), None, n=8, shift=14), 1.0)])
    assert abs(head.weights).argmax() == 1
    new = looks(rng, (4, 0), None, shift=14).patches
    assert set(head.scores(new).reshape(4, -1).argmax(axis=1)) == {4 * 5}


def test_in_an_image_whose_defect_is_small_the_patch_that_is_covered_most_is_bad(good):
    rng = np.random.default_rng(3)
    small = learn(remember(good, 50), good, [(looks(rng, (2, 3), 0.02, shift=12), 1.0)])
    assert abs(small.weights).argmax() == 1


def test_the_weight_of_added_images_is_theirs(good):
    """Two kinds of defects that contradict each other: the heavier wins."""
    rng = np.random.default_rng(4)
    up, down = (looks(rng, (2, 3), 1.0, shift=shift) for shift in (12, -12))
    memory = remember(good, 50)
    signs = [np.sign(learn(memory, good, [(up, 1.0), (down, ratio)]).weights[1]) for ratio in (0.1, 10)]
    assert signs == [1, -1]
