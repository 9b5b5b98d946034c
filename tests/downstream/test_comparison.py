"""The comparison of a data set says what `compare` says of its arms' files, and its journals say it to MLflow."""

import json
from dataclasses import replace

import pytest

from pipeline.downstream import comparison, records
from pipeline.downstream.paired_gain import compare
from pipeline.downstream.records import read_results
from pipeline.downstream.registry import TASKS
from pipeline.settings import UserError
from pipeline.tracking.journal import read_events
from tests.report.made_up_run import make_run, member_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("name", ["classification", "boxes"])
def test_entries_hold_the_numbers_of_compare_in_its_order(run, name):
    task, paths = TASKS[name].load(), member_of("steel", run.inputs).results[name]
    results, arms = read_results(paths, task.result), run.inputs.compared().of(name)
    rows = compare(task, results)
    for arm, row in zip(arms, rows, strict=True):
        assert (arm.arm, arm.verdict, arm.baseline) == (row.result.arm, row.verdict, rows[0].result.arm)
        assert [arm.metric, *(of.metric for of in arm.secondary)] == [of.metric for of in row.estimates]
        assert [arm.score, arm.gain, arm.low] == [row.estimates[0].score, row.estimates[0].gain, row.estimates[0].low]
        assert (arm.secondary, arm.by_class) == (row.estimates[1:], row.by_class)
        assert arm.score_low <= arm.score <= arm.score_high
    assert {arm.n_groups for arm in arms} == {len(set(results[0].groups))}


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
    members = [comparison.Member("steel", run.inputs.real, {"classification": files})]
    first, *others = json.loads(files[0].read_text())
    files[0].write_text(json.dumps([first, *({**body, "steps": 7} for body in others)]))
    with pytest.raises(UserError, match="steps are not those of"):
        comparison.write(members, "steel", None, tmp_path / "comparison.json")
    files[0].write_text(files[0].read_text()[:-20])
    with pytest.raises(UserError, match=files[0].name.replace("+", r"\+")):
        comparison.write(members, "steel", None, tmp_path / "comparison.json")
    assert not (tmp_path / "comparison.json").exists()


def test_from_five_draws_on_arms_say_what_new_images_would_do(run, tmp_path):
    """Five times the same images: the gain of new ones is the same, and its interval has no chance of repetitions."""
    member, out = member_of("steel", run.inputs), tmp_path / "comparison.json"
    few = comparison.write([member], "steel", None, out, [[member]] * 3)
    assert {arm.new_shots for arm in few.arms} == {None}, "four tell too little"
    arms = comparison.write([member], "steel", None, out, [[member]] * 4).arms
    for arm in arms:
        if arm.generative:
            assert arm.new_shots.draws == 5
            assert arm.new_shots.gain == pytest.approx(arm.gain)
            assert arm.low - 1e-12 <= arm.new_shots.low <= arm.new_shots.high <= arm.high + 1e-12
        else:
            assert arm.new_shots is None
    assert [replace(arm, new_shots=None) for arm in arms] == few.arms
    assert records.read(out).arms == arms
