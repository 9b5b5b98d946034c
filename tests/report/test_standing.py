"""Where each generator stands: what MLflow's table shows of it, and which one has the alias `best`."""

import pandas as pd
import pytest

from pipeline.report import standing, tables
from pipeline.tracking.journal import EVENTS, read_events

SUMMARY = ["kind", "model", "seed", "extractor", "metric", "value", "low", "high"]


def numbers(*rows):
    """Rows of a summary, all over the whole set of 100 images."""
    table = pd.DataFrame([dict(zip(SUMMARY, row, strict=True)) for row in rows])
    return table.assign(dataset="steel", scope="set", **{"class": "", "n": 100}).astype({"seed": "Int64"})


def frechet(kind, model, seed, value):
    return kind, model, seed, "random", "frechet", value, value - 0.1, value + 0.1


def copied(kind, model, seed, rate):
    return kind, model, seed, "pixels", "copy_rate", rate, rate, rate


def inputs(tmp_path, *runs):
    made = [standing.RunInputs(model, seed, tmp_path / model / str(seed)) for model, seed in runs]
    return standing.DatasetInputs(real=tmp_path / "real", runs=made)


def test_the_closest_that_does_not_copy_is_the_best_by_its_closest_seed(tmp_path):
    runs = [("warp", 0), ("cgan", 0), ("cgan", 1), ("ddpm", 0)]
    of = [frechet("floor", "real", None, 2), copied("floor", "real", None, 0)]
    of += [frechet("generator", *run, value) for run, value in zip(runs, (2.2, 6, 5, 9), strict=True)]
    of += [copied("generator", *run, rate) for run, rate in zip(runs, (0.8, 0, 0, 0), strict=True)]
    found = standing.standings(inputs(tmp_path, *runs), numbers(*of), [])
    assert [one.numbers["times the floor"] for one in found] == pytest.approx([1.1, 3, 2.5, 4.5])
    assert [one.best for one in found] == [False, False, True, False]
    assert [one.labels["copies"] for one in found] == ["80 % copies", *["no sign of copies"] * 3]


def test_without_a_floor_nobody_is_the_best(tmp_path):
    of = [frechet("generator", "cgan", 0, 6)]
    (found,) = standing.standings(inputs(tmp_path, ("cgan", 0)), numbers(*of), [])
    assert (found.numbers, found.best) == ({}, False)


def test_a_whole_run_is_told_of_in_the_journals(run):
    """Gain and verdict of the detectors with the images of the first seed."""
    summary = run.root / "summary.csv"
    tables.write_summary(run.inputs.evaluations(), summary, [run.inputs.compared()])
    standing.record({"steel": run.inputs}, summary, run.root / "journal")
    told = {}
    for path in (run.root / "journal").rglob(EVENTS):
        events = [event for _, event in read_events(path)]
        told[events[0]["key"]] = {k: v for event in events for k, v in (event.get("d") or {}).items()}
    arms = {arm.arm: arm for arm in run.inputs.compared().of("classification")}
    with_images = arms["real+cgan"]
    assert told["steel/cgan/seed-0"]["gain in points"] == round(100 * with_images.gain, 2)
    assert told["steel/cgan/seed-0"]["verdict"] == with_images.verdict
    assert "verdict" not in told["steel/cgan/seed-1"]
    assert told["steel/detection/real"]["score"] == round(100 * arms["real"].score, 2)
    assert {"kind": "comparison"}.items() <= told["steel/comparison"].items()
    made = [arm for arm in run.inputs.compared().arms if arm.generative and not arm.control]
    assert told["steel/comparison"]["arms that help"] == sum(arm.verdict == "helps" for arm in made)
