"""Cards are handed out: who gets which, who waits, what a killed process frees. No card is needed, they are made up."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.base import cards
from pipeline.settings import UserError
from tests import driver

ROOT = Path(__file__).resolve().parents[2]
GIB = 1 << 30
# Says which cards it was given, and holds them until its input ends.
HOLDER = """
import os, signal, sys
from pipeline.base import cards
signal.alarm(60)
sizes = [{memory}] * {number}
cards.visible = lambda: dict(zip(os.environ.get("CUDA_VISIBLE_DEVICES", "0,1,2,3").split(","), sizes))
cards.PATIENCE = 0
with cards.claimed({slots}, cards={cards}):
    print(os.environ["CUDA_VISIBLE_DEVICES"], "torch" in sys.modules, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine whose locks nobody holds, and no scheduler's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in (cards.DEVICE, cards.JOBS, cards.VISIBLE, "RANK", *cards.SCHEDULED):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hold():
    """Start a process that claims slots of made-up cards; all end with the test."""
    started = []

    def start(slots, cards=1, number=2, memory=80 * GIB, **environment):
        code = HOLDER.format(slots=slots, cards=cards, number=number, memory=memory)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", code], env=os.environ | environment, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def given(process):
    """The cards that a process says it holds; it has not imported torch by then."""
    shown, torch = process.stdout.readline().split()
    assert torch == "False"
    return shown.split(",")


def waits(process):
    assert "waits for a graphics card: " in process.stderr.readline()


def test_each_job_gets_a_card_of_its_own_and_one_too_many_that_of_one_that_is_killed(hold):
    first, second = hold(1), hold(1)
    held = given(first), given(second)
    assert sorted(held) == [["0"], ["1"]]
    third = hold(1)
    waits(third)
    first.kill()
    assert given(third) == held[0]
    third.communicate()
    assert third.returncode == 0


def test_jobs_that_share_cards_are_spread_over_them(hold):
    first, second = (hold(1, PYRITE_JOBS_PER_GPU="2", CUDA_VISIBLE_DEVICES="3,GPU-a/b") for _ in range(2))
    assert sorted(given(first) + given(second)) == ["3", "GPU-a/b"]
    whole = hold(2, PYRITE_JOBS_PER_GPU="2", CUDA_VISIBLE_DEVICES="3,GPU-a/b")
    waits(whole)  # two slots are free, but on two cards
    second.kill()
    assert len(given(whole)) == 1


def test_a_training_on_two_cards_takes_none_before_it_can_have_both(hold):
    first = hold(1)
    held = given(first)
    two = hold(2, cards=2)
    waits(two)
    other = hold(1)
    assert sorted(held + given(other)) == ["0", "1"]
    first.kill()
    other.kill()
    assert given(two) == ["0", "1"]


def test_jobs_of_a_scheduler_have_cards_of_their_own(hold):
    first, second = hold(1, number=1, SLURM_JOB_ID="7"), hold(1, number=1, SLURM_JOB_ID="8")
    assert given(first) == given(second) == ["0"]


@pytest.mark.parametrize(
    ("slots", "count", "message"),
    [
        (
            3,
            3,
            r"gpu: 3 processes want a card each, here are 2 \(CUDA_VISIBLE_DEVICES=0,1\); --set-resources train:gpu=2",
        ),
        (2, 1, r"gpu: 2 slots of one card wanted, a card has 1 \(jobs_per_gpu"),
    ],
)
def test_more_than_there_are_is_an_error_and_no_endless_wait(monkeypatch, slots, count, message):
    monkeypatch.setattr(cards, "visible", lambda: {"0": GIB, "1": GIB})
    with pytest.raises(UserError, match=message), cards.claimed(slots, cards=count):
        pass


def test_a_small_card_is_shared_by_as_many_as_it_has_room_for(monkeypatch):
    monkeypatch.setenv(cards.JOBS, "4")
    assert cards._capacity({"0": GIB, "1": 4 * GIB, "2": 80 * GIB}) == {"0": 1, "1": 2, "2": 4}


@pytest.mark.parametrize(("slots", "device"), [(0, "auto"), (1, "cpu"), (1, "mps")])
def test_a_job_without_a_slot_sees_no_card(monkeypatch, slots, device):
    monkeypatch.setattr(cards, "visible", lambda: {"0": GIB})
    monkeypatch.setenv(cards.DEVICE, device)
    monkeypatch.setenv(cards.VISIBLE, "0")
    with cards.claimed(slots, cards=slots):
        assert os.environ[cards.VISIBLE] == ""


def test_one_of_several_processes_that_another_program_has_started_keeps_what_it_was_given(monkeypatch):
    monkeypatch.setattr(cards, "visible", lambda: {"0": GIB})
    monkeypatch.setenv("RANK", "1")
    with cards.claimed(4, cards=4):
        assert cards.VISIBLE not in os.environ


def test_without_a_card_nothing_is_claimed_and_nothing_hidden(monkeypatch, tmp_path):
    monkeypatch.setattr(cards, "visible", dict)
    with cards.claimed(99, cards=99):
        assert cards.VISIBLE not in os.environ
        assert not list(tmp_path.iterdir())


def test_cards_are_those_that_the_driver_shows(monkeypatch, tmp_path):
    monkeypatch.setenv("LD_LIBRARY_PATH", driver.built(tmp_path))
    assert cards.visible() == {"0": 10**10, "1": 11 * 10**9}
    monkeypatch.setenv(cards.VISIBLE, "5, 2,9")  # CUDA does not know 9, and has shown it no card
    assert cards.visible() == {"5": 10**10, "2": 11 * 10**9}


def test_variables_of_the_users_override_settings_and_are_checked(monkeypatch):
    assert cards.environment("mps", 2) == {cards.DEVICE: "mps", cards.JOBS: "2"}
    monkeypatch.setenv(cards.DEVICE, "cpu")
    assert cards.environment("mps", 2) == {cards.DEVICE: "cpu", cards.JOBS: "2"}
    monkeypatch.setenv(cards.JOBS, "0")
    with pytest.raises(UserError, match="PYRITE_JOBS_PER_GPU: `0` is not a whole number of at least 1"):
        cards.environment("auto", 1)
    monkeypatch.setenv(cards.DEVICE, "gpu")
    with pytest.raises(UserError, match="PYRITE_DEVICE: `gpu` is not one of auto, cpu, cuda, mps"):
        cards.environment("auto", 1)


def test_every_rule_whose_script_claims_a_card_says_so_and_no_other():
    rules = {}
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        for body in re.split(r"^rule ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            if script := re.search(r"scripts/(\w+)\.py", body):
                rules[script[1]] = (
                    re.search(r"^ +gpu=(lambda w: .* else slot\(w\)|slot),$", body, re.MULTILINE) is not None
                )
    scripts = {p.stem: p.read_text(encoding="utf-8") for p in (ROOT / "workflow" / "scripts").glob("*.py")}
    assert rules == {name: "claimed(snakemake.resources.gpu" in text for name, text in scripts.items()}
    assert rules["evaluate"]
    assert rules["train"]
    assert not rules["prepare"]
