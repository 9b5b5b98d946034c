"""Numbers as a reader of the page sees them, and the words for detectors. Metrics have theirs in the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from markupsafe import Markup

from pipeline.downstream.arms import MORE_REAL, SAME_REAL
from pipeline.downstream.records import Arm, ClassEstimate, Estimate, RecipeGain

Text = TypeVar("Text", str, Markup)


def number(value: float | None) -> str:
    """Three significant digits, two below 0.01, as one writes them by hand."""
    if value is None or value != value:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", "\u202f").replace("-", "−")
    text = f"{value:#.3g}" if abs(value) >= 0.01 else f"{value:#.2g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa} · 10^{int(exponent)}".replace("-", "−")
    return text.rstrip(".").replace("-", "−")


def duration(seconds: float | None) -> str:
    """`41 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def memory(megabytes: float | None) -> str:
    if megabytes is None:
        return "–"
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def gain_of(of: Estimate | ClassEstimate | RecipeGain) -> tuple[float, float, float]:
    """The gain and the ends of its interval; all but the baseline have them."""
    assert of.gain is not None
    assert of.low is not None
    assert of.high is not None
    return of.gain, of.low, of.high


def interval(of: Estimate | ClassEstimate | RecipeGain) -> str:
    """That of a gain in percentage points: `−0.3 to +1.2`."""
    _, low, high = gain_of(of)
    return f"{points(low)} to {points(high)}"


def number_of_images(count: float) -> str:
    """Whole from 10 on; fewer, such as a mean over classes, with one decimal where it is not whole."""
    return f"{count:.0f}" if count >= 10 else f"{round(count, 1):g}"


def spread(shares: Sequence[float]) -> str:
    """Mean and standard deviation over repetitions, in percent; of one, which has none, the score alone."""
    mean = f"{100 * np.mean(shares):.1f}"
    return f"{mean} ± {100 * np.std(shares, ddof=1):.1f}" if len(shares) > 1 else mean


def often(arms: Sequence[Arm]) -> int:
    """Repetitions of the arms of one kind of detectors; 1 where none can differ."""
    return max(len(arm.repetitions) for arm in arms)


def guessing(arm: Arm) -> float | None:
    """The most that a detector reaches which looks at no image; None of one without classes.

    Of K classes that is a macro F1 of 1/K, whatever their frequencies p: one that says each with frequency q has an F1
    of 2pq/(p + q), whose mean is largest where q = p. Of anomalies it is an AUROC of one half.
    """
    if arm.task == "anomalies":
        return 0.5
    if not arm.by_class:
        return None
    return 1 / len(arm.by_class) if arm.task == "classification" else 0.0


def joined(names: Sequence[Text]) -> Text:
    """`a, b and c`."""
    *first, last = names
    text = type(last)
    return text(", ").join(first) + text(" and ") + last if first else last


class DetectorWords(NamedTuple):
    """What a kind of detectors and its scores are called."""

    kind: str
    score: str
    """What the verdicts are about: every class counts the same."""
    of_class: str
    """Of the score of one class; empty where classes have none."""


DETECTORS = {
    "classification": DetectorWords("classifiers", "macro F1", "F1"),
    "boxes": DetectorWords("detectors of boxes", "mAP50", "AP50"),
    "anomalies": DetectorWords("anomaly detectors", "AUROC", ""),
}
PLAIN = {  # arms of the detector without a generator
    "real": "real images as they are",
    "augmented": "shifted, turned, lit otherwise",
    "balanced": "every class equally often",
    "augmented+balanced": "both of these",
    "one_class": "good images alone",
    "pasted": "and pieces of good images pasted into others",
    "scarred": "and thin pieces of good images pasted into others",
    "moved": "and real defects moved to other images",
}
CONTROLS = {
    MORE_REAL: "positive control: further real images, which nothing else sees",
    SAME_REAL: "negative control: the real images once more",
}


def learns_from(arm: Arm) -> str:
    """What the detectors of an arm see, in a few words."""
    if not arm.generative:
        return PLAIN[arm.arm]
    if arm.control:
        return CONTROLS[arm.synthetic[0]]
    if not arm.real:
        return "synthetic images alone"
    return "real and synthetic images" if len(arm.synthetic) == 1 else "real images and several generators'"
