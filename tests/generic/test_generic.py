"""profiles/generic on schedulers that a script plays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.cluster import until

ROOT = Path(__file__).resolve().parents[2]
JOBS = ROOT / "profiles" / "generic" / "jobs.sh"
COMMANDS = ("qsub", "qstat", "qdel", "qacct", "bsub", "bjobs", "bkill")
ASKED = {
    "pbs": "-l walltime=7500 -l select=1:ncpus=4:mem=3000mb:ngpus=1",
    "lsf": "-gpu num=1 -W 125 -wa TERM -wt 2 -n 4 -M 3000MB -R span[hosts=1] rusage[mem=3000MB]",
    "sge": "-l gpu=1 -l h_rt=7500 -l mem_free=751M -pe smp 4",
}


@pytest.fixture(params=ASKED)
def scheduler(request, tmp_path, monkeypatch):
    """Its name; its commands come first on PATH."""
    for name in COMMANDS:
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(ROOT / "tests" / "generic" / "fake_scheduler.py")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SCHEDULER", str(tmp_path))
    monkeypatch.setenv("PYRITE_SCHEDULER", request.param)
    if request.param == "sge":
        monkeypatch.setenv("FAKE_SGE", "1")
    monkeypatch.chdir(tmp_path)
    return request.param


def said(*words):
    return subprocess.run([JOBS, *words], capture_output=True, text=True, check=True).stdout.strip()


def submitted(script, tmp_path, cards="1"):
    (tmp_path / "job.sh").write_text(script)
    return said("submit", "4", "3000", "125", cards, "job.sh")


@pytest.mark.parametrize(("script", "end"), [("true", "success"), ("exit 3", "failed")])
def test_a_job_is_asked_for_runs_and_ends(scheduler, tmp_path, script, end):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    number = submitted(f"read line < {gate}\n{script}", tmp_path)
    assert ASKED[scheduler] in (tmp_path / "101.words").read_text()
    assert said("status", number) == "running"
    gate.write_text("go\n")
    assert until(lambda: said("status", number) == end, 30)


def test_a_job_that_needs_no_card_asks_for_none(scheduler, tmp_path):
    submitted("true", tmp_path, cards="0")
    words = (tmp_path / "101.words").read_text()
    assert "ngpus=0" in words if scheduler == "pbs" else "gpu" not in words


def test_a_cancelled_job_has_failed(scheduler, tmp_path):
    number = submitted("sleep 600", tmp_path)
    said("cancel", number)
    assert said("status", number) == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["lsf"], indirect=True)
def test_snakemake_submits_looks_and_tries_again_with_more(scheduler, tmp_path):
    for shared in ("config", "profiles"):
        (tmp_path / shared).symlink_to(ROOT / shared)
    command = [Path(sys.executable).with_name("snakemake"), "--snakefile", ROOT / "tests/generic/steps.smk"]
    command += ["--workflow-profile", "profiles/generic", "--seconds-between-status-checks", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    words = [path.read_text() for path in sorted(tmp_path.glob("*.words"))]
    assert [("-M 2000MB" in text, "num=1" in text) for text in words] == [(True, True), (False, False), (True, False)]
