"""Spots are found again where an image is turned, zoomed, flipped; the index finds what comparing all finds."""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.data.near_duplicates import correlate, keypoints, search, spot_matches
from pipeline.data.near_duplicates.keypoints import Spots


def texture(seed, side=160):
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 1.5)


def enlarged(image, zoom):
    return ndimage.zoom(image, zoom, order=1, grid_mode=True, mode="nearest")


@pytest.mark.parametrize(("view", "a", "b", "mirrored"), [
    (lambda image: image[10:, 20:], 1, 10 + 20j, False),
    (lambda image: image[::-1, ::-1], -1, 159 + 159j, False),
    (lambda image: image[:, ::-1], 1, 159j, True),
    (lambda image: np.rot90(image), -1j, 159j, False),
    (lambda image: enlarged(image, 1.5), 1 / 1.5, -1 / 6 * (1 + 1j), False),
])  # fmt: skip
def test_where_a_view_of_an_image_lies(view, a, b, mirrored):
    image = texture(1)
    placement = spot_matches.placed(keypoints.of(image), keypoints.of(view(image)))
    assert placement.mirrored == mirrored
    assert placement.a == pytest.approx(a, abs=0.01)
    assert placement.b == pytest.approx(b, abs=1)


def test_strangers_and_flat_images_have_no_place():
    flat = keypoints.of(np.full((160, 160), 7))
    assert len(flat.around) == 0
    assert spot_matches.placed(flat, keypoints.of(texture(1))) is None
    assert spot_matches.find([flat, flat]) == []
    assert spot_matches.find([]) == []


def test_no_spots_in_an_information_bar():
    spots = keypoints.of(texture(1), bar=60)
    assert len(spots.around) > 20
    assert spots.places[:, 0].max() < 100


def test_the_index_finds_nearly_all_that_comparing_all_finds(monkeypatch):
    rng = np.random.default_rng(0)
    around = rng.normal(size=(1500, keypoints.LENGTH)) @ np.diag(np.geomspace(1, 0.1, keypoints.LENGTH))
    around[750:] = around[:750] + rng.normal(0, 0.1, around[750:].shape)  # spot i of one image is i + 750 of another
    image = np.repeat(np.arange(30), 50)
    around = np.rint(100 * around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.int8)
    unit = around / np.linalg.norm(around.astype(float), axis=1, keepdims=True)
    monkeypatch.setattr(spot_matches, "BLOCK", 256)
    index = spot_matches._Index(around, image)
    assert len(index.centres) == 27
    one, other, alike = index.matches(around)
    assert (image[one] < image[other]).all()
    np.testing.assert_allclose(alike, np.vecdot(unit[one], unit[other]), rtol=1e-5)
    found = set(zip(one.tolist(), other.tolist(), strict=True))
    assert sum((i, i + 750) in found for i in range(750)) > 0.97 * 750


def test_votes_are_spots_that_agree_not_spots_that_look_alike():
    """Four spots moved by (3, 5), two elsewhere: four votes."""
    rng = np.random.default_rng(1)
    places = np.column_stack([rng.uniform(10, 90, (6, 2)), np.full(6, 3.0), np.zeros(6)]).astype(np.float32)
    around = np.rint(rng.normal(0, 12, (6, keypoints.LENGTH))).astype(np.int8)
    moved = places.copy()
    moved[:4, :2] -= [3, 5]
    moved[4:, :2] = [[50, 90], [90, 20]]
    (found,) = spot_matches.find([Spots(places, around), Spots(moved, around)])
    assert (found.first, found.second, found.votes) == (0, 1, 4)
    assert found.placement.b == pytest.approx(3 + 5j, abs=1e-3)


def test_the_greatest_around_a_place_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    assert (keypoints._greatest_around(values) == ndimage.maximum_filter(values, 3)).all()


def test_an_image_of_a_known_shape_is_smoothed_by_known_matrices():
    """Of two sides and all deviations at once: to make one takes as long as to use it ten times."""
    for _ in range(2):
        before = correlate._smoothing.cache_info().misses
        search.traits(texture(1, 160)[:150], 1)
    assert correlate._smoothing.cache_info().misses == before
