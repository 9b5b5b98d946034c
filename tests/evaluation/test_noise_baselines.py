"""Noise baselines of many held-out images take the memory of images, and are those that would be made at once."""

import tracemalloc

import numpy as np
import pytest

from pipeline.evaluation import noise_baselines
from pipeline.evaluation.features import Extractor
from pipeline.evaluation.sample import Sample
from pipeline.evaluation.spectra import spectra

SIDE, COUNT = 24, 10 * noise_baselines.CHUNK + 3


@pytest.fixture(scope="module")
def real():
    images = np.random.default_rng(0).integers(60, 200, (40, SIDE, SIDE, 1), np.uint8)
    return Sample.of_array(images, np.full(40, "a"), {"psd": Extractor("1", spectra)}, "real")


def test_noise_has_the_mean_and_spread_of_each_pixel(real):
    found = noise_baselines.noise(real, np.full(COUNT, "a"), np.random.default_rng(1))
    values = real.images / 255
    pixels = np.random.default_rng(1).standard_normal((COUNT, SIDE, SIDE, 1)) * values.std(axis=0) + values.mean(axis=0)
    np.testing.assert_array_equal(found, np.rint(np.clip(pixels, 0, 1) * 255))


@pytest.mark.parametrize("function", [noise_baselines.noise, noise_baselines.blurred_noise])
def test_many_are_never_all_there_as_floats(real, function):
    labels = np.full(COUNT, "a")
    tracemalloc.start()
    found = function(real, labels, np.random.default_rng(1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * found.nbytes
