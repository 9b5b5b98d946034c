"""Names of classes and models are the user's: whatever they are, no number passes for another's."""

import itertools
import json

import numpy as np
import pytest
from markupsafe import Markup

from pipeline.report import console, figures, front_table, latex, ranking, tables
from pipeline.report.inputs import DatasetInputs, RunInputs
from pipeline.report.page import breakable, coded, write
from pipeline.report.tables import FLOOR, Reference
from pipeline.report.verdict import verdict
from tests.report.arms import change
from tests.report.made_up_run import compare, detection, write_results, write_set
from tests.report.reading import read

CLASSES = ["all", "noise", "real", "floor", "mean", "NA", "set", "all classes", "$\\frac{a$", "real+all", ""]
MODELS = ["real", "noise", "floor", "ceiling", "duplicates", "augmented", "real_only", "NA"]
REFERENCES = [FLOOR, Reference("noise baseline", "noise"), Reference("noise baseline", "blurred noise")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Evaluations in which every number is another one, and `expected`: whose it is, by the keys of `scores`."""
    root, numbers, expected = tmp_path_factory.mktemp("hostile"), itertools.count(1), {}

    def row(whose, metric, label):
        expected[whose, "random", metric, label] = value = float(next(numbers))
        name = whose if isinstance(whose, str) else whose.name
        found = {"model": name, "extractor": "random", "metric": metric, "class": label, "n": 30}
        return found | {"value": value, "low": value - 0.1, "high": value + 0.1}

    def evaluation(path, model, seed, judged):
        asked = [("frechet", None), ("kid", None), *(("kid", label) for label in CLASSES)]
        body = {"dataset": "steel", "model": model, "seed": seed, "n_sample": 30, "n_reference": 30, "notes": []}
        body["metrics"] = [row(whose, metric, label) for whose in judged for metric, label in asked]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(body), encoding="utf-8")

    evaluation(root / "steel/real/evaluation.json", "real", None, REFERENCES)
    for model in MODELS:
        evaluation(root / model / "evaluation.json", model, 0, [model])
    inputs = DatasetInputs(root / "steel/real", [RunInputs(model, 0, root / model) for model in MODELS])
    return inputs, expected, root


@pytest.fixture(scope="module")
def scores(made):
    return tables.scores(tables.summary(made[0].evaluations()))


def test_every_number_keeps_its_place(made, scores):
    assert {key: score.value for key, score in scores.items()} == made[1]
    assert all(score.seeds == 1 for score in scores.values())  # none was averaged with another


def test_they_survive_the_file(made, tmp_path):
    table = tables.summary(made[0].evaluations())
    tables.write_summary(made[0].evaluations(), tmp_path / "summary.csv", [])
    read = tables.read(tmp_path / "summary.csv")[tables.MEASURED]
    assert read.equals(table.astype(read.dtypes))


def test_the_tables_of_the_page_show_each_where_it_belongs(made, scores):
    columns = ranking.columns(scores, MODELS)
    assert [column["key"] for column in columns] == [FLOOR, *MODELS, *REFERENCES[1:]]
    assert [column["kind"] for column in columns] == ["floor"] + ["model"] * len(MODELS) + ["noise"] * 2
    every = ranking.every(scores, MODELS, CLASSES)["rows"]
    shown = {(row["measure"], row["label"]): [cell["value"] for cell in row["cells"]] for row in every}
    assert len(shown) == len(every) == 2 + len(CLASSES)
    for label in [None, *CLASSES]:
        expected = [made[1][column["key"], "random", "kid", label] for column in columns]
        assert shown["Kernel distance", label] == expected
    (by_class,) = ranking.by_class(scores, MODELS, CLASSES)
    assert [row["label"] for row in by_class["rows"]] == CLASSES


def test_the_first_table_is_of_the_whole_set(made, scores):
    rows = front_table.headline(scores, MODELS, [])["rows"]
    shown = {row["key"]: row["cells"][0]["value"] for row in rows}
    assert shown == {key: made[1][key, "random", "frechet", None] for key in [*REFERENCES, *MODELS]}


def test_verdicts_ask_each_class_by_its_name(scores):
    found = verdict(scores, "noise", {})
    assert found.worst.label in CLASSES
    assert found.missing == []
    less = {key: score for key, score in scores.items() if key[0] != "noise" or key[3] != "all"}
    assert verdict(less, "noise", {}).missing == ["all"]


def test_the_table_for_a_paper_sets_references_apart(scores):
    head = next(line for line in latex.table(scores, MODELS, "steel").splitlines() if line.startswith(" & $n$"))
    assert r"\emph{real} & real & noise &" in head
    assert r"NA & \emph{noise} & \emph{blurred noise} \\" in head
    assert r"\label{tab:a_b}" in latex.table(scores, MODELS, "a_b")
    assert r"\label{tab:a__b}" in latex.table(scores, MODELS, "a__b")


def test_the_console_does_too(made):
    table = console.measures(tables.summary(made[0].evaluations()))
    assert list(table) == ["held-out real", *MODELS, "noise (no skill)", "blurred noise (no skill)"]
    assert table.loc["Fréchet distance (random features)", "noise"] == made[1]["noise", "random", "frechet", None]


def test_a_page_of_them_is_drawn_and_can_be_filtered(made, monkeypatch):
    inputs, _, root = made
    write_set(inputs.real, np.random.default_rng(0), CLASSES, {"train": 1}, "a.tif")
    (root / "steel/detection").mkdir()
    arms = ["real", "augmented", "balanced", "real+real", "real+duplicates", "real+all", "real-only"]
    results = [
        detection(arm, np.random.default_rng(i), CLASSES, 0.9 - i / 20, 10, models=MODELS) for i, arm in enumerate(arms)
    ]
    drawn = [write_results(root / "steel/detection/arms.json", *results)]
    given = compare("steel", DatasetInputs(inputs.real, inputs.runs, detection=drawn))
    settings = {"seeds": [0], "datasets": {"steel": {}}, "models": {}}
    monkeypatch.setattr(figures, "svg", lambda figure: "<svg/>")  # drawing takes most of a page's time
    write(root / "report.html", root / "summary.csv", {"steel": given}, settings)
    page = read(root / "steel/report.html")
    values = [a["data-label"] for tag, a in page.elements if tag == "tr" and "data-label" in a]
    assert sorted(values) == sorted(["set", "set", *(f"class {label}" for label in CLASSES)])
    choices = page.all("option", "value")
    assert set(values) <= set(choices)
    assert len(choices) == len(set(choices))
    assert "real+duplicates" in page.words()


@pytest.mark.parametrize("name", ["x" * 300, "$\\frac{a$", "a\nb", "a\rb"])
def test_figures_have_room_for_any_name_of_a_class(name):
    gains = [change(label, 0.1, 0.05, 0.2) for label in (name, "b")]
    assert figures.class_gains([name, "b"], [0.5, 0.6], {"real+a": gains}).startswith("<svg")
    assert figures.precision_recall({name: {"real": np.linspace(1, 0, 101)}}).startswith("<svg")


@pytest.mark.parametrize("name", ["x" * 200, "a-" * 60, "<b>_" + "&" * 50, "", "rolled-in_scale", "two\nlines"])
def test_no_name_makes_a_table_wider_than_the_page(name):
    parts = breakable(name).split("<wbr>")
    assert "".join(Markup(part).unescape() for part in parts) == name
    assert all(len(Markup(part).unescape()) <= 40 for part in parts)


def test_what_stands_in_backticks_is_code_and_stays_text():
    assert coded("a larger `size`, or `fit: <tile>`") == (
        "a larger <code>size</code>, or <code>fit: &lt;tile&gt;</code>"
    )
    assert coded("one ` alone & <b>") == "one ` alone &amp; &lt;b&gt;"
