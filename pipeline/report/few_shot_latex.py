"""Few shots as a table for a paper, to follow that of the measures in `table.tex`."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.downstream.records import Arm
from pipeline.report.few_shot_curves import WITHOUT, Curves
from pipeline.report.labels import gain_of, number_of_images, often
from pipeline.report.latex import escaped, floating, row
from pipeline.report.sentences import like

CAPTION = (
    "{family}: {score} of {task} in \\% over the real training images a class, mean of up to {repeats} repetitions on"
    " the same {n_test} test images. Below, the paired gain over the strongest training without a generator in points"
    " (95\\,\\% interval for repetitions and test images, of all rows of a column together), and the real images a"
    " class that score the same without a generator."
)


def table(curves: Curves) -> str:
    """A floating table over the width of the page, three lines an arm; it needs the package booktabs."""
    first = curves.points[0]
    facts = {"repeats": often(list(first.arms.values())), "n_test": first.first.n_test, "task": curves.task}
    caption = CAPTION.format(family=escaped(curves.family), score=curves.score, **facts)
    strongest = [f"{100 * point.first.score:.1f} ({escaped(point.first.arm)})" for point in curves.points]
    lines = [
        row(["", *map(number_of_images, curves.images)]),
        "\\midrule",
        row([f"strongest {WITHOUT}", *strongest]),
        "\\midrule",
    ]
    for name in curves.generators:
        lines += _arm(name, [point.arms.get(name) for point in curves.points])
    return floating(caption, f"shots-{curves.family}-{curves.task}", "l" + "r" * len(curves.points), lines)


def _arm(name: str, arms: Sequence[Arm | None]) -> list[str]:
    scores = ["--" if arm is None else f"{100 * arm.score:.1f}" for arm in arms]
    gains = ["" if arm is None else gain(arm) for arm in arms]
    worths = [like(arm.label_efficiency) if arm and arm.label_efficiency else "" for arm in arms]
    return [row([escaped(name), *scores]), row(["", *gains]), row(["", *worths])]


def gain(arm: Arm) -> str:
    """In points, with its interval as sub- and superscript; empty for the baseline."""
    if arm.gain is None:
        return ""
    gain, low, high = (f"{100 * share:+.1f}" for share in gain_of(arm))
    return f"${gain}_{{\\,{low}}}^{{\\,{high}}}$"
