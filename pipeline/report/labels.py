"""What a number is called and how it is read. Every name a reader of the page sees of a measure is written here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from pipeline.downstream.records import Arm

Better = Literal["lower", "higher", "equal"]
Group = Literal["distance", "structure", "variety", "copies"]


class Metric(NamedTuple):
    """`better`: the direction of closer to the real images; `equal`: neither, the floor's own value is the goal."""

    label: str
    group: Group
    better: Better
    reading: str


METRICS = {
    "frechet": Metric(
        "Fréchet distance",
        "distance",
        "lower",
        "How far the whole set is from the real one, in mean and in variety, as a network sees it.",
    ),
    "fid": Metric("FID", "distance", "lower", "The Fréchet distance of Inception features; what papers call FID."),
    "frechet_inf": Metric(
        "Fréchet distance, extrapolated",
        "distance",
        "lower",
        "As it would be with any number of images, from a line through several numbers: about 0 for real images.",
    ),
    "fid_inf": Metric("FID∞", "distance", "lower", "FID as it would be with any number of images."),
    "kid": Metric(
        "Kernel distance",
        "distance",
        "lower",
        "The same question with no bias from few images: about 0 for real images, also a little below.",
    ),
    "gram": Metric(
        "Texture (Gram matrices)",
        "distance",
        "lower",
        "Which small patterns occur together, wherever they lie; 0 is the same texture.",
    ),
    "psd": Metric(
        "Power spectrum, dB",
        "distance",
        "lower",
        "Are structures of each size as strong? 3 dB is a factor of two. Blurred noise is made nearly right here.",
    ),
    "phase_fraction": Metric(
        "Phase fraction",
        "structure",
        "lower",
        "By how much the bright share of an image's area differs, from image to image; 0.02 is two points of percent.",
    ),
    "two_point": Metric(
        "Two-point correlation S2",
        "structure",
        "lower",
        "Do two points as far apart lie in the bright phase as often? As a share of what S2 falls by.",
    ),
    "lineal_path": Metric(
        "Lineal path L",
        "structure",
        "lower",
        "Does a line of each length lie in the bright phase as often? As a share of the phase fraction.",
    ),
    "chords_bright": Metric(
        "Chord lengths, bright phase",
        "structure",
        "lower",
        "By how much chords differ in length, as a share of the real mean chord: 0.1 is a tenth longer, or shorter.",
    ),
    "chords_dark": Metric("Chord lengths, dark phase", "structure", "lower", "The same of what lies between."),
    "mean_intercept": Metric(
        "Mean intercept",
        "structure",
        "lower",
        "By how much the mean lineal intercept of an image differs: 0.1 is a tenth coarser, or finer.",
    ),
    "grain_diameter": Metric(
        "Grain diameter",
        "structure",
        "lower",
        "By how much the diameters of whole grains differ, as a share of the real mean.",
    ),
    "astm_grain_size": Metric(
        "ASTM grain size number G",
        "structure",
        "equal",
        "From the mean intercept (ASTM E112). One more is an intercept shorter by √2.",
    ),
    "precision": Metric("Precision", "variety", "higher", "Share of the images that lie among real ones."),
    "recall": Metric(
        "Recall", "variety", "higher", "Share of the real images that lie among these: the variety reached."
    ),
    "density": Metric(
        "Density", "variety", "higher", "How crowded with real images their surroundings are; about 1 for real ones."
    ),
    "inception_score": Metric(
        "Inception score",
        "variety",
        "equal",
        "How surely and how variously a network of everyday things sees such things here; it knows no micrographs.",
    ),
    "coverage": Metric("Coverage", "variety", "higher", "Share of the real images with one of these close by."),
    "ssim_diversity": Metric(
        "Likeness of pairs (SSIM)",
        "variety",
        "equal",
        "Mean similarity of random pairs of one class. Above the floor: it repeats itself; 1 is one image only.",
    ),
    "ms_ssim_diversity": Metric(
        "Likeness of pairs, coarse and fine (MS-SSIM)",
        "variety",
        "equal",
        "The same at several magnifications at once. Above the floor: it repeats itself.",
    ),
    "lpips_diversity": Metric(
        "Unlikeness of pairs (LPIPS)",
        "variety",
        "equal",
        "How different random pairs of one class look to people. Below the floor: it repeats itself; 0 is one image.",
    ),
    "nearest": Metric(
        "Distance to the nearest training image",
        "copies",
        "equal",
        "As a multiple of that of held-out real images. Well below 1: copies, or too little variety.",
    ),
    "nearest_pixels": Metric(
        "Distance to the nearest training image, pixel by pixel",
        "copies",
        "equal",
        "The same where an image may be shifted, flipped or turned to lie on the other. Well below 1: copies.",
    ),
    "d1_d2": Metric(
        "Nearest over second nearest training image",
        "copies",
        "equal",
        "Ratio of the distances to the two. Near 0: like one training image and no other, a copy.",
    ),
    "authenticity": Metric(
        "Authenticity",
        "copies",
        "equal",
        "Share of images not nearer to a training image than the training images are to each other. Below the floor: "
        "training images with a little noise.",
    ),
    "copied": Metric(
        "Proven copies",
        "copies",
        "lower",
        "Share of images that show the same place as a training image, shifted, flipped or turned, beyond doubt.",
    ),
    "copied_area": Metric(
        "Area copied",
        "copies",
        "lower",
        "Share of the images' area that is pieces of training images, whole or put together anew, moved, turned or "
        "slightly bent.",
    ),
    "ssim_nearest": Metric(
        "Likeness to the nearest training image (SSIM)",
        "copies",
        "equal",
        "Well above the floor: copies; 1 is pixel for pixel.",
    ),
}

GROUPS = {
    "distance": "Distance",
    "structure": "Microstructure: bright and dark phase",
    "variety": "Variety",
    "copies": "Learnt by heart?",
}
DIRECTIONS = {
    "lower": "↓ lower is closer",
    "higher": "↑ higher is closer",
    "equal": "≈ like the floor is best",
    "copies": "like the floor: no copies",
}
EXTRACTORS = {
    "random": "random features",
    "inception": "Inception",
    "domain": "features of the real classes",
    "imagenet": "ImageNet features",
}
ABOUT_ZERO = ("kid", "frechet_inf", "fid_inf")  # for real images, so that a multiple of theirs says nothing
WITHOUT_EXTRACTOR = ("fid", "fid_inf", "inception_score", "gram", "psd")


def metric(name: str) -> Metric:
    """A measure unknown here keeps its own name, and lower is taken to be closer."""
    return METRICS.get(name, Metric(name, "distance", "lower", "0 is the same as the real images."))


def title(extractor: str, name: str) -> str:
    """`Fréchet distance (random features)`; `FID` and `KID` are Inception's alone."""
    if (extractor, name) == ("inception", "kid"):
        return "KID"
    label = metric(name).label
    if name in WITHOUT_EXTRACTOR or extractor not in EXTRACTORS:
        return label
    return f"{label} ({EXTRACTORS[extractor]})"


# The name in the middle of a sentence, and the question that it answers.
SHORT = {
    "frechet": ("Fréchet distance", "distance"),
    "frechet_inf": ("extrapolated Fréchet distance", "distance"),
    "fid": ("FID", "distance"),
    "fid_inf": ("FID∞", "distance"),
    "kid": ("kernel distance", "distance"),
    "gram": ("texture", "texture"),
    "psd": ("power spectrum", "power spectrum"),
    "phase_fraction": ("phase fraction", "phase fraction"),
    "two_point": ("S2", "S2"),
    "lineal_path": ("lineal path", "lineal path"),
    "chords_bright": ("bright chords", "chord lengths"),
    "chords_dark": ("dark chords", "chord lengths"),
    "mean_intercept": ("intercepts", "intercepts"),
    "astm_grain_size": ("grain size number", "intercepts"),
    "grain_diameter": ("grain diameter", "grain diameter"),
    "precision": ("precision", "realism"),
    "density": ("density", "realism"),
    "recall": ("recall", "variety"),
    "coverage": ("coverage", "variety"),
    "inception_score": ("Inception score", "variety"),
    "ssim_diversity": ("likeness of pairs", "variety"),
    "ms_ssim_diversity": ("likeness of pairs", "variety"),
    "lpips_diversity": ("difference of pairs", "variety"),
    "nearest": ("distance to the training images", "copies"),
    "nearest_pixels": ("distance to the training images", "copies"),
    "ssim_nearest": ("likeness to the training images", "copies"),
    "d1_d2": ("first over second distance to the training images", "copies"),
    "authenticity": ("authenticity", "copies"),
    "copied": ("copies", "copies"),
    "copied_area": ("area copied", "copies"),
}


def short(extractor: str, name: str) -> str:
    """What a measure is called in a sentence, whatever the features; `KID` is Inception's alone."""
    return "KID" if (extractor, name) == ("inception", "kid") else SHORT.get(name, (name, name))[0]


def question(name: str) -> str:
    """What a measure asks; several may ask the same."""
    return SHORT.get(name, (name, name))[1]


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


def number_of_images(count: float) -> str:
    """Whole from 10 on; fewer, such as a mean over classes, with one decimal where it is not whole."""
    return f"{count:.0f}" if count >= 10 else f"{round(count, 1):g}"


def spread(shares: Sequence[float]) -> str:
    """Mean and standard deviation over repetitions, in percent."""
    return f"{100 * np.mean(shares):.1f} ± {100 * np.std(shares, ddof=1 if len(shares) > 1 else 0):.1f}"


class DetectorWords(NamedTuple):
    """What a kind of detectors and its scores are called."""

    kind: str
    score: str
    """What the verdicts are about: every class counts the same."""
    of_class: str


DETECTORS = {
    "classification": DetectorWords("classifiers", "macro F1", "F1"),
    "boxes": DetectorWords("detectors of boxes", "mAP50", "AP50"),
}
PLAIN = {  # arms of the detector without a generator
    "real": "real images as they are",
    "augmented": "shifted, turned, lit otherwise",
    "balanced": "every class equally often",
    "augmented+balanced": "both of these",
    "duplicates": "real images once more",
}


def learns_from(arm: Arm) -> str:
    """What the detectors of an arm see, in a few words."""
    if not arm.generative:
        return PLAIN[arm.arm]
    if not arm.real:
        return "synthetic images alone"
    return "real and synthetic images" if len(arm.synthetic) == 1 else "real images and several generators'"
