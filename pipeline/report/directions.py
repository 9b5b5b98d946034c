"""In which direction a set of images differs from the real ones, where the curves of its evaluation say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Curve = Mapping[str, Any]
BANDS = ("coarse", "middle", "fine")  # thirds of the spectrum's octaves
MOSTLY = 0.5  # share of a difference that must go one way to be called longer, or shorter, and not just other
SURE = 3.0  # standard errors from which a band of the spectrum has a sign
SPREAD = 3.29  # standard deviations of a normal number between its 5th and 95th percentile


def shifts(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Phrases by metric, `bright chords 19 % too short`: only of measures whose curves have a direction.

    Args:
        evaluations: contents of the `evaluation.json` of each seed of one generator; their curves are averaged.
    """
    found: dict[str, str] = {}
    for name, words in KINDS.items():
        curves = [body["curves"][name] for body in evaluations if name in body.get("curves", {})]
        if curves:
            mean = curves[0] | {"sample": np.mean([curve["sample"] for curve in curves], axis=0)}
            images = sum(body["n_sample"] for body in evaluations), evaluations[0]["n_reference"]
            text = words(mean, images)
            found |= {name: text} if text else {}
    return found


def _contrast(curve: Curve, images: tuple[int, int]) -> str | None:
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
        return None
    much = "little" if differences[worst] < 0 else "much"
    return f"too {much} contrast at {BANDS[worst]} scale ({abs(differences[worst]):.1f} dB)"


def _moved(curve: Curve, widths: Array) -> tuple[float, float] | None:
    """Means of sample and reference (up to a constant) from the shares that are at least x, where most moved one way.

    The area between two such curves is the distance of the distributions; its balance is the difference of their means.
    """
    sample, reference = (np.asarray(curve[name], float) for name in ("sample", "reference"))
    area = (sample - reference) * widths
    if abs(area.sum()) < MOSTLY * np.abs(area).sum() or not area.any():
        return None
    return float((sample * widths).sum()), float((reference * widths).sum())


def _lengths(what: str, longer: str, shorter: str) -> Callable[[Curve, tuple[int, int]], str | None]:
    """Of lengths that are shown at x = 1, 2, ... pixels."""

    def words(curve: Curve, images: tuple[int, int]) -> str | None:
        moved = _moved(curve, np.ones(len(curve["x"])))
        return None if moved is None else _percent(what, moved[0] / moved[1] - 1, longer, shorter)

    return words


def _logarithms(curve: Curve, images: tuple[int, int]) -> str | None:
    """Of intercepts, whose mean is that of their logarithm."""
    x = np.asarray(curve["x"], float)
    moved = _moved(curve, np.append(np.diff(np.log(x)), 0))
    return None if moved is None else _percent("intercepts", np.expm1(moved[0] - moved[1]), "too coarse", "too fine")


def _points(curve: Curve, images: tuple[int, int]) -> str | None:
    moved = _moved(curve, np.gradient(np.asarray(curve["x"], float)))
    if moved is None:
        return None
    return f"bright share {100 * abs(moved[0] - moved[1]):.1f} points too {'large' if moved[0] > moved[1] else 'small'}"


def _percent(what: str, change: float, more: str, less: str) -> str:
    return f"{what} {100 * abs(change):.0f} % {more if change > 0 else less}"


KINDS = {
    "psd": _contrast,
    "phase_fraction": _points,
    "chords_bright": _lengths("bright chords", "too long", "too short"),
    "chords_dark": _lengths("dark chords", "too long", "too short"),
    "mean_intercept": _logarithms,
    "grain_diameter": _lengths("grains", "too large", "too small"),
}
