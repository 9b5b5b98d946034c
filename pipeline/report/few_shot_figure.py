"""Curves over the number of real images, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from pipeline.report.figures import BAND, RC, WIDTH, svg, unique_legend
from pipeline.report.labels import number_of_images
from pipeline.report.style import REAL, Style, styles

PALE = "#9ca3af"
COLUMNS = 4
DODGE = 0.012  # of the axis: intervals at one number of images stand beside one another
SCORES, GAINS = ("score", "score_low", "score_high"), ("gain", "low", "high")

Lines = Mapping[str, Mapping[str, Any]]


def overview(images: Sequence[float], lines: Lines, score: str) -> str:
    """Scores of the generators' arms beside the strongest one without, and their gains over it.

    Args:
        images: (M,) real training images a class, ascending.
        lines: `few_shot_curves.drawn`, shares.
        score: its name, for the axis.

    Returns:
        SVG text.
    """
    looks = styles(_of(lines, "generator"))
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 4.3), layout="constrained")
        left, right = figure.subplots(1, 2)
        _plain(left, images, lines)
        right.axhline(0, color=REAL.color, lw=1.8)
        for i, (name, look) in enumerate(looks.items()):
            moved = _moved(images, i, len(looks))
            _curve(left, images, lines[name]["score"], look, name)
            _bars(right, moved, lines[name], look, name)
        for axes in (left, right):
            _over_images(axes, images)
        left.set(title="Score", ylabel=f"{score} on the held-out real images (%)")
        right.set(title="Gain over the strongest arm without a generator", ylabel="percentage points")
        figure.legend(*unique_legend(left), loc="outside lower center", ncols=6)
        return svg(figure)


def panels(images: Sequence[float], lines: Lines, score: str) -> str:
    """A panel for each generator's arm, its scores above and its gains below. Args as `overview`."""
    looks = styles(_of(lines, "generator"))
    columns = min(COLUMNS, len(looks))
    blocks = -(-len(looks) // COLUMNS)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 0.4 + 5.0 * blocks), layout="constrained")
        grid = figure.subplots(2 * blocks, columns, height_ratios=[3, 2] * blocks, squeeze=False)
        for axes in grid.ravel():
            axes.set_axis_off()
        for i, (name, look) in enumerate(looks.items()):
            row, column = 2 * (i // COLUMNS), i % COLUMNS
            above, below = grid[row : row + 2, column]
            for axes, first, label in zip((above, below), grid[:2, 0], (f"{score} (%)", "gain, points"), strict=True):
                axes.set_axis_on()
                axes.tick_params(labelleft=column == 0)
                axes.set_ylabel("" if column else label)
                if axes is not first:
                    axes.sharey(first)
            _panel(above, below, images, lines, name, look)
        figure.legend(*unique_legend(*grid.ravel()), loc="outside lower center", ncols=6)
        return svg(figure)


def _panel(above: Axes, below: Axes, images: Sequence[float], lines: Lines, name: str, look: Style) -> None:
    _plain(above, images, lines)
    first = next(iter(lines.values()))
    low, high = _percent(first["score_low"], first["score_high"])
    above.fill_between(images, low, high, color=BAND, lw=0)
    own = lines[name]["models"]
    only = next((other for other in _of(lines, "only") if lines[other]["models"] == own), None)
    if only is not None:
        above.plot(images, *_percent(lines[only]["score"]), color=look.color, lw=1, ls=":", label="its images only")
    _bars(above, images, lines[name], look, None, SCORES)
    below.axhline(0, color=REAL.color, lw=1.8)
    _bars(below, images, lines[name], look, None)
    above.set_title(name)
    _over_images(above, images)
    _over_images(below, images)
    above.tick_params(labelbottom=False)
    above.set_xlabel("")


def _plain(axes: Axes, images: Sequence[float], lines: Lines) -> None:
    """The arms without a generator: the strongest in black, the others pale."""
    for name in _of(lines, "plain"):
        axes.plot(images, *_percent(lines[name]["score"]), color=PALE, lw=0.8, label="every arm without a generator")
    (name,) = _of(lines, "without")
    _curve(axes, images, lines[name]["score"], REAL, f"strongest {name}")


def _curve(axes: Axes, images: Sequence[float], values: Sequence[float], look: Style, label: str) -> None:
    axes.plot(images, *_percent(values), color=look.color, ls=look.line, marker=look.marker, ms=5.5, mew=0, label=label)


def _bars(
    axes: Axes,
    images: Sequence[float] | np.ndarray,
    line: Mapping[str, Any],
    look: Style,
    label: str | None,
    keys: Sequence[str] = GAINS,
) -> None:
    """A curve with the interval of each point, of its scores or its gains."""
    values, low, high = _percent(*(line[key] for key in keys))
    axes.vlines(images, low, high, color=look.color, lw=1.6)
    axes.plot(images, values, color=look.color, ls=look.line, marker=look.marker, ms=5.5, mew=0, label=label)


def _percent(*shares: Sequence[float]) -> list[np.ndarray]:
    return [100 * np.asarray(values, float) for values in shares]


def _of(lines: Lines, kind: str) -> list[str]:
    return [name for name, line in lines.items() if line["kind"] == kind]


def _moved(images: Sequence[float], place: int, count: int) -> np.ndarray:
    """Numbers of images beside the true ones, so that the intervals of several arms are seen."""
    span = np.log(images[-1] / images[0])
    return np.asarray(images) * np.exp(DODGE * span * (place - (count - 1) / 2))


def _over_images(axes: Axes, images: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(images, [number_of_images(n) for n in images])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("real training images a class (log scale)")
    axes.margins(x=0.06)
