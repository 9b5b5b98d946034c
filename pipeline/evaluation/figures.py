"""Figures of one evaluation. Colours are Okabe and Ito's, lines differ in dashes too: readable in gray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from pipeline.base.files import whole
from pipeline.base.texts import PLAIN_TEXT, shortened
from pipeline.evaluation import copy_search
from pipeline.evaluation.sample import Sample
from pipeline.metrics.neighbours import neighbours

REAL = "#000000"
LINES = [("#D55E00", "-"), ("#0072B2", (0, (5, 2))), ("#009E73", (0, (1, 1.5)))]
COLUMNS = 8
PAIRS = 5  # pairs in a row
BLANK = 0.85  # gray where a training image shows nothing of what the other does
LETTERS = 22  # of a label over an image
GAP = 0.16  # room for the label over an image, in sides of an image


@matplotlib.rc_context(PLAIN_TEXT)
def plot_psd(path: Path, curve: dict[str, Any], lines: dict[str, list[float]]) -> None:
    """Mean power spectra over the band of the real training images.

    Args:
        curve: `curves.psd` of an evaluation.
        lines: mean spectrum of each judged set, by its name.
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained", dpi=130)
    axes = figure.subplots()
    frequency = curve["frequency"]
    band = curve["reference_low"], curve["reference_high"]
    axes.fill_between(frequency, *band, color="0.82", linewidth=0, label="90 % of the real training images")
    axes.plot(frequency, curve["reference"], color=REAL, linewidth=2.2, label="real training images, mean")
    for (name, line), (colour, dashes) in zip(lines.items(), LINES, strict=False):
        axes.plot(frequency, line, color=colour, linestyle=dashes, linewidth=1.8, label=name)
    axes.set_xscale("log")
    unit = curve["unit"]
    axes.set_xlabel("spatial frequency (cycles per pixel)" if unit == "1/px" else f"spatial frequency ({unit})")
    axes.set_ylabel("power spectral density (dB)")
    axes.set_title("Coarse structure on the left, fine detail and noise on the right", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    with whole(path) as part:
        figure.savefig(part, format="png")


@matplotlib.rc_context(PLAIN_TEXT)
def plot_samples(path: Path, candidate: Sample, reference: Sample, name: str, rng: np.random.Generator) -> None:
    """Real images of each class; judged images of it; the training image most like each of these (random features)."""
    columns = _columns(candidate, rng)
    position = neighbours(candidate.vectors("random")[columns], reference.vectors("random")).position
    real = [reference.one_of_class(candidate.labels[c], rng) for c in columns]
    several = len({*candidate.labels, *reference.labels}) > 1
    rows = [
        ("real", reference.pixels(np.array(real)), candidate.labels[columns]),
        (name, candidate.pixels(columns), candidate.labels[columns]),
        ("nearest real", reference.pixels(position), reference.labels[position]),
    ]
    side = 1 + GAP
    figure = Figure(figsize=(1.35 * len(columns) + 0.5, 1.35 * 3 * side), layout="constrained", dpi=130)
    axes = figure.subplots()
    for down, (_, images, labels) in enumerate(rows):
        for across, (image, label) in enumerate(zip(images, labels, strict=True)):
            place = (across * 1.04, across * 1.04 + 1, down * side + 1, down * side)
            axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=place)
            axes.text(
                place[0] + 0.5, place[3] - 0.03, shortened(label, LETTERS) if several else "", fontsize=7.5, ha="center"
            )
    axes.set(xlim=(0, 1.04 * len(columns) - 0.04), ylim=(2 * side + 1, -GAP), xticks=[])
    axes.set_yticks([side * down + 0.5 for down in range(3)], [title for title, *_ in rows], rotation=90, va="center")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    with whole(path) as part:
        figure.savefig(part, format="png")


@matplotlib.rc_context(PLAIN_TEXT)
def plot_closest(path: Path, pairs: list[dict[str, Any]], candidate: Sample, reference: Sample, name: str) -> None:
    """Pairs of an image and the training image closest to it, which is shown as it lies on the other.

    Args:
        pairs: `closest` of an evaluation.
        name: of the judged set.
    """
    down = -(-len(pairs) // PAIRS)
    figure = Figure(figsize=(2.75 * PAIRS, 1.95 * down + 0.35), layout="constrained", dpi=130)
    figure.suptitle(f"Left {name}, right the training image closest to it, as it lies on the left one", fontsize=10)
    grid = figure.subplots(down, 2 * PAIRS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for pair, left, right in zip(pairs, grid[::2], grid[1::2], strict=False):
        made, real = (
            _unit(images[pair[row]]) for images, row in ((candidate.images, "made"), (reference.images, "real"))
        )
        left.imshow(made, interpolation="nearest")
        right.imshow(np.full_like(made, BLANK), interpolation="nearest")
        right.imshow(copy_search.laid(real, pair["view"], *pair["shift"]), interpolation="nearest")
        left.set_title(_closeness(pair), fontsize=7.5, loc="left")
    with whole(path) as part:
        figure.savefig(part, format="png")


def _unit(image: np.ndarray) -> np.ndarray:
    """(H, W, C) unsigned integers -> (H, W, 3) in [0, 1]."""
    return np.broadcast_to(image / np.iinfo(image.dtype).max, (*image.shape[:2], 3))


def _closeness(pair: dict[str, Any]) -> str:
    """`distance 0.12` and, in a second line, how the real image was laid on the other."""
    down, right = pair["shift"]
    moves = [(abs(down), "down" if down > 0 else "up"), (abs(right), "right" if right > 0 else "left")]
    moved = [f"{pixels} px {way}" for pixels, way in moves if pixels]
    return f"distance {pair['distance']:.2f}\n{', '.join([pair['view'], *moved])}"


def _columns(candidate: Sample, rng: np.random.Generator) -> np.ndarray:
    """Positions of up to COLUMNS images, one class after the other so that each is shown as often."""
    order = rng.permutation(len(candidate))
    turn = np.zeros(len(order), int)
    for label in np.unique(candidate.labels):
        mine = candidate.labels[order] == label
        turn[mine] = np.arange(mine.sum())
    chosen = order[np.argsort(turn, kind="stable")[:COLUMNS]]
    return chosen[np.argsort(candidate.labels[chosen], kind="stable")]
