import json
import math

import pandas as pd
import pytest

from pipeline.evaluation.catalog import METRICS
from pipeline.report import dataset_page, labels, tables
from pipeline.report.inputs import collect
from pipeline.settings import UserError, load


def evaluation(path, model, seed, rows):
    path.write_text(json.dumps({"dataset": "steel", "model": model, "seed": seed, "metrics": rows}), encoding="utf-8")
    return path


def row(value, low, high, n=50, **more):
    base = {"extractor": "random", "metric": "frechet", "class": None, "value": value, "low": low, "high": high}
    return base | {"n": n} | more


def test_summary_has_a_row_for_every_number_of_every_file(tmp_path):
    real = [row(1, 0.9, 1.1, model="real"), row(90, 80, 95, model="noise")]
    files = [
        evaluation(tmp_path / "a.json", "real", None, real),
        evaluation(tmp_path / "b.json", "sg2", 3, [row(2, 1.5, 2.5)]),
    ]
    table = tables.write_summary(files, tmp_path / "summary.csv", [])
    written = pd.read_csv(tmp_path / "summary.csv", dtype={"seed": "Int64"})
    assert list(written.columns) == tables.COLUMNS
    assert written["kind"].tolist() == ["floor", "noise baseline", "generator"]
    assert written["scope"].tolist() == ["set"] * 3
    assert written["model"].tolist() == table["model"].tolist() == ["real", "noise", "sg2"]
    assert written["value"].tolist() == [1, 90, 2]
    assert written["seed"].isna().tolist() == [True, True, False]
    assert written["seed"][2] == 3
    assert not (tmp_path / "summary.csv.part").exists()


def of_seeds(tmp_path, *rows):
    """The score of a generator with one of these rows of each seed."""
    files = [evaluation(tmp_path / f"{seed}.json", "sg2", seed, [of]) for seed, of in enumerate(rows)]
    return tables.scores(tables.summary(files))["sg2", "random", "frechet", None]


def test_scores_are_the_mean_over_seeds_with_an_interval_that_holds_all_seeds(tmp_path):
    score = of_seeds(tmp_path, row(2.0, 1.5, 2.2, 60), row(5.0, 4.0, 7.0, 40))
    assert score == tables.Score(value=3.5, low=1.5, high=7.0, n=40, seeds=2)


def test_a_number_that_is_not_finite_is_missing_and_not_averaged(tmp_path):
    assert of_seeds(tmp_path, row(math.nan, math.nan, math.nan), row(5.0, 4.0, 7.0)).seeds == 1


def test_a_seed_with_too_few_images_for_an_interval_leaves_none(tmp_path):
    score = of_seeds(tmp_path, row(2.0, None, None), row(4.0, 3.5, 5.0))
    assert score.value == 3
    assert math.isnan(score.low)
    assert not score.sure


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"model": "a"}', '{"dataset": "d", "model": "m", "seed": 0, "metrics": [{}]}']
)
def test_a_file_that_is_no_evaluation_is_named(tmp_path, text):
    path = tmp_path / "evaluation.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"evaluation\.json"):
        tables.summary([path])


def test_no_evaluation_gives_an_empty_table_with_its_columns(tmp_path):
    table = tables.write_summary([], tmp_path / "summary.csv", [])
    assert table.empty
    assert (
        tmp_path / "summary.csv"
    ).read_text().strip() == "dataset,kind,model,seed,extractor,metric,scope,class,value,low,high,n,verdict"


def test_timings_of_repeated_short_and_missing_jobs(tmp_path):
    (tmp_path / "a.tsv").write_text("s\th:m:s\tmax_rss\n10\t0\t100\n20\t0\t300\n")
    (tmp_path / "b.tsv").write_text("s\th:m:s\tmax_rss\n0.01\t0\t-\n")
    found = tables.timings({"train": tmp_path / "a.tsv", "plan": tmp_path / "b.tsv", "gone": tmp_path / "c.tsv"})
    assert found == [
        {"stage": "train", "seconds": 15.0, "megabytes": 200.0},
        {"stage": "plan", "seconds": 0.01, "megabytes": None},
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1.5, "1.50"),
        (-0.0123, "−0.0123"),
        (0.00123, "0.0012"),
        (123.4, "123"),
        (12345.6, "12\u202f346"),
        (1.24e-7, "1.2 · 10^−7"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_numbers_are_written_as_by_hand(value, text):
    assert labels.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds, text):
    assert labels.duration(seconds) == text


def test_only_inception_may_be_called_fid():
    assert METRICS["fid"].title_of("inception") == "FID"
    assert METRICS["kid"].title_of("inception") == "KID"
    for extractor in ("random", "classifier"):
        assert "FID" not in METRICS["frechet"].title_of(extractor)
        assert "KID" not in METRICS["kid"].title_of(extractor)


def test_beside_what_a_job_took_stands_what_was_said_of_it(tmp_path):
    """180 s taken, 90 and 150 said: off by 2 and 1.2. Of another training and another stage nothing was said."""
    settings = load(
        {
            "results": str(tmp_path),
            "seeds": [0, 1],
            "datasets": {"steel": {"source": "photos"}},
            "models": {"cgan": {"family": "cgan"}, "late": {"family": "cgan"}},
        }
    )
    said = {f"benchmarks/steel/{job}.tsv": seconds for job, seconds in (("prepare", 90.0), ("cgan-s1/train", 150.0))}
    (tmp_path / "plan.json").write_text(json.dumps(said))
    for place in ("prepare", "cgan-s1/train", "cgan-s1/generate", "late-s0/train", "detection/boxes/steps"):
        file = tmp_path / "benchmarks" / "steel" / f"{place}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("s\tmax_rss\n180.0\t100\n")
    rows = dataset_page.timings(collect(tmp_path, settings)["steel"])
    assert {row["stage"]: row["forecast"] for row in rows} == {
        "prepare": "1 min 30 s, off by a factor of 2.00",
        "train cgan, seed 1": "2 min 30 s, off by a factor of 1.20",
        "generate cgan, seed 1": "",
        "train late, seed 0": "",
        "detect boxes, length": "",
    }
    (tmp_path / "plan.json").unlink()
    assert {row["forecast"] for row in dataset_page.timings(collect(tmp_path, settings)["steel"])} == {""}
