"""The map of real and synthetic images, drawn: a panel of the real ones, and one of each generator upon them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes

from pipeline.base.texts import shortened
from pipeline.report.figures import LETTERS, RC, in_rows, svg, unique_legend
from pipeline.report.style import Style, styles

if TYPE_CHECKING:
    from pipeline.report.feature_map import Map, Placed

COLUMNS = 4
TOLD_APART = 12  # classes; of more, all are drawn alike
ALL = Style("#0072B2", "-", "o")
GRAY = "#c3c8cf"


def draw(held_out: Map, generators: Mapping[str, Map], classes: Sequence[str]) -> str:
    """SVG text.

    Args:
        held_out: of real images, of which there may be none held out.
        generators: by name, in order.
        classes: names that the numbers of the images stand for.
    """
    looks = list(styles(classes).values()) if len(classes) <= TOLD_APART else [ALL] * len(classes)
    with matplotlib.rc_context(RC):
        figure, grid = in_rows(1 + len(generators), COLUMNS, 0.5, 3.1)
        _scatter(grid[0], held_out.training, looks, classes, filled=True)
        _scatter(grid[0], held_out.other, looks, classes, filled=False)
        _head(grid[0], "Real, held out: hollow", held_out)
        for axes, (name, of_it) in zip(grid[1:], generators.items(), strict=False):
            axes.plot(*of_it.training.points.T, "o", ms=3, mew=0, color=GRAY, label="real training images")
            _scatter(axes, of_it.other, looks, classes, filled=True)
            _head(axes, shortened(name, LETTERS), of_it)
        figure.legend(*unique_legend(*grid), loc="outside lower center", ncols=6)
        return svg(figure)


def _head(axes: Axes, title: str, of_it: Map) -> None:
    axes.set(title=f"{title} ({100 * of_it.share:.0f} %)", xticks=[], yticks=[])


def _scatter(axes: Axes, placed: Placed, looks: Sequence[Style], classes: Sequence[str], filled: bool) -> None:
    for k, look in enumerate(looks):
        label = shortened(classes[k], LETTERS) if len(looks) <= TOLD_APART else "all classes"
        axes.plot(
            *placed.points[placed.labels == k].T,
            ls="",
            marker=look.marker,
            ms=4,
            color=look.color,
            mew=0 if filled else 0.9,
            mfc=look.color if filled else "none",
            alpha=0.75 if filled else 1,
            label=label if filled else "_held out",
        )
