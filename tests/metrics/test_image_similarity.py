"""Similarities and spectra against an analytic answer, an independent implementation, or a case worked by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from pipeline.metrics import image_similarity
from pipeline.metrics.distances import curve_distance


@pytest.mark.parametrize("shape", [(40, 31), (32, 48, 3)])
def test_ssim_is_that_of_scikit_image(shape):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, *shape))
    b[1] = 0.7 * a[1] + 0.3 * b[1]
    b[2] = a[2]
    expected = [
        structural_similarity(
            u, v, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0,
            channel_axis=-1 if len(shape) == 3 else None,
        )
        for u, v in zip(a, b, strict=True)
    ]  # fmt: skip
    assert image_similarity.ssim(a, b) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("height", "width", "count"), [(180, 200, 5), (101, 103, 4), (64, 64, 3), (32, 48, 2)])
def test_ms_ssim_is_that_of_torchmetrics_but_for_the_edges_of_its_last_scale(height, width, count):
    """torchmetrics takes the mean of the last scale up to the edges, where it mirrors the images: that factor is
    replaced by scikit-image's, which keeps half a window off as the other scales do."""
    rng = np.random.default_rng(height)
    a = ndimage.gaussian_filter(rng.random((3, height, width, 1)), 1, axes=(1, 2))
    b = np.clip(0.7 * a + 0.1 + 0.05 * rng.standard_normal(a.shape), 0, 1)
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:count])
    weights /= weights.sum()
    fine = [torch.from_numpy(x.transpose(0, 3, 1, 2)) for x in (a, b)]
    whole = multiscale_structural_similarity_index_measure(
        *fine, data_range=1.0, reduction="none", betas=tuple(weights), normalize="relu"
    )
    coarse = fine
    for _ in range(count - 1):
        coarse = [torch.nn.functional.avg_pool2d(x, 2) for x in coarse]
    mirrored = structural_similarity_index_measure(*coarse, data_range=1.0, reduction="none")
    kinds = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    inner = [structural_similarity(*(x.numpy()[0] for x in pair), **kinds) for pair in zip(*coarse, strict=True)]
    expected = (whole / mirrored ** weights[-1]).numpy() * np.array(inner) ** weights[-1]
    assert image_similarity.scales(min(height, width)) == count
    one, several = image_similarity.ssim_and_ms_ssim(a, b)
    assert several == pytest.approx(expected, abs=1e-9)
    assert one == pytest.approx(image_similarity.ssim(a, b))
    assert image_similarity.ssim_and_ms_ssim(a, a)[1] == pytest.approx(np.ones(3))


def test_ms_ssim_of_images_with_room_for_one_scale_is_ssim():
    noise = np.random.default_rng(0).random((3, 4, 21, 30))
    a, b = noise[0] + noise[2], noise[1] + noise[2]
    assert [image_similarity.scales(side) for side in (21, 22, 43, 44, 87, 88, 175, 176, 999)] == [
        1,
        2,
        2,
        3,
        3,
        4,
        4,
        5,
        5,
    ]
    one, several = image_similarity.ssim_and_ms_ssim(a, b)
    assert several == pytest.approx(one)
    assert one == pytest.approx(image_similarity.ssim(a, b))


def test_ms_ssim_sees_what_is_alike_from_afar():
    """Fine noise of one's own on the same coarse structure: hardly alike at one scale, more at several."""
    rng = np.random.default_rng(0)
    coarse = 0.5 + 0.2 * ndimage.gaussian_filter(rng.standard_normal((1, 176, 176)), 12, axes=(1, 2)) * 40
    a, b = (coarse + 0.1 * rng.standard_normal((1, 176, 176)) for _ in range(2))
    (one,), (several,) = image_similarity.ssim_and_ms_ssim(a, b)
    assert one < 0.5 < several


def wave(height, width, down, across, amplitude):
    y, x = np.mgrid[:height, :width]
    return amplitude * np.cos(2 * np.pi * (down * y / height + across * x / width) + 0.4)


def test_psd_of_one_sinusoid_peaks_at_its_frequency_and_holds_its_power():
    image = 0.5 + wave(64, 64, 6, 8, 0.2)  # 10 cycles in 64 pixels
    frequency, power = image_similarity.radial_psd(image[None])
    assert frequency[power[0].argmax()] == pytest.approx(10 / 64)
    lines = np.bincount(np.rint(image_similarity.frequency_plane(64, 64) * 64).astype(int).ravel())[1:33]
    assert (power[0] * lines).sum() / 64**2 == pytest.approx(0.2**2 / 2, rel=1e-6)  # integral = A² / 2
    assert power[0][np.abs(frequency - 10 / 64) > 4 / 64].max() < 1e-12 * power.max()


def test_psd_measures_cycles_per_pixel_in_images_that_are_not_square():
    for image in (wave(32, 128, 8, 0, 1.0), wave(32, 128, 0, 32, 1.0)):  # both 0.25 cycles per pixel
        frequency, power = image_similarity.radial_psd(image[None])
        assert frequency[power[0].argmax()] == pytest.approx(0.25)
        assert frequency[[0, -1]] == pytest.approx([1 / 32, 0.5])


def test_psd_of_white_noise_is_its_variance_at_every_frequency():
    noise = 3 * np.random.default_rng(0).standard_normal((400, 48, 48))
    _, power = image_similarity.radial_psd(noise)
    assert power.mean(axis=0)[1:] == pytest.approx(np.full(23, 9.0), rel=0.05)


def test_psd_ignores_brightness():
    image = np.random.default_rng(0).random((1, 32, 32))
    assert image_similarity.radial_psd(image + 5)[1] == pytest.approx(image_similarity.radial_psd(image)[1], rel=1e-9)


def test_the_distance_of_spectra_of_doubled_contrast_is_six_decibel():
    image = np.random.default_rng(0).random((5, 32, 32))
    spectra = [image_similarity.decibel(image_similarity.radial_psd(a * image)[1]) for a in (1, 2)]
    assert curve_distance(*spectra) == pytest.approx(20 * np.log10(2), rel=1e-9)


def test_a_constant_image_has_the_power_of_its_quantisation():
    power = image_similarity.radial_psd(np.full((1, 32, 32), 0.5))[1]
    assert image_similarity.decibel(power, 1 / 255) == pytest.approx(10 * np.log10(1 / 255**2 / 12), abs=1e-6)
