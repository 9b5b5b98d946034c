"""The section of the anomaly detectors."""

from dataclasses import asdict

import numpy as np
import pytest

from pipeline.downstream import comparison
from pipeline.downstream.anomalies.scores import recall_at
from pipeline.downstream.arms import Arm, SyntheticSet
from pipeline.downstream.classifier.scores import auroc
from pipeline.downstream.paired_gain import compare
from pipeline.downstream.records import Chosen, result_of
from pipeline.downstream.registry import TASKS
from pipeline.report import (
    anomalies_section,
    class_table,
    detector_findings,
    downstream_section,
    figures,
    page,
    sentences,
)
from tests.report.arms import arm

TASK = TASKS["anomalies"].load()
TRUTH = np.arange(60) % 3 == 0


def result(arm, skill, seeds, masks):
    """Scores that are `skill` higher in bad images."""
    rng, repetitions = np.random.default_rng(0), []
    for seed in range(seeds):
        scores = rng.normal(size=60) + skill * TRUTH
        one = {"seed": seed, "seconds": 1.0, "scores": scores.tolist(), "auroc": auroc(TRUTH, scores)}
        one |= {"recall_1": recall_at(TRUTH, scores, 0.01), "recall_5": recall_at(TRUTH, scores, 0.05)}
        left = (0.3 + 0.01 * rng.random(20)).tolist()
        repetitions.append(one | {"pixel_ap": 0.3 if masks else None, "pixel_ap_without": left if masks else None})
    validation = [{"auroc": 0.8, "pixel_ap": skill / 10}]
    chosen = Chosen(False, False, None, None, None, [], validation, ["2 of 3 bad training images have a mask"])
    values = {"version": 1, "task": "anomalies", "dataset": "k", "arm": arm.name, "synthetic": arm.synthetic}
    values |= {"real": True, "classes": ["good", "bad"], "steps": 1, "settings": {}, "n_real": 90, "n_test": 60}
    values |= {"chosen": asdict(chosen) | {"defects": arm.defects}, "n_synthetic": 20 * len(arm.synthetic)}
    values |= {"groups": [f"g{i // 3}" for i in range(60)], "truth": TRUTH.astype(int).tolist()}
    return result_of(values | {"mean": {}, "spread": {}, "repetitions": repetitions}, TASK.result)


@pytest.fixture(params=[True, False], ids=["masks", "no masks"])
def section(request, monkeypatch):
    monkeypatch.setattr(figures, "detectors", lambda *numbers: None)
    monkeypatch.setattr("pipeline.report.images.svg", lambda figure: "data:")
    arms = [(Arm(), 2.0, 1), (Arm(defects="pasted"), 1.0, 3), (Arm(defects="none"), 0.5, 1)]
    arms += [(Arm((SyntheticSet("<b>", "synthetic"),)), 0.2, 3)]
    results = [result(*arm, request.param) for arm in arms]
    rows = [comparison._arm(row) for row in compare(TASK, results)]
    return rows, anomalies_section.context(rows, {of.arm: of for of in results})


def test_the_arms_their_scores_and_what_they_learnt_from(section):
    rows, found = section
    assert [arm["arm"] for arm in found["arms"]] == ["real", "pasted", "one_class", "real+<b>"]
    assert found["arms"][2]["made_of"] == "good images alone"
    assert found["arms"][0]["scores"]["auroc"]["gain"] is None
    assert found["arms"][3]["scores"]["auroc"]["sure"] == "▼ "
    assert (found["n_good"], found["n_bad"], found["masks"]) == (40, 20, "pixel_ap" in found["arms"][0]["scores"])
    assert "hurts" in str(found["arms"][3]["verdict"])
    assert class_table.context(rows) is None, "no class has a score of its own"
    assert "AUROC" in sentences.helped(detector_findings.answer(rows))[0]


def test_the_page_shows_them(section):
    _, found = section
    text = page._environment().get_template("anomalies.html").render(d={"anomalies": found})
    assert "40 good and 20 bad held-out real images" in text
    assert ("how well the pixels of the defects" in text) == found["masks"]
    assert "real+&lt;b&gt;" in text
    assert "the strongest without a generator" in text
    assert detector_findings.alarms(section[0]) == {}


def test_an_interval_without_width_is_none():
    arms = [arm("real+x", "no generator", 0.2, low, 0.2) for low in (0.2, 0.1)]
    assert [downstream_section.gain(of) for of in arms] == [
        {"gain": "+20.0", "interval": "no interval", "sure": ""},
        {"gain": "+20.0", "interval": "+10.0 to +20.0", "sure": "▲ "},
    ]


def test_without_arms_there_is_no_section():
    assert anomalies_section.context([], {}) is None
