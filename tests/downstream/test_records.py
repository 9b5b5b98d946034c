"""The comparison as a file: what is written is read again, and nothing else is taken for one."""

import json

import pytest

from pipeline.downstream import records
from pipeline.downstream.records import Candidate, Chosen, Comparison, LabelEfficiency
from pipeline.settings import UserError
from tests.report.arms import arm, change, other, plain

CHOSEN = Chosen(
    True, False, 0.5, "nearest", 0.5, [Candidate(True, False, 0.5, None, 1.0, [{"macro_f1": 0.7}])], None, ["a note"]
)


@pytest.fixture
def comparison():
    worth = LabelEfficiency(5, None, 22.0, None, 5, 40, "more")
    arms = [plain("balanced", secondary=[other("accuracy", 0.9)]), plain("real", verdict="no generator", gain=-0.1)]
    arms += [arm("real+ü", "helps", 0.1, 0.05, 0.15, chosen=CHOSEN, by_class=[change("pits", 0.1, 0.0, 0.2)])]
    arms += [arm("real+sg2", task="boxes", metric="map50", label_efficiency=worth)]
    return Comparison("steel_5", arms, "steel", 5.0)


def test_what_is_written_is_read_again(tmp_path, comparison):
    (tmp_path / "c.json").write_text(records.text(comparison), encoding="utf-8")
    assert records.read(tmp_path / "c.json") == comparison
    assert [arm.arm for arm in comparison.of("boxes")] == ["real+sg2"]


def test_a_program_finds_gain_and_verdict_without_the_package(comparison):
    body = json.loads(records.text(comparison))
    row = next(row for row in body["arms"] if row["arm"] == "real+ü")
    wanted = ("task", "baseline", "score", "gain", "low", "high", "n_test", "n_groups", "verdict")
    assert [row[key] for key in wanted] == ["classification", "augmented", 0.9, 0.1, 0.05, 0.15, 120, 60, "helps"]
    assert body["arms"][0]["gain"] is None
    assert body["arms"][3]["label_efficiency"]["beyond"] == "more"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body.pop("arms"), "arms: Field required"),
        (lambda body: body["arms"][0].pop("verdict"), "verdict: Field required"),
        (lambda body: body["arms"][0].update(verdict="maybe"), "verdict"),
        (lambda body: body["arms"][0].update(gain="much"), "gain"),
    ],
)
def test_a_file_that_is_no_comparison_is_named_with_what_is_wrong(tmp_path, comparison, change, said):
    body = json.loads(records.text(comparison))
    change(body)
    (tmp_path / "c.json").write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(UserError, match=rf"c\.json: not a comparison of detectors: .*{said}"):
        records.read(tmp_path / "c.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "c.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"c\.json: not a comparison of detectors"):
        records.read(tmp_path / "c.json")
    with pytest.raises(UserError, match=r"gone\.json: cannot be read"):
        records.read(tmp_path / "gone.json")
