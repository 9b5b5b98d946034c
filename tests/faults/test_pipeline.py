"""The real Snakefile on a machine that fails: one clear line, and the same command goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.base import results as folder_of_results
from tests.faults.small_disk import disk
from tests.workflow.test_rerun import ROOT, command, planned, run

pytestmark = pytest.mark.faults
CGAN = "datasets.polycrystals.shots=null datasets.polycrystals.models=[cgan]"


def errors(said: str) -> set[str]:
    """The lines that tell of a failure, each once: Snakemake repeats the log of a job that failed."""
    return {line.strip() for line in said.splitlines() if line.strip().startswith("ERROR: ")}


def test_a_disk_that_fills_up_with_images_and_then_with_a_checkpoint(tmp_path):
    place = tmp_path / "disk"
    with disk(place, 120) as enlarge:
        results = place / "results"
        (line,) = errors(run(results, "prepare_all", settings=CGAN, check=False))
        assert re.search(r"cannot be written \(No space left on device\)", line)
        assert not list(results.rglob("*.part"))
        enlarge(1500)
        (line,) = errors(run(results, "train_all", settings=CGAN, check=False))
        assert re.search(r"\(No space left on device", line)
        assert (results / "polycrystals/real/images.npy").is_file()
        enlarge(100_000)
        run(results, "train_all", settings=CGAN)


def test_a_folder_that_may_only_be_read(tmp_path):
    place = tmp_path / "disk"
    with disk(place, 10_000):
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        said = run(place / "results", "prepare_all", settings=CGAN, check=False)
        assert errors(said) == {f"ERROR: {place}/results/.lock: cannot be written (Read-only file system)"}
        assert "Traceback" not in said
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        run(place / "results", "prepare_all", settings=CGAN)


def test_the_second_of_two_runs_says_who_is_at_work(tmp_path):
    """By whichever name it calls them."""
    results, link = tmp_path / "results", tmp_path / "link"
    link.symlink_to(results)
    with folder_of_results.claim(results):
        (line,) = errors(run(link, "prepare_all", settings=CGAN, check=False))
    assert re.match(rf"ERROR: results: another run is at work on `{link}` \(process {os.getpid()} on \S+, since ", line)
    run(results, "prepare_all", settings=CGAN)


def disturbed(results, begun, disturb):
    """The one error of a run that is disturbed as soon as it has begun: `begun` is of its process."""
    words = command(results, "prepare_all", settings=CGAN)
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as head:
        deadline = time.monotonic() + 170
        while not (found := begun(head.pid)) and time.monotonic() < deadline:
            assert head.poll() is None
            time.sleep(0.05)
        disturb(found)
        said = head.communicate(timeout=170)[0]
    assert head.returncode == 1, said
    (line,) = errors(said)
    return line


def test_a_job_that_the_kernel_kills_is_named_and_the_same_command_goes_on(tmp_path):
    """As it does where memory runs out."""
    line = disturbed(tmp_path / "results", lambda pid: scripts(pid, "prepare"), lambda jobs: jobs[-1].kill())
    assert line.startswith("ERROR: prepare: was killed by SIGKILL")
    run(tmp_path / "results", "prepare_all", settings=CGAN)


def test_a_clock_that_is_set_back_costs_a_line_and_the_same_command_goes_on(tmp_path):
    results = tmp_path / "results"
    log = results / "logs/polycrystals/prepare.log"
    line = disturbed(results, lambda _: log.exists(), lambda _: to_the_future(results))
    assert line.startswith("ERROR: the clock of this machine was set back")
    run(results, "prepare_all", settings=CGAN)
    assert planned(results, CGAN, "prepare_all") == {}
    to_the_future(results)
    assert planned(results, CGAN, "prepare_all") == {}


def to_the_future(results: Path) -> None:
    """What is there was written in an hour, as the clock goes now."""
    at = time.time() + 3600
    for path in results.rglob("*"):
        if path.is_file():
            os.utime(path, (at, at))


def test_what_a_later_snakemake_noted_or_a_crash_damaged_redoes_nothing(tmp_path):
    (tmp_path / "Snakefile").write_text("rule made:\n    output: 'made'\n    shell: 'touch {output}'\n")
    words = [Path(sys.executable).with_name("snakemake"), "--cores", "1"]

    def snakemake(*more):
        done = subprocess.run([*words, *more], cwd=tmp_path, capture_output=True, text=True, timeout=170, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    snakemake()
    (record,) = (tmp_path / ".snakemake" / "metadata").iterdir()
    known = json.loads(record.read_text())
    record.write_text(json.dumps(known | {"record_format_version": 99, "of_next_year": {"a": 1}}))
    assert "Nothing to be done" in snakemake("--dry-run")
    record.write_text('{"rule": "made", ')
    said = snakemake("--dry-run")
    assert "Nothing to be done" in said
    assert "Ignore corrupted" in said


def started_in(folder, results, status, *options):
    """What a preparation says that was started in another folder than the clone's."""
    words = command(results, "prepare_all", settings=CGAN)
    words[1:1] = ["--snakefile", str(ROOT / "workflow/Snakefile"), *options]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=170, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said
    return said


def test_where_snakemake_cannot_keep_its_records_is_a_line(tmp_path):
    place = tmp_path / "disk"
    with disk(place, 40) as enlarge:
        (line,) = errors(started_in(place, tmp_path / "results", 1))
        assert line.startswith(f"ERROR: {place}/.snakemake/room: cannot be written (No space left on device)")
        enlarge(1000)
        started_in(place, tmp_path / "results", 0, "--dry-run")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        (line,) = errors(started_in(place, tmp_path / "results", 1))
        assert line.startswith(f"ERROR: {place}/.snakemake/room: cannot be written (Read-only file system)")


def test_records_that_this_snakemake_cannot_read_are_one_line_and_nothing_is_made_anew(tmp_path):
    def snakemake(status):
        return started_in(tmp_path, tmp_path / "results", status)

    snakemake(0)
    folder = tmp_path / ".snakemake/metadata"
    records = [path for path in folder.rglob("*") if path.is_file()]
    for path in records[:2]:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"input": {"of_next_year": 1}}))
    (line,) = errors(snakemake(1))
    assert line.startswith(f"ERROR: .snakemake/metadata: 2 of the {len(records)} records of finished jobs are damaged")
    assert "or delete .snakemake/metadata: finished work stays" in line
    shutil.rmtree(folder)
    assert "Nothing to be done" in snakemake(0)
    folder.mkdir(exist_ok=True)
    (folder / "b25l").write_bytes(b"\xff\xfe")
    (line,) = errors(snakemake(1))
    assert "or delete .snakemake/metadata/b25l: finished" in line


def scripts(head: int, rule: str) -> list[psutil.Process]:
    """The processes that compute a job of a rule, below a run of Snakemake."""
    found = []
    for process in psutil.Process(head).children(recursive=True):
        with suppress(psutil.Error):
            words = process.cmdline()
            found += [process] if words and "python" in words[0] and words[-1].endswith(f".{rule}.py") else []
    return found


STOPS = [  # the log of a stage, a target that ends with it, and how it is stopped
    ("prepare", "prepare_all", signal.SIGINT),
    ("train", "train_all", signal.SIGINT),
    ("generate", "generate_all", signal.SIGTERM),
    ("evaluate", "evaluate_all", signal.SIGINT),
    ("arms", "detect_all", signal.SIGINT),
    ("write_report", "all", signal.SIGINT),
]
BRIEF = (
    f"{CGAN} detect.filters=[confidence] detect.keep_fractions=[1] gallery.interpolation=null gallery.strips=null "
    "evaluate.imagenet=false evaluate.class_feature_steps=0"
)


def test_an_interrupt_at_every_stage_costs_a_line_and_the_same_command_goes_on(tmp_path):
    """And the results may be moved between: all is done there."""
    results = tmp_path / "results"
    for stage, target, stop in STOPS:
        words = ["env", "--default-signal=INT", *command(results, target, settings=BRIEF)]  # a job of cron ignores it
        job = subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        deadline = time.monotonic() + 600
        while not list((results / "logs").rglob(f"{stage}.log")):
            assert job.poll() is None, job.communicate()[0]
            assert time.monotonic() < deadline, stage
            time.sleep(0.05)
        os.killpg(job.pid, stop)  # as Ctrl-C in a terminal, or a machine that shuts down
        said = job.communicate(timeout=170)[0]
        assert job.returncode != 0, said
        assert "Traceback" not in said
        assert "the same command goes on" in said, said
    run(results, settings=BRIEF)
    moved = tmp_path / "elsewhere" / "results"
    moved.parent.mkdir()
    shutil.move(results, moved)
    assert planned(moved, BRIEF) == {}


HOSTILE = [
    "a; touch pwned #",
    "$(touch pwned)",
    "`touch pwned`",
    "b'\"&& touch pwned",
    "{wildcard}",
    "line\nbreak",
    "-rf",
]


def test_no_name_is_ever_a_command(tmp_path):
    """Of classes, files, a data set's folder and a licence: no shell reads them."""
    source = tmp_path / "images $(touch pwned)"
    fill(source)
    config = tmp_path / "hostile.yaml"
    config.write_text(
        f"results: {tmp_path}/results\n"
        f"datasets:\n  steel: {{source: {str(source)!r}, labels: {{rule: folder}}, size: 32}}\n"
        "models: {cgan: {family: cgan}}\ntracking: {experiment: '; touch pwned #', uri: 'sqlite:///x; touch pwned'}\n"
    )
    words = [*command(tmp_path / "results")[:4], str(config), "--", "prepare_all"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.rglob("pwned"))
    assert not (ROOT / "pwned").exists()


def fill(source: Path) -> None:
    """A class of each hostile name, with files of hostile names."""
    rng = np.random.default_rng(0)
    for name in HOSTILE:
        (source / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(source / name / f"{i} $(touch pwned).png")
