"""Statistics of phases against images whose answer is known, direct counts, and porespy."""

import numpy as np
import pytest
from scipy import stats

from pipeline.metrics import microstructure


def checkerboard(side, size=48):
    y, x = np.mgrid[:size, :size] // side
    return ((y + x) % 2 == 0)[None]


def stripes(bright, dark, size=60):
    """Upright stripes; the first is cut by the edge."""
    return np.tile((np.arange(size) + 1) % (bright + dark) < bright, (size, 1))[None]


def disc(radius, size=201):
    y, x = np.mgrid[:size, :size] - size // 2
    return (np.hypot(y, x) <= radius)[None]


def lattice(spacing, size=240):
    """Square grains whose boundaries are dark lines of one pixel."""
    lines = np.arange(size) % spacing == spacing // 2
    return ~(lines[:, None] | lines[None, :])[None]


def waves(size=96):
    """A two-phase image that needs no random numbers."""
    y, x = np.mgrid[:size, :size]
    first, second = (0.31 * x + 0.9 * np.sin(0.11 * y), 0.23 * y - 0.8 * np.cos(0.13 * x))
    return (np.sin(first) + np.sin(second) > 0.25)[None]


def turned(phase):
    return phase.transpose(0, 2, 1)


def chords(phase):
    """Lengths of the chords of the first image along rows, then along columns."""
    found = [microstructure.runs(p)[1][0] for p in (phase, turned(phase))]
    return [np.repeat(np.arange(len(c)), c) for c in found]


def intercept(phase):
    _, height, width = phase.shape
    crossed = microstructure.transitions(phase)[0]
    return microstructure.mean_intercept(2 * phase[0].sum(), crossed), microstructure.mean_intercept(
        2 * height * width, crossed
    )


# ---------------------------------------------------------------- the cut


def test_otsu_cuts_between_the_peaks_and_halfway():
    counts = np.zeros(256)
    counts[[40, 41, 200, 201]] = 10, 30, 20, 5
    assert microstructure.otsu(counts) == 120.5
    assert microstructure.otsu([0, 0, 7, 0]) == 2  # one gray value only


def test_otsu_is_the_cut_of_least_variance_within():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(90, 12, 3000), rng.normal(150, 20, 1000)]).round().astype(int)
    cuts = np.arange(values.min(), values.max()) + 0.5
    within = [sum(part.var() * len(part) for part in (values[values < c], values[values > c])) for c in cuts]
    assert microstructure.otsu(np.bincount(values)) == cuts[np.argmin(within)]


# ---------------------------------------------------------------- two-point correlation


@pytest.mark.parametrize("shape", [(11, 14), (14, 11), (20, 20)])
def test_two_point_is_a_direct_count_of_all_pairs(shape):
    phase = np.random.default_rng(1).random((2, *shape)) < 0.4
    points = np.argwhere(np.ones(shape))
    first, second = np.triu_indices(len(points))
    distance = np.rint(np.hypot(*(points[first] - points[second]).T)).astype(int)
    found = microstructure.two_point(phase)
    assert found.shape == (2, min(shape) // 2 + 1)
    for image, line in zip(phase, found, strict=True):
        both = image.ravel()[first] & image.ravel()[second]
        for r, value in enumerate(line):
            assert value == pytest.approx(both[distance == r].mean(), rel=1e-12)


def test_two_point_of_a_large_image_counts_exactly():
    """Sides of 300 pixels need double precision; pairs one apart, counted along both directions."""
    phase = np.random.default_rng(2).random((1, 300, 300)) < 0.9
    image = phase[0]
    neighbours = [image[:, 1:] & image[:, :-1], image[1:] & image[:-1]]
    diagonal = [image[1:, 1:] & image[:-1, :-1], image[1:, :-1] & image[:-1, 1:]]  # √2 rounds to 1
    pairs = np.concatenate([p.ravel() for p in (*neighbours, *diagonal)])
    assert microstructure.two_point(phase)[0, 1] == pytest.approx(pairs.mean(), rel=1e-14)


def test_two_point_of_full_and_empty_images():
    assert (microstructure.two_point(np.ones((1, 40, 40), bool)) == 1).all()
    assert (microstructure.two_point(np.zeros((1, 40, 40), bool)) == 0).all()


def test_two_point_of_chance_is_the_square_of_the_fraction():
    phase = np.random.default_rng(3).random((40, 64, 64)) < 0.3
    mean = microstructure.two_point(phase).mean(axis=0)
    assert mean[0] == pytest.approx(0.3, abs=0.003)
    assert mean[1:] == pytest.approx(np.full(32, 0.09), abs=0.002)


def test_two_point_of_a_disc_is_the_overlap_of_two_discs():
    """Two discs of radius R, r apart, share 2 R² arccos(r / 2R) - r/2 sqrt(4 R² - r²)."""
    radius, size = 40, 201
    found = microstructure.two_point(disc(radius, size))[0, :31]
    r = np.arange(31)
    shared = 2 * radius**2 * np.arccos(r / (2 * radius)) - r / 2 * np.sqrt(4 * radius**2 - r**2)
    # Of all shifts of a distance, (H - |dy|)(W - |dx|) pairs fit; on average over directions:
    angle = np.linspace(0, np.pi / 2, 721)
    fitting = np.array([((size - d * np.sin(angle)) * (size - d * np.cos(angle))).mean() for d in r])
    assert found == pytest.approx(shared / fitting, rel=0.01)


def test_two_point_of_a_checkerboard():
    """Squares of one pixel: a shift by (dy, dx) meets the same colour where dy + dx is even."""
    found = microstructure.two_point(checkerboard(1, 40))[0]
    assert found[0] == 0.5
    straight, diagonal = 2 * 40 * 39, 2 * 39 * 39  # pairs one apart, and √2 apart; of the latter half are bright
    assert found[1] == pytest.approx(diagonal / 2 / (straight + diagonal), rel=1e-3)


def test_statistics_are_those_of_porespy():
    """porespy 3.2.0 in an environment of its own, on `waves()[0]`:

    `two_point_correlation(im, bins=np.arange(-0.5, 49)).probability * im.mean()`; it counts each shift alike where
    `two_point` counts each pair alike, hence the tolerance (with its weights the two agree to 2e-16).
    `apply_chords(im, spacing=0, axis, trim_edges=True, label=True)`, which also leaves out the outermost lines.
    """
    phase = waves()
    theirs = {0: 0.429905, 1: 0.392123, 2: 0.360653, 5: 0.264064, 10: 0.142666, 20: 0.174855, 30: 0.182517}
    found = microstructure.two_point(phase)[0]
    assert [found[r] for r in theirs] == pytest.approx(list(theirs.values()), abs=2e-3)
    lines = [chords(p[:, 1:-1])[0] for p in (phase, turned(phase))]
    assert [(len(c), c.sum(), c.min(), c.max()) for c in lines] == [(322, 3292, 1, 16), (215, 2804, 1, 20)]


# ---------------------------------------------------------------- chords and lines


def test_runs_by_hand():
    phase = np.array([[[1, 1, 0, 1, 0, 1, 1, 0], [0, 1, 1, 1, 0, 0, 1, 1]], [[1] * 8, [0] * 8]], bool)
    every, chord = microstructure.runs(phase)
    assert every.tolist() == [[0, 1, 3, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 1]]
    assert chord.tolist() == [[0, 1, 1, 1, 0, 0, 0, 0, 0], [0] * 9]  # those that touch the edge are left out


def test_chords_of_stripes_are_their_widths():
    bright, dark = stripes(7, 5), ~stripes(7, 5)
    assert set(chords(bright)[0]) == {7}
    assert set(chords(dark)[0]) == {5}
    assert len(chords(bright)[1]) == 0  # along the stripes every line touches the edge


def test_chords_of_a_checkerboard_are_its_squares():
    assert [set(c) for c in chords(checkerboard(6))] == [{6}, {6}]


def test_chords_of_a_disc():
    """Parallel chords of a disc: mean π R / 2, and mean square 8 R² / 3."""
    for lengths in chords(disc(80)):
        assert len(lengths) == 161
        assert lengths.mean() == pytest.approx(np.pi * 80 / 2, rel=0.01)
        assert np.square(lengths).mean() == pytest.approx(8 * 80**2 / 3, rel=0.01)


def test_lineal_path_is_a_direct_count():
    phase = np.random.default_rng(4).random((1, 9, 13)) < 0.8
    found = microstructure.lineal_path(*(microstructure.runs(p)[0] for p in (phase, turned(phase))))[0]
    for r, value in enumerate(found):
        rows = [image[x : x + r + 1].all() for image in phase[0] for x in range(13 - r)]
        columns = [image[y : y + r + 1].all() for image in phase[0].T for y in range(9 - r)]
        assert value == pytest.approx(np.mean(rows + columns), rel=1e-12)
    assert len(found) == 5


def test_lineal_path_of_chance_is_a_power_of_the_fraction():
    phase = np.random.default_rng(5).random((60, 64, 64)) < 0.7
    found = microstructure.lineal_path(*(microstructure.runs(p)[0] for p in (phase, turned(phase)))).mean(axis=0)
    assert found[:8] == pytest.approx(0.7 ** np.arange(1, 9), abs=0.004)


# ---------------------------------------------------------------- intercepts and grains


def test_mean_intercept_of_a_disc_counts_cut_pieces_half():
    """π R / 2 whether the disc is whole or its half is cut off by the edge, where whole chords alone are too short."""
    whole = disc(80)
    assert intercept(whole)[0] == pytest.approx(np.pi * 80 / 2, rel=0.01)
    quarter = whole[:, 100:, 100:]
    assert intercept(quarter)[0] == pytest.approx(np.pi * 80 / 2, rel=0.02)


def test_mean_intercept_of_a_lattice_is_its_spacing():
    inside, between = intercept(lattice(20))
    assert between == pytest.approx(20, rel=0.06)  # a twentieth of the lines runs along a boundary, and is not crossed
    assert inside / between == pytest.approx((19 / 20) ** 2)


@pytest.mark.parametrize(
    ("number", "millimetres"),
    [(0, 0.3200), (1, 0.2263), (2.5, 0.1345), (5, 0.0566), (8, 0.0200), (10, 0.0100), (14, 0.0025)],
)
def test_grain_size_number_is_that_of_the_standards_table(number, millimetres):
    """Mean lineal intercepts as ASTM E112 tabulates them beside G, four digits."""
    assert microstructure.grain_size_number(millimetres) == pytest.approx(number, abs=0.005 if number < 14 else 0.01)


def test_grains_of_a_lattice():
    counts, largest = microstructure.grains(lattice(20, 240))
    # squares of 19 pixels: diameter 21.4; the outermost of 13 × 13 are cut by the edge
    assert np.flatnonzero(counts[0]).tolist() == [21]
    assert counts[0, 21] == 11 * 11
    assert largest[0] == pytest.approx(19**2 / lattice(20, 240).sum())


def test_grains_touch_at_their_sides_and_small_or_cut_ones_do_not_count():
    phase = np.zeros((3, 20, 20), bool)
    phase[0, 2:5, 2:5] = phase[0, 5:9, 5:9] = True  # 9 and 16 pixels, which meet at a corner
    phase[0, 12:14, 12:16] = phase[0, 17:, 2:10] = True  # too small; cut by the edge
    phase[1] = True
    counts, largest = microstructure.grains(phase)
    assert {int(d): int(counts[0, d]) for d in np.flatnonzero(counts[0])} == {3: 1, 5: 1}
    assert counts[1:].sum() == 0
    assert largest.tolist() == [24 / 57, 1, 0]


# ---------------------------------------------------------------- distances


def test_counts_distance_is_that_of_scipy_on_the_lengths():
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 9, (5, 30)), rng.integers(0, 9, (7, 30)) * np.arange(30)
    lengths = [np.repeat(np.arange(30), counts.sum(axis=0)) for counts in (x, y)]
    assert microstructure.counts_distance(x, y) == pytest.approx(stats.wasserstein_distance(*lengths), rel=1e-12)


def test_values_distance_is_that_of_scipy_also_with_ties():
    rng = np.random.default_rng(7)
    for x, y in ((rng.normal(size=(30, 1)), rng.normal(size=41)), (rng.integers(0, 4, 30), rng.integers(0, 4, 17))):
        expected = stats.wasserstein_distance(np.ravel(x), np.ravel(y))
        assert microstructure.values_distance(x, y) == pytest.approx(expected, rel=1e-12)


def test_distances_of_a_shift_are_the_shift():
    x, y = np.zeros((1, 40)), np.zeros((1, 40))
    x[0, [10, 12]], y[0, [15, 17]] = (3, 1), (6, 2)
    assert microstructure.counts_distance(x, y) == pytest.approx(5)
    assert microstructure.values_distance([[0.1], [0.2]], [[0.35], [0.45]]) == pytest.approx(0.25)
