"""What the panel measures of two-phase images: statistics of each image, kept as features are, and their distances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.colour import luminance
from pipeline.base.rows import Rows
from pipeline.base.units import MILLIMETRES
from pipeline.data.image_set import ImageSet
from pipeline.evaluation.catalog import METRICS
from pipeline.evaluation.features import PIXELS_A_BATCH, Extractor, Features, batches, kept, without_grams
from pipeline.metrics import microstructure
from pipeline.metrics.distances import curve_distance

Array = NDArray[np.float64]
# Columns of the statistics of an image: `crossings` a pixel of test line, curves over 0..R pixels, numbers of chords
# and of whole grains by their length in pixels, the largest region's share in the bright phase.
BLOCKS = ("crossings", "two_point", "lineal_path", "chords_bright", "chords_dark", "grains", "largest_region")
DIVIDED = 0.5  # the largest region's share in the bright phase up to which that is divided into grains
THIN = 2 / 3  # bright fraction from which what divides the grains is boundaries: at most half as wide as they
FRACTIONS = np.linspace(0, 1, 101)  # at which distributions of phase fractions are drawn


class Binarisation(NamedTuple):
    """How the images of a data set are cut in two phases and read; fixed by its real training images alone."""

    threshold: float
    """Brighter is the bright phase; as a fraction of the stored range."""
    has_grains: bool
    """The bright phase falls into regions: there are grains to measure."""
    boundaries: bool
    """What divides them is thin: grain boundaries, not a second phase."""
    single_phase: float
    """Share of the real training images that show one phase only."""
    pixel: float | None
    """Length of a pixel in `unit`."""
    unit: str

    @property
    def millimetres(self) -> float | None:
        """Length of a pixel, where it is known in a unit of length."""
        if self.pixel is None or self.unit not in MILLIMETRES:
            return None
        return self.pixel * MILLIMETRES[self.unit]

    def notes(self) -> list[str]:
        """What cannot be measured of such images."""
        found = []
        if self.millimetres is None:
            found.append(METRICS["astm_grain_size"].left_out(f"one of {', '.join(MILLIMETRES)}"))
        if self.single_phase > 0:
            found.append(
                f"{self.single_phase:.0%} of the real training images show one phase only where all are cut at one gray"
                " value: chords and intercepts tell nothing of them"
            )
        if not self.has_grains:
            lack = f"one region holds more than {DIVIDED:.0%} of the bright phase, or no region is whole"
            found.append(METRICS["grain_diameter"].left_out(f"in most real training images {lack}"))
        return found


class Measure(NamedTuple):
    """A number of a set beside the real training images. `rows`: (n, k) an image's share in it, NaN where an image has
    nothing to measure; `compare` of judged and reference rows; `scale` of the reference rows, what that is divided by;
    `signed`: a difference, not a distance."""

    name: str
    rows: Callable[[Features, Binarisation], Array]
    compare: Callable[[Array, Array], float]
    scale: Callable[[Array], float]
    signed: bool = False


# ---------------------------------------------------------------- statistics of each image


def find_binarisation(real: ImageSet) -> Binarisation:
    """From all training images of a set, of whatever class; their statistics are kept beside them."""
    train = real.rows("train")
    found = threshold(real.images, train)
    statistics = of_set(real, found).rows(train)
    whole, largest = part(statistics, "grains").sum(axis=1), part(statistics, "largest_region")
    has_grains = bool(np.median(largest) <= DIVIDED and whole.mean() >= 1)
    thin = bool(part(statistics, "two_point")[:, 0].mean() >= THIN)
    single = float(single_phase(statistics).mean())
    return Binarisation(found, has_grains, has_grains and thin, single, real.meta.get("pixel_size"), real.meta["unit"])


def threshold(images: NDArray, rows: NDArray[np.int64]) -> float:
    """Otsu's threshold of the pooled gray values of some images (n, H, W, C), as a fraction of the stored range."""
    top = np.iinfo(images.dtype).max
    counts = np.zeros(top + 1, np.int64)
    for row in rows:
        gray = np.rint(luminance(images[row][None])).astype(np.int64)
        counts += np.bincount(gray.ravel(), minlength=top + 1)
    return microstructure.otsu(counts) / top


def extractor(cut: float) -> Extractor:
    """Statistics of images cut at a threshold; other thresholds are kept apart."""
    return Extractor(f"1 cut at {cut!r}", lambda images, text: _statistics(images, text, cut))


def of_set(images: ImageSet, cut: float) -> Features:
    """Statistics of every image of a set, computed once."""
    return kept(images, "phases", extractor(cut))


def single_phase(found: Features) -> NDArray[np.bool_]:
    """(n,) whether an image is all bright or all dark."""
    return part(found, "crossings")[:, 0] == 0


def part(found: Features, block: str) -> Array:
    """(n, k) columns of one of BLOCKS."""
    edges = np.cumsum((0, *found.vector_blocks))
    position = BLOCKS.index(block)
    return found.vectors[:, edges[position] : edges[position + 1]].astype(np.float64)


def _statistics(images: Rows, description: str, cut: float) -> Features:
    level = cut * np.iinfo(images.dtype).max
    size = max(1, PIXELS_A_BATCH // math.prod(images.shape[1:]))
    found = [_blocks(luminance(b) > level) for b in batches(images, description, size)]
    vectors = np.concatenate([np.concatenate(blocks, axis=1) for blocks in found]).astype(np.float32)
    return without_grams(vectors, tuple(b.shape[1] for b in found[0]))


def _blocks(phase: NDArray[np.bool_]) -> list[Array]:
    """BLOCKS of images (n, H, W)."""
    _, height, width = phase.shape
    steps = height * (width - 1) + width * (height - 1)  # a line of W pixels can be crossed in W - 1 places
    crossings = microstructure.transitions(phase) / steps
    (rows, chords), (columns, upright) = (microstructure.runs(p) for p in (phase, _turned(phase)))
    across, along = (microstructure.runs(p)[1] for p in (~phase, _turned(~phase)))
    counts, largest = microstructure.grains(phase)
    path = microstructure.lineal_path(rows, columns)
    bright, dark = _joined(chords, upright), _joined(across, along)
    return [crossings[:, None], microstructure.two_point(phase), path, bright, dark, counts, largest[:, None]]


def _turned(phase: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.ascontiguousarray(phase.transpose(0, 2, 1))


def _joined(rows: Array, columns: Array) -> Array:
    """Numbers of chords in both directions; the longer side has room for more lengths."""
    joined = np.zeros((len(rows), max(rows.shape[1], columns.shape[1])))
    joined[:, : rows.shape[1]] += rows
    joined[:, : columns.shape[1]] += columns
    return joined


# ---------------------------------------------------------------- numbers of a set


def measures(binarisation: Binarisation) -> list[Measure]:
    """Those that make sense for the images of a data set."""
    found = [
        Measure("phase_fraction", _fraction, microstructure.values_distance, _one),
        Measure("two_point", lambda f, _: part(f, "two_point"), curve_distance, _variance),
        Measure("lineal_path", lambda f, _: part(f, "lineal_path"), curve_distance, _first),
        Measure("chords_bright", _counted("chords_bright"), microstructure.counts_distance, mean_length),
        Measure("chords_dark", _counted("chords_dark"), microstructure.counts_distance, mean_length),
        Measure("mean_intercept", _logarithms, microstructure.values_distance, _one),
    ]
    if binarisation.has_grains:
        found.append(Measure("grain_diameter", _counted("grains"), microstructure.counts_distance, mean_length))
    if binarisation.millimetres is not None:
        millimetres = binarisation.millimetres
        found.append(Measure("astm_grain_size", _lines, lambda x, _: _grain_size(x, millimetres), _one, True))
    return found


def intercepts(found: Features, binarisation: Binarisation) -> Array:
    """(n, 1) mean lineal intercept of each image in pixels; NaN where nothing is crossed."""
    length, crossed = np.split(_lines(found, binarisation), 2, axis=1)
    return microstructure.mean_intercept(length, crossed)


def _logarithms(found: Features, binarisation: Binarisation) -> Array:
    """(n, 1) natural logarithm of the mean intercept, whose differences are relative ones: in a nearly flat image the
    intercept itself is many times the image's side, and would outweigh all others."""
    return np.log(intercepts(found, binarisation))


def _lines(found: Features, binarisation: Binarisation) -> Array:
    """(n, 2) length of test line and crossings on it, a pixel of all lines; NaN crossings where nothing is crossed.

    Of the bright phase, its own length (ASTM E112 for more than one phase). Of grains with thin boundaries the whole
    line, from boundary to boundary: the width at which a boundary is drawn belongs to the grains.
    """
    crossed = part(found, "crossings")
    length = np.ones_like(crossed) if binarisation.boundaries else _fraction(found, binarisation)
    return np.concatenate([length, np.where(crossed > 0, crossed, np.nan)], axis=1)


def _grain_size(lines: Array, millimetres: float) -> float:
    """ASTM grain size number of a set, from all its test lines together."""
    length, crossed = lines.sum(axis=0)
    return float(microstructure.grain_size_number(microstructure.mean_intercept(length, crossed) * millimetres))


def _one(reference: Array) -> float:
    return 1.0


def mean_length(counts: Array) -> float:
    """Of the lengths 0..k-1 counted in (n, k)."""
    total = counts.sum(axis=0)
    return float(total @ np.arange(len(total)) / total.sum())


def _fraction(found: Features, binarisation: Binarisation) -> Array:
    return part(found, "two_point")[:, :1]


def _counted(block: str) -> Callable[[Features, Binarisation], Array]:
    def rows(found: Features, binarisation: Binarisation) -> Array:
        counts = part(found, block)
        counts[counts.sum(axis=1) == 0] = np.nan
        return counts

    return rows


def _first(curves: Array) -> float:
    """The phase fraction, where curves begin."""
    return float(curves[:, 0].mean())


def _variance(curves: Array) -> float:
    """Of the phase as a variable of 0 and 1: what S2 falls by, from a point to far away."""
    return _first(curves) * (1 - _first(curves))


# ---------------------------------------------------------------- curves


def curves(reference: Features, candidate: Features, binarisation: Binarisation) -> dict[str, dict[str, Any]]:
    """Of the measures, over `x` in `unit`: `reference`, `sample`, and the band of 90 % of single training images.

    `two_point` and `lineal_path` are means over images. The others are the share of chords, grains or images with at
    least x, pooled; of chords and grains also the `histogram`, shares by length.
    """
    pixel, unit = (binarisation.pixel, binarisation.unit) if binarisation.pixel is not None else (1.0, "px")
    found: dict[str, dict[str, Any] | None] = {}
    for name in ("two_point", "lineal_path"):
        real, made = part(reference, name), part(candidate, name)
        found[name] = _curve(np.arange(real.shape[1]) * pixel, unit, real.mean(axis=0), made.mean(axis=0), real)
    fractions = _fraction(reference, binarisation), _fraction(candidate, binarisation)
    found["phase_fraction"] = _shares(*fractions, FRACTIONS, 1.0, "1")
    for name in ("chords_bright", "chords_dark"):
        found[name] = _lengths(part(reference, name), part(candidate, name), pixel, unit)
    lengths = np.arange(1, part(reference, "chords_bright").shape[1])
    means = intercepts(reference, binarisation), intercepts(candidate, binarisation)
    found["mean_intercept"] = _shares(*means, lengths, pixel, unit)
    if binarisation.has_grains:
        found["grain_diameter"] = _lengths(part(reference, "grains"), part(candidate, "grains"), pixel, unit)
    return {name: curve for name, curve in found.items() if curve is not None}


def _curve(x: NDArray, unit: str, reference: Array, sample: Array, single: Array) -> dict[str, Any]:
    low, high = np.percentile(single, (5, 95), axis=0)
    lines = {"x": x, "reference": reference, "reference_low": low, "reference_high": high, "sample": sample}
    return {"unit": unit} | {name: _written(line) for name, line in lines.items()}


def _shares(reference: Array, candidate: Array, x: NDArray, pixel: float, unit: str) -> dict[str, Any] | None:
    """Share of images whose value is at least x; a single image has no share, so there is no band."""
    sets = [s[np.isfinite(s)] for s in (reference, candidate)]
    if not all(len(s) for s in sets):
        return None
    shares = [(s[:, None] >= x).mean(axis=0) for s in sets]
    return {"unit": unit, "x": _written(x * pixel), "reference": _written(shares[0]), "sample": _written(shares[1])}


def _lengths(reference: Array, candidate: Array, pixel: float, unit: str) -> dict[str, Any] | None:
    sets = [s[s.sum(axis=1) > 0, 1:] for s in (reference, candidate)]  # no length is 0
    if not all(len(s) for s in sets):
        return None
    pooled = [s.sum(axis=0, keepdims=True) for s in sets]
    x = np.arange(1, sets[0].shape[1] + 1) * pixel
    longer = [_at_least(s) for s in (*pooled, sets[0])]
    single = sets[0] / sets[0].sum(axis=1, keepdims=True)
    by_length = [p[0] / p.sum() for p in pooled]
    histogram = _curve(x, unit, by_length[0], by_length[1], single)
    return _curve(x, unit, longer[0][0], longer[1][0], longer[2]) | {"histogram": histogram}


def _at_least(counts: Array) -> Array:
    """(n, k) share of lengths that are at least this long, image by image."""
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1] / counts.sum(axis=1, keepdims=True)


def _written(values: NDArray) -> list[float]:
    return [float(f"{v:.6g}") for v in values]
