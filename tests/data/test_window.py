"""Parts of images between their pixels."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from pipeline.data.window import Window, cut


def test_between_pixels_a_ramp_has_the_values_of_the_ramp():
    y, x = np.mgrid[:40, :60] + np.float32(0.5)
    image = np.stack([2 * x + y, 300 - x], axis=-1).astype(np.float32)
    shown = cut(image, Window(10.25, 8.5, 34.25, 20.5), height=24, width=12)  # enlarged twice, reduced to a half
    row, column = np.mgrid[:24, :12] + 0.5
    x, y = 10.25 + 2 * column, 8.5 + row / 2
    np.testing.assert_allclose(shown, np.stack([2 * x + y, 300 - x], axis=-1), rtol=0, atol=1e-3)


def test_whole_pixels_stay_as_they_are_and_outside_lies_the_mirror_image():
    image = np.random.default_rng(0).random((5, 7, 1), dtype=np.float32)
    np.testing.assert_allclose(cut(image, Window(1, 2, 6, 5), 3, 5), image[2:5, 1:6], atol=1e-6)
    outside = cut(image, Window(-2, -1, 3, 8), 9, 5)
    rows, columns = [0, 0, 1, 2, 3, 4, 4, 3, 2], [1, 0, 0, 1, 2]
    np.testing.assert_allclose(outside, image[np.ix_(rows, columns)], atol=1e-6)


def test_detail_finer_than_the_new_pixels_becomes_its_mean():
    board = (np.indices((48, 48)).sum(0) % 2).astype(np.float32)[..., None]
    assert cut(board, Window(4, 4, 44, 44), 5, 5) == pytest.approx(0.5, abs=0.01)


def test_a_window_is_widened_by_fractions_of_its_own_sides():
    assert Window(10, 20, 30, 60).widened(0.25) == (5, 10, 35, 70)


@pytest.mark.parametrize(
    "window",
    [(30, 20, 55, 41.3), (-9.7, 5, 12, 80), (40, -30, 90.1, -1), (33.4, 2, 70, 44), (0, 40, 50, 50), (-70, -1, 99, 9)],
    ids=["inside", "left and below", "above and right", "right", "at two edges", "wider than the image"],
)
@pytest.mark.parametrize(("height", "width"), [(16, 48), (96, 7)])
def test_a_part_is_that_of_the_whole_image_mirrored_all_around(window, height, width):
    levels = np.random.default_rng(0).integers(0, 65535, (50, 60, 3), np.uint16, endpoint=True)
    pad = int(np.ceil(max(0, -window[0], -window[1], window[2] - 60, window[3] - 50)))
    wide = np.pad(levels, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric") / np.float32(65535)
    shown = cut(levels, Window(*window), height, width, 65535)
    for c in range(3):
        plane = Image.fromarray(np.ascontiguousarray(wide[..., c]))
        whole = plane.resize((width, height), Image.Resampling.BICUBIC, tuple(end + pad for end in window))
        np.testing.assert_allclose(shown[..., c], whole, rtol=0, atol=1e-6)


def test_a_part_takes_the_memory_of_the_part():
    image = np.zeros((2000, 2000, 1), np.uint8)
    tracemalloc.start()
    cut(image, Window(-3, 900, 27, 930), 16, 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000, "bytes; the whole image has 4 million"
