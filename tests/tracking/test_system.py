"""What `nvidia-smi` says is read as it is meant, and a look that fails costs no training."""

import subprocess

from pipeline.tracking import system
from pipeline.tracking.journal import EVENTS, Journal, read_events

SAID = "0, GPU-a, 97, 1000, 4000\n1, GPU-b, 3, 500, 4000"


def test_only_the_cards_of_the_job_are_told_of():
    found = system.of_cards(SAID, ["1"])
    assert found == {
        "gpu_1_utilization_percentage": 3,
        "gpu_1_memory_usage_megabytes": 524.288,  # 500 MiB
        "gpu_1_memory_usage_percentage": 12.5,
    }
    assert len(system.of_cards(SAID, None)) == 6
    assert system.of_cards(SAID, ["GPU-b"]) == found


def test_what_the_driver_does_not_know_is_left_out():
    assert system.of_cards("0, GPU-a, [N/A], 1000, 4000\n1, GPU-b, 3, [N/A], [N/A]\n", None) == {
        "gpu_0_memory_usage_megabytes": 1048.576,
        "gpu_0_memory_usage_percentage": 25,
        "gpu_1_utilization_percentage": 3,
    }


def test_what_a_card_does_is_in_the_journal(tmp_path, monkeypatch):
    """Of the two that a driver on PATH tells of, the one that the job was given."""
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "{SAID}"\n')
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with Journal(tmp_path, key="a", stage="train", name="a", experiment="a") as journal, system.watched(journal, 60):
        pass
    (found,) = (event["d"] for _, event in read_events(tmp_path / EVENTS) if event["t"] == "system")
    assert found["system/gpu_0_utilization_percentage"] == 97
    assert found["system/gpu_0_memory_usage_percentage"] == 25
    assert found["system/process_memory_usage_megabytes"] > 0
    assert not any("gpu_1" in name for name in found)
    assert "--format=csv,noheader,nounits" in (tmp_path / "asked").read_text()


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


def test_a_card_that_does_not_answer_costs_what_is_said_of_it_and_no_more(tmp_path, monkeypatch):
    def away(*words, **options):
        raise subprocess.TimeoutExpired("nvidia-smi", 5)

    monkeypatch.setattr(system.subprocess, "run", away)
    with Journal(tmp_path, key="a", stage="train", name="a", experiment="a") as journal, system.watched(journal, 60):
        journal.metrics({"loss": 1}, 1)
    events = [event for _, event in read_events(tmp_path / EVENTS)]
    assert [event["t"] for event in events] == ["start", "metrics", "system", "end"]
    assert not any("gpu" in name for name in events[2]["d"])
