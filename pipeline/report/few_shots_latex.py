"""Few shots as a table for a paper, to follow that of the measures in `table.tex`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.detection.worth import Worth
from pipeline.report.few_shots import WITHOUT, Arm, Curves
from pipeline.report.few_shots_words import like
from pipeline.report.labels import number_of_images
from pipeline.report.latex import escaped

CAPTION = (
    "{family}: {score} of {task} in \\% over the real training images a class, mean of {repeats} repetitions on the"
    " same {n_test} test images. Below, the paired gain over the strongest training without a generator in points"
    " (95\\,\\% interval for repetitions and test images, of all rows of a column together), and the real images a"
    " class that score the same without a generator."
)


def table(curves: Curves) -> str:
    """A floating table over the width of the page, three lines an arm; it needs the package booktabs."""
    first = curves.points[0].first
    facts = {"repeats": len(first["scores"]), "n_test": first["n_test"], "task": curves.task.name}
    caption = CAPTION.format(family=escaped(curves.family), score=curves.task.score, **facts)
    name = re.sub("[^A-Za-z0-9_]+", "-", f"{curves.family}-{curves.task.name}")
    strongest = [f"{100 * point.first['mean']:.1f} ({escaped(point.first['arm'])})" for point in curves.points]
    lines = [
        "\\begin{table*}",
        "\\centering\\small",
        f"\\caption{{{caption}}}",
        f"\\label{{tab:shots-{name}}}",
        f"\\begin{{tabular}}{{l{'r' * len(curves.points)}}}",
        "\\toprule",
        _row(["", *map(number_of_images, curves.images)]),
        "\\midrule",
        _row([f"strongest {WITHOUT}", *strongest]),
        "\\midrule",
    ]
    for name, worths in curves.worths.items():
        lines += _arm(name, [point.arms.get(name) for point in curves.points], worths)
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table*}", ""])


def _arm(name: str, arms: Sequence[Arm | None], worths: Sequence[Worth | None]) -> list[str]:
    scores = ["--" if arm is None else f"{100 * arm['mean']:.1f}" for arm in arms]
    gains = ["" if arm is None else _gain(arm) for arm in arms]
    return [_row([escaped(name), *scores]), _row(["", *gains]), _row(["", *(like(of) if of else "" for of in worths)])]


def _gain(arm: Arm) -> str:
    gain, low, high = (f"{100 * arm[key]:+.1f}" for key in ("difference", "low", "high"))
    return f"${gain}_{{\\,{low}}}^{{\\,{high}}}$"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + " \\\\"
