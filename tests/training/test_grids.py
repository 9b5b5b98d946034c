"""Sheets of images: every pixel where it belongs."""

import numpy as np
import pytest
from PIL import Image

from pipeline.training import grids

GRAY = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * 40 + np.arange(64, dtype=np.uint8).reshape(
    8, 8, 1
)  # 3 images


def test_small_images_are_enlarged_by_repeating_pixels():
    picture = np.asarray(grids.sheet({"": GRAY}))
    assert picture.shape == (64 + grids.GAP, 3 * (64 + grids.GAP))
    for i in range(3):
        x = i * (64 + grids.GAP)
        assert np.array_equal(picture[:64, x : x + 64], GRAY[i, ..., 0].repeat(8, 0).repeat(8, 1))


def test_labels_stand_left_and_long_rows_go_on_below():
    picture = grids.sheet({"pores": GRAY, "": GRAY[:1]}, title="12 images", columns=2)
    pixels = np.asarray(picture)
    top, tile = grids.TEXT + 10, 64 + grids.GAP
    assert picture.height == top + 3 * tile
    left = picture.width - 2 * tile
    assert pixels[:top].min() < 100  # the title
    assert pixels[top : top + tile, :left].min() < 100  # the name of the first row
    assert pixels[top + tile :, :left].min() == 255  # and of no other
    assert pixels[top + tile, left] == GRAY[2, 0, 0, 0]
    assert pixels[top + 2 * tile, left] == GRAY[0, 0, 0, 0]


def test_heads_stand_above_their_columns():
    plain = grids.sheet({"": np.zeros((3, 64, 64, 1), np.uint8)}, columns=3)
    headed = grids.sheet({"": np.zeros((3, 64, 64, 1), np.uint8)}, columns=3, heads=["0", "", "1"])
    added = headed.height - plain.height
    assert headed.width == plain.width
    assert np.array_equal(np.asarray(headed)[added:], np.asarray(plain))
    dark = (np.asarray(headed)[:added] < 128).any(0)
    assert [dark[left : left + 64].any() for left in (0, 66, 132)] == [True, False, True]
    assert abs(np.flatnonzero(dark[:64]).mean() - 32) < 2


def test_long_names_are_cut():
    picture = grids.sheet({"inclusion_of_a_very_long_and_winding_name_ß" * 3: GRAY})
    assert picture.width <= grids.LABEL + 10 + 3 * (64 + grids.GAP)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([-1.5, -1, 0, 1, 2], np.float32), [0, 0, 128, 255, 255]),
        (np.array([0, 255, 256, 65535], np.uint16), [0, 0, 1, 255]),
        (np.array([0, 7, 255], np.uint8), [0, 7, 255]),
    ],
)
def test_levels_for_the_eye(values, expected):
    assert grids.to_uint8(values).tolist() == expected


@pytest.mark.parametrize("size", [16, 32, 64, 128, 300])
@pytest.mark.parametrize("classes", [1, 2, 6, 40])
def test_compact_sheets_fit_the_slider(size, classes):
    rows = {str(c): np.full((24, size, size, 3), c, np.uint8) for c in range(classes)}
    picture = grids.compact(rows)
    assert max(picture.size) <= 256
    assert picture.getpixel((0, 0)) == (0, 0, 0)
    if 1 < classes < 17:
        assert picture.getpixel((picture.width - 1, picture.height - 1)) == (classes - 1,) * 3
    if classes == 1 and size >= 64:  # a single class fills the square
        assert picture.height >= 0.75 * picture.width


def test_animation_keeps_frames_and_pauses_at_the_end(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        Image.new("RGB", (1280, 20), (80 * i, 0, 0)).save(path)
    grids.animation(paths, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 3
        assert film.size == (640, 10)
        film.seek(2)
        assert film.info["duration"] == 2000
        assert film.convert("RGB").getpixel((5, 5))[0] == pytest.approx(160, abs=3)
