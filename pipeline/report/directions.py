"""In which direction a set of images differs from the real ones, where the curves of its evaluation say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Curve = Mapping[str, Any]
BANDS = ("coarse", "middle", "fine")  # thirds of the spectrum's octaves
MOSTLY = 0.5  # share of a difference that must go one way to be called longer, or shorter, and not just other
SURE = 3.0  # standard errors from which a band of the spectrum has a sign
SPREAD = 3.29  # standard deviations of a normal number between its 5th and 95th percentile


class Shift(NamedTuple):
    """How a set of images differs from the real ones by a measure."""

    metric: str
    change: float
    """Of lengths the mean's, in parts of the real one; of a phase's share in parts of the image; of contrast in dB."""
    band: str = ""
    """Of a spectrum: the third of its octaves that is farthest off, of BANDS."""


def shifts(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, Shift]:
    """By metric: only of measures whose curves have a direction.

    Args:
        evaluations: contents of the `evaluation.json` of each seed of one generator; their curves are averaged.
    """
    found: dict[str, Shift] = {}
    for name, of in KINDS.items():
        curves = [body["curves"][name] for body in evaluations if name in body.get("curves", {})]
        if curves:
            mean = curves[0] | {"sample": np.mean([curve["sample"] for curve in curves], axis=0)}
            images = sum(body["n_sample"] for body in evaluations), evaluations[0]["n_reference"]
            change, band = of(mean, images)
            found |= {name: Shift(name, change, band)} if change is not None else {}
    return found


def _contrast(curve: Curve, images: tuple[int, int]) -> tuple[float | None, str]:
    """The third of the spectrum's octaves that is farthest off, in decibel, where it has a sign beyond doubt.

    The standard error of a mean spectrum comes from the band that holds 90 % of single real images.
    """
    x, reference, sample, low, high = (
        np.asarray(curve[name], float)
        for name in ("frequency", "reference", "sample", "reference_low", "reference_high")
    )
    error = (high - low) / SPREAD * np.sqrt(sum(1 / n for n in images))
    third = np.minimum((3 * np.log(x / x[0]) / np.log(x[-1] / x[0])).astype(int), 2)
    differences = [float((sample - reference)[third == band].mean()) for band in range(3)]
    worst = int(np.argmax(np.abs(differences)))
    if abs(differences[worst]) <= SURE * error[third == worst].mean():
        return None, ""
    return differences[worst], BANDS[worst]


def _moved(curve: Curve, widths: Array) -> tuple[float, float] | None:
    """Means of sample and reference (up to a constant) from the shares that are at least x, where most moved one way.

    The area between two such curves is the distance of the distributions; its balance is the difference of their means.
    """
    sample, reference = (np.asarray(curve[name], float) for name in ("sample", "reference"))
    area = (sample - reference) * widths
    if abs(area.sum()) < MOSTLY * np.abs(area).sum() or not area.any():
        return None
    return float((sample * widths).sum()), float((reference * widths).sum())


def _lengths(curve: Curve, images: tuple[int, int]) -> tuple[float | None, str]:
    """Of lengths that are shown at x = 1, 2, ... pixels."""
    moved = _moved(curve, np.ones(len(curve["x"])))
    return None if moved is None else moved[0] / moved[1] - 1, ""


def _logarithms(curve: Curve, images: tuple[int, int]) -> tuple[float | None, str]:
    """Of intercepts, whose mean is that of their logarithm."""
    x = np.asarray(curve["x"], float)
    moved = _moved(curve, np.append(np.diff(np.log(x)), 0))
    return None if moved is None else float(np.expm1(moved[0] - moved[1])), ""


def _share(curve: Curve, images: tuple[int, int]) -> tuple[float | None, str]:
    moved = _moved(curve, np.gradient(np.asarray(curve["x"], float)))
    return None if moved is None else moved[0] - moved[1], ""


KINDS = {
    "psd": _contrast,
    "phase_fraction": _share,
    "chords_bright": _lengths,
    "chords_dark": _lengths,
    "mean_intercept": _logarithms,
    "grain_diameter": _lengths,
}
