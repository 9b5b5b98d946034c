"""The table for a paper is LaTeX that any TeX reads: no TeX is here to prove it, so its structure is checked."""

import re

import pandas as pd
import pytest

from pipeline.report import latex, tables
from pipeline.report.tables import Score
from tests.report.scores import frechet, score

HOSTILE = r"a_b%c&d#e$f{g}h~i^j\k<l>"


def test_a_number_of_too_few_images_has_no_interval():
    table = latex.table(frechet(a=Score(2.5, float("nan"), float("nan"), 9, 1)), ["a"], "steel")
    assert "& 9 & $2.50$ \\\\" in table


@pytest.fixture(scope="module")
def made(whole_run):
    """Table of the made-up run, with a hostile name for one of its generators."""
    numbers = tables.summary([whole_run.inputs.evaluation, *(run.evaluation for run in whole_run.inputs.runs)])
    numbers["model"] = numbers["model"].replace("cgan", HOSTILE)
    return latex.table(tables.scores(numbers), [HOSTILE, "sg2"], HOSTILE)


def unescaped(text, character):
    """How often TeX would read the character as a command of its own."""
    return len(re.findall(r"(?<!\\)" + re.escape(character), text))


def test_braces_dollars_and_environments_are_balanced(made):
    depth = 0
    for character in re.sub(r"\\[{}]", "", made):
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    for line in made.splitlines():
        assert unescaped(line, "$") % 2 == 0, line
    assert re.findall(r"\\begin\{(.+?)\}", made) == re.findall(r"\\end\{(.+?)\}", made)[::-1]


def test_every_row_has_a_cell_for_every_column(made):
    columns = len(re.search(r"\\begin\{tabular\}\{(.+?)\}", made)[1])
    assert columns == 2 + 5  # measure, n; floor, two generators, two noise baselines
    rows = [line for line in made.splitlines() if line.endswith(r"\\")]
    assert sum(line.startswith(r"\multicolumn{7}{l}") for line in rows) == 5  # groups
    for line in rows:
        if not line.startswith(r"\multicolumn"):
            assert unescaped(line, "&") == columns - 1, line


def test_names_are_text_and_nothing_else(made):
    text = r"a\_b\%c\&d\#e\$f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k\textless{}l\textgreater{}"
    assert latex.escaped(HOSTILE) == text
    assert latex.escaped("FID∞") == r"FID$\infty$"
    assert made.count(text) == 2  # the caption and a column
    assert [line for line in made.splitlines() if unescaped(line, "%")] == [r"% needs \usepackage{booktabs}"]
    assert unescaped(made, "#") == 0
    assert r"\label{tab:a_b-c-d-e-f-g-h-i-j-k-l-}" in made


def test_underscores_and_carets_occur_in_formulas_only(made):
    outside = re.sub(r"(?<!\\)\$.*?(?<!\\)\$|\\label\{.*?\}", "", made)
    assert unescaped(outside, "_") == unescaped(outside, "^") == 0


def test_a_row_by_hand():
    scores = frechet(real=score(2, 0.5), a=score(8.25, 1), b=score(1234, 56, 70), noise=Score(1.5e-7, -0.01, 3, 60, 1))
    row = next(line for line in latex.table(scores, ["a", "b"], "steel").splitlines() if line.startswith("Fréchet"))
    assert row == (
        r"Fréchet distance (random features) $\downarrow$ & 60--70 & $2.00_{\,1.50}^{\,2.50}$"
        r" & $\mathbf{8.25}_{\,7.25}^{\,9.25}$ & $1\,234_{\,1\,178}^{\,1\,290}$"
        r" & $1.5 \cdot 10^{-7}_{\,-0.0100}^{\,3.00}$ \\"
    )


@pytest.mark.parametrize(
    ("models", "bold"),
    [
        ({"a": score(3, 0.2), "b": score(4, 0.2)}, 1),
        ({"a": score(3, 0.6), "b": score(4, 0.6)}, 0),  # the intervals overlap
        ({"a": score(3, 0.1)}, 0),  # nothing to be better than
        ({}, 0),
    ],
)
def test_bold_is_a_generator_with_a_gap_to_the_others(models, bold):
    made = latex.table(frechet(real=score(1, 0.1), noise=score(99, 1), **models), list(models), "steel")
    assert made.count(r"\mathbf") == bold


def test_a_number_that_one_of_them_lacks_and_a_data_set_without_any(tmp_path):
    scores = frechet(real=score(1, 0.1), a=score(3, 0.2)) | {("a", "random", "recall", None): score(0.5, 0.1)}
    assert "Recall (random features) $\\uparrow$ & 60 & -- & $0.500" in latex.table(scores, ["a"], "steel")
    latex.write(pd.DataFrame(columns=tables.COLUMNS), ["my_steel"], tmp_path, {})
    assert (tmp_path / "my_steel" / "table.tex").read_text() == "% my_steel: nothing was measured\n"


def test_only_generators_have_a_seed_and_floor_comes_first_ceilings_last(whole_run, tmp_path):
    numbers = tables.summary([whole_run.inputs.evaluation, *(run.evaluation for run in whole_run.inputs.runs)])
    latex.write(numbers, ["steel"], tmp_path, {"steel": "% more\n"})
    head = next(line for line in (tmp_path / "steel/table.tex").read_text().splitlines() if line.startswith(" & $n$"))
    assert head == r" & $n$ & \emph{real} & cgan & sg2 & \emph{noise} & \emph{blurred noise} \\"
