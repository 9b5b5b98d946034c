"""Images of one scene, and only those."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from pipeline.base import symmetry
from pipeline.data.near_duplicates import correlate
from pipeline.data.reading import readers
from pipeline.settings import Dataset

SIDE = 96


def scene(seed, size=300, blur=1.5):
    """Filtered noise of mean 128 and standard deviation 30."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), blur, mode="wrap")
    return 128 + 30 * field / field.std()


def crop(picture, row, col, side=SIDE):
    return np.clip(np.rint(picture[row : row + side, col : col + side]), 0, 255).astype(np.uint8)


def found(*pictures, workers=1):
    return correlate.find(np.stack([correlate.details(p) for p in pictures]), workers)


@pytest.mark.parametrize("shift", [(0, 0), (5, 0), (-30, 17), (12, -58), (53, 0), (44, 44), (-70, 3)])
def test_a_shifted_crop_is_found_with_its_shift_and_the_right_sign(shift):
    big = scene(1)
    first, second = crop(big, 100, 100), crop(big, 100 + shift[0], 100 + shift[1])
    (pair,) = found(first, crop(scene(2), 0, 0), second)
    assert (pair.first, pair.second, pair.rows, pair.cols) == (0, 2, *shift)
    assert pair.correlation > 0.7
    rows, cols = np.arange(70, 96), np.arange(70, 96)  # pixel (r, c) of second is pixel (r + rows, c + cols) of first
    inside = (rows + pair.rows < SIDE) & (cols + pair.cols < SIDE) & (rows + pair.rows >= 0) & (cols + pair.cols >= 0)
    r, c = rows[inside], cols[inside]
    np.testing.assert_array_equal(second[r, c], first[r + pair.rows, c + pair.cols])


def test_all_pairs_among_many_crops_of_several_scenes():
    scenes = [scene(seed) for seed in range(6)]
    corners = [(0, 0), (40, 10), (10, 45)]
    pictures = [crop(big, *corner) for big in scenes for corner in corners]
    expected = [
        (3 * s + i, 3 * s + j, corners[j][0] - corners[i][0], corners[j][1] - corners[i][1])
        for s in range(6)
        for i, j in [(0, 1), (0, 2), (1, 2)]
    ]
    assert [pair[:4] for pair in found(*pictures)] == expected
    assert found(*pictures, workers=3) == found(*pictures)


def grooves(rng):
    """Vertical scratches of one profile, each of a brightness that changes along it, on metal of their own."""
    lines = np.zeros((SIDE, SIDE))
    for at, height in zip(rng.integers(5, SIDE - 5, 4), (90, 40, 40, 20), strict=True):
        along = height * (1 + 2 * ndimage.gaussian_filter(rng.normal(size=(SIDE, 1)), (2, 0)))
        lines[:, at - 2 : at + 3] += along * np.array([0.3, 0.8, 1, 0.8, 0.3])
    return 60 + lines + ndimage.gaussian_filter(rng.normal(0, 12, (SIDE, SIDE)), 1)


def waves(rng):
    """One period and direction, a phase and a noise of its own."""
    return 128 + 60 * np.sin(2 * np.pi * np.arange(SIDE) / 9 + rng.uniform(0, 7)) + rng.normal(0, 15, (SIDE, SIDE))


def shaded(rng):
    """The same shading in each, as lamps make it, on fine noise."""
    return 60 + 1.5 * np.arange(SIDE)[:, None] + rng.normal(0, 4, (SIDE, SIDE))


TEXTURES = {
    "fine": lambda rng: rng.normal(128, 40, (SIDE, SIDE)),
    "middle": lambda rng: crop(scene(rng), 0, 0),
    "smooth": lambda rng: crop(scene(rng, blur=8), 0, 0),
    "waves": waves,
    "grooves": grooves,
    "shaded": shaded,
}


@pytest.mark.parametrize("texture", TEXTURES)
def test_unrelated_images_of_one_texture_are_not_joined(texture):
    rng = np.random.default_rng(7)
    pictures = [np.clip(TEXTURES[texture](rng), 0, 255).astype(np.uint8) for _ in range(40)]
    assert found(*pictures) == []


def test_flat_images_are_not_joined():
    flat = [np.full((SIDE, SIDE), value, dtype) for value, dtype in ((0, "u1"), (7, "u2"), (0.1, "f4"), (1e6, "f8"))]
    assert not any(correlate.details(picture).any() for picture in flat)
    assert found(*flat, crop(scene(1), 0, 0)) == []


def altered(picture, rng):
    yield "darker, less contrast", 20 + 0.3 * picture
    yield "gamma", 255 * (np.clip(picture, 0, 255) / 255) ** 2.2
    yield "shaded", picture * np.linspace(0.4, 1, picture.shape[1])
    yield "noise", picture + rng.normal(0, 6, picture.shape)
    yield "slightly blurred", ndimage.gaussian_filter(picture, 0.8)


def test_altered_copies_and_altered_crops_are_found():
    big = scene(3)
    for name, other in altered(big, np.random.default_rng(0)):
        (pair,) = found(crop(big, 50, 50), crop(other, 70, 90))
        assert (pair.rows, pair.cols) == (20, 40), name


def test_depth_colour_and_unit_do_not_matter():
    big = crop(scene(4), 0, 0, 200)
    gray = crop(big, 0, 0)
    deep = crop(big, 10, 30).astype(np.uint16) * 200
    real = crop(big, 20, 0).astype(np.float64) * 1e-9 + 5
    tinted = np.stack([0.9 * crop(big, 0, 20), 0.5 * crop(big, 0, 20), 0.7 * crop(big, 0, 20)], axis=2).astype(np.uint8)
    shifts = [(pair.rows, pair.cols) for pair in found(gray, deep, real, tinted) if pair.first == 0]
    assert shifts == [(10, 30), (20, 0), (0, 20)]


def test_signed_and_boolean_values_are_images_too():
    picture = crop(scene(1), 0, 0)
    signed = (picture.astype(np.int32) * 257 - 32_768).astype(np.int16)  # its span is more than its type holds
    np.testing.assert_array_equal(correlate.details(signed), correlate.details(signed.astype(np.float64)))
    bits = picture > 128
    np.testing.assert_array_equal(correlate.details(bits), correlate.details(bits.astype(np.float64)))


@pytest.mark.parametrize("name", list(symmetry.VIEWS))
def test_flipped_and_turned_crops_are_found_with_their_view_and_shift(name):
    big, view = scene(5), list(symmetry.VIEWS).index(name)
    shifted = symmetry.unseen(crop(big, 100 + 12, 100 - 20), view)  # that seen in the view, it is the crop
    strangers = [symmetry.seen(crop(scene(40 + i), 0, 0), i) for i in range(8)]
    (pair,) = found(crop(big, 100, 100), *strangers, shifted)
    assert (pair.first, pair.second, pair.rows, pair.cols, pair.view) == (0, 9, 12, -20, view)


def test_strips_are_looked_at_in_the_views_they_have():
    big = scene(6, size=400)
    strip = lambda row, col: crop(big, row, col)[:48]  # noqa: E731
    (pair,) = found(strip(10, 10), strip(14, 30)[::-1, ::-1], strip(200, 200))
    assert (pair.first, pair.second, pair.rows, pair.cols, pair.view) == (0, 1, 4, 20, 3)


def test_large_images_are_reduced_and_the_shift_is_right_to_the_factor():
    big = scene(6, size=1100, blur=5)
    assert correlate.factor((600, 600), correlate.DETAIL) == 3
    (pair,) = found(crop(big, 0, 0, 600), crop(big, 250, 101, 600))
    assert abs(3 * pair.rows - 250) <= 3
    assert abs(3 * pair.cols - 101) <= 3


def test_strips_are_compared_at_their_own_shape():
    big = scene(8, size=700)
    (pair,) = found(big[:60, :400], big[20:80, 150:550], big[300:360, 300:700])
    assert (pair.first, pair.second, pair.rows, pair.cols) == (0, 1, 20, 150)
    assert correlate.factor((3, 10**6), correlate.DETAIL) == 3


@pytest.mark.parametrize("height", [1, 2, 3])
def test_thin_strips_are_compared_as_they_are(height):
    rng = np.random.default_rng(0)
    strip = rng.integers(0, 256, (height, 2000), np.uint8)
    others = rng.integers(0, 256, (2, height, 2000), np.uint8)
    assert (0, 3, 0, 0, 0) in [(*pair[:4], pair.view) for pair in found(strip, *others, strip)]
    across = found(*(image.T for image in (strip, *others, strip)))
    assert (0, 3, 0, 0, 0) in [(*pair[:4], pair.view) for pair in across]


def test_the_memory_for_a_long_strip_grows_with_its_pixels():
    strip = np.random.default_rng(0).integers(0, 256, (8, 5000), np.uint8)
    tracemalloc.start()
    correlate.details(strip)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # one number for each pair of its columns would be 100 MB


@pytest.mark.parametrize("deviation", [correlate.FINE, correlate.BROAD])
@pytest.mark.parametrize("shape", [(2, 5, 90), (1, correlate.LONGEST, 3), (2, 3, correlate.LONGEST + 1)])
def test_long_and_short_sides_are_smoothed_alike(shape, deviation):
    images = np.random.default_rng(0).random(shape, np.float32)
    expected = ndimage.gaussian_filter(images.astype(np.float64), (0, deviation, deviation))
    np.testing.assert_allclose(correlate._smooth(images, deviation), expected, atol=2e-6)


def test_chance_is_the_sum_of_squares_over_all_shifts():
    rng = np.random.default_rng(0)
    images = rng.integers(-99, 99, (3, 7, 10)).astype(np.int8)
    correlator = correlate.Correlator((7, 10), 1)
    spectra = correlator.spectra(images)
    padded = np.zeros((3, *correlator.period))
    padded[:, :7, :10] = images
    every_shift = [(r, c) for r in range(correlator.period[0]) for c in range(correlator.period[1])]
    for other in (1, 2):
        products = [np.vdot(padded[0], np.roll(padded[other], shift, (0, 1))) for shift in every_shift]
        chance = correlator.chance(spectra.rows(slice(0, 1)), spectra.rows(slice(other, other + 1)))
        np.testing.assert_allclose(chance, [np.linalg.norm(products)], rtol=1e-5)


def joined(count, pairs):
    """(count, count) whether two images are linked, over others too."""
    linked = np.eye(count, dtype=bool)
    for pair in pairs:
        union = linked[pair[0]] | linked[pair[1]]
        linked[union] = union
    return linked


@pytest.mark.slow
def test_steel(shared_data):
    """A third of the groups of the data set's own split, which were found at shifts to 110 pixels, by other means."""
    root = shared_data("neu_det")
    table = pd.concat([pd.read_csv(root / "splits" / f"{part}.csv") for part in ("train", "val")])
    rows = table[table["group"].isin(sorted(table["group"].unique())[::3])].to_dict("records")
    settings = Dataset(source=str(root))
    details = []
    for row in rows:
        headers = readers.headers(str(root / "IMAGES" / row["file"]), row["file"], settings)
        details += [correlate.details(frame.pixels) for frame in readers.frames(headers, settings)]
    pairs = correlate.find(np.stack(details), workers=2)
    given = np.array([row["group"] for row in rows])
    truth = (given[:, None] == given) & ~np.eye(len(rows), dtype=bool)
    assert (truth & joined(len(rows), pairs)).sum() > 0.97 * truth.sum()
    assert 600 < len(pairs) < 700
    classes = [row["class"] for row in rows]
    assert sum(classes[pair.first] != classes[pair.second] for pair in pairs) <= 5
