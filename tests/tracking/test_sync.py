"""MLflow holds what the journals hold: all of it, once, whatever was killed, lost or refused in between.

All tests share one real SQLite store; each has its own results folder and experiment.
"""

import base64
import contextlib
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from PIL import Image
from safetensors.numpy import save_file

from pipeline.tracking.journal import EVENTS, Journal, read_events
from pipeline.tracking.mlflow_writer import REFUSED
from pipeline.tracking.pending_runs import STATE, State
from pipeline.tracking.sync import Syncer, Unavailable, identity, locked, once, store_uri
from pipeline.tracking.system import watched
from pipeline.tracking.views import saved_views

# MLflow and what it brings use things that are deprecated; that is not ours to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


class Results:
    """A results folder, its journals, and its runs in the shared store."""

    def __init__(self, root: Path, uri: str):
        self.root, self.uri = root, uri

    def journal(self, stage="train", model="cgan", **options) -> Journal:
        key = f"{self.root.name}/{model}/seed-0"
        names = {"key": key, "stage": stage, "name": f"{model}-s0", "experiment": self.root.name}
        return Journal(self.folder(stage, model), **names, **options)

    def folder(self, stage="train", model="cgan") -> Path:
        return self.root / "journal" / "steel" / model / "seed-0" / stage

    def sync(self):
        self.syncer = Syncer(self.uri, self.root)
        return self.syncer.sync()

    def synced(self):
        """The only run."""
        self.sync()
        (run,) = self.runs()
        return run

    @property
    def client(self):
        return self.syncer.store.client

    def runs(self):
        return list(self.client.search_runs([self.syncer.store.experiment(self.root.name)]))

    def models(self):
        return list(self.client.search_logged_models([self.syncer.store.experiment(self.root.name)]))

    def files(self, run, path=""):
        for item in self.client.list_artifacts(run.info.run_id, path):
            if item.is_dir:
                yield from self.files(run, item.path)
            else:
                yield item.path

    def points(self, run):
        """Every stored point: (name, images, time, value)."""
        history = [self.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
        return sorted((m.key, m.step, m.timestamp, str(m.value)) for metrics in history for m in metrics)

    def everything(self):
        """All that a second sync must leave as it was."""
        return [
            {
                "tags": run.data.tags,
                "params": run.data.params,
                "points": self.points(run),
                "files": sorted(self.files(run)),
                "inputs": [i.dataset.to_dictionary() for i in run.inputs.dataset_inputs],
                "outputs": [m.model_id for m in run.outputs.model_outputs],
                "ended": (run.info.status, run.info.end_time),
            }
            for run in sorted(self.runs(), key=lambda r: r.info.run_name)
        ] + [sorted(m.model_id for m in self.models())]


@pytest.fixture
def results(tmp_path, uri):
    return Results(tmp_path, uri)


def journaled(folder):
    """Every point that a journal holds."""
    found = []
    for _, event in read_events(folder / EVENTS):
        if event["t"] in ("metrics", "final"):
            found += [(k, event.get("images", 0), event["ts"], str(v)) for k, v in event["d"].items()]
    return sorted(found)


def train(results, steps=range(0, 50, 10), model="cgan", **options):
    """A training that leaves one of everything."""
    out = results.root / "steel" / model / "seed-0"
    out.mkdir(parents=True, exist_ok=True)
    Image.new("L", (64, 64), 99).save(out / "grid.png")
    (out / "progress.gif").write_bytes(b"GIF89a")
    save_file({"w": np.arange(4.0)}, out / "model.safetensors")
    (out / "model.json").write_text("{}")
    tags = {"family": "cgan", "git_commit": "c0ffee"}
    with results.journal(model=model, params={"batch": 32, "nested": {"a": 1}}, tags=tags, **options) as journal:
        journal.dataset("steel", "d" * 64, out, {"train": 5, "test": 2})
        for images in steps:
            journal.metrics({"loss/G": images / 7, "loss/D": math.nan}, images)
        journal.image("samples", out / "grid.png", 40)
        journal.artifact(out / "progress.gif")
        journal.model("generator", out)
        journal.final({"train/seconds": 3})


def evaluate(results, kid=0.5):
    with results.journal("evaluate", attach=True, params={"subsets": 50}, tags={"git_commit": "beef"}) as journal:
        journal.final({"kid": kid})


def test_a_generator_is_one_run_with_all_that_was_journaled(results):
    train(results)
    evaluate(results)
    assert results.sync().failed == []
    (run,) = results.runs()
    assert run.info.run_name == "cgan-s0"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"batch": "32", "nested.a": "1"}
    tags = {
        "family": "cgan",
        "git_commit": "c0ffee",
        "mlflow.source.git.commit": "c0ffee",
        "evaluate.git_commit": "beef",
    }
    tags |= {"evaluate.subsets": "50", "evaluate.status": "FINISHED", "mlflow.loggedImages": "true"}
    assert tags.items() <= run.data.tags.items()
    assert results.points(run) == sorted(journaled(results.folder()) + journaled(results.folder("evaluate")))
    small, whole, film = sorted(results.files(run))  # `+compressed.webp` sorts before `.png`
    assert film == "progress.gif"
    assert whole.startswith("images/samples+step+40+")
    assert small == whole.removesuffix(".png") + "+compressed.webp"
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("steel", "d" * 36)
    assert json.loads(dataset.dataset.profile) == {"num_rows": 7, "train": 5, "test": 2}
    start, end = [e["ts"] for _, e in read_events(results.folder() / EVENTS) if e["t"] in ("start", "end")]
    assert (run.info.start_time, run.info.end_time) == (start, end)


def test_the_model_is_kept_without_any_pickle(results):
    train(results)
    run = results.synced()
    (model,) = results.models()
    assert model.source_run_id == run.info.run_id
    kept = sorted(path.name for path in Path(model.artifact_location.removeprefix("file://")).iterdir())
    assert kept == ["model.json", "model.safetensors"]


def test_sending_all_again_adds_nothing(results):
    train(results)
    evaluate(results)
    results.sync()
    before = results.everything()
    assert results.sync().events == 0
    for state in (results.root / "journal").rglob(STATE):
        state.unlink()
    assert results.sync().events == 19
    assert results.everything() == before


def test_only_what_is_new_is_sent(results):
    with results.journal() as journal:
        journal.metrics({"loss": 1}, 1)
        assert results.sync().events == 2
        assert results.runs()[0].info.status == "RUNNING"
        journal.metrics({"loss": 2}, 2)
        assert results.syncer.sync().events == 1
    assert results.syncer.sync().events == 1
    (run,) = results.runs()
    assert results.points(run) == journaled(results.folder())
    assert run.info.status == "FINISHED"


def test_a_state_whose_run_the_store_does_not_have_is_not_believed(results):
    train(results)
    head = next(read_events(results.folder() / EVENTS))[1]
    size = (results.folder() / EVENTS).stat().st_size
    store = identity(results.uri, "pyrite")
    state = State(store, head["attempt"], head["attempt"], run="0" * 32, offset=size, status="FINISHED")
    (results.folder() / STATE).write_text(json.dumps(vars(state)))
    results.sync()
    assert results.points(results.runs()[0]) == journaled(results.folder())


def test_an_addition_waits_for_its_run(results):
    evaluate(results)
    assert results.sync().waiting == 1
    assert results.runs() == []
    time.sleep(0.01)
    train(results)
    evaluate(results)
    assert results.sync().waiting == 0
    (run,) = results.runs()
    assert run.data.metrics["kid"] == 0.5


def test_a_training_begun_anew_replaces_its_run_and_what_was_added_to_it(results):
    train(results)
    evaluate(results, kid=0.5)
    old = results.synced()
    time.sleep(0.01)
    train(results, steps=[0, 10], resume=True)
    new = results.synced()
    (model,) = results.models()
    assert new.info.run_id != old.info.run_id
    assert model.source_run_id == new.info.run_id
    assert "kid" not in new.data.metrics  # measured on the old generator
    assert len(results.points(new)) == 5
    evaluate(results, kid=0.25)
    assert results.synced().data.metrics["kid"] == 0.25


def test_an_evaluation_done_again_shows_its_newest_score(results):
    train(results)
    evaluate(results, kid=0.25)
    results.sync()
    time.sleep(0.01)
    evaluate(results, kid=0.5)
    assert results.synced().data.metrics["kid"] == 0.5


def test_an_interrupted_training_goes_on_in_its_run(results):
    journal = results.journal(resume=True)
    journal.metrics({"loss": 1}, 10)
    journal.close("KILLED")
    killed = results.synced()
    with results.journal(resume=True) as journal:
        journal.metrics({"loss": 2}, 20)
        results.syncer.sync()
        assert results.runs()[0].info.status == "RUNNING"
    results.syncer.sync()
    (run,) = results.runs()
    assert (killed.info.status, run.info.status) == ("KILLED", "FINISHED")
    assert run.info.run_id == killed.info.run_id
    assert results.points(run) == journaled(results.folder())


def test_a_job_killed_without_a_word_is_marked_killed_and_may_return(results):
    code = f"""
import os, signal
from pipeline.tracking.journal import Journal
job = Journal({str(results.folder())!r}, key="{results.root.name}/cgan/seed-0", stage="train", name="cgan-s0",
              experiment={results.root.name!r})
job.metrics({{"loss": 1}}, 10)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    with open(results.folder() / EVENTS, "a") as file:
        file.write('{"t":"metrics","ts":17')  # torn
    results.sync()
    assert results.runs()[0].info.status == "KILLED"
    with results.journal(resume=True) as journal:
        journal.metrics({"loss": 2}, 20)
    run = results.synced()
    assert run.info.status == "FINISHED"
    assert [(step, value) for _, step, _, value in results.points(run)] == [(10, "1.0"), (20, "2.0")]


def test_an_error_is_kept_with_the_run(results):
    with pytest.raises(ZeroDivisionError), results.journal():
        _ = 1 / 0
    run = results.synced()
    assert run.info.status == "FAILED"
    assert list(results.files(run)) == ["error_train.txt"]


def test_what_mlflow_refuses_is_noted_and_holds_up_nothing_else(results):
    with results.journal(params={"good": 1, "x" * 300: 2, "also/good": 3}, tags={"t" * 300: 4, "fine": 5}) as journal:
        journal.metrics({"a": 1, "bad//path": 2, "m" * 300: 3, "z": 4, "fid@10k": 5}, 10)
        journal.artifact(results.root / "gone.png")
    with open(results.folder() / EVENTS, "a") as file:
        file.write('{"t":"riddle","ts":1}\n{"t":"metrics"}\n')
    outcome = results.sync()
    assert (outcome.failed, outcome.refused) == ([], 7)
    (run,) = results.runs()
    assert run.data.params == {"good": "1", "also/good": "3"}
    assert run.data.tags["fine"] == "5"
    assert run.data.metrics == {"a": 1, "z": 4, "fid_10k": 5}
    notes = (results.folder() / REFUSED).read_text()
    (results.folder() / STATE).unlink()
    results.sync()
    assert (results.folder() / REFUSED).read_text() == notes
    assert notes.count("\n") == 7


def test_a_database_that_takes_nothing_now_is_given_all_later(results, monkeypatch):
    """Full, or read only: MLflow answers as if the request were at fault."""
    train(results)
    results.sync()
    with results.journal("evaluate", attach=True) as journal:
        journal.metrics({f"m/{i}": i for i in range(20)}, 10)
    full = results.syncer.store.Error("cannot execute INSERT in a read-only transaction", error_code=BAD_REQUEST)
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(results.client, "log_batch", lambda *batch: asked.append(batch) or _raise(full))
        outcome = results.syncer.sync()
    assert (len(outcome.failed), outcome.refused, len(asked)) == (1, 0, 1)
    results.syncer.sync()
    both = sorted(journaled(results.folder()) + journaled(results.folder("evaluate")))
    assert results.points(results.runs()[0]) == both


def _raise(error):
    raise error


def test_any_text_is_kept(results):
    with results.journal(params={"source": "a\0b"}, tags={"file": "caf\udce9.png"}):
        pass
    outcome = results.sync()
    assert (outcome.failed, outcome.refused) == ([], 0)
    (run,) = results.runs()
    assert (run.data.params["source"], run.data.tags["file"]) == ("a?b", "caf?.png")


BROKEN = [
    {"t": "metrics", "d": [1, 2], "images": 3},
    {"t": "metrics", "d": {"a": [1]}, "images": 3},
    {"t": "metrics", "d": {"a": {}}, "images": "x"},
    {"t": "params", "d": "text"},
    {"t": "tags", "d": 7},
    {"t": "final", "d": None},
    {"t": "image", "images": 1, "key": [], "file": 3},
    {"t": "artifact", "path": {}, "dest": 1},
    {"t": "model", "path": None},
    {"t": "dataset", "digest": 5},
    {"t": "resume", "host": []},
    {"t": "end", "status": "PERHAPS", "error": None},
    {"t": "end", "status": [], "error": 5},
]
PASSED_OVER = ["5", "[1]", '"text"', "null", '{"t": [1], "ts": 1}', '{"t": "metrics", "ts": "late"}', "{", "\\x00"]


def test_an_event_of_any_form_is_noted_and_holds_up_nothing(results):
    with results.journal(params={"good": 1}) as journal:
        journal.metrics({"a": 1}, 10)
    lines = [*PASSED_OVER, *(json.dumps(event | {"ts": 1}) for event in BROKEN)]
    with open(results.folder() / EVENTS, "a") as file:
        file.writelines(f"{line}\n" for line in lines)
    with results.journal(resume=True) as journal:
        journal.metrics({"a": 2}, 20)
    outcome = results.sync()
    assert (outcome.failed, outcome.refused) == ([], len(BROKEN))
    (run,) = results.runs()
    assert (run.data.metrics, run.info.status) == ({"a": 2}, "FINISHED")
    assert results.sync().events == 0


@pytest.mark.parametrize(
    "head", ["{}", '{"t": "start", "ts": 1}', '{"t": "start", "ts": 1, "key": [1], "experiment": {}}']
)
def test_a_journal_without_a_whole_beginning_holds_up_no_other(results, head):
    folder = results.folder(model="torn")
    folder.mkdir(parents=True)
    (folder / EVENTS).write_text(head + '\n{"t": "metrics", "ts": 1, "images": 1, "d": {"a": 1}}\n')
    train(results)
    assert results.sync().failed == []
    assert len(results.runs()) == 1
    with results.journal(model="torn", resume=True) as journal:
        journal.metrics({"a": 1}, 10)
    assert results.sync().failed == []
    assert len(results.runs()) == 2


def test_a_run_deleted_by_a_person_stays_deleted(results):
    train(results)
    results.sync()
    results.client.delete_run(results.runs()[0].info.run_id)
    (results.folder() / STATE).unlink()
    assert results.sync().failed == []
    assert results.runs() == []


def test_two_results_folders_share_a_store_without_harm(results, tmp_path_factory):
    other = Results(tmp_path_factory.mktemp("other") / results.root.name, results.uri)
    for side in (results, other):
        train(side)
        side.sync()
    train(other, steps=[0], resume=True)
    other.sync()
    assert len(other.runs()) == 2


def test_every_experiment_has_the_views(results):
    train(results)
    results.sync()
    experiment = results.client.get_experiment(results.syncer.store.experiment(results.root.name))
    assert saved_views().items() <= experiment.tags.items()
    assert results.syncer.pages() == {results.root.name: experiment.experiment_id}


def test_the_best_of_the_models_has_the_alias_whoever_had_it_before(results):
    """Each model is a version once, however often it is sent."""
    for model in ("cgan", "ddpm"):
        train(results, model=model)
    for best in ("cgan", "ddpm", "ddpm"):
        time.sleep(0.01)
        for model in ("cgan", "ddpm"):
            with results.journal("report", model, attach=True) as journal:
                journal.labels({"verdict": "helps"})
                journal.version(best=model == best)
        assert results.sync().failed == []
        name = results.syncer.store.registered(results.root.name)
        versions = results.client.search_model_versions(f"name='{name}'")
        assert len(versions) == 2
        chosen = results.client.get_model_version_by_alias(name, "best")
        assert results.client.get_run(chosen.run_id).info.run_name == f"{best}-s0"
    assert {run.data.tags["verdict"] for run in results.runs()} == {"helps"}


def test_what_the_machine_gave_is_on_its_own_page_of_the_run(results):
    journal = results.journal(resume=True)
    journal.metrics({"loss": 1}, 10)
    journal.close("KILLED")
    with results.journal(resume=True) as journal, watched(journal, period=60):
        journal.metrics({"loss": 2}, 20)
    run = results.synced()
    assert run.data.metrics["loss"] == 2
    assert run.data.metrics["system/process_memory_usage_megabytes"] > 1
    assert 0 <= run.data.metrics["system/cpu_utilization_percentage"] <= 100


# ---------------------------------------------------------------- stores that are away, and several syncers


@contextlib.contextmanager
def deaf_server():
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def no_server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("server", [no_server, deaf_server])
def test_a_dead_server_costs_one_line_and_seconds(results, server, capsys):
    train(results)
    with server() as uri:
        began = time.monotonic()
        assert once(uri, results.root) == 1
        assert time.monotonic() - began < 10
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "nothing is lost" in out
    results.sync()
    assert results.points(results.runs()[0]) == journaled(results.folder())


@pytest.mark.parametrize("scheme", ["postgresql", "mysql+pymysql"])
def test_a_dead_database_is_not_waited_for(results, scheme, capsys):
    train(results)
    with no_server() as uri:
        address = uri.replace("http://", f"{scheme}://me:secret@")
        began = time.monotonic()
        assert once(address, results.root) == 1
        assert time.monotonic() - began < 10
    assert "secret" not in capsys.readouterr().out


class Asked(BaseHTTPRequestHandler):
    """A server behind a password: says of each question what it was known by."""

    def do_GET(self):
        self.server.known.append((self.path.partition("?")[0], self.headers.get("Authorization")))
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *said):
        pass


@pytest.fixture
def guarded():
    with ThreadingHTTPServer(("127.0.0.1", 0), Asked) as server:
        server.known = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_server_is_told_user_and_password_and_nobody_else_is(results, guarded, capsys, monkeypatch):
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "of before")
    train(results)
    uri = f"http://me:s%40cret@127.0.0.1:{guarded.server_port}"
    assert once(uri, results.root) == 1  # it answers, and knows nothing of experiments
    told = "Basic " + base64.b64encode(b"me:s@cret").decode()
    questions = [known for path, known in guarded.known if path != "/health"]
    assert questions
    assert set(questions) == {told}
    said = capsys.readouterr().out + "".join(path.read_text() for path in results.root.rglob("*.jsonl"))
    assert "1 journals failed, nothing is lost" in said
    assert not re.search("s%40cret|s@cret", said)


@pytest.mark.parametrize("uri", ["./mlruns", "file:./mlruns", "mlflow.db"])
def test_a_folder_as_a_store_is_answered_with_what_to_write(results, uri, capsys, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    train(results)
    assert once(uri, results.root) == 1
    said = capsys.readouterr().out
    assert "write `sqlite:///path/to/mlflow.db`, or set the variable MLFLOW_ALLOW_FILE_STORE=true" in said


def test_a_second_syncer_waits_its_turn(results):
    train(results)
    results.sync()
    release, held = threading.Event(), threading.Event()

    def hold():
        with locked(results.root / "journal" / ".lock", wait=5):
            held.set()
            release.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    with pytest.raises(Unavailable, match="another process"):
        results.syncer.sync(wait=0.2)
    release.set()
    holder.join()
    assert results.syncer.sync(wait=5).failed == []


def run_sync(*words):
    command = [sys.executable, "-m", "pipeline.tracking.sync", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_several_syncers_at_once_on_a_store_that_does_not_exist(results):
    train(results)
    evaluate(results)
    syncers = [run_sync("once", "", results.root) for _ in range(2)]
    outputs = [s.communicate(timeout=120)[0] for s in syncers]
    assert [s.returncode for s in syncers] == [0, 0], outputs
    results.uri = store_uri("", results.root)
    run = results.synced()
    assert results.points(run) == sorted(journaled(results.folder()) + journaled(results.folder("evaluate")))
    assert len(results.models()) == 1


@pytest.mark.slow
def test_the_follower_sends_while_its_parent_lives_and_ends_by_itself(results):
    parent = subprocess.Popen(["sleep", "600"])
    follower = run_sync("follow", results.uri, results.root, "--parent", parent.pid)
    with results.journal() as journal:
        journal.metrics({"loss": 1}, 10)
        deadline = time.monotonic() + 60
        while not (results.folder() / STATE).exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        journal.metrics({"loss": 2}, 20)
    parent.kill()
    parent.wait()
    output = follower.communicate(timeout=60)[0]
    assert follower.returncode == 0, output
    run = results.synced()
    assert run.info.status == "FINISHED"
    assert results.points(run) == journaled(results.folder())


def test_without_news_nothing_imports_mlflow(results):
    train(results)
    results.sync()
    code = f"""
import sys, pathlib
from pipeline.tracking.sync import follow
status = follow({results.uri!r}, pathlib.Path({str(results.root)!r}), parent=2**22 + 1)
sys.exit(status or "mlflow" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ).returncode == 0


def test_the_setting_is_stronger_than_the_variable_and_that_than_sqlite(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_uri("", tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://shared:5000")
    assert store_uri(None, tmp_path) == "http://shared:5000"
    assert store_uri("http://mine:5000", tmp_path) == "http://mine:5000"
