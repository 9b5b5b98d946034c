"""`table.tex`: the numbers of a data set as a table for a paper, to be read with `\\input`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.base.files import write_whole
from pipeline.evaluation.catalog import GROUPS, METRICS
from pipeline.report import labels, tables
from pipeline.report.findings import closest_alone
from pipeline.report.tables import FLOOR, Judged, Reference, Score
from pipeline.report.verdict import Scores

ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "equal": r"$\approx$"}
SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"}
SPECIAL |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {"<": r"\textless{}", ">": r"\textgreater{}", "∞": r"$\infty$"}
CAPTION = (
    "{dataset}: synthetic images compared with the real training images, $n$ with $n$. \\emph{{real}}: held-out real"
    " images, the noise floor; \\emph{{noise}} and \\emph{{blurred noise}}: images without any skill. Sub- and"
    " superscripts: 95\\,\\% interval (of several training seeds the lowest and the highest end), none for too few"
    " images. $\\downarrow$, $\\uparrow$: lower, higher is closer; $\\approx$: like the floor is best. Bold: the"
    " closest generator, where its interval leaves a gap to those of all"
    " others. Random features are those of fixed random networks; their Fréchet distance is not FID."
)


def write(numbers: pd.DataFrame, datasets: Sequence[str], folder: Path, more: Mapping[str, str]) -> None:
    """Write `{dataset}/table.tex` into a folder for each data set, whole or not at all.

    Args:
        numbers: `tables.summary`.
        datasets: names; one without numbers gets a file that says so in a comment.
        more: LaTeX text that follows the table of a data set.
    """
    for dataset in datasets:
        mine = numbers[numbers["dataset"] == dataset]
        models = list(dict.fromkeys(mine.loc[mine["kind"] == "generator", "model"]))
        out = folder / dataset / "table.tex"
        text = table(tables.scores(mine), models, dataset) + more.get(dataset, "")
        write_whole(out, text.encode())


def table(scores: Scores, models: Sequence[str], dataset: str) -> str:
    """A floating table over the width of the page, a row a measure; it needs the package booktabs.

    Args:
        scores: of one data set; numbers of single classes are left out.
        models: the generators among them, in the order of the columns.
        dataset: its name.
    """
    there = dict.fromkeys(name for name, *_, label in scores if label is None)
    noise = [of for of in there if isinstance(of, Reference) and of != FLOOR]
    names = [name for name in (FLOOR, *models, *noise) if name in there]
    if not names:
        return f"% {dataset}: nothing was measured\n"
    columns = "l" + "r" * (len(names) + 1)
    lines = [row(["", "$n$", *map(_head, names)])]
    measures = dict.fromkeys((extractor, metric) for _, extractor, metric, label in scores if label is None)
    best = closest_alone(scores, models)
    for group, title in GROUPS.items():
        mine = [measure for measure in measures if METRICS[measure[1]].group == group]
        if mine:
            lines += ["\\midrule", f"\\multicolumn{{{len(columns)}}}{{l}}{{\\emph{{{escaped(title)}}}}} \\\\"]
            lines += [_measure(scores, *measure, names, best.get(measure)) for measure in mine]
    return "% needs \\usepackage{booktabs}\n" + floating(
        CAPTION.format(dataset=escaped(dataset)), dataset, columns, lines
    )


def floating(caption: str, label: str, columns: str, lines: Iterable[str], kind: str = "table*") -> str:
    """A table of these lines, with booktabs' rules; `table*` is as wide as the page."""
    return "\n".join(
        [
            f"\\begin{{{kind}}}",
            "\\centering\\small",
            f"\\caption{{{caption}}}",
            f"\\label{{tab:{re.sub('[^A-Za-z0-9_]+', '-', label)}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            *lines,
            "\\bottomrule",
            "\\end{tabular}",
            f"\\end{{{kind}}}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """As LaTeX text that shows these characters."""
    return re.sub("[" + re.escape("".join(SPECIAL)) + "]", lambda found: SPECIAL[found[0]], text)


def _head(of: Judged) -> str:
    return escaped(of) if isinstance(of, str) else f"\\emph{{{escaped(of.name)}}}"


def _measure(scores: Scores, extractor: str, metric: str, names: Sequence[Judged], best: str | None) -> str:
    found = {name: scores.get((name, extractor, metric, None)) for name in names}
    counts = sorted({score.n for score in found.values() if score})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]}--{counts[-1]}"
    cells = [_cell(score, name == best) if score else "--" for name, score in found.items()]
    title = f"{escaped(METRICS[metric].title_of(extractor))} {ARROWS[METRICS[metric].better]}"
    return row([title, n, *cells])


def _cell(score: Score, bold: bool) -> str:
    value = f"\\mathbf{{{_number(score.value)}}}" if bold else _number(score.value)
    if not score.sure:
        return f"${value}$"
    return f"${value}_{{\\,{_number(score.low)}}}^{{\\,{_number(score.high)}}}$"


def _number(value: float) -> str:
    """As on the page, in the words of LaTeX's formulas."""
    text = labels.number(value).replace("−", "-").replace("\u202f", "\\,").replace("–", "\\text{--}")
    return re.sub(r" · 10\^(-?\d+)", r" \\cdot 10^{\1}", text)


def row(cells: Iterable[str]) -> str:
    """A line of a table."""
    return " & ".join(cells) + " \\\\"
