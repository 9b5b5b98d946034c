"""How a data set is cut and read, what is kept of each image, and that real steel's faults are told from chance."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.evaluation import phases
from pipeline.metrics import microstructure
from pipeline.metrics.intervals import draw, estimate, positive, symmetric
from tests.evaluation.conftest import blobs, label_list, write_set


def statistics(images, cut=0.5):
    return phases._statistics(images, "test", cut)


def discs(n, radius, bright, dark, seed=0, size=96):
    """(n, size, size, 1) uint8: nine discs an image, at random places that do not meet."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    images = np.full((n, size, size, 1), dark, np.uint8)
    for image in images:
        for cell in range(9):
            down, across = 16 + 32 * np.array(divmod(cell, 3)) + rng.uniform(radius - 14, 14 - radius, 2)
            image[np.hypot(y - down, x - across) <= radius] = bright
    return images


# ---------------------------------------------------------------- statistics of each image


def test_statistics_of_an_oblong_image_are_those_of_its_phase():
    images = blobs(label_list(6), 3)[:, :32]
    found = statistics(images)
    phase = images[..., 0] > 127.5
    upright = phase.transpose(0, 2, 1)
    assert phases.part(found, "two_point") == pytest.approx(microstructure.two_point(phase), rel=1e-6)
    length = np.arange(49)
    for block, sides in (("chords_bright", (phase, upright)), ("chords_dark", (~phase, ~upright))):
        counts = [microstructure.runs(side)[1] for side in sides]
        both = sum(c.sum() for c in counts), sum((c @ np.arange(c.shape[1])).sum() for c in counts)
        assert (phases.part(found, block).sum(), (phases.part(found, block) @ length).sum()) == both
    across, down = np.diff(phase, axis=2), np.diff(phase, axis=1)
    crossed = (across.sum(axis=(1, 2)) + down.sum(axis=(1, 2))) / (across[0].size + down[0].size)
    assert phases.part(found, "crossings")[:, 0] == pytest.approx(crossed, rel=1e-6)


def test_depth_and_colour_do_not_change_what_is_cut():
    gray = blobs(label_list(40), 0)  # more than a batch
    expected = statistics(gray).vectors
    assert (statistics(gray.astype(np.uint16) * 257).vectors == expected).all()
    assert (statistics(np.repeat(gray, 3, axis=3)).vectors == expected).all()
    assert (statistics(gray[39:]).vectors == expected[39:]).all()


def test_the_threshold_is_otsus_of_the_luminance():
    images = discs(4, 10, 200, 60)
    rows = np.array([0, 2])
    assert phases.threshold(images, rows) * 255 == pytest.approx(130)
    colours = np.zeros((*images.shape[:3], 3), np.uint8)
    colours[..., 1] = images[..., 0]
    # green alone counts 0.587: 200 and 60 become 117.4 and 35.22, in whole levels 117 and 35
    assert phases.threshold(colours, rows) * 255 == pytest.approx(76)


def test_another_threshold_is_kept_apart(tmp_path):
    images = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    first, second, again = (phases.of_set(images, cut).vectors for cut in (0.5, 0.4, 0.5))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, again)


# ---------------------------------------------------------------- what there is to measure


@pytest.mark.parametrize(
    ("bright", "dark", "divided"), [(200, 60, True), (60, 200, False)], ids=["bright particles", "dark pores"]
)
def test_particles_have_diameters_and_pores_do_not(tmp_path, bright, dark, divided):
    images = discs(10, 11, bright, dark)
    real = write_set(tmp_path / "set", images, ["all"] * 10, pixel_size=2.0)
    cut = phases.find_binarisation(real)
    assert (cut.has_grains, cut.boundaries, cut.single_phase, cut.millimetres) == (divided, False, 0, 0.002)
    found = phases.of_set(real, cut.threshold)
    counts = phases.part(found, "grains").sum(axis=0)
    assert (np.flatnonzero(counts).tolist(), counts.sum()) == (([22], 90) if divided else ([], 0))
    if divided:  # particles in a matrix: the mean chord of a disc
        intercepts = phases.intercepts(found, cut)
        assert intercepts == pytest.approx(np.full((10, 1), np.pi * 11 / 2), rel=0.03)
        number = {m.name: m.compare(m.rows(found, cut), None) for m in phases.measures(cut) if m.name[:4] == "astm"}
        expected = microstructure.grain_size_number(np.pi * 11 / 2 * 0.002)
        assert number["astm_grain_size"] == pytest.approx(expected, abs=0.1)


def test_images_of_one_phase_are_counted(tmp_path):
    images = discs(10, 11, 200, 60)
    images[:3] = 60
    cut = phases.find_binarisation(write_set(tmp_path / "set", images, ["all"] * 10))
    assert cut.single_phase == pytest.approx(0.3)
    assert "30% of the real training images show one phase only" in "\n".join(cut.notes())


def test_curves_of_what_cannot_be_measured_are_left_out(tmp_path):
    real = write_set(tmp_path / "set", discs(10, 11, 200, 60), ["all"] * 10)
    cut = phases.find_binarisation(real)
    reference = phases.of_set(real, cut.threshold)
    flat = statistics(np.full((4, 96, 96, 1), 60, np.uint8), cut.threshold)
    found = phases.curves(reference, flat, cut)
    assert list(found) == ["two_point", "lineal_path", "phase_fraction"]
    assert set(found["two_point"]["sample"]) == {0}
    assert "grain_diameter" in phases.curves(reference, reference, cut)


# ---------------------------------------------------------------- real steel


def rows_of(cut, candidate, reference):
    """Interval of each measure, as the panel draws it, of images that show both phases."""
    found = {}
    for measure in phases.measures(cut):
        x, y = (r[np.isfinite(r).all(axis=1)] for r in (measure.rows(candidate, cut), measure.rows(reference, cut)))
        draws = draw(np.full(len(x), "a"), np.full(len(y), "a"), min(len(x), len(y)), 10, 50, 0)
        scale = measure.scale(y)
        spread = estimate(lambda a, b, m=measure, s=scale: m.compare(a, b) / s, x, y, draws)
        found[measure.name] = symmetric(spread) if measure.signed else positive(spread)
    return found


@pytest.fixture(scope="module")
def steel(request, tmp_path_factory):
    """Binarisation and statistics of a third of NEU's images, the floor of another, and the pixels of the last."""
    files = sorted((request.getfixturevalue("shared_data")("neu_det") / "IMAGES").glob("*.jpg"))
    images = np.stack([np.asarray(Image.open(f).convert("L"))[36:164, 36:164, None] for f in files])
    real = write_set(tmp_path_factory.mktemp("steel") / "set", images[::3], ["all"] * len(images[::3]))
    cut = phases.find_binarisation(real)
    reference = phases.of_set(real, cut.threshold)
    return cut, reference, rows_of(cut, statistics(images[1::3], cut.threshold), reference), images[2::3]


def altered(images, fault):
    pixels = images.astype(float)
    if fault == "blur":
        pixels = ndimage.gaussian_filter(pixels, 1, axes=(1, 2))
    elif fault == "noise":
        pixels += 15 * np.random.default_rng(0).standard_normal(images.shape)
    elif fault == "brighter":
        pixels += 30
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize(
    ("fault", "flagged"),
    [
        ("none", set()),
        ("blur", {"chords_bright", "chords_dark", "mean_intercept"}),
        ("noise", {"chords_bright", "chords_dark", "mean_intercept"}),
        ("brighter", {"phase_fraction", "two_point"}),
    ],
)
def test_faults_of_steel_are_told_from_chance(steel, fault, flagged):
    cut, reference, floor, images = steel
    found = rows_of(cut, statistics(altered(images, fault), cut.threshold), reference)
    above = {name for name in found if found[name].low > floor[name].high}
    assert flagged <= above
    assert above == set() or fault != "none"
