"""Catalogue of the panel's metrics: one row a metric, read by the panel, the report and the tracking.

A row says what the metric is called, what it asks and needs, in which direction it is closer to real images, and what
it says in a verdict. A metric without a row is an error wherever it is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

Better = Literal["lower", "higher", "equal"]
Group = Literal["distance", "texture", "microstructure", "diversity", "classes", "copies"]
Role = Literal["missing", "unreal", "likeness", "unlikeness", "smoothness", "ratio"]

FEATURES = {
    "random": "random features",
    "inception": "Inception",
    "classifier": "features of the real classes",
    "imagenet": "ImageNet features",
}
"""Extractors whose feature vectors are compared as distributions, and what the report calls their features."""
NOT_INCEPTION = tuple(name for name in FEATURES if name != "inception")
GROUPS: Mapping[Group, str] = {
    "distance": "Distance",
    "texture": "Texture and spectrum",
    "microstructure": "Microstructure: bright and dark phase",
    "diversity": "Variety",
    "classes": "Classes",
    "copies": "Learnt by heart?",
}
DIRECTIONS: Mapping[Better, str] = {
    "lower": "↓ lower is closer",
    "higher": "↑ higher is closer",
    "equal": "≈ like the floor is best",
}


class Curve(NamedTuple):
    """How the report draws the curve of a metric, which `curves` of an evaluation hold; `x` is a length where its unit
    is one."""

    title: str
    x: str
    y: str
    scale: Literal["linear", "log"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of the panel."""

    name: str
    """In `evaluation.json`, `summary.csv` and MLflow."""
    title: str
    short: str
    """Name in the middle of a sentence."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Both names with an extractor for which these are others."""
    question: str
    """What it asks, as a verdict names it; several metrics may ask one question."""
    reading: str
    group: Group
    unit: str = ""
    better: Better
    """Direction of closer to the real images; `equal`: neither, the floor's own value is the goal."""
    extractors: tuple[str, ...]
    """Names of extractors; `pixels` where no features are in between."""
    images: int
    """Images of each set below which it is left out: half of them must still hold the neighbours, or a covariance; of
    those for a distance's extrapolation a quarter."""
    interval_images: int = 0
    """Images of each set below which it has no interval, for it would cover less than 92 % (`benchmarks.coverage`):
    neighbours' balls in half of the images nearly all hold all, and halves of a narrow set differ less than such sets
    do."""
    requires: str = ""
    """What else it needs, in the words of a note; without it an evaluation does not have it."""
    unbiased_from: int = 0
    """Images below which its value is mostly bias; Inception's features are as many."""
    by_class: int = 0
    """Whether it is given for each class; its place among those that name the worst class, the plainest first."""
    about_zero: bool = False
    """Whether real images have about 0, so that a multiple of theirs says nothing."""
    safe: Better | None = None
    """Direction in which a verdict raises no alarm, where that is not `better`."""
    role: Role | None = None
    """Part in the verdict: real images that are not reached are `missing`, images like no real one `unreal`; pairs show
    `likeness` or `unlikeness`; `smoothness` makes all images alike; a `ratio` is to the floor."""
    alarm: str = ""
    """Words of the verdict on copies, where it has its own, with room for a value in percent."""
    compared_with: str = ""
    """Likeness of pairs, which smooth images raise as well: only what exceeds that is an alarm."""
    headline: Mapping[str, int] = field(default_factory=dict)
    """Column of the first page's table by extractor; of several in one column the first that was measured is shown."""
    answers: Mapping[str, int] = field(default_factory=dict)
    """Place by extractor among the metrics that say which generator is closest."""
    curve: Curve | None = None

    def title_of(self, extractor: str) -> str:
        """`Fréchet distance (random features)`, where the features are not understood by themselves."""
        if extractor in self.titles:
            return self.titles[extractor]
        several = len(self.extractors) > 1 or self.group == "copies"
        return f"{self.label} ({FEATURES[extractor]})" if several and extractor in FEATURES else self.label

    def left_out(self, because: str) -> str:
        """Note where it lacks what it requires."""
        return f"{self.name}: left out, it needs {self.requires}: {because}"

    @property
    def label(self) -> str:
        """Title with the unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def direction(self) -> str:
        """In which direction numbers are closer to real ones."""
        return "like the floor: no copies" if self.group == "copies" else DIRECTIONS[self.better]


_of_sets = partial(Metric, extractors=tuple(FEATURES), images=20)
_of_inception = partial(Metric, extractors=("inception",))
_of_phases = partial(Metric, group="microstructure", extractors=("pixels",), images=4)
_of_pairs = partial(Metric, group="diversity", question="variety", images=4)
_of_copies = partial(Metric, group="copies", question="copies", images=4)
SHARES = "share at least as long (0 to 1)"
PROVABLE = "images that are large and varied enough to prove it"
ROWS = (
    # ------------------------------------------------------------ distances between sets of features
    Metric(
        name="frechet", title="Fréchet distance", short="Fréchet distance", question="distance", group="distance",
        better="lower", extractors=NOT_INCEPTION, images=20, headline={"random": 1, "classifier": 2},
        answers={"random": 1},
        reading="How far the whole set is from the real one, in mean and in variety, as a network sees it.",
    ),
    _of_inception(
        name="fid", title="FID", short="FID", question="distance", group="distance", better="lower", images=20,
        unbiased_from=2048, answers={"inception": 2},
        reading="The Fréchet distance of Inception features; what papers call FID.",
    ),
    Metric(
        name="frechet_inf", title="Fréchet distance, extrapolated", short="extrapolated Fréchet distance",
        question="distance", group="distance", better="lower", extractors=NOT_INCEPTION, images=40, about_zero=True,
        reading="As it would be with any number of images, from a line through several numbers: about 0 for real "
        "images.",
    ),
    _of_inception(
        name="fid_inf", title="FID∞", short="FID∞", question="distance", group="distance", better="lower", images=40,
        about_zero=True,
        reading="FID as it would be with any number of images.",
    ),
    _of_inception(
        name="inception_score", title="Inception score", short="Inception score", question="variety",
        group="diversity", better="equal", images=20, unbiased_from=2048,
        reading="How surely and how variously a network of everyday things sees such things here; it knows no "
        "micrographs.",
    ),
    _of_sets(
        name="kid", title="Kernel distance", short="kernel distance", titles={"inception": "KID"},
        question="distance", group="distance", better="lower", by_class=4, about_zero=True,
        headline={"inception": 3, "random": 3}, answers={"random": 3},
        reading="The same question with no bias from few images: about 0 for real images, also a little below.",
    ),
    _of_sets(
        name="precision", title="Precision", short="precision", question="realism", group="diversity",
        better="higher", by_class=5, role="unreal",
        reading="Share of the images that lie among real ones.",
    ),
    _of_sets(
        name="recall", title="Recall", short="recall", question="variety", group="diversity", better="higher",
        by_class=2, role="missing",
        reading="Share of the real images that lie among these: the variety reached.",
    ),
    _of_sets(
        name="density", title="Density", short="density", question="realism", group="diversity", better="higher",
        interval_images=40, by_class=6, role="unreal",
        reading="How crowded with real images their surroundings are; about 1 for real ones.",
    ),
    _of_sets(
        name="coverage", title="Coverage", short="coverage", question="variety", group="diversity", better="higher",
        interval_images=40, by_class=3, role="missing", headline={"random": 6},
        reading="Share of the real images with one of these close by.",
    ),
    # ------------------------------------------------------------ texture and spectrum
    Metric(
        name="gram", title="Texture (Gram matrices)", short="texture", question="texture", group="texture",
        better="lower", extractors=("random",), images=4, interval_images=20,
        reading="Which small patterns occur together, wherever they lie; 0 is the same texture.",
    ),
    Metric(
        name="psd", title="Power spectrum", short="power spectrum", question="power spectrum", group="texture",
        unit="dB", better="lower", extractors=("pixels",), images=4, role="smoothness", headline={"pixels": 4},
        reading="Are structures of each size as strong? 3 dB is a factor of two. Blurred noise is made nearly right "
        "here.",
    ),
    # ------------------------------------------------------------ microstructure
    _of_phases(
        name="two_point", title="Two-point correlation S2", short="S2", question="S2", better="lower",
        headline={"pixels": 5},
        reading="Do two points as far apart lie in the bright phase as often? As a share of what S2 falls by.",
        curve=Curve("Two-point correlation S2", "distance", "chance that both are bright (0 to 1)", "linear"),
    ),
    _of_phases(
        name="lineal_path", title="Lineal path L", short="lineal path", question="lineal path", better="lower",
        reading="Does a line of each length lie in the bright phase as often? As a share of the phase fraction.",
        curve=Curve("Lineal path L", "length of a line", "chance that all of it is bright (0 to 1)", "linear"),
    ),
    _of_phases(
        name="phase_fraction", title="Phase fraction", short="phase fraction", question="phase fraction",
        better="lower",
        reading="By how much the bright share of an image's area differs, from image to image; 0.02 is two points of "
        "percent.",
        curve=Curve("Phase fraction", "bright share of an image (0 to 1)", "share of images above (0 to 1)", "linear"),
    ),
    _of_phases(
        name="chords_bright", title="Chord lengths, bright phase", short="bright chords", question="chord lengths",
        better="lower",
        reading="By how much chords differ in length, as a share of the real mean chord: 0.1 is a tenth longer, or "
        "shorter.",
        curve=Curve("Chords, bright phase", "chord length", SHARES, "log"),
    ),
    _of_phases(
        name="chords_dark", title="Chord lengths, dark phase", short="dark chords", question="chord lengths",
        better="lower",
        reading="The same of what lies between.",
        curve=Curve("Chords, dark phase", "chord length", SHARES, "log"),
    ),
    _of_phases(
        name="mean_intercept", title="Mean intercept", short="intercepts", question="intercepts", better="lower",
        reading="By how much the mean lineal intercept of an image differs: 0.1 is a tenth coarser, or finer.",
        curve=Curve("Mean intercept", "mean intercept of an image", "share of images above (0 to 1)", "log"),
    ),
    _of_phases(
        name="grain_diameter", title="Grain diameter", short="grain diameter", question="grain diameter",
        better="lower", requires="grains to tell apart",
        reading="By how much the diameters of whole grains differ, as a share of the real mean.",
        curve=Curve("Whole grains", "equivalent diameter", SHARES, "log"),
    ),
    _of_phases(
        name="astm_grain_size", title="ASTM grain size number G", short="grain size number", question="intercepts",
        better="equal", requires="the data set's pixel_size in a unit of length",
        reading="From the mean intercept (ASTM E112). One more is an intercept shorter by √2.",
    ),
    # ------------------------------------------------------------ pairs of images of one set
    _of_pairs(
        name="pair_ssim", title="Likeness of pairs (SSIM)", short="likeness of pairs", better="equal",
        extractors=("pixels",), role="likeness",
        reading="Mean similarity of random pairs of one class. Above the floor: it repeats itself; 1 is one image "
        "only.",
    ),
    _of_pairs(
        name="pair_ms_ssim", title="Likeness of pairs, coarse and fine (MS-SSIM)", short="likeness of pairs",
        better="equal", extractors=("pixels",), requires="images of two scales", role="likeness",
        reading="The same at several magnifications at once. Above the floor: it repeats itself.",
    ),
    _of_pairs(
        name="pair_lpips", title="Unlikeness of pairs (LPIPS)", short="difference of pairs", better="equal",
        extractors=("lpips",), requires="its weights, and images that its network can reduce", role="unlikeness",
        reading="How different random pairs of one class look to people. Below the floor: it repeats itself; 0 is one "
        "image.",
    ),
    # ------------------------------------------------------------ classes
    Metric(
        name="class_agreement", title="Class agreement", short="class agreement", question="classes", group="classes",
        better="higher", extractors=("imagenet",), images=4, requires="ImageNet features and two classes", by_class=1,
        reading="Share of the images that are taken for their class by a classifier that learned the real training "
        "images.",
    ),
    # ------------------------------------------------------------ copies
    _of_copies(
        name="copy_rate", title="Proven copies", short="copies", better="lower", extractors=("pixels",),
        requires=PROVABLE, alarm="{:.0f} % copies", headline={"pixels": 7},
        reading="Share of images that show the same place as a training image, shifted, flipped or turned, beyond "
        "doubt.",
    ),
    _of_copies(
        name="copied_area", title="Area copied", short="area copied", better="lower", extractors=("pixels",),
        requires=PROVABLE, alarm="{:.0f} % of the area is pieces of training images",
        reading="Share of the images' area that is pieces of training images, whole or put together anew, moved, "
        "turned or slightly bent.",
    ),
    _of_copies(
        name="authenticity", title="Authenticity", short="authenticity", better="equal", extractors=("random",),
        safe="higher", headline={"random": 7},
        reading="Share of images not nearer to a training image than the training images are to each other. Below the "
        "floor: training images with a little noise.",
    ),
    _of_copies(
        name="nn_distance_ratio_pixels", title="Distance to the nearest training image, pixel by pixel",
        short="distance to the training images", better="equal", extractors=("pixels",),
        requires="held-out real images to compare with", safe="higher", role="ratio", headline={"pixels": 7},
        reading="The same where an image may be shifted, flipped or turned to lie on the other. Well below 1: copies.",
    ),
    _of_copies(
        name="nn_distance_ratio", title="Distance to the nearest training image",
        short="distance to the training images", better="equal", extractors=("random",),
        requires="held-out real images to compare with", safe="higher", role="ratio", headline={"random": 7},
        reading="As a multiple of that of held-out real images. Well below 1: copies, or too little variety.",
    ),
    _of_copies(
        name="nn_distance_ratio_1_2", title="Nearest over second nearest training image",
        short="first over second distance to the training images", better="equal", extractors=("random",),
        safe="higher",
        reading="Ratio of the distances to the two. Near 0: like one training image and no other, a copy.",
    ),
    _of_copies(
        name="nn_ssim", title="Likeness to the nearest training image (SSIM)",
        short="likeness to the training images", better="equal", extractors=("pixels",), safe="lower",
        compared_with="pair_ssim",
        reading="Well above the floor: copies; 1 is pixel for pixel.",
    ),
)  # fmt: skip
METRICS = {row.name: row for row in ROWS}


def find(extractor: str, name: str) -> Metric:
    """The row of a metric.

    Raises:
        LookupError: there is none, or it names other extractors.
    """
    row = METRICS.get(name)
    if row is None or extractor not in row.extractors:
        raise LookupError(f"metric `{name}` of `{extractor}`")
    return row


def names(*groups: Group, extractor: str | None = None) -> list[str]:
    """Metrics of some groups, with one extractor where it is given."""
    return [m.name for m in METRICS.values() if m.group in groups and extractor in (None, *m.extractors)]


def headline_columns() -> list[list[tuple[str, str]]]:
    """(extractor, metric) of each column of the first page's table, those to show first before the others."""
    placed = [(place, extractor, m.name) for m in METRICS.values() for extractor, place in m.headline.items()]
    columns: dict[int, list[tuple[str, str]]] = {}
    for place, extractor, name in sorted(placed, key=lambda item: item[0]):
        columns.setdefault(place, []).append((extractor, name))
    return list(columns.values())
