"""Procedural polycrystals."""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.data.reading import voronoi
from pipeline.settings import Voronoi


def test_grain_size_is_the_mean_grain_diameter():
    settings = Voronoi(grain_size=16)
    areas = []
    for i in range(6):
        grains, _ = voronoi.polycrystal(settings, 256, np.random.default_rng(i))
        inner = np.setdiff1d(np.unique(grains), np.unique(np.r_[grains[0], grains[-1], grains[:, 0], grains[:, -1]]))
        areas += list(np.bincount(grains.ravel())[inner])
    diameter = np.sqrt(4 * np.mean(areas) / np.pi)
    assert diameter == pytest.approx(16, rel=0.05)


def test_elongation_is_length_over_width():
    # Mean intercept lengths of lines along x and along y stand in the ratio of the elongation.
    settings = Voronoi(grain_size=14, elongation=2.5)
    along_x = along_y = 0
    for i in range(6):
        grains, _ = voronoi.polycrystal(settings, 256, np.random.default_rng(i))
        along_x += np.count_nonzero(np.diff(grains, axis=1))
        along_y += np.count_nonzero(np.diff(grains, axis=0))
    assert along_y / along_x == pytest.approx(2.5, rel=0.08)


@pytest.mark.parametrize("elongation", [1.0, 2.0])
def test_distance_is_that_to_the_boundary(elongation):
    settings = Voronoi(grain_size=40, elongation=elongation)
    grains, distance = voronoi.polycrystal(settings, 160, np.random.default_rng(3))
    change = np.zeros((160, 160), bool)
    change[:, 1:] |= grains[:, 1:] != grains[:, :-1]
    change[1:] |= grains[1:] != grains[:-1]
    measured = ndimage.distance_transform_edt(~change)  # independent: from the grain map alone
    inner = (slice(30, -30),) * 2  # boundaries outside the picture are not in the map
    near = distance[inner] < 12
    assert np.abs(distance[inner] - measured[inner])[near].max() < 1.6


def test_boundaries_have_their_width():
    for width in (2.0, 4.0):
        settings = Voronoi(grain_size=60, boundary_width=width, contrast=0, noise=0)
        grains, _ = voronoi.polycrystal(settings, 256, rng := np.random.default_rng([0, 0, 0]))
        image = voronoi.draw(settings, 256, "intact", 0) / 255
        dark = ((voronoi.GRAIN - image) / (voronoi.GRAIN - voronoi.BOUNDARY)).sum()
        # Length of the boundaries by the Cauchy-Crofton formula: pi / 4 of the crossings along x and y.
        length = np.pi / 4 * sum(np.count_nonzero(np.diff(grains, axis=a)) for a in (0, 1))
        assert dark / length == pytest.approx(width, rel=0.15)
        assert rng is not None


def test_an_image_depends_on_seed_class_and_number_alone():
    settings = Voronoi()
    image = voronoi.draw(settings, 32, "scratch", 7)
    np.testing.assert_array_equal(image, voronoi.draw(Voronoi(classes=["scratch"]), 32, "scratch", 7))
    for other in (voronoi.draw(settings, 32, "scratch", 8), voronoi.draw(Voronoi(seed=1), 32, "scratch", 7)):
        assert not np.array_equal(image, other)


def test_defects_show():
    settings = Voronoi(noise=0)
    intact, pores, scratch = (
        np.stack([voronoi.draw(settings, 32, kind, i) for i in range(12)]) for kind in ("intact", "pores", "scratch")
    )
    assert (intact.min(), intact.max() < 0.9 * 255) == (round(voronoi.BOUNDARY * 255), True)
    assert ((pores < 20).mean(axis=(1, 2)) > 0.005).all()
    assert ((scratch > 240).mean(axis=(1, 2)) > 0.03).all()
    for i in range(12):
        grains, _ = voronoi.polycrystal(settings, 64, np.random.default_rng(i), coarse=True)
        sizes = np.sort(np.bincount(grains.ravel()))
        assert sizes[-1] > 4 * np.median(sizes[sizes > 30])
