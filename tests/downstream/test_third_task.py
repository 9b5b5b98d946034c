"""A further task is one module, one line in the registry and one class of settings: nothing else knows of it."""

import numpy as np
import pytest

from pipeline.downstream import comparison, registry
from pipeline.downstream.arms import SyntheticSet
from pipeline.downstream.records import read, read_results
from pipeline.downstream.registry import TASKS, PlannedTask
from pipeline.settings import METHOD, Detect
from tests.downstream.cases import WITH, X, run, timeless

LINE = PlannedTask(
    "gray", "tests.downstream.toy_task", "detect_gray", "compare_gray", "gray", balanced=False, alone=False
)
SETTINGS = Detect(repetitions=3, steps=1, ratios=[1.0, 2.0], selection_runs=2)


@pytest.fixture
def gray(monkeypatch):
    monkeypatch.setitem(TASKS, "gray", LINE)
    monkeypatch.setitem(METHOD, "detect_gray", 1)
    return registry.TASKS["gray"]


def images(rng, good):
    """Bad ones are brighter."""
    level = np.where(good, 100, 140)[:, None, None, None] + rng.normal(0, 8, (len(good), 8, 8, 1))
    return level.clip(0, 255).astype(np.uint8), np.where(good, 0, 1)


def test_a_toy_goes_through_experiment_comparison_and_records(tmp_path, image_set, gray):
    rng, good = np.random.default_rng(0), np.arange(40) % 4 > 0
    split = np.array(["train"] * 12 + ["val"] * 8 + ["test"] * 20)
    real = image_set("toy/real", *images(rng, good), split, classes=("good", "bad"))
    made = image_set("made", *images(rng, np.ones(8, bool)), ["train"] * 8, classes=("good", "bad"))
    task, folder = gray.load(), tmp_path / "toy/detection/gray"
    planned = gray.arms([SyntheticSet("x", "synthetic")], more_real=False)
    assert list(planned) == ["real", "augmented", "real+same_real", "real+x"]
    for arm in planned.values():
        run(folder, task, SETTINGS, real, {one: made for one in arm.synthetic if one.made != "control"}, arm)
    again = run(tmp_path / "again", task, SETTINGS, real, {X: made}, WITH)
    assert timeless(again) == timeless(read_results([folder / "real+x.json"], task.result)[0])
    assert len(again.chosen.candidates) == 2 + 1  # two recipes, then the other ratio
    member = comparison.member(tmp_path, "toy", {"gray": list(planned)})
    assert (member.real, member.results["gray"][0]) == (real, folder / "real.json")
    comparison.write([member], "toy", None, tmp_path / "comparison.json")
    found = read(tmp_path / "comparison.json")
    assert found.arms[0].verdict == "baseline"
    assert {arm.arm for arm in found.of("gray")} == set(planned)
    assert found.arms[0].score > 0.7
    assert found.arms[-1].low <= found.arms[-1].gain <= found.arms[-1].high
    comparison.record(found, tmp_path / "journal", seed=0)
    assert (tmp_path / "journal/gray/real+x/events.jsonl").is_file()
