"""The page's figures, as SVG text. Each takes numbers, opens no file and touches no global state of matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from pipeline.base.texts import PLAIN_TEXT, shortened
from pipeline.downstream.records import Arm, ClassEstimate
from pipeline.evaluation.catalog import METRICS, Curve
from pipeline.report.labels import gain_of
from pipeline.report.style import REAL, Style, styles

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

RC: dict[RcKeyType, Any] = PLAIN_TEXT | {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#6b7280",
    "axes.labelcolor": "#374151",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
    "svg.fonttype": "path",  # glyphs are paths, so a figure looks the same on every machine
    "svg.hashsalt": "pyrite",  # the same numbers give the same bytes
}


BAND = "#e1e4e8"  # pale enough for every line upon it, in gray too
TRAINING_COLUMNS = 4
SCALARS = {  # what the scalars of a panel are, where the name alone does not say
    "logit": "what D says of images (no unit)",
    "D(x)": "D's belief in real images (0 to 1)",
    "D(G(z))": "D's belief in synthetic ones (0 to 1)",
    "gradient": "norm of the gradient (no unit)",
    "saturation": "share that D is certain of (0 to 1)",
    "held_out": "distance to held-out images",
}
NOT_DRAWN = ["images", "seconds", "speed/images_per_second"]
WIDTH = 12.3  # inches; the page's width
CLASS_COLUMNS = 6
PRECISION_COLUMNS = 6
GAINS = {  # of a class: what its interval leaves no doubt of
    "gains": Style("#009E73", "-", "^"),
    "loses": Style("#D55E00", "-", "v"),
    "unsure": Style("#6b7280", "-", "o"),
}
LETTERS = 30  # of the name of a class: a longer one would take the room of what is drawn
POINTS = 250  # of a drawn curve: more cannot be seen, and make the page heavy


def psd(
    frequency: Sequence[float],
    real: Mapping[str, Sequence[float]],
    floor: Sequence[float] | None,
    models: Mapping[str, Sequence[float]],
    unit: str,
) -> str:
    """Radial power spectra, and beside them their difference to the mean of the real training images.

    Args:
        frequency: (K,) spatial frequency, ascending, positive.
        real: `mean`, `low`, `high`, each (K,) in dB: the training images' mean and the band of single images.
        floor: (K,) mean of the held-out real images in dB, or None.
        models: (K,) mean of each generator's images in dB.
        unit: of the frequency: `1/px`, `1/µm`.

    Returns:
        SVG text.
    """
    x = np.asarray(frequency, float)
    mean, low, high = (np.asarray(real[key], float) for key in ("mean", "low", "high"))
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        spectrum, difference = figure.subplots(1, 2)
        for axes, zero in ((spectrum, 0 * mean), (difference, mean)):
            axes.fill_between(x, low - zero, high - zero, color=BAND, lw=0, label="90 % of single real images")
            axes.plot(x, mean - zero, color=REAL.color, lw=1.6, label="real training images, mean")
            if floor is not None:
                axes.plot(x, floor - zero, color=REAL.color, lw=1.2, ls=":", label="real held-out images, mean")
            _lines(axes, x, {name: models[name] - zero for name in models})
            axes.set(xscale="log", xlim=(x[0], x[-1]), xlabel=f"spatial frequency ({_frequency(unit)})")
            _plain_log(axes, (1, 2, 5))
            _sizes(axes, unit)
        spectrum.set(title="Power at each scale", ylabel="power spectral density (dB)")
        difference.set(title="Difference to the real images", ylabel="dB more (+) or less (−) than real")
        figure.legend(*spectrum.get_legend_handles_labels(), loc="outside lower center", ncols=5)
        return svg(figure)


def _lines(axes: Axes, x: np.ndarray, lines: Mapping[str, Sequence[float] | np.ndarray]) -> None:
    """A line for each generator; markers, each line's at places of its own, tell them apart in gray too."""
    for i, (name, style) in enumerate(styles(lines).items()):
        every = (0.02 + 0.12 * i / len(lines), 0.12)  # of the axes' diagonal
        look: dict[str, Any] = {
            "color": style.color,
            "ls": style.line,
            "lw": 1.5,
            "marker": style.marker,
            "ms": 4.5,
            "mew": 0,
        }
        axes.plot(x, lines[name], **look, markevery=every, label=name)


def _plain_log(axes: Axes, subs: Sequence[float]) -> None:
    """Ticks of a logarithmic x-axis at these parts of a decade, written as plain numbers."""
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _sizes(axes: Axes, unit: str) -> None:
    """The size of a structure, one over its frequency, along the top."""
    length = unit.removeprefix("1/")
    if length == unit:
        return
    first, last = axes.get_xlim()
    sizes = [m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5) if 0.999 / last <= m * 10.0**e <= 1.001 / first]
    top = axes.secondary_xaxis("top")
    top.set_xticks([1 / size for size in sizes], [f"{size:g}" for size in sizes])
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xlabel(f"size of a structure ({length})", fontsize=8.5)


def microstructure(
    found: Mapping[str, tuple[Mapping[str, Any], Sequence[float] | None, Mapping[str, Sequence[float]]]],
) -> str:
    """Statistics of the bright and the dark phase, a panel each.

    Args:
        found: by metric: the curve (`x`, `unit`, `reference`, and the band where there is one), the line
            of the held-out real images or None, and that of each generator; all as long as `x`.

    Returns:
        SVG text.
    """
    with matplotlib.rc_context(RC):
        figure, grid = in_rows(len(found), 4 if len(found) in (4, 7, 8) else 3, 0.5, 2.9)
        for axes, (name, (curve, floor, models)) in zip(grid, found.items(), strict=False):
            panel = METRICS[name].curve
            assert panel is not None  # no other has numbers over a length
            _structure_panel(axes, panel, curve, floor, models)
        legend = unique_legend(*grid)
        if len(found) < len(grid):
            grid[-1].legend(*legend, loc="center")
        else:
            figure.legend(*legend, loc="outside lower center", ncols=5)
        return svg(figure)


def _structure_panel(
    axes: Axes,
    panel: Curve,
    curve: Mapping[str, Any],
    floor: Sequence[float] | None,
    models: Mapping[str, Sequence[float]],
) -> None:
    x, mean = np.asarray(curve["x"], float), np.asarray(curve["reference"], float)
    lines = [mean, *(np.asarray(line, float) for line in models.values())]
    if "reference_low" in curve:
        band = curve["reference_low"], curve["reference_high"]
        axes.fill_between(x, *band, color=BAND, lw=0, label="90 % of single real images")
        lines.append(np.asarray(band[1], float))
    axes.plot(x, mean, color=REAL.color, lw=1.6, label="real training images, together")
    if floor is not None:
        axes.plot(x, floor, color=REAL.color, lw=1.2, ls=":", label="real held-out images, together")
    _lines(axes, x, models)
    unit = "" if curve["unit"] == "1" else f" ({curve['unit']})"
    axes.set(title=panel.title, xlabel=panel.x + unit, ylabel=panel.y, xscale=panel.scale, ylim=(0, None))
    axes.set_xlim(_where_it_happens(x, np.max(lines, axis=0), np.min(lines, axis=0)))
    if panel.scale == "log":
        _plain_log(axes, (1, 2, 3, 5, 7))


def _where_it_happens(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> tuple[float, float]:
    """Without the ends at which every line is 0, or still 1."""
    some = np.flatnonzero(upper > 0.005 * upper[0])
    alike = np.flatnonzero(lower < 0.995)
    first = max(alike[0] - 1, 0) if len(alike) else 0
    last = max(min(some[-1] + 1, len(x) - 1), first + 1)
    return x[first], x[last]


def _frequency(unit: str) -> str:
    return "cycles per " + {"px": "pixel"}.get(length, length) if (length := unit.removeprefix("1/")) != unit else unit


def training(model: str, tables: Mapping[int, pd.DataFrame]) -> str:
    """Every logged scalar of a generator over the images shown, a line for each seed.

    Args:
        tables: seed → table with the column `images` and one column a scalar. Scalars whose names begin alike
            (`loss/G`, `loss/D`) share a panel.

    Returns:
        SVG text.
    """
    panels = _panels(tables.values())
    with matplotlib.rc_context(RC):
        figure, grid = in_rows(len(panels), TRAINING_COLUMNS, 0, 2.5)
        for axes, (title, scalars) in zip(grid, panels.items(), strict=False):
            _training_panel(axes, tables, scalars)
            axes.set(title=f"{model}: {title}", xlabel="thousands of images shown")
            axes.set_ylabel(SCALARS.get(title, f"{title} (no unit)"), fontsize=8)
        return svg(figure)


def detectors(arms: Sequence[Arm], score: str) -> str:
    """Scores of every repetition, and the paired gain over the baseline with its interval.

    Args:
        arms: of one kind of detectors, the baseline first.
        score: name of the score, for the axis.

    Returns:
        SVG text.
    """
    looks = {arms[0].arm: REAL} | styles(arm.arm for arm in arms[1:])
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.15 + 0.42 * len(arms)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for y, arm in enumerate(arms):
            _detector_row(left, right, y, arm, looks[arm.arm])
        left.set_yticks(range(len(arms)), [arm.arm for arm in arms])
        left.set_ylim(len(arms) - 0.5, -0.5)
        left.tick_params(axis="y", labelsize=9.5, length=0)
        left.set(title="Each repetition, and their mean (bar)", xlabel=f"{score} on the held-out real images (%)")
        right.tick_params(axis="y", length=0)
        right.axvline(0, color="#111827", lw=1)
        right.set(title=f"Gain over {arms[0].arm}, with its interval", xlabel="percentage points")
        return svg(figure)


def class_gains(
    classes: Sequence[str], without: Sequence[float], arms: Mapping[str, Sequence[ClassEstimate]], score: str = "F1"
) -> str:
    """A score of each class with and without synthetic images, a panel for each arm.

    Args:
        classes: (K,) names.
        without: (K,) score in [0, 1] of the baseline.
        arms: of each arm with generators by its name, the (K,) classes.
        score: name of the score, for the axis.

    Returns:
        SVG text.
    """
    columns = min(len(arms), CLASS_COLUMNS)
    with matplotlib.rc_context(RC):
        figure, grid = in_rows(len(arms), columns, 0.75, 0.62 + 0.27 * len(classes), shared=True)
        for axes, (name, gains) in zip(grid, arms.items(), strict=False):
            for y, (base, gain) in enumerate(zip(without, gains, strict=True)):
                _class_row(axes, y, base, gain)
            axes.set_title(name, fontsize=9)
            axes.tick_params(axis="y", length=0)
        for axes in grid[max(len(arms) - columns, 0) : len(arms)]:  # nothing is drawn below these
            axes.tick_params(axis="x", labelbottom=True)
            axes.set_xlabel(f"{score} of the class (%)")
        grid[0].set_yticks(range(len(classes)), [shortened(name, LETTERS) for name in classes])
        left, right = grid[0].get_xlim()
        grid[0].set(ylim=(len(classes) - 0.5, -0.5), xlim=(max(left, -2.0), min(right, 102.0)))  # percent
        figure.legend(handles=_class_legend(), loc="outside upper center", ncols=5)
        return svg(figure)


def _class_row(axes: Axes, y: int, without: float, gain: ClassEstimate) -> None:
    most_likely, low, high = gain_of(gain)
    look = GAINS["gains" if low > 0 else "loses" if high < 0 else "unsure"]
    ends = [min(max(100 * (without + end), 0), 100) for end in (low, high)]
    axes.plot(ends, [y, y], color=look.color, lw=1.6, solid_capstyle="butt")
    axes.plot(100 * (without + most_likely), y, look.marker, color=look.color, ms=6, mew=0)
    axes.plot([100 * without] * 2, [y - 0.33, y + 0.33], color=REAL.color, lw=1.8)


def _class_legend() -> list[Line2D]:
    without = Line2D([], [], color=REAL.color, marker="|", ms=11, mew=1.8, ls="none", label="without a generator")
    words = {"gains": "surely gains", "loses": "surely loses", "unsure": "cannot tell"}
    return [without] + [
        Line2D([], [], color=GAINS[key].color, marker=GAINS[key].marker, lw=1.6, ms=6, mew=0, label=label)
        for key, label in words.items()
    ]


def precision_recall(panels: Mapping[str, Mapping[str, Sequence[float] | np.ndarray]]) -> str:
    """How many of the found boxes are right, while more and more of the true ones are found; a panel for each class.

    Args:
        panels: class → arm, the one without a generator first, → (101,) precision in [0, 1] at the recalls 0, 0.01 … 1.

    Returns:
        SVG text.
    """
    columns = min(max(len(panels), 4), PRECISION_COLUMNS)  # of fewer the panels would be huge
    first, *others = next(iter(panels.values()))
    looks = {first: REAL} | styles(others)
    with matplotlib.rc_context(RC):
        figure, grid = in_rows(len(panels), columns, 0.7, 2.4, shared=True)
        for axes, (name, lines) in zip(grid, panels.items(), strict=False):
            for i, (arm, line) in enumerate(lines.items()):
                look, every = looks[arm], (4 + 6 * i, 12)
                style: dict[str, Any] = {"color": look.color, "ls": look.line, "marker": look.marker, "ms": 4, "mew": 0}
                recall = np.linspace(0, 100, len(line))
                axes.plot(recall, 100 * np.asarray(line), **style, markevery=every, label=arm)
            axes.set_title(shortened(name, LETTERS), fontsize=9)
        for axes in grid[max(len(panels) - columns, 0) : len(panels)]:  # nothing is drawn below these
            axes.tick_params(axis="x", labelbottom=True)
            axes.set_xlabel("true boxes found (%)")
        grid[0].set(xlim=(0, 100), ylim=(0, 102), ylabel="precision (%)")
        figure.legend(*unique_legend(*grid), loc="outside lower center", ncols=2)
        return svg(figure)


def roc(lines: Mapping[str, tuple[np.ndarray, tuple[float, float] | None]], find: str, spare: str) -> str:
    """Mean ROC curves, and where the chosen thresholds lie on them.

    Args:
        lines: for each arm, the one without a generator first: (M, 2) corners of its curve, shares of false alarms and
            found; and the same two at its threshold, or None.
        find: name of the class to find.
        spare: name of the other.

    Returns:
        SVG text.
    """
    first, *others = lines
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(5.4, 5.6), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 100], [0, 100], color="#9ca3af", lw=1, ls=(0, (2, 2)), label="chance")
        for name, style in ({first: REAL} | styles(others)).items():
            curve, point = lines[name]
            axes.plot(*(100 * curve.T), color=style.color, ls=style.line, lw=1.5, label=name)
            if point is not None:
                axes.plot(100 * point[0], 100 * point[1], style.marker, color=style.color, ms=8, mec="white", mew=0.8)
        axes.set(xlim=(-1, 101), ylim=(-1, 101), aspect="equal")
        axes.set(xlabel=f"false alarms: {spare} taken for {find} (%)", ylabel=f"{find} found (%)")
        axes.legend(loc="lower right")
        return svg(figure)


def positions(rows: Sequence[Mapping[str, Any]], models: Sequence[str]) -> str:
    """Where each generator stands between the real images and noise, a line for each measure.

    Args:
        rows: a mapping for each measure: `label`, and `models`, name → (value, low, high) as multiples of the floor;
            `noise`, name → ratio.
        models: names in the order of the page.

    Returns:
        SVG text.
    """
    looks = styles(models)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 0.95 + 0.42 * len(rows)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(1, color=REAL.color, lw=1.4, label="floor: held-out real images")
        for y, row in enumerate(rows):
            _position_row(axes, y, row, looks)
        axes.set(xscale="log", xlabel="times the floor (log scale); further left is closer to the real images")
        _plain_log(axes, (1, 2, 5))
        axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        figure.legend(*unique_legend(axes), loc="outside lower center", ncols=6)
        return svg(figure)


def _position_row(axes: Axes, y: int, row: Mapping[str, Any], looks: Mapping[str, Style]) -> None:
    for (name, value), marker in zip(row["noise"].items(), "x+12", strict=False):
        axes.plot(value, y, marker, color="#6b7280", ms=7, mew=1.6, ls="none", label=f"no skill: {name}")
    for offset, (name, style) in zip(np.linspace(-0.16, 0.16, max(2, len(looks))), looks.items(), strict=False):
        if name in row["models"]:
            value, low, high = row["models"][name]
            axes.plot([low, high], [y + offset] * 2, color=style.color, lw=1.5)
            axes.plot(value, y + offset, style.marker, color=style.color, ms=6, ls="none", label=name)


def in_rows(count: int, columns: int, around: float, each: float, shared: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels in rows, and its places in their order; those left over stay blank.

    Args:
        around: inches of height beside the rows.
        each: of a row.
        shared: whether all have the same axes.
    """
    rows = max(1, -(-count // columns))
    figure = Figure(figsize=(WIDTH, around + each * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared).ravel()
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, list(grid)


def unique_legend(*panels: Axes) -> tuple[list, list]:
    found = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    unique = {label: handle for handle, label in found}
    return list(unique.values()), list(unique)


def _detector_row(left: Axes, right: Axes, y: int, arm: Arm, style: Style) -> None:
    scores = 100 * np.asarray(arm.repetitions, float)
    left.plot(scores, np.full(len(scores), y), style.marker, color=style.color, ms=5, alpha=0.75, ls="none")
    left.plot([100 * arm.score] * 2, [y - 0.28, y + 0.28], color=style.color, lw=2.4)
    if arm.gain is not None:
        gain, low, high = gain_of(arm)
        right.plot([100 * low, 100 * high], [y, y], color=style.color, lw=2)
        right.plot(100 * gain, y, style.marker, color=style.color, ms=7, ls="none")


def _panels(tables) -> dict[str, list[str]]:
    """Scalars by the part of their name before the `/`, in order of appearance."""
    panels: dict[str, list[str]] = {}
    for table in tables:
        for scalar in table.columns.drop(NOT_DRAWN, errors="ignore"):
            names = panels.setdefault(scalar.split("/")[0], [])
            if scalar not in names:
                names.append(scalar)
    return panels


def _training_panel(axes: Axes, tables: Mapping[int, pd.DataFrame], scalars: Sequence[str]) -> None:
    for scalar, style in styles(scalars).items():
        for i, table in enumerate(tables.values()):
            if scalar in table:
                kimg, value = _thin(table["images"].to_numpy(float) / 1000, table[scalar].to_numpy(float))
                label = scalar.split("/", 1)[-1] if i == 0 else None
                axes.plot(kimg, value, color=style.color, ls=style.line, lw=1.2, alpha=0.9 / (1 + 0.5 * i), label=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlim(left=0)


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most POINTS points: means of neighbours; rows in which the scalar was not computed are left out."""
    known = np.isfinite(y)
    x, y = x[known], y[known]
    parts = min(len(x), POINTS)
    if parts == 0:
        return x, y
    a, b = (np.array([part.mean() for part in np.array_split(values, parts)]) for values in (x, y))
    return a, b


def svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
