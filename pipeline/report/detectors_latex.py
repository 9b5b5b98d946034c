"""The detectors of a data set as a table for a paper, to follow that of the measures in `table.tex`."""

from __future__ import annotations

from pipeline.downstream.records import Arm, Comparison
from pipeline.report.few_shot_latex import gain
from pipeline.report.labels import DETECTORS, often
from pipeline.report.latex import escaped, floating, row
from pipeline.report.sentences import verdict_of

CAPTION = (
    "{dataset}: {score} of {task} in \\%, mean of up to {repeats} repetitions on the same {n_test} real test images"
    " ({n_groups} groups), and the paired gain over {baseline}, the strongest training without a generator, in points"
    " (95\\,\\% interval for repetitions and test images, of all generators together). Sees: the smallest gain that"
    " such a comparison calls \\emph{{helps}} in four of five repeats. Verdicts in brackets are of controls,"
    " which add real images."
)


def table(comparison: Comparison) -> str:
    """A floating table for each kind of detectors; empty without any. It needs the package booktabs."""
    return "".join(_table(comparison.dataset, arms) for task in DETECTORS if (arms := comparison.of(task)))


def _table(dataset: str, arms: list[Arm]) -> str:
    first = arms[0]
    facts = {"score": DETECTORS[first.task].score, "task": first.task, "repeats": often(arms)}
    facts |= {"n_test": first.n_test, "n_groups": first.n_groups, "baseline": escaped(first.arm)}
    head = row(["trained on", "real", "added", "score", "gain", "sees", "verdict"])
    lines = [head, "\\midrule", *map(_row, arms)]
    caption = CAPTION.format(dataset=escaped(dataset), **facts)
    return floating(caption, f"detectors-{dataset}-{first.task}", "lrrrrrl", lines, "table")


def _row(arm: Arm) -> str:
    cells = [escaped(arm.arm), str(arm.n_real), str(arm.n_synthetic), f"{100 * arm.score:.1f}", gain(arm)]
    cells.append("" if arm.detects is None or not arm.generative else f"{100 * arm.detects:.1f}")
    return row([*cells, verdict_of(arm)])
