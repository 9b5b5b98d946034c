import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from pipeline.downstream.classifier.augment import (
    BRIGHTER,
    CONTRAST,
    KNOBS,
    NOISE,
    SHIFT,
    TURN,
    ZOOM,
    Augmentation,
    distorted,
)

NAMES = ("down", "right", "turn", "zoom", "smooth", "brighter", "contrast", "sharper", "noisy")


def knobs(n=1, **values):
    tensor = torch.zeros(n, KNOBS)
    for name, value in values.items():
        tensor[:, NAMES.index(name)] = value
    return tensor


def change(image, **values):
    """One gray image (H, W) through the augmentation, without noise unless it is asked for."""
    tensor = torch.tensor(image, dtype=torch.float32)[None, None]
    return distorted(tensor, knobs(**values), torch.ones_like(tensor))[0, 0].numpy()


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(-0.6, 0.6, (24, 16)).astype(np.float32)


def test_no_change_is_none(image):
    np.testing.assert_allclose(change(image), image, atol=1e-5)


def test_a_shift_is_by_whole_pixels_and_what_comes_in_is_the_mirror_image(image):
    got = change(image, down=1, right=-1)
    down, right = round(24 * SHIFT), -round(16 * SHIFT)
    np.testing.assert_allclose(got, ndimage.shift(image, (-down, -right), order=0, mode="reflect"), atol=1e-5)
    assert (down, right) == (3, -2)


@pytest.mark.parametrize(("turn", "zoom"), [(1, 0), (-0.5, 0), (0, 1), (0.7, -1)])
def test_turn_and_zoom_are_those_of_scipy_also_where_height_is_not_width(image, turn, zoom):
    smooth = ndimage.gaussian_filter(image, 2)
    c, s = (f(TURN * turn) * ZOOM**zoom for f in (math.cos, math.sin))
    matrix = np.array([[c, s], [-s, c]])  # (row, column) of the output -> of the input, about the middle
    middle = (np.array(image.shape) - 1) / 2
    expected = ndimage.affine_transform(smooth, matrix, middle - matrix @ middle, order=1, mode="reflect")
    got = change(smooth, turn=turn, zoom=zoom, smooth=1)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    np.testing.assert_allclose(change(smooth, turn=turn, zoom=zoom, smooth=-1), smooth, atol=1e-5)


def test_brightness_contrast_and_noise_have_their_size(image):
    np.testing.assert_allclose(change(image, brighter=1), image + BRIGHTER, atol=1e-5)
    strong = change(image, contrast=1)
    np.testing.assert_allclose(strong, image.mean() + CONTRAST * (image - image.mean()), atol=1e-5)
    np.testing.assert_allclose(change(image, noisy=1), image + NOISE, atol=1e-5)  # the noise handed in is all ones
    np.testing.assert_allclose(change(image, noisy=-1), image, atol=1e-5)


def test_negative_sharpness_is_a_blur_and_keeps_the_mean(image):
    soft, hard = change(image, sharper=-1), change(image, sharper=1)
    inside = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(soft[inside], (image / 2 + ndimage.uniform_filter(image, 3) / 2)[inside], atol=1e-5)
    assert soft.std() < image.std() < hard.std()


def test_what_leaves_the_scale_is_cut():
    assert change(np.full((16, 16), 0.95, np.float32), brighter=1).max() == 1


def test_the_same_seed_changes_images_alike_and_each_image_in_its_own_way():
    images = torch.rand(6, 1, 16, 16).expand(6, 1, 16, 16)[:1].repeat(6, 1, 1, 1)
    first, second = (Augmentation(3, torch.device("cpu")) for _ in range(2))
    a, b = first(images), second(images)
    assert torch.equal(a, b)
    assert len({image.numpy().tobytes() for image in a}) == 6
    assert not torch.equal(first(images), a)
    assert not torch.equal(Augmentation(4, torch.device("cpu"))(images), a)
    assert a.is_contiguous(memory_format=torch.channels_last)
    assert a.abs().max() <= 1
