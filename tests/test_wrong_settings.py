"""Whatever stands in a configuration, it is taken or ends in a line that names the setting; never in a traceback."""

import copy
import datetime
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import FAMILY_SETTINGS, UserError, load

ROOT = Path(__file__).resolve().parents[1]
BASE = {
    "datasets": {"steel": {"source": "photos", "size": 64, "boxes": {"format": "voc", "path": "boxes"}}},
    "models": {name: {"family": name} for name in FAMILY_SETTINGS},
}


def settings_of(values, path=()):
    """The place of every setting and section."""
    for name, value in values.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from settings_of(value, (*path, name))


PATHS = list(settings_of(load(BASE).model_dump()))


def changed(path, value):
    config = section = copy.deepcopy(BASE)
    for name in path[:-1]:
        section = section.setdefault(name, {})
    section[path[-1]] = value
    return config


def refusal(config):
    """What the user is told; None where it is taken."""
    try:
        load(config)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("value", [math.nan, -math.inf, "a\0b", "\ud800", {"a": 1}, [[1]]], ids=repr)
def test_what_is_right_for_no_setting_is_refused_by_every_one(value):
    for path in PATHS:
        said = refusal(changed(path, value))
        assert said is not None, path
        assert ".".join(path[:2]) in said or path == ("models",), (path, said)


@pytest.mark.parametrize(
    "value", [-1, 10**30, 1e30, "", "{x}", "~", "(", True, [], ["a", "a"], [{}], {1: 2}, None], ids=repr
)
def test_nothing_ends_in_a_traceback(value):
    for path in PATHS:
        said = refusal(changed(path, value))
        assert said is None or path[0] in said, (path, said)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ["cgan"]}, "models: must be settings by their names (`name: value`), it is ['cgan']"),
        ({"datasets": [{"name": "d"}]}, "datasets: must be settings by their names"),
        ({"all_models": 5}, "all_models: must be settings by their names (`name: value`), it is 5"),
        ({"all_datasets": []}, "all_datasets: must be settings by their names"),
        ({"models": {"m": {"family": ["cgan"]}}}, "models.m.family: `['cgan']` is not one of"),
        ({"set": "results='x"}, "set: `results='x` cannot be divided into settings (No closing quotation)"),
        ({"set": "models..batch=3"}, "set: `models..batch=3` is not of the form key.key=value"),
        ({"set": "results=2020-13-45"}, "set: the value of `results` is not YAML: 2020-13-45"),
        ({"set": 5}, "set: 5 is not text"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0; it is -1"),
        ({"seeds": [10**30]}, "seeds.0: Input should be less than or equal to 4294967295; it is 1000"),
        ({"seeds": [3, 3]}, "seeds: [3, 3] names 3 twice"),
        ({"results": "res{1}"}, "results: `res{1}` holds '{', '}'"),
        ({"results": "a<b"}, "results: `a<b` holds '<'"),
        ({"results": " "}, "results: must name a folder, it is empty"),
        ({"results": "~nobody_at_all/x"}, "results: `~nobody_at_all/x` is in a home that is not there"),
        ({"evaluate": {"weights": ""}}, "evaluate.weights: must name a folder"),
        ({"evaluate": {"subset_size": 10}}, "evaluate.subset_size: is no setting any more, for KID is taken of all"),
        ({"datasets": {"logs": {"source": "x", "size": 64}}}, "datasets.logs: `logs` is the name of a folder"),
        ({"datasets": {"d" * 81: {"source": "x"}}}, "a name is 1 to 80 letters, digits and _"),
        (
            {"datasets": {"d": {"source": "x", "split": {"test": 1}}}},
            "datasets.d.split.test: Input should be less than 1",
        ),
        (
            {"datasets": {"d": {"source": "x", "scaling": {"low": math.nan}}}},
            "datasets.d.scaling.low: Input should be a finite",
        ),
        (
            {"datasets": {"d": {"source": "x", "labels": {"classes": [0.5]}}}},
            "labels.classes.0: Input should be a valid string; it is 0.5, which YAML takes for a number; write",
        ),
        (
            {"datasets": {"d": {"source": "x", "labels": {"classes": [True]}}}},
            "it is True, which YAML makes of yes, no, on and off; write the word in quotes",
        ),
        (
            {"datasets": {"d": {"source": "x", "labels": {"csv": ["t.csv"]}}}},
            "datasets.d: labels.csv: is not read under `labels.rule: none`; set `labels.rule: csv`",
        ),
        (
            {"datasets": {"d": {"source": "x", "labels": {"rule": "folder", "pattern": "(.)"}}}},
            "labels.pattern: is not used under `labels.rule: folder`; set `labels.rule: filename`",
        ),
        (
            {"datasets": {"d": {"source": "x", "labels": {"classes": ["a", "b"]}}}},
            "labels.classes: nothing tells an image's class; set `labels.rule`",
        ),
        (
            {"datasets": {"d": {"source": "x", "labels": {"classes": ["a", "a"]}}}},
            "datasets.d.labels.classes: ['a', 'a'] names a",
        ),
        (
            {"datasets": {"d": {"source": "x", "size": 64, "good": "fine"}}},
            "datasets.d: good: `fine` is a class, and `labels` names none; set `labels.rule`",
        ),
        (
            {"datasets": {"d": {"source": "x", "labels": {"rule": "folder", "classes": ["a", "b"]}, "good": "c"}}},
            "datasets.d: good: `c` is not among labels.classes (a, b)",
        ),
        (
            {"models": {"m": {"family": "cgan", "total_images": "1e6"}}},
            "it is '1e6', which YAML takes for text; write 1000000",
        ),
        ({"models": {"m": {"family": "cgan", "classes": []}}}, "models.m.classes: List should have at least 1 item"),
        ({"detect": {"ratios": [1, 1]}}, "detect.ratios: [1.0, 1.0] names 1.0 twice"),
        ({"gallery": {"classes": [datetime.date(2020, 1, 1)]}}, "gallery.classes.0: Input should be a valid string"),
    ],
)
def test_the_setting_its_value_and_the_limit_are_named(changes, message):
    assert message in refusal(BASE | changes)


def test_one_word_is_a_list_of_one_or_the_rule_of_a_section_and_numbers_are_names():
    labels = {"rule": "csv", "csv": "t.csv", "classes": [0, 1]}
    found = load(BASE | {"seeds": 3, "datasets": {"d": {"source": "x", "labels": labels, "models": "cgan"}}})
    assert (found.seeds, found.datasets["d"].models) == ([3], ["cgan"])
    assert found.datasets["d"].labels.csv == ["t.csv"]
    assert found.datasets["d"].labels.classes == ["0", "1"]
    found = load(BASE | {"datasets": {"d": {"source": "x", "labels": "folder", "scaling": "percentile"}}})
    assert (found.datasets["d"].labels.rule, found.datasets["d"].scaling.rule) == ("folder", "percentile")


def test_a_configuration_that_is_none():
    assert refusal(["a"]).startswith("configuration: must be settings by their names")


@pytest.mark.parametrize(
    ("given", "taken"),
    [("results/", "results"), ("a//b/", "a/b"), (".", "."), ("/", "/"), ("my results", "my results")],
)
def test_a_folder_is_written_in_one_way(given, taken):
    assert load(BASE | {"results": given}).results == taken


def test_the_results_may_be_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere/else")
    assert load(BASE | {"results": "~/steel"}).results == "/somewhere/else/steel"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("models: [cgan]", "ERROR: models: must be settings by their names"),
        ("results: 'res{1}'", "ERROR: results: `res{1}` holds '{', '}'"),
    ],
)
def test_snakemake_ends_with_that_line(tmp_path, config, message):
    (tmp_path / "c.yaml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "-n", "-s", str(ROOT / "workflow" / "Snakefile"), "--cores", "1"]
    done = subprocess.run(
        [*command, "--workflow-profile", "none", "--configfile", str(ROOT / "config/config.yaml"), "c.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
