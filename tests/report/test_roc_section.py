"""Good and bad: which class is to be found, its threshold and its curve."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.downstream.classifier.records import ClassifierResult
from pipeline.downstream.records import result_of
from pipeline.report import figures, roc_section
from pipeline.report.inputs import DatasetInputs
from tests.report.made_up_run import compare, detection, write_results, write_set

TRUTH = np.array([0, 0, 1, 1, 1, 1])  # the first class is the rarer one
ODDS = np.array([[-2.0, 1.5, 1.0, 3.0, 2.0, -1.0], [-3.0, -2.0, 0.5, 1.0, 2.0, 0.1]])  # of the second class


@pytest.fixture
def drawn(monkeypatch):
    calls = []
    monkeypatch.setattr(figures, "roc", lambda *given: calls.append(given) or "<svg/>")
    return calls


THRESHOLD = math.log(3)
MODELS = ["a", *(f"m{i}" for i in range(7))]


def result(name, odds=ODDS, validation=0.9):
    body = detection(name, np.random.default_rng(0), ["bad", "good"], 0.9, 100, seeds=len(odds), models=MODELS)
    body |= {"truth": TRUTH.tolist(), "groups": list("abcdef")}
    body["chosen"]["validation"] = [{"macro_f1": validation, "loss": 0.1}]
    for seed, row in zip(body["repetitions"], odds, strict=True):
        said = (row >= THRESHOLD).astype(int)
        matrix = np.zeros((2, 2), int)
        np.add.at(matrix, (TRUTH, said), 1)
        at = seed["at_threshold"] | {"log_odds": THRESHOLD, "macro_f1": 0.75, "confusion": matrix.tolist()}
        seed |= {"log_odds": row.tolist(), "auroc": roc_auc_score(TRUTH, row), "at_threshold": at}
        seed |= {"predicted": said.tolist(), "f1": [0.5, 0.5], "macro_f1": 0.5}
    return body


@pytest.fixture
def shown(tmp_path):
    """The part of the page of some arms' results."""

    def made(*results):
        files = [write_results(tmp_path / "arms.json", *results)]
        write_set(tmp_path / "steel/real", np.random.default_rng(0), ["a"], {"train": 1}, "photo")
        inputs = DatasetInputs(tmp_path / "steel/real", detection=files)
        compared = compare("steel", inputs).compared()
        return roc_section.context(
            compared.of("classification"), {of["arm"]: result_of(of, ClassifierResult) for of in results}
        )

    return made


def test_the_rarer_class_is_to_be_found_and_its_threshold_is_a_probability_of_it(drawn, shown):
    found = shown(result("real"), result("real+a", ODDS - 0.6))
    assert (found["find"], found["spare"]) == ("bad", "good")
    first, second = found["rows"]
    # Odds of 3 to 1 for good leave 25 % for bad. Below them lie, first repetition: one of two bad, two of four good
    # images; second: two of two, three of four.
    assert (first["threshold"], first["found"], first["false_alarms"]) == ("25 (25 to 25)", "75", "62")
    areas = [6 / 8, 1.0]  # first: the bad image at 1.5 lies above two of the good ones
    assert first["auroc"] == f"{50 * sum(areas):.1f} ± {100 * np.std(areas, ddof=1):.1f}"
    assert first["gain"] is None
    assert second["gain"] == "+0.0"
    (lines, *names), *_ = drawn
    assert names == ["bad", "good"]
    curve, point = lines["real"]
    assert point == (0.625, 0.75)
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(np.mean(areas))


def test_without_a_threshold_its_scores_are_left_out(drawn, shown):
    body = result("real")
    body["repetitions"][1]["at_threshold"] = None
    found = shown(body)
    assert found["rows"][0]["threshold"] is found["rows"][0]["found"] is None
    assert drawn[0][0]["real"][1] is None


def test_the_figure_holds_the_strongest_plain_arm_and_the_best_mixed_ones_in_their_order(drawn, shown):
    def ranked(pairs):
        """So many of the eight pairs of a bad and a good image in the right order."""
        return np.tile([4.5 - min(pairs, 4), 4.5 - max(pairs - 4, 0), 1, 2, 3, 4], (2, 1))

    mixed = [result(f"real+m{pairs}", ranked(pairs)) for pairs in range(7)]
    alone = result("m6-only", ODDS - 9 * (TRUTH == 0))
    found = shown(result("real"), result("balanced", validation=0.5), *mixed, alone)
    assert list(drawn[0][0]) == ["real", "real+m2", "real+m3", "real+m4", "real+m5", "real+m6"]
    assert found["left_out"] == 2
    assert len(found["rows"]) == 10


def test_more_classes_or_one_without_test_images_have_no_such_part(shown):
    three = detection("real", np.random.default_rng(0), ["a", "b", "c"], 0.9, 0)
    assert shown(three) is None
    lone = result("real")
    for seed in lone["repetitions"]:
        seed["auroc"] = None
    assert shown(lone) is None


def test_the_figure_is_drawn():
    line = (np.array([[0.0, 0.0], [0.0, 0.5], [1.0, 1.0]]), (0.1, 0.6))
    assert figures.roc({"real": line, "real+a": (line[0], None)}, "bad", "<good>").startswith("<svg")
