"""What `nvidia-smi` says is read as it is meant, and a look that fails costs no training."""

import subprocess

from pipeline.tracking import system
from pipeline.tracking.journal import EVENTS, Journal, read_events

SAID = "0, 97, 1000, 4000\n1, 3, 500, 4000\n"


def test_only_the_cards_of_the_job_are_told_of():
    found = system.of_cards(SAID, ["1"])
    assert found == {
        "gpu_1_utilization_percentage": 3,
        "gpu_1_memory_usage_megabytes": 524.288,  # 500 MiB
        "gpu_1_memory_usage_percentage": 12.5,
    }
    assert len(system.of_cards(SAID, None)) == 6


def test_a_job_that_adds_to_a_run_leaves_the_looks_of_its_own_job_alone(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(system, "cards", lambda: looks.append(1) or {})
    for attach in (False, True):
        names = {"key": "a", "stage": "detect", "name": "a", "experiment": "a", "attach": attach}
        with Journal(tmp_path / str(attach), **names) as journal, system.watched(journal, 60):
            pass
    kinds = [[event["t"] for _, event in read_events(tmp_path / name / EVENTS)] for name in ("False", "True")]
    assert kinds == [["start", "system", "end"], ["start", "end"]]
    assert len(looks) == 1


def test_a_card_that_does_not_answer_costs_a_look_and_no_more(tmp_path, monkeypatch):
    def away(*words, **options):
        raise subprocess.TimeoutExpired("nvidia-smi", 5)

    monkeypatch.setattr(system.subprocess, "run", away)
    with Journal(tmp_path, key="a", stage="train", name="a", experiment="a") as journal, system.watched(journal, 60):
        journal.metrics({"loss": 1}, 1)
    kinds = [event["t"] for _, event in read_events(tmp_path / EVENTS)]
    assert kinds == ["start", "metrics", "end"]
