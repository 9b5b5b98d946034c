"""Replays journals into MLflow, as often as one likes: what is there already stays single.

    python -m pipeline.tracking.sync once URI RESULTS                   send what is new and end
    python -m pipeline.tracking.sync follow URI RESULTS --parent PID    go on until that process is gone

`--tensorboard` writes TensorBoard's event files as well. An empty URI is that of the variable MLFLOW_TRACKING_URI, or
a SQLite file under the results. The only module that imports MLflow, and not before there is something to send. A store
that is away costs one line and a non-zero status; the journals keep everything for the next time.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import re
import socket
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.tracking.address import divided, printable, without_password
from pipeline.tracking.journal import digest, head_of
from pipeline.tracking.mlflow_writer import Outcome, Replay
from pipeline.tracking.pending_runs import Entry, alive, backlog
from pipeline.tracking.tensorboard import View
from pipeline.tracking.views import saved_views

# Set before MLflow is imported. Unless told not to, it phones home and waits 4 minutes for a dead server.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
OF_NO_USE = re.compile("database schema|Can't locate revision|not a database|malformed|already exists")
PREFIX = "pyrite"
URI_HELP = "MLflow tracking URI; empty is that of MLFLOW_TRACKING_URI, or SQLite under the results"
BEST = "best"
POLL = 5.0  # seconds between two looks at the journals


class Unavailable(Exception):
    """The store does not answer, or cannot be used; the message says why."""


# ---------------------------------------------------------------- one MLflow store


class Store:
    """What Pyrite asks of MLflow.

    Args:
        uri: an MLflow tracking URI.
        artifacts: where the files of a store without a server are kept.
        prefix: its experiments are named `{prefix}/{name in the journals}`.

    Raises:
        Unavailable: within seconds, when nothing answers.
    """

    def __init__(self, uri: str, artifacts: Path, prefix: str):
        self.uri, user, password = divided(uri)
        self.artifacts, self.prefix = artifacts, prefix
        self._experiments: dict[str, str] = {}
        probe(uri)
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if user is not None:
            os.environ |= {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password or ""}
        import mlflow

        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)  # or a full disk is a traceback, beside our line
        self.entities, self.Error = mlflow.entities, mlflow.exceptions.MlflowException
        mlflow.set_tracking_uri(self.uri)  # proxied artifacts are resolved through the global one
        try:
            with _created_once(self.uri, mlflow.MlflowClient):
                self.client = mlflow.MlflowClient(self.uri)
        except Exception as error:
            if self.uri.startswith("sqlite:") and OF_NO_USE.search(str(error)):
                raise Unavailable(
                    f"it is damaged, or of another MLflow than this ({mlflow.__version__}); go on with that one, or "
                    f"delete {self.artifacts.parent}, and all is sent again"
                ) from error
            raise

    def experiment(self, name: str) -> str:
        """The id of an experiment, made if need be. Raises Unavailable where it was deleted or moved."""
        if name not in self._experiments:
            full = f"{self.prefix}/{name}"
            known = self.client.get_experiment_by_name(full)
            if known and known.lifecycle_stage != "active":
                raise Unavailable(f"experiment `{full}` was deleted; restore it or change tracking.experiment")
            location = self._location(full)
            if known and location and known.artifact_location != location:
                raise Unavailable(
                    f"its files were kept in {known.artifact_location}, before it was moved; delete "
                    f"{self.artifacts.parent}, and all is sent again"
                )
            self._experiments[name] = known.experiment_id if known else self._create(full)
        return self._experiments[name]

    def _location(self, name: str) -> str | None:
        """Where a store without a server keeps the files of an experiment."""
        local = not self.uri.startswith(("http:", "https:", "databricks"))
        return (self.artifacts / re.sub(r"[^\w-]", "_", name)).as_uri() if local else None

    def _create(self, name: str) -> str:
        location = self._location(name)
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return self.client.create_experiment(name, artifact_location=location, tags=tags)

    def find(self, experiment: str, attempt: str):
        """The run of an attempt, deleted or not, or None."""
        query = f"tags.`pyrite.attempt` = '{attempt}'"
        every = self.entities.ViewType.ALL
        found = self.client.search_runs([self.experiment(experiment)], query, run_view_type=every, max_results=1)
        return found[0] if found else None

    def start(self, head: dict[str, Any]) -> str:
        """A new run for the attempt that begins with this event; its id."""
        tags = {
            "pyrite.key": head["key"],
            "pyrite.attempt": head["attempt"],
            "pyrite.host": head["host"],
            "mlflow.source.name": f"pyrite {head['stage']}",
        }
        experiment = self.experiment(head["experiment"])
        run = self.client.create_run(experiment, start_time=head["ts"], tags=tags, run_name=head["name"])
        return run.info.run_id

    def delete(self, experiment: str, attempt: str) -> None:
        """Delete the run of an attempt and its models, so that they can be restored."""
        run = self.find(experiment, attempt)
        if run and run.info.lifecycle_stage == "active":
            for model in self._models(experiment, attempt):
                self.client.delete_logged_model(model.model_id)
            self.client.delete_run(run.info.run_id)

    def add_model(self, run: str, head: dict[str, Any], event: dict[str, Any], files: list[Path]) -> None:
        """Files as a model of a run, without a flavour, so that nothing is ever pickled."""
        attempt, content = head["attempt"], event["digest"]
        known = self._models(head["experiment"], attempt)
        model = next((m for m in known if m.tags.get("pyrite.digest") == content), None)
        if model is None:
            experiment = self.experiment(head["experiment"])
            tags = {"pyrite.attempt": attempt, "pyrite.digest": content}
            model = self.client.create_logged_model(experiment, event["name"], run, tags, model_type="generator")
        if model.status != self.entities.LoggedModelStatus.READY:
            for file in files:
                self.client.log_model_artifact(model.model_id, str(file))
            self.client.finalize_logged_model(model.model_id, "READY")
        outputs = self.client.get_run(run).outputs
        if model.model_id not in {m.model_id for m in (outputs.model_outputs if outputs else ())}:
            self.client.log_outputs(run, [self.entities.LoggedModelOutput(model.model_id, 0)])

    def add_version(self, run: str, head: dict[str, Any], best: bool) -> None:
        """The model of a run as a version of its data set's model; `best` is an alias, which one version has."""
        models = [m for m in self._models(head["experiment"], head["attempt"]) if m.source_run_id == run]
        if not models:
            return
        name, source = self.registered(head["experiment"]), f"models:/{models[-1].model_id}"
        known = [v for v in self.client.search_model_versions(f"name='{name}'") if v.source == source]
        if not known:
            try:
                self.client.get_registered_model(name)
            except self.Error:
                self.client.create_registered_model(name)
            known = [self.client.create_model_version(name, source, run, model_id=models[-1].model_id)]
        if best:
            self.client.set_registered_model_alias(name, BEST, known[0].version)

    def registered(self, experiment: str) -> str:
        """Name of an experiment's registered model, without what the registry takes for parts of an address."""
        return re.sub(r"[/:]", "-", f"{self.prefix}-{experiment}")

    def _models(self, experiment: str, attempt: str) -> list:
        query = f"tags.`pyrite.attempt` = '{attempt}'"
        return list(self.client.search_logged_models([self.experiment(experiment)], query))

    def add_dataset(self, run: str, event: dict[str, Any], context: str) -> None:
        """An image set as an input of a run."""
        e = self.entities
        source = json.dumps({"uri": event["path"]})
        profile = json.dumps({"num_rows": sum(event["splits"].values())} | event["splits"])
        dataset = e.Dataset(event["name"], event["digest"][:36], "local", source, profile=profile)
        tag = e.InputTag("mlflow.data.context", context)
        self.client.log_inputs(run, datasets=[e.DatasetInput(dataset, [tag])])

    def set_status(self, run: str, status: str, at: int) -> None:
        if status == "RUNNING":
            self.client.update_run(run, status)
        else:
            self.client.set_terminated(run, status, at)


def store_uri(uri: str | None, results: Path) -> str:
    """The tracking URI in use: the given one, that of MLflow's own variable, or SQLite under the results."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{results.absolute() / 'mlflow' / 'mlflow.db'}"


def identity(uri: str, prefix: str) -> str:
    """Tells one place of runs from another; a hash, since an address may hold a password."""
    return digest([uri, prefix])


def probe(uri: str) -> None:
    """Raise `Unavailable` in at most 5 s where nothing answers; MLflow itself would try for minutes, or an hour. And
    where it is a folder, which MLflow does not take any more."""
    try:
        parts = urlsplit(divided(uri).uri)
        if parts.scheme in ("", "file") and not os.environ.get("MLFLOW_ALLOW_FILE_STORE"):
            raise Unavailable(
                "MLflow has given up stores of plain files; write `sqlite:///path/to/mlflow.db`, or set the variable "
                "MLFLOW_ALLOW_FILE_STORE=true of the environment"
            )
        if parts.scheme in ("http", "https"):
            urllib.request.urlopen(parts.geturl().rstrip("/") + "/health", timeout=5).close()
        elif parts.hostname:
            port = parts.port or PORTS.get(parts.scheme.partition("+")[0])
            if port:
                socket.create_connection((parts.hostname, port), timeout=5).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except (OSError, ValueError) as error:
        raise Unavailable(f"{getattr(error, 'reason', error)}") from None


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


@contextmanager
def _created_once(uri: str, client: Callable[[str], Any]) -> Iterator[None]:
    """A new SQLite store is made by one process: several at once break it for good. And under another name first, for
    no MLflow completes tables that a full disk or a kill has left half made."""
    file = _sqlite_file(uri)
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.with_name(file.name + ".lock"), wait=60):
        if not file.exists():
            part = file.with_name(file.name + ".part")
            part.unlink(missing_ok=True)
            client(f"sqlite:///{part}")
            os.replace(part, file)
            # A page of MLflow may read while this writes. Stays set; for local disks only.
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("pragma journal_mode=wal")
        yield


@contextmanager
def locked(path: Path, wait: float) -> Iterator[None]:
    """Hold a lock file, which the kernel gives back however the process ends.

    Raises:
        Unavailable: another process holds it for longer than `wait` seconds.
    """
    deadline = time.monotonic() + wait
    with open(path, "w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Unavailable(f"another process is at work ({path} is locked)") from None
                time.sleep(0.1)
        yield


# ---------------------------------------------------------------- from journals to the store


class Syncer:
    """Brings one store up to date with the journals of one results folder.

    Args:
        uri: MLflow tracking URI.
        root: the results folder.
        prefix: of the names of the experiments.

    Raises:
        Unavailable: within seconds, when the store does not answer.
    """

    def __init__(self, uri: str, root: str | os.PathLike, prefix: str = PREFIX):
        self.root = Path(root).absolute()
        self.journals = self.root / "journal"
        self.uri = uri
        self.identity = identity(self.uri, prefix)
        file = _sqlite_file(self.uri)
        folder = file.absolute().parent if file else self.root / "mlflow"
        self.store = Store(self.uri, folder / "artifacts", prefix)
        self._runs: dict[str, str | None] = {}  # attempt: run id, or None for one that the user deleted
        self._published: set[str] = set()  # experiments that have the views

    def sync(self, wait: float = 60) -> Outcome:
        """Send what is new. A journal that fails is tried again the next time; the others go on.

        Raises:
            Unavailable: the store went away, or another syncer was at work for `wait` seconds.
        """
        outcome = Outcome()
        if not self.journals.is_dir():
            return outcome
        with locked(self.journals / ".lock", wait):
            entries = backlog(self.journals, self.identity)
            for entry in entries:
                outcome.waiting += entry.waiting
                try:
                    self._sync(entry, outcome)
                except Exception as error:
                    probe(self.uri)
                    outcome.failed.append(f"{entry.folder}: {_line(error, self.uri)}")
            self._publish(entries)
        return outcome

    def pages(self) -> dict[str, str]:
        """The id of every experiment of these journals."""
        sent = [entry.head["experiment"] for entry in backlog(self.journals, self.identity) if entry.state.run]
        return {name: self.store.experiment(name) for name in dict.fromkeys(sent)}

    def _sync(self, entry: Entry, outcome: Outcome) -> None:
        if entry.owner is None or entry.superseded:
            return
        run = self._run_of(entry.owner)
        if run != entry.state.run:
            entry.forget()
        if run is None or not entry.pending or head_of(entry.events) != entry.head:
            return
        entry.state.run = run
        Replay(self.store, entry, outcome).run()

    def _run_of(self, owner: dict[str, Any]) -> str | None:
        attempt = owner["attempt"]
        if attempt not in self._runs:
            found = self.store.find(owner["experiment"], attempt)
            for old in owner["supersedes"]:
                self.store.delete(owner["experiment"], old)
            self._runs[attempt] = found.info.run_id if found else self.store.start(owner)
            if found and found.info.lifecycle_stage != "active":
                self._runs[attempt] = None
        return self._runs[attempt]

    def _publish(self, entries: list[Entry]) -> None:
        """The views of each experiment that has a run."""
        for experiment in dict.fromkeys(entry.head["experiment"] for entry in entries if entry.state.run):
            if experiment not in self._published:
                for key, value in saved_views().items():
                    self.store.client.set_experiment_tag(self.store.experiment(experiment), key, value)
                self._published.add(experiment)


def _line(error: Exception, uri: str) -> str:
    return without_password(f"{type(error).__name__}: {error}".splitlines()[0], uri)[:300]


# ---------------------------------------------------------------- commands


def once(uri: str, results: Path, prefix: str = PREFIX, view: View | None = None) -> int:
    """Send what is new; the exit status."""
    if not (results / "journal").is_dir():
        return 0
    if view:
        view.refresh()
    try:
        outcome = Syncer(uri, results, prefix).sync()
    except Exception as error:
        print(f"tracking: {printable(uri)} cannot be used now, nothing is lost: {_line(error, uri)}")
        return 1
    print(f"tracking: {outcome}")
    return 1 if outcome.failed else 0


def follow(uri: str, results: Path, parent: int, prefix: str = PREFIX, view: View | None = None) -> int:
    """Send what is new every few seconds as long as the process `parent` runs, and once more; the exit status."""
    started, syncer, pause, said = int(time.time() * 1000), None, POLL, ""
    store, journals = identity(uri, prefix), results / "journal"
    while alive(parent, started):
        if view:
            view.refresh()
        if any(entry.pending for entry in backlog(journals, store)):
            try:
                syncer = syncer or Syncer(uri, results, prefix)
                trouble = "; ".join(syncer.sync(wait=0).failed[:1])
            except Exception as error:
                syncer, trouble = None, _line(error, uri)
            if trouble and trouble != said:
                print(f"tracking: will try again: {trouble}", flush=True)
            said, pause = trouble, min(60.0, 2 * pause) if trouble else POLL
        wake = time.monotonic() + pause
        while time.monotonic() < wake and alive(parent, started):
            time.sleep(0.5)
    if view:
        view.refresh()
    if any(entry.pending for entry in backlog(journals, store)):
        return once(uri, results, prefix)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline.tracking.sync", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("once", "follow"):
        command = commands.add_parser(name)
        command.add_argument("uri", help=URI_HELP)
        command.add_argument("results", type=Path)
        command.add_argument("--experiment", default=PREFIX, help="prefix of the names of the experiments")
        command.add_argument("--tensorboard", action="store_true", help="write TensorBoard's event files as well")
        if name == "follow":
            command.add_argument("--parent", type=int, required=True, help="end after this process has ended")
    args = parser.parse_args()
    view = View(args.results) if args.tensorboard else None
    uri = store_uri(args.uri, args.results)  # once: MLflow changes the variable
    if args.command == "once":
        return once(uri, args.results, args.experiment, view)
    return follow(uri, args.results, args.parent, args.experiment, view)


if __name__ == "__main__":
    sys.exit(main())
