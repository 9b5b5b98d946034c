"""Whatever stands in a configuration, it is taken or ends in a line that names the setting; never in a traceback."""

import copy
import datetime
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import FAMILY_SETTINGS, load
from tests.refusals import refusal

ROOT = Path(__file__).resolve().parents[1]
DATE = datetime.date(2020, 1, 31)
KIND = re.compile(r"\[|\b(str|int|float|bool|constrained|function|nullable|literal|dict)\b")
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


def dataset(**entry):
    return {"datasets": {"d": {"source": "x"} | entry}}


def labels(**of):
    return dataset(labels=of)


def boxes(**of):
    return dataset(boxes={"format": "mask", "path": "x"} | of)


def model(**entry):
    return {"models": {"m": {"family": "cgan"} | entry}}


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


@pytest.mark.parametrize("value", [-1, 1.5, "words", ["a", 3], {"a": 1}, DATE], ids=repr)
def test_no_setting_is_spoken_of_twice_or_by_the_names_of_kinds(value):
    for path in PATHS:
        lines = (refusal(changed(path, value)) or "").splitlines()
        named = [line.partition(": ")[0] for line in lines]
        assert len(set(named)) == len(named), lines
        assert not [name for name in named if KIND.search(name)], lines


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ["cgan"]}, "models: must be settings by their names (`name: value`), it is ['cgan']"),
        ({"datasets": [{"name": "d"}]}, "datasets: must be settings by their names"),
        ({"all_models": 5}, "all_models: must be settings by their names (`name: value`), it is 5"),
        ({"all_datasets": []}, "all_datasets: must be settings by their names"),
        ({"evalute": {}}, "evalute: unknown setting; did you mean `evaluate`?"),
        ({"all_models": {"total_imges": 5}}, "all_models.total_imges: unknown setting; did you mean `total_images`?"),
        ({"all_models": {"rate_decay": "none"}}, "all_models.rate_decay: is called `lr_schedule` now"),
        ({"evaluate": {"domain": 3}}, "evaluate.domain: is called `class_feature_steps` now"),
        ({"evaluate": {"subset_size": 10}}, "evaluate.subset_size: is no setting any more, for KID is taken of all"),
        ({"evaluate": {"weights": ""}}, "evaluate.weights: must name a folder"),
        ({"models": {"a": {}}}, "models.a.family: must be given, one of dcgan, cgan"),
        ({"models": {"a-b": {"family": "cgan"}}}, "models.a-b: "),
        ({"models": {"real": {"family": "cgan"}}}, "`real` is the name of a folder"),
        ({"models": {"all": {"family": "dcgan"}}}, "models.all: `all` is the name of the detection arm"),
        (model(family="cgn"), "models.m.family: `cgn` is no family; did you mean `cgan`?"),
        (model(family="StyleGAN2-ADA"), "`StyleGAN2-ADA` is no family; did you mean `stylegan2_ada`?"),
        (model(family="vae"), "`vae` is no family; the valid ones are cgan, dcgan, ddpm"),
        (model(family=["cgan"]), "models.m.family: `['cgan']` is no family"),
        (model(family="ddpm", schedule="linear"), "models.m.schedule: is called `noise_schedule` now"),
        (model(total_image=1), "models.m.total_image: unknown setting; did"),
        (model(total_images="1e6"), "it is '1e6', which YAML takes for text; write 1000000"),
        (model(batch="many"), "models.m.batch: Input should be a valid"),
        (model(batch=1), "greater than or equal to 2; it is 1"),
        (model(classes=[]), "models.m.classes: at least 1 must be named; it is []"),
        (model(init_from="results/steel/m/seed-0/"), "results/steel/m/seed-0 is what this model becomes itself"),
        (
            model() | {"generate": {"move": {"grain_size": 1}}},
            "generate.move: grain_size cannot be had, no model has styles",
        ),
        ({"set": "results='x"}, "set: `results='x` cannot be divided into settings (No closing quotation)"),
        ({"set": "models.cgan.batch"}, "set: `models.cgan.batch` is not of the form key.key=value"),
        ({"set": "models..batch=3"}, "set: `models..batch=3` is not of the form key.key=value"),
        ({"set": "models.cgan.family.x=3"}, "set: `models.cgan.family` is a value, not a section"),
        ({"set": "results=2020-13-45"}, "set: the value of `results` is not YAML: 2020-13-45"),
        ({"set": 5}, "set: 5 is not text"),
        ({"set": {"models.cgan={batch": "3"}}, "Snakemake reads `a: b` as a mapping"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0; it is -1"),
        ({"seeds": [10**30]}, "seeds.0: Input should be less than or equal to 4294967295; it is 1000"),
        ({"seeds": [3, 3]}, "seeds: [3, 3] names 3 twice"),
        ({"results": "res{1}"}, "results: `res{1}` holds '{', '}'"),
        ({"results": "a<b"}, "results: `a<b` holds '<'"),
        ({"results": " "}, "results: must name a folder, it is empty"),
        ({"results": "/"}, "results: `/` is where all folders of this machine lie; name one of its own"),
        ({"results": "~nobody_at_all/x"}, "results: `~nobody_at_all/x` is in a home that is not there"),
        ({"datasets": {"logs": {"source": "x", "size": 64}}}, "datasets.logs: `logs` is the name of a folder"),
        ({"datasets": {"d" * 81: {"source": "x"}}}, "a name is 1 to 80 letters, digits and _"),
        (dataset(models=["cgn"]), "datasets.d.models: `cgn` is no model; did you mean `cgan`?"),
        (dataset(split={"test": 1}), "datasets.d.split.test: Input should be less than 1"),
        (dataset(scaling={"low": math.nan}), "datasets.d.scaling.low: Input should be a finite"),
        (dataset(scaling={"low": 2}), "low (2.0) must be below high (1.0)"),
        (dataset(good="fine"), "datasets.d: good: `fine` is a class, and `labels` names none; set `labels.rule`"),
        (
            dataset(labels={"rule": "folder", "classes": ["a", "b"]}, good="c"),
            "datasets.d: good: `c` is not among labels.classes (a, b)",
        ),
        (labels(rul=1), "datasets.d.labels.rul: unknown setting"),
        (
            labels(classes=[0.5]),
            "classes.0: Input should be a valid string; it is 0.5, which YAML takes for a number; write",
        ),
        (labels(classes=[True]), "it is True, which YAML makes of yes, no, on and off; write the word in quotes"),
        (
            labels(csv=["t.csv"]),
            "datasets.d: labels.csv: is not read under `labels.rule: none`; set `labels.rule: csv`",
        ),
        (
            labels(rule="folder", pattern="(.)"),
            "labels.pattern: `(.)` is not used under `labels.rule: folder`; set `labels.rule: filename`",
        ),
        (labels(rule="hdf5", class_column="kind"), "class_column: `kind` is not used under `labels.rule: hdf5`; set"),
        (
            dataset(source="a/b.h5", hdf5={"labels": "y"}),
            "hdf5.labels: `y` is not used under `labels.rule: none`; set `labels.rule: hdf5",
        ),
        (
            dataset(scaling={"high": 4095}),
            "d.scaling: high: `4095.0` is not used under `scaling.rule: dtype`; set `scal",
        ),
        (
            dataset(scaling={"rule": "fixed", "low_percentile": 2}),
            "low_percentile: `2.0` is not used under `scaling.ru",
        ),
        (
            dataset(tile_source=40),
            "d: tile_source: `40.0` is not used under `fit: resize`; set `fit: tile`, or leave it",
        ),
        (dataset(fit="pad", tile_overlap=0), "d: tile_overlap: `0.0` is not used under `fit: pad`; set `fit: tile`"),
        (dataset(fit="tile", padding="edge"), "d: padding: `edge` is not used under `fit: tile`; set `fit: pad`"),
        (labels(classes=["a", "b"]), "labels.classes: nothing tells an image's class; set `labels.rule`"),
        (labels(classes=["a", "a"]), "datasets.d.labels.classes: ['a', 'a'] names a"),
        ({"detect": {"ratios": [1, 1]}}, "detect.ratios: [1.0, 1.0] names 1.0 twice"),
        ({"detect": {"missed": ["cgn"]}}, "detect.missed: `cgn` is no model; did you mean `cgan`?"),
        (
            {"detect": {"boxes": {"pseudo_labels": ["cgn"]}}},
            "detect.boxes.pseudo_labels: `cgn` is no model; did you mean",
        ),
        (
            {"gallery": {"classes": [DATE]}},
            "gallery.classes.0: Input should be a valid string; it is 2020-01-31, which YAML takes for a date; write",
        ),
        (labels(classes=[None]), "classes.0: Input should be a valid string; it is None, which YAML makes of ~, null"),
        (dataset(labels=None), "datasets.d.labels: is empty; write its settings below it, or leave its line out"),
        ({"detect": None}, "detect: is empty; "),
        (dataset(split=5), "datasets.d.split: must be settings by their names (`name: value`), it is 5"),
        (dataset(crop_bottom=-1), "datasets.d.crop_bottom: Input should be greater than or equal to 0; it is -1"),
        (dataset(crop_bottom=1.5), "datasets.d.crop_bottom: Input should be less than 1; it is 1.5"),
        (dataset(source=5), "datasets.d.source: Input should be a valid string, or a valid list; it is 5, which YAML"),
        (boxes(names={"crack": 1}), "boxes: names: a mask's value stands before its class: {1: crack}, not {crack: 1}"),
        (boxes(names={"#ff0000": "a", "b": "#00ff00"}), "{#00ff00: b}, not {b: #00ff00}"),
        (boxes(names={"crack": "pore"}), "boxes: names: `crack` is no value of a mask"),
        (boxes(names=0.5), "datasets.d.boxes.names: Input should be a valid string, or a valid list, or a valid dict"),
    ],
)
def test_the_setting_its_value_and_the_limit_are_named(changes, message):
    assert message in refusal(BASE | changes)


def test_one_word_is_a_list_of_one_or_the_rule_of_a_section_and_numbers_are_names():
    given = dataset(labels={"rule": "csv", "csv": "t.csv", "classes": [0, 1]}, models="cgan")
    found = load(BASE | {"seeds": 3, "detect": {"ratios": 2}} | given)
    d = found.datasets["d"]
    assert (found.seeds, found.detect.ratios, d.models) == ([3], [2.0], ["cgan"])
    assert (d.labels.csv, d.labels.classes) == (["t.csv"], ["0", "1"])
    assert d.source == "x"  # which may be a list, and need not
    d = load(BASE | dataset(labels={"rule": "csv", "csv": "t.csv", "classes": 7})).datasets["d"]
    assert d.labels.classes == ["7"]
    assert load(BASE | boxes(format="yolo", names=[1, 2])).datasets["d"].boxes.names == ["1", "2"]
    d = load(BASE | dataset(labels="folder", scaling="percentile")).datasets["d"]
    assert (d.labels.rule, d.scaling.rule) == ("folder", "percentile")


def test_what_is_set_to_its_default_is_set_to_nothing_that_is_not_used():
    entry = dataset(padding="reflect", tile_overlap=0.25, scaling={"low": 0, "high": 1}, hdf5={"labels": None})
    assert refusal(BASE | entry) is None
    drawn = dataset(source="voronoi", hdf5={"labels": "labels"})  # which is read so, whatever the rule
    assert refusal(BASE | drawn) is None


def test_a_configuration_that_is_none():
    assert refusal(["a"]).startswith("configuration: must be settings by their names")


@pytest.mark.parametrize(
    ("given", "taken"),
    [("results/", "results"), ("a//b/", "a/b"), (".", "."), ("my results", "my results")],
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
