"""The real Snakefile on a machine that fails: one clear line, and the same command goes on."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.base import results as folder_of_results
from tests.faults.small_disk import disk
from tests.forks import ROOT, Child
from tests.workflow.test_rerun import command, planned, run, started

pytestmark = pytest.mark.faults
CGAN = "datasets.polycrystals.shots=null datasets.polycrystals.models=[cgan]"


@pytest.fixture(autouse=True)
def no_store(monkeypatch):
    """None answers there: the runs send nothing to MLflow, whose own faults are tested elsewhere."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")


def errors(said: str) -> set[str]:
    """The lines that tell of a failure, each once: Snakemake repeats the log of a job that failed."""
    return {line.strip() for line in said.splitlines() if line.strip().startswith("ERROR: ")}


def test_a_disk_that_fills_up_with_images_and_then_with_a_checkpoint(tmp_path):
    place, short = tmp_path / "disk", f"{CGAN} models.cgan.total_images=32"
    with disk(place, 120) as enlarge:
        results = place / "results"
        (line,) = errors(run(results, "prepare_all", settings=short, check=False))
        assert re.search(r"cannot be written \(No space left on device\)", line)
        assert not list(results.rglob("*.part"))
        enlarge(1500)
        (line,) = errors(run(results, "train_all", settings=short, check=False))
        assert re.search(r"\(No space left on device", line)
        assert (results / "polycrystals/real/images.npy").is_file()
        enlarge(100_000)
        run(results, "train_all", settings=short)


def test_a_folder_that_may_only_be_read_and_one_where_another_run_is_at_work(tmp_path):
    """By whichever name the two runs call it."""
    place, link = tmp_path / "disk", tmp_path / "link"
    results = place / "results"
    link.symlink_to(results)
    with disk(place, 10_000):
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        said = run(results, "prepare_all", settings=CGAN, check=False)
        assert errors(said) == {f"ERROR: {place}/results/.lock: cannot be written (Read-only file system)"}
        assert "Traceback" not in said
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        with folder_of_results.claim(results):
            (line,) = errors(run(link, "prepare_all", settings=CGAN, check=False))
        other = rf"another run is at work on `{link}` \(process {os.getpid()} on \S+, since "
        assert re.match(f"ERROR: results: {other}", line)
        run(results, "prepare_all", settings=CGAN)


def disturbed(results, begun, disturb):
    """The one error of a run that is disturbed as soon as it has begun: `begun` is of the run."""
    head = started(results, "prepare_all", settings=CGAN)
    deadline = time.monotonic() + 170
    while not (found := begun(head)) and time.monotonic() < deadline:
        assert head.poll() is None, head.said
        time.sleep(0.02)
    disturb(found)
    assert head.wait(170) == 1, head.said
    (line,) = errors(head.said)
    return line


def test_a_job_that_the_kernel_kills_and_a_clock_that_is_set_back_cost_a_line_and_the_same_command_goes_on(tmp_path):
    """Killed as where memory runs out."""
    results = tmp_path / "results"
    log = results / "logs/polycrystals/prepare.log"
    line = disturbed(results, lambda head: head.jobs("prepare"), lambda jobs: jobs[-1].kill())
    assert line.startswith("ERROR: prepare: was killed by SIGKILL")
    log.unlink(missing_ok=True)
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

    def snakemake(*more):
        child = Child("snakemake.cli", "--cores", "1", *more, folder=tmp_path)
        assert child.wait() == 0, child.said
        return child.said

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
    words = ["--snakefile", str(ROOT / "workflow/Snakefile"), *options]
    words += command(results, "prepare_all", settings=CGAN)[1:]
    child = Child("snakemake.cli", *words, folder=folder)
    assert child.wait() == status, child.said
    assert "Traceback" not in child.said
    return child.said


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
    child = Child("snakemake.cli", "--cores", "1", "--configfile", str(config), "--", "prepare_all")
    assert child.wait() == 0, child.said
    assert not list(tmp_path.rglob("pwned"))
    assert not (ROOT / "pwned").exists()


def fill(source: Path) -> None:
    """A class of each hostile name, with files of hostile names."""
    rng = np.random.default_rng(0)
    for name in HOSTILE:
        (source / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(source / name / f"{i} $(touch pwned).png")
