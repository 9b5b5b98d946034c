"""The direction of a difference is named where the curves have one, and only there."""

import numpy as np
import pytest

from pipeline.report.directions import shifts


def evaluation(**curves):
    return {"n_sample": 400, "n_reference": 100, "curves": curves}


def lengths(mean, spread=0.0, pixels=200):
    """Share of chords of at least x = 1, 2, ... pixels: geometric, or half of each of two."""
    x = np.arange(1, pixels + 1)

    def longer(mean):
        return (1 - 1 / mean) ** (x - 1)

    return 0.5 * longer(mean * (1 - spread)) + 0.5 * longer(mean * (1 + spread))


def chords(sample):
    return {"x": list(range(1, 201)), "reference": lengths(10), "sample": sample}


def test_mean_chords_of_geometric_distributions():
    found = shifts([evaluation(chords_bright=chords(lengths(7.8)), chords_dark=chords(lengths(11)))])
    assert {name: round(shift.change, 2) for name, shift in found.items()} == {
        "chords_bright": -0.22,
        "chords_dark": 0.1,
    }


def test_lengths_that_scatter_more_about_the_same_mean_have_no_direction():
    assert shifts([evaluation(chords_bright=chords(lengths(10, 0.6)))]) == {}
    assert shifts([evaluation(chords_bright=chords(lengths(10)))]) == {}


def test_seeds_are_averaged():
    bodies = [evaluation(grain_diameter=chords(lengths(mean))) for mean in (12, 16)]
    assert shifts(bodies)["grain_diameter"].change == pytest.approx(0.4, abs=0.001)


def test_intercepts_are_compared_by_their_logarithms():
    """Half of the real images have 4 pixels, half 16, geometric mean 8; all of the others 4."""
    x = np.arange(1, 33)
    curve = {"x": x / 2, "reference": ((x <= 4) * 0.5 + (x <= 16) * 0.5), "sample": (x <= 4) * 1.0}
    # one pixel beyond the length is where it ends: 5 against sqrt(5 · 17)
    change = shifts([evaluation(mean_intercept=curve)])["mean_intercept"].change
    assert change == pytest.approx(5 / np.sqrt(5 * 17) - 1)


def test_phase_fraction_in_points():
    x = np.linspace(0, 1, 101)
    curve = {"x": x, "reference": x <= 0.4, "sample": x <= 0.46}
    assert shifts([evaluation(phase_fraction=curve)])["phase_fraction"].change == pytest.approx(0.06)


def spectrum(offset, width=6.58):
    """Bins 1 to 32; a band of `width` dB is a standard deviation of 2, the error of 100 and 400 images 0.22."""
    k = np.arange(1, 33)
    reference = 10 - 20 * np.log10(k)
    curve = {"frequency": k / 64, "reference": reference, "sample": reference + offset(k)}
    return curve | {"reference_low": reference - width / 2, "reference_high": reference + width / 2}


@pytest.mark.parametrize(
    ("offset", "found"),
    [
        (lambda k: np.where(k > 10.1, -2.1, 0.0), ("fine", -2.1)),
        (lambda k: np.where(k < 3, 1.4, 0.3), ("coarse", 1.0)),
        (lambda k: np.where((k > 3.2) & (k < 10.05), 0.9, 0.0), ("middle", 0.9)),
        (lambda k: np.where(k > 10.1, 0.6, 0.0), None),  # 3 errors are 0.67 dB
    ],
)
def test_where_a_spectrum_is_off(offset, found):
    shift = shifts([evaluation(psd=spectrum(offset))]).get("psd")
    assert (shift and (shift.band, round(shift.change, 1))) == found


def test_an_evaluation_without_curves():
    assert shifts([evaluation()]) == {}
    assert shifts([{"n_sample": 4, "n_reference": 4}]) == {}
