"""A real server on a real PostgreSQL, broken in every way that was thought of: every number of the journals is in the
database once, and no job notices."""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.tracking.journal import EVENTS, Journal, read_events
from pipeline.tracking.mlflow_writer import REFUSED
from pipeline.tracking.pending_runs import STATE
from tests.forks import ROOT, Child
from tests.services.machine import Server
from tests.workflow.test_rerun import started

pytestmark = pytest.mark.services
NAMES = [f"loss/{i}" for i in range(10)]


class Results:
    """A results folder with journals, and the experiment that they go to."""

    def __init__(self, root: Path, server, postgres):
        self.root, self.server, self.postgres = root, server, postgres
        self.experiment = f"pyrite/{root.name}"

    def journal(self, model="cgan", stage="train", **options) -> Journal:
        names = {"key": f"{self.root.name}/{model}", "stage": stage, "name": model, "experiment": self.root.name}
        return Journal(self.folder(model, stage), **names, **options)

    def folder(self, model="cgan", stage="train") -> Path:
        return self.root / "journal" / self.root.name / model / stage

    def sync(self, uri=None) -> Child:
        words = ["once", uri or self.server.uri, str(self.root), "--experiment", self.experiment.partition("/")[0]]
        return Child("pipeline.tracking.sync", *words)

    def synced(self, status=0, uri=None) -> str:
        syncer = self.sync(uri)
        assert syncer.wait(170) == status, syncer.said
        return syncer.said

    def journaled(self) -> list[tuple]:
        return sorted(point for path in self.root.rglob(EVENTS) for point in journaled(path))

    def check(self) -> None:
        """Nothing lost, nothing doubled."""
        assert self.postgres.points(self.experiment) == self.journaled()


def journaled(path):
    """Every number of a journal, as the database has it."""
    run, began = None, 0
    for _, event in read_events(path):
        if event["t"] == "start":
            run, began = event["name"], event["ts"]
        if event["t"] in ("metrics", "final", "system"):
            step = (event["ts"] - began) // 1000 if event["t"] == "system" else event.get("images", 0)
            at = step, event["ts"]
            yield from ((run, name, *at, str(float(value))) for name, value in event["d"].items())


@pytest.fixture
def results(tmp_path, server, postgres):
    return Results(tmp_path, server, postgres)


def train(journal, steps=range(0, 1000, 10)):
    with journal:
        for images in steps:
            journal.metrics({name: images / (i + 3) for i, name in enumerate(NAMES)}, images)
        journal.final({"train/seconds": 3})


def test_a_syncer_killed_again_and_again_ends_where_it_would_have(results):
    """Beside it another, and of each journal the beginning was sent before, and forgotten."""
    for i in range(4):
        train(results.journal(f"cgan{i}"), range(0, 3000, 10))
    results.synced()
    for state in results.root.rglob(STATE):
        state.unlink()
    for _ in range(5):
        one, other = results.sync(), results.sync()
        time.sleep(0.2 + time.monotonic() % 0.3)
        assert one.poll() is None
        for syncer in (one, other):
            syncer.kill()
    results.synced()
    results.check()
    assert len(results.postgres.runs(results.experiment)) == 4


def test_two_syncers_at_once_make_each_run_once(results):
    for i in range(4):
        train(results.journal(f"cgan{i}"))
    syncers = [results.sync(), results.sync()]
    assert [syncer.wait(170) for syncer in syncers] == [0, 0], [syncer.said for syncer in syncers]
    results.check()
    assert results.postgres.runs(results.experiment) == [(f"cgan{i}", "FINISHED") for i in range(4)]


def test_a_job_killed_in_a_line_goes_on_in_its_run(results):
    code = """
import os, signal, sys
from pathlib import Path
from pipeline.tracking.journal import Journal
key, name = sys.argv[2], "cgan"
job = Journal(Path(sys.argv[1]), key=key + "/" + name, stage="train", name=name, experiment=key)
for images in range(0, 500, 10):
    job.metrics({"loss/0": images}, images)
os.write(job._file, b'{"t":"metrics","ts":17,"images":500,"d":{"lo')
os.kill(os.getpid(), signal.SIGKILL)
"""
    words = [sys.executable, "-c", code, str(results.folder()), results.root.name]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    results.synced()
    assert results.postgres.runs(results.experiment) == [("cgan", "KILLED")]
    train(results.journal(resume=True), range(400, 1000, 10))
    results.synced()
    results.check()
    assert results.postgres.runs(results.experiment) == [("cgan", "FINISHED")]
    assert ("cgan", "loss/0", 490) in {point[:3] for point in results.postgres.points(results.experiment)}


def test_one_bad_number_among_a_thousand_good_ones_is_left_out_alone(results):
    with results.journal() as journal:
        journal.metrics(
            {f"good/{i}": i for i in range(500)} | {"bad//name": 1} | {f"fine/{i}": i for i in range(500)}, 1
        )
    assert "MLflow refused 1 items" in results.synced()
    (note,) = (results.folder() / REFUSED).read_text().splitlines()
    assert json.loads(note)["event"]["key"] == "bad//name"
    good = [point for point in results.journaled() if point[1] != "bad//name"]
    assert results.postgres.points(results.experiment) == good
    assert len(good) == 1000


def test_a_disk_that_is_full_at_the_server_costs_a_line_until_there_is_room(results):
    """Of the database first, then of the artifacts."""
    train(results.journal("before"))
    results.synced()
    train(results.journal("cgan"), range(0, 10_000, 10))
    largest = max(file.stat().st_size for file in (results.postgres.folder / "data" / "base").rglob("*"))
    results.postgres.limit_files(max(1 << 20, largest))
    said = results.synced(status=1)
    assert "nothing is lost" in said
    assert said.count("\n") == 1
    results.postgres.limit_files(-1)
    picture = results.root / "film.gif"
    picture.write_bytes(bytes(300_000))
    with results.journal("ddpm") as journal:
        journal.artifact(picture)
        journal.metrics({"loss/0": 1}, 1)
    results.server.limit_files(100_000)
    said = results.synced(status=1)
    assert "1 journals failed, nothing is lost" in said
    results.server.limit_files(-1)
    results.synced()
    results.check()
    (kept,) = (results.server.folder / "artifacts").rglob("film.gif")
    assert kept.stat().st_size == 300_000


def test_a_server_that_never_answers_costs_seconds_and_a_line(results):
    train(results.journal())
    results.server.signal(signal.SIGSTOP)
    began = time.monotonic()
    said = results.synced(status=1)
    assert time.monotonic() - began < 30  # of which 5 for the server
    results.server.signal(signal.SIGCONT)
    assert said.count("\n") == 1
    assert "nothing is lost" in said
    results.synced()
    results.check()


# ---------------------------------------------------------------- the pipeline itself

CGAN = "datasets.polycrystals.shots=null datasets.polycrystals.models=[cgan]"


@contextmanager
def pipeline(folder, uri, *words, settings=""):
    """A run of the real Snakefile, told of the server by MLflow's variable."""
    run = started(folder, *words, settings=f"{CGAN} {settings}", MLFLOW_TRACKING_URI=uri)
    try:
        yield run
    finally:
        run.kill()


@pytest.fixture
def experiment(request):
    return f"run{abs(hash(request.node.nodeid)) % 10_000}"


def test_a_run_whose_server_is_killed_and_comes_back_loses_nothing(tmp_path, server, postgres, experiment):
    """Down at the start, up, killed while it trains (which waits for that), and up again when all is over."""
    folder, found = tmp_path / "results", Results(tmp_path / "results", server, postgres)
    found.experiment = f"{experiment}/polycrystals"
    server.kill()
    longer = f"models.cgan.total_images=2000 tracking.experiment={experiment}"
    with pipeline(folder, server.uri, "train_all", settings=longer) as run:
        wait_for(lambda: found.journaled(), run)
        (training,) = run.jobs("train")
        training.suspend()
        before = len(found.journaled())
        wait_for(lambda: "will try again" in (folder / "tracking.log").read_text(), run)
        server.start()
        wait_for(lambda: postgres.points(found.experiment), run)
        server.kill()
        training.resume()
        assert run.wait(170) == 0, run.said
    assert len(found.journaled()) > before
    assert re.search(r"^tracking: .* cannot be used now, nothing is lost", run.said, re.M)
    server.start()
    found.synced()
    assert found.synced().startswith("tracking: up to date")
    found.check()
    assert postgres.runs(found.experiment) == [("cgan-s0", "FINISHED")]


def test_a_run_that_fails_says_so_before_a_server_that_never_answers(tmp_path, server, postgres, experiment):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").write_bytes(b"")
    server.signal(signal.SIGSTOP)
    settings = f"tracking.experiment={experiment} datasets.polycrystals.source={tmp_path}/images"
    with pipeline(tmp_path / "results", server.uri, "prepare_all", settings=settings) as run:
        assert run.wait(170) == 1, run.said  # Snakemake's own
    assert "1 rejected: is empty" in run.said


def wait_for(happens, run):
    deadline = time.monotonic() + 120
    while not happens():
        assert run.poll() is None, run.said
        assert time.monotonic() < deadline
        time.sleep(0.1)


# ---------------------------------------------------------------- a server behind a password


def test_behind_a_password_only_who_knows_it_may_write(tmp_path, results, postgres):
    pytest.importorskip("flask_wtf", reason="needs pip install 'pyrite[server]'")
    (tmp_path / "auth.ini").write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\nauth_cache_ttl_seconds = 60\n"
        f"database_uri = sqlite:///{tmp_path}/users.db\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    secrets = {"MLFLOW_FLASK_SERVER_SECRET_KEY": "s" * 32, "MLFLOW_AUTH_ADMIN_PASSWORD": "of-the-tests-only"}
    secrets["MLFLOW_AUTH_CONFIG_PATH"] = str(tmp_path / "auth.ini")
    guarded = Server(tmp_path / "guarded", results.server.store, "--app-name", "basic-auth", **secrets)
    guarded.start()
    try:
        train(results.journal())
        assert "nothing is lost" in results.synced(status=1, uri=guarded.uri)
        said = results.synced(uri=guarded.uri.replace("//", "//admin:of-the-tests-only@"))
    finally:
        guarded.kill()
    assert "of-the-tests-only" not in said
    results.check()
