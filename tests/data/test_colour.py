"""Gray or colour."""

import numpy as np
import pytest
from PIL import Image

from pipeline.base import colour


def test_equal_channels_are_gray_and_keep_their_values(picture):
    gray = picture(1, dtype="uint16")
    rgb = np.repeat(gray[..., None], 3, axis=2)
    assert not colour.has_colour(rgb, 0, 65535)
    np.testing.assert_array_equal(colour.to_gray(rgb)[..., 0], gray)
    assert colour.to_gray(rgb).dtype == np.uint16
    np.testing.assert_array_equal(colour.to_rgb(gray), rgb)


def test_the_rounding_of_jpeg_is_not_colour_but_a_red_mark_is(picture):
    rgb = np.repeat(picture(2, (100, 100))[..., None], 3, axis=2)
    rgb[..., 0] = np.clip(rgb[..., 0], 2, None) - 2
    assert not colour.has_colour(rgb, 0, 255)
    rgb[40:50, 40:50] = 255, 0, 0
    assert colour.has_colour(rgb, 0, 255)


def test_luma():
    red_green_blue = np.eye(3, dtype=np.uint8)[None] * 100
    np.testing.assert_allclose(colour.to_gray(red_green_blue)[0, :, 0], [29.9, 58.7, 11.4], rtol=1e-6)


def test_inks():
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [0, 128, 255, 0]]], np.uint8)
    assert colour.cmyk_to_rgb(inks).tolist() == [[[255, 255, 255], [0, 255, 255], [0, 0, 0], [255, 127, 0]]]


def test_luminance_of_gray_and_of_colours():
    gray = np.array([[[[7], [9]]]], np.uint16)
    assert (colour.luminance(gray) == [[[7, 9]]]).all()
    assert (colour.luminance(gray / 10.0) == [[[0.7, 0.9]]]).all()
    colours = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [80, 80, 80]]]], np.uint8)
    assert colour.luminance(colours)[0, 0] == pytest.approx([76.245, 149.685, 29.07, 80])


def test_luminance_is_that_of_pillow():
    """Which rounds."""
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_allclose(colour.luminance(rgb), np.asarray(Image.fromarray(rgb).convert("L")), atol=0.51)
    np.testing.assert_array_equal(colour.to_gray(rgb)[..., 0], colour.luminance(rgb[None])[0])
