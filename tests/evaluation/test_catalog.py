"""The catalogue is whole: each row fits the others, and the pages in docs name each metric."""

import re
from pathlib import Path

import pytest

from pipeline.evaluation import catalog
from pipeline.evaluation.catalog import METRICS, ROWS
from pipeline.evaluation.context import row
from pipeline.metrics.intervals import Estimate
from pipeline.report.directions import KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXTRACTORS = {*catalog.FEATURES, "pixels", "lpips"}


def test_no_two_rows_have_one_name_or_one_title():
    titles = [(metric.title_of(extractor), extractor) for metric in ROWS for extractor in metric.extractors]
    assert len(METRICS) == len(ROWS)
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("metric", ROWS, ids=lambda metric: metric.name)
def test_a_row_speaks_of_extractors_and_metrics_that_there_are(metric):
    assert set(metric.extractors) <= EXTRACTORS
    assert {*metric.titles, *metric.headline, *metric.answers} <= set(metric.extractors)
    assert metric.compared_with in {"", *METRICS}
    assert metric.alarm.format(15) != metric.alarm or not metric.alarm
    assert metric.interval_images == 0 or metric.interval_images > metric.images


def test_of_metrics_by_class_each_has_a_place_of_its_own():
    places = [metric.by_class for metric in ROWS if metric.by_class]
    assert sorted(places) == list(range(1, len(places) + 1))


def test_what_says_a_direction_is_a_metric():
    assert set(KINDS) <= set(METRICS)


def test_a_number_without_a_row_is_refused_where_it_is_made():
    for extractor, name in (("pixels", "made_up"), ("lpips", "kid")):
        with pytest.raises(LookupError, match=f"metric `{name}` of `{extractor}`"):
            row(extractor, name, None, Estimate(1.0, 0.5, 1.5), 20)


def test_the_first_pages_columns_show_the_first_that_was_measured():
    assert catalog.headline_columns()[2] == [("inception", "kid"), ("random", "kid")]
    assert [column[0][1] for column in catalog.headline_columns()][-1] == "copy_rate"


def test_every_metric_stands_in_the_docs():
    pages = [DOCS / f"{name}.md" for name in ("evaluation", "distances", "microstructure", "copies")]
    named = set(re.findall(r"`(\w+)`", "".join(page.read_text(encoding="utf-8") for page in pages)))
    assert set(METRICS) <= named


def test_metrics_that_were_renamed_are_told_with_their_new_names():
    table = (DOCS / "renamed.md").read_text(encoding="utf-8").partition("## Metrics")[2].partition("\n## ")[0]
    pairs = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", table, re.MULTILINE)
    assert len(pairs) == 8
    assert {new for _, new in pairs} <= set(METRICS)
    assert not {old for old, _ in pairs} & set(METRICS)
