"""The comparison of a data set says what `compare` says of its arms' files, and its journals say it to MLflow."""

import json

import pytest

from pipeline.downstream import comparison
from pipeline.downstream.boxes.paired_gain import compare as compare_boxes
from pipeline.downstream.paired_gain import compare
from pipeline.settings import UserError
from pipeline.tracking.journal import read_events
from tests.report.made_up_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


def results_of(paths):
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


@pytest.mark.parametrize("task", ["classification", "boxes"])
def test_entries_hold_the_numbers_of_compare_in_its_order(run, task):
    paths, judge = {"classification": (run.inputs.detection, compare), "boxes": (run.inputs.box_arms, compare_boxes)}[
        task
    ]
    results, arms = results_of(paths), run.inputs.compared().of(task)
    rows = judge(results)
    assert [(arm.arm, arm.verdict) for arm in arms] == [(row["arm"], row["verdict"]) for row in rows]
    for arm, row in zip(arms, rows, strict=True):
        assert [arm.score, arm.gain, arm.low, arm.high] == [row[k] for k in ("mean", "difference", "low", "high")]
        assert arm.baseline == rows[0]["arm"]
        assert len(arm.by_class) == len(row["by_class"])
        assert arm.score_low <= arm.score <= arm.score_high
    assert {arm.n_groups for arm in arms} == {len(set(results[0]["groups"]))}


def test_further_scores_are_compared_too(run):
    for arm, row in zip(
        run.inputs.compared().of("classification"), compare(results_of(run.inputs.detection), "accuracy"), strict=True
    ):
        assert (arm.other("accuracy").score, arm.other("accuracy").gain) == (row["mean"], row["difference"])
    boxes = {row["arm"]: row["map50_95"] for row in compare_boxes(results_of(run.inputs.box_arms))}
    for arm in run.inputs.compared().of("boxes"):
        assert arm.other("map50_95").low == boxes[arm.arm]["low"]


def test_what_the_arms_saw_is_known_by_more_than_their_names(run):
    seen = {arm.arm: (arm.real, [of.model for of in arm.synthetic]) for arm in run.inputs.compared().arms}
    assert seen["real+sg2"] == (True, ["sg2"])
    assert seen["real+all"] == (True, ["sg2", "spots"])  # of the detectors of boxes, which come last
    assert seen["augmented"] == (True, [])


def test_gain_and_verdict_go_to_the_run_of_the_generator(run, tmp_path):
    found = run.inputs.compared()
    comparison.record(found, tmp_path, 0)
    events = {}
    for folder in tmp_path.glob("*/*"):
        said = [event for _, event in read_events(folder / "events.jsonl")]
        events[folder.parent.name, folder.name] = said
    head, final, tags, end = events["classification", "real+sg2"]
    assert (head["key"], head["attach"], end["status"]) == ("steel/sg2/seed-0", True, "FINISHED")
    (arm,) = (arm for arm in found.of("classification") if arm.arm == "real+sg2")
    assert final["d"] == {"detect/gain": arm.gain, "detect/gain_low": arm.low, "detect/gain_high": arm.high}
    assert tags["d"] == {"verdict": "helps"}
    assert events["classification", "real+all"][0]["key"] == "steel/detection/real+all"
    assert events["boxes", "real+cgan.pseudo"][0]["key"] == "steel/cgan/seed-0"
    assert events["boxes", "real+all"][0]["key"] == "steel/detection/boxes/real+all"
    assert [event["t"] for event in events["classification", "real"]] == ["start", "tags", "end"]  # the baseline


def test_arms_that_cannot_be_compared_are_refused_and_a_damaged_file_is_named(run, tmp_path):
    files = [tmp_path / path.name for path in run.inputs.detection]
    for path, copy in zip(run.inputs.detection, files, strict=True):
        copy.write_bytes(path.read_bytes())
    arms = [comparison.ArmFile(path, True, []) for path in files]
    members = [comparison.Member("steel", run.inputs.real, {"classification": arms})]
    body = json.loads(files[1].read_text())
    files[1].write_text(json.dumps(body | {"steps": 7}))
    with pytest.raises(UserError, match="steps are not those of"):
        comparison.write(members, "steel", None, tmp_path / "comparison.json")
    files[1].write_text(files[1].read_text()[:-20])
    with pytest.raises(UserError, match=files[1].name.replace("+", r"\+")):
        comparison.write(members, "steel", None, tmp_path / "comparison.json")
    assert not (tmp_path / "comparison.json").exists()
