"""Which squares are cut, and how they are resampled."""

import numpy as np
import pytest

from pipeline.data.annotations.records import Region
from pipeline.data.preparing import tiling
from pipeline.data.reading.frame import Rejected


@pytest.mark.parametrize("length", [64, 65, 100, 127, 128, 1020, 6144])
@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.5, 0.99])
def test_tiles_cover_everything_with_the_overlap_and_end_flush(length, overlap):
    side = 64
    starts = np.array(tiling.positions(length, side, overlap))
    assert starts[0] == 0
    assert starts[-1] + side == length
    gaps = np.diff(starts)
    assert (gaps > 0).all()
    assert (side - gaps >= overlap * side - 1e-9).all() or overlap > 1 - 1 / side
    if len(starts) > 1:  # one tile fewer could not have the overlap
        assert (len(starts) - 2) * max(1, int(side * (1 - overlap))) < length - side


def test_no_overlap_where_it_fits():
    assert tiling.positions(300, 100, 0) == [0, 100, 200]
    assert tiling.positions(301, 100, 0) == [0, 67, 134, 201]


def test_the_centred_square(dataset):
    assert tiling.boxes(dataset(), 100, 161) == [(0, 30, 100, 100)]
    assert tiling.boxes(dataset(), 103, 100) == [(1, 0, 100, 100)]


@pytest.mark.parametrize(("fit", "picture", "box"), [
    ("resize", (100, 100), (25, 0, 50, 100)), ("resize", (30, 100), (0, 20, 30, 60)),
    ("pad", (100, 100), (0, -50, 100, 200)), ("pad", (30, 100), (-10, 0, 50, 100)),
    ("stretch", (30, 100), (0, 0, 30, 100)),
])  # fmt: skip
def test_images_that_are_twice_as_wide_as_high(dataset, fit, picture, box):
    assert tiling.boxes(dataset(size=[16, 32], fit=fit), *picture) == [box]


def test_tiles_that_are_not_square(dataset):
    settings = dataset(size=[16, 32], fit="tile", tile_source=20, tile_overlap=0)
    assert tiling.boxes(settings, 41, 80) == [(r, c, 20, 40) for r in (0, 10, 21) for c in (0, 40)]
    with pytest.raises(Rejected, match="41 x 39 pixels are smaller than a tile of 20 x 40"):
        tiling.boxes(settings, 41, 39)


def test_the_square_shows_most_of_what_is_marked(dataset):
    def cut(*marks, height=100, width=300):
        ((row, col, *_),) = tiling.boxes(dataset(), height, width, [Region("a", *mark) for mark in marks])
        return row, col

    assert cut((110, 0, 140, 50)) == (0, 100)  # the centred square shows all of it
    assert cut((0, 0, 20, 20)) == (0, 0)
    assert cut((250, 0, 290, 9)) == (0, 190)
    assert cut((0, 0, 10, 10), (280, 0, 300, 10)) == (0, 200)  # the larger of two that no square shows together
    assert cut((0, 40, 9, 50), height=50, width=20) == (30, 0)
    assert cut((0, 0, 300, 100)) == (0, 100)  # larger than any square


def test_the_whole_picture_is_stretched_or_gets_a_rim(dataset):
    assert tiling.boxes(dataset(fit="stretch"), 100, 161) == [(0, 0, 100, 161)]
    (box,) = tiling.boxes(dataset(fit="pad"), 3, 6)
    assert box == (-2, 0, 6, 6)
    part = tiling.inside(box, 3, 6)
    assert part == (2, 0, 5, 6)
    pixels = np.arange(1, 19).reshape(3, 6, 1)
    np.testing.assert_array_equal(tiling.patch(pixels, box), pixels)
    whole = {mode: tiling.padded(pixels, box, part, mode)[..., 0] for mode in ("reflect", "edge", "constant")}
    assert {mode: image[:, 0].tolist() for mode, image in whole.items()} == {
        "reflect": [7, 1, 1, 7, 13, 13],
        "edge": [1, 1, 1, 7, 13, 13],
        "constant": [0, 0, 1, 7, 13, 0],
    }


def test_a_strip_becomes_two_rows_of_tiles(dataset):
    boxes = tiling.boxes(dataset(fit="tile", size=128), 170, 1020)
    assert len(boxes) == 2 * 11
    assert {b.row for b in boxes} == {0, 42}
    assert {(b.height, b.width) for b in boxes} == {(128, 128)}
    with pytest.raises(Rejected, match=r"170 x 1020 .* than a tile of 256 x 256 \(`tile_source: 170` would fit"):
        tiling.boxes(dataset(fit="tile", size=128, tile_source=256), 170, 1020)


def test_crop_bottom_in_pixels_or_as_a_fraction(dataset):
    assert tiling.cropped_height(dataset(crop_bottom=70), 768) == 698
    assert tiling.cropped_height(dataset(crop_bottom=0.25), 768) == 576
    with pytest.raises(Rejected, match=r"crop_bottom \(768\)"):
        tiling.cropped_height(dataset(crop_bottom=768), 768)


def test_reduction_is_anti_aliased():
    # The finest checkerboard holds nothing that the reduced picture can show: it becomes flat gray, not moiré.
    board = (np.indices((120, 120)).sum(axis=0) % 2).astype(np.float32)[..., None]
    small = tiling.resize(board, (32, 32))
    assert small.shape == (32, 32, 1)
    assert np.abs(small[2:-2, 2:-2] - 0.5).max() < 0.02


def test_resampling_keeps_place_and_mean():
    ramp = np.broadcast_to(np.linspace(0, 1, 96, dtype=np.float32)[None, :, None], (96, 96, 1))
    small = tiling.resize(np.ascontiguousarray(ramp), (24, 24))
    expected = (np.arange(24) * 4 + 1.5) / 95  # the mean of each four pixels of the ramp
    np.testing.assert_allclose(small[5, 2:-2, 0], expected[2:-2], atol=1e-3)
    np.testing.assert_array_equal(tiling.resize(ramp, (96, 96)), ramp)


def test_channels_are_not_mixed():
    image = np.zeros((40, 40, 3), np.float32)
    image[..., 1] = 1
    np.testing.assert_array_equal(tiling.resize(image, (20, 20)), image[:20, :20])


def test_overshoot_stays_inside():
    step = np.zeros((64, 64, 1), np.float32)
    step[:, 30:] = 1
    for size in (16, 200):
        resized = tiling.resize(step, (size, 2 * size))
        assert (resized.min(), resized.max()) == (0, 1)
