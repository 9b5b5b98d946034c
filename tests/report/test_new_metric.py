"""A metric that has a row in the catalogue is told everywhere; one without a row is an error that names it."""

import json

import pytest

from pipeline.evaluation import catalog, panel
from pipeline.evaluation.catalog import Metric
from pipeline.report import findings, front_table, latex, ranking, sentences, tables
from pipeline.report.verdict import Verdict, verdict
from pipeline.settings import UserError

SHINE = Metric(
    name="shine",
    title="Shine of the surface",
    short="shine",
    question="shine",
    reading="How bright the brightest places are.",
    group="texture",
    unit="cd",
    better="higher",
    extractors=("pixels",),
    images=4,
    headline={"pixels": 99},
)


def write(path, model, seed, *numbers):
    keys = ("extractor", "metric", "value", "low", "high")
    rows = [dict(zip(keys, of, strict=True)) | {"class": None, "n": 50, "model": model} for of in numbers]
    path.write_text(json.dumps({"dataset": "steel", "model": model, "seed": seed, "metrics": rows}), encoding="utf-8")
    return path


@pytest.fixture
def scores(tmp_path, monkeypatch):
    monkeypatch.setitem(catalog.METRICS, "shine", SHINE)
    numbers = {"real": (9.0, 8.9, 9.1), "dull": (2.0, 1.9, 2.1), "bright": (9.0, 8.8, 9.2)}
    files = [
        write(tmp_path / f"{model}.json", model, None if model == "real" else 0, ("pixels", "shine", *of))
        for model, of in numbers.items()
    ]
    return tables.scores(tables.summary(files))


def test_one_row_brings_a_metric_into_tables_ranking_latex_and_verdict(scores):
    models = ["dull", "bright"]
    (group,) = ranking.table(scores, models)["groups"]
    (line,) = group["rows"]
    assert (group["title"], line["title"]) == ("Texture and spectrum", "Shine of the surface, cd")
    assert (line["direction"], line["reading"]) == ("↑ higher is closer", SHINE.reading)
    assert [cell["place"] for cell in line["cells"]] == [None, "below the floor", "at the floor"]
    (ranked,) = findings.overall(scores, models)
    assert [model for model, _ in ranked.models] == ["bright", "dull"]
    assert r"Shine of the surface, cd $\uparrow$ & 50 &" in latex.table(scores, models, "steel")
    assert "shine 2.00 against 9.00" in sentences.verdict(verdict(scores, "dull", {}))
    assert verdict(scores, "bright", {}) == Verdict("bright", within=["shine"], throughout=True)
    titles = [column["title"] for column in front_table.headline(scores, models, [])["columns"]]
    assert titles == ["Shine of the surface, cd"]
    assert panel._key({"extractor": "pixels", "metric": "shine"}) == "final/shine"


@pytest.mark.parametrize(("extractor", "name"), [("pixels", "shine"), ("pixels", "kid"), ("random", "copied")])
def test_an_unknown_metric_is_an_error_that_names_file_and_metric(tmp_path, extractor, name):
    path = write(tmp_path / "evaluation.json", "sg2", 0, (extractor, name, 1.0, 0.9, 1.1))
    with pytest.raises(UserError, match=rf"evaluation.json: metric `{name}` of `{extractor}` is unknown"):
        tables.summary([path])
    table = tmp_path / "summary.csv"
    table.write_text(
        f"{','.join(tables.COLUMNS)}\nsteel,generator,sg2,0,{extractor},{name},set,,1,0.9,1.1,50,\n", encoding="utf-8"
    )
    with pytest.raises(UserError, match=rf"summary.csv: metric `{name}` of `{extractor}` is unknown"):
        tables.read(table)
