"""From the events of one journal to calls of MLflow."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.tracking.address import without_password
from pipeline.tracking.journal import read_events
from pipeline.tracking.pending_runs import Entry

if TYPE_CHECKING:
    from pipeline.tracking.sync import Store

BATCH = {"metrics": 1000, "params": 100, "tags": 100}  # MLflow takes no more at a time
# What MLflow will never accept. Not BAD_REQUEST, which it says too when its database can take nothing now.
REFUSAL = "INVALID_PARAMETER_VALUE"
REFUSED = "mlflow_refused.jsonl"
ENDS = ("FINISHED", "FAILED", "KILLED")


@dataclass
class Outcome:
    """What one pass did."""

    events: int = 0
    waiting: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.events} events sent" if self.events else "up to date"]
        if self.waiting:
            parts.append(f"{self.waiting} journals wait for the run they add to")
        if self.refused:
            parts.append(f"MLflow refused {self.refused} items (see {REFUSED} beside their journals)")
        if self.failed:
            parts.append(f"{len(self.failed)} journals failed, nothing is lost: {self.failed[0]}")
        return "; ".join(parts)


class Replay:
    """One journal, from where it was left to its present end, into its run.

    An attached journal can be written anew while its run stays, and parameters of MLflow cannot change: its parameters
    and tags become tags `{stage}.{name}`.
    """

    def __init__(self, store: Store, entry: Entry, outcome: Outcome):
        self.store, self.entry, self.outcome = store, entry, outcome
        self.state, self.stage, self.attached = entry.state, entry.head["stage"], entry.head["attach"]
        self.status = self.state.status
        self.metrics: list[Any] = []
        self.handlers = {
            "start": self._start,
            "resume": self._start,
            "params": self._params,
            "tags": self._tags,
            "metrics": self._metrics,
            "final": self._final,
            "system": self._system,
            "image": self._image,
            "artifact": self._artifact,
            "model": self._model,
            "dataset": self._dataset,
            "labels": self._labels,
            "version": self._version,
            "end": self._end,
        }

    def run(self) -> None:
        """Send, then remember how far; killed in between, all of it is sent again and adds nothing."""
        at = 0
        for offset, event in read_events(self.entry.events, self.state.offset):
            self.state.offset = offset
            self.outcome.events += 1
            self.status, at = "RUNNING", event.get("ts", at)
            try:
                self.handlers[event["t"]](event)
            except self.store.Error as error:
                self._refuse(event, error, error.error_code)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                self._note(event, f"not understood: {error!r}")
            if len(self.metrics) >= BATCH["metrics"]:
                self._flush()
        self._flush()
        if self.status == "RUNNING" and self.entry.gone:
            self.status, at = "KILLED", int(self.entry.events.stat().st_mtime * 1000)
        if self.status != self.state.status:
            self._send_status(at)
        self.state.status = self.status
        self.entry.save()

    def _start(self, event: dict[str, Any]) -> None:
        self.state.host, self.state.pid, self.state.since = event["host"], event["pid"], event["ts"]

    def _params(self, event: dict[str, Any]) -> None:
        if self.attached:
            self._tags(event)
        else:
            self._send("params", [self.store.entities.Param(_name(k), _text(v)) for k, v in event["d"].items()])

    def _tags(self, event: dict[str, Any]) -> None:
        tags = event["d"]
        if self.attached:
            tags = {f"{self.stage}.{k}": v for k, v in tags.items()}
        elif "git_commit" in tags:
            tags = tags | {"mlflow.source.git.commit": tags["git_commit"]}
        self._labels({"d": tags})

    def _labels(self, event: dict[str, Any]) -> None:
        self._send("tags", [self.store.entities.RunTag(_name(k), _text(v)) for k, v in event["d"].items()])

    def _metrics(self, event: dict[str, Any]) -> None:
        at, step = event["ts"], int(event["images"])
        self.metrics += [self.store.entities.Metric(_name(k), float(v), at, step) for k, v in event["d"].items()]

    def _final(self, event: dict[str, Any]) -> None:
        self._metrics(event | {"images": 0})

    def _system(self, event: dict[str, Any]) -> None:
        self._metrics(event | {"images": max(0, event["ts"] - self.entry.head["ts"]) // 1000})

    def _image(self, event: dict[str, Any]) -> None:
        files = [self.entry.folder / "images" / (event["file"] + end) for end in (".png", "+compressed.webp")]
        if self._present(event, *files):
            for file in files:
                self.store.client.log_artifact(self.state.run, str(file), "images")
            self.store.client.set_tag(self.state.run, "mlflow.loggedImages", "true")

    def _artifact(self, event: dict[str, Any]) -> None:
        path, dest = (self.entry.folder / event["path"]).resolve(), event["dest"] or None
        if self._present(event, path):
            send = self.store.client.log_artifacts if path.is_dir() else self.store.client.log_artifact
            send(self.state.run, str(path), dest)

    def _model(self, event: dict[str, Any]) -> None:
        files = [self.entry.folder / event["path"] / f"model.{end}" for end in ("safetensors", "json")]
        assert self.entry.owner is not None  # a journal that waits is not sent
        if self._present(event, *files):
            self.store.add_model(self.state.run, self.entry.owner, event, files)

    def _version(self, event: dict[str, Any]) -> None:
        assert self.entry.owner is not None
        self.store.add_version(self.state.run, self.entry.owner, bool(event["best"]))

    def _dataset(self, event: dict[str, Any]) -> None:
        self.store.add_dataset(self.state.run, event, "training" if self.stage == "train" else self.stage)

    def _end(self, event: dict[str, Any]) -> None:
        if event["status"] not in ENDS:
            raise ValueError(f"status is none of {', '.join(ENDS)}")
        self.status = event["status"]
        if event["error"]:
            self.store.client.log_text(self.state.run, event["error"], f"error_{self.stage}.txt")

    def _send_status(self, at: int) -> None:
        if self.attached:
            self.store.client.set_tag(self.state.run, f"{self.stage}.status", self.status)
        else:
            self.store.set_status(self.state.run, self.status, at)

    def _flush(self) -> None:
        metrics, self.metrics = self.metrics, []
        self._send("metrics", metrics)

    def _send(self, kind: str, items: list[Any]) -> None:
        for first in range(0, len(items), BATCH[kind]):
            self._send_batch(kind, items[first : first + BATCH[kind]])

    def _send_batch(self, kind: str, items: list[Any]) -> None:
        """MLflow refuses all for a single bad one: halve until only that one is left out."""
        try:
            metrics, params, tags = (items if kind == name else () for name in BATCH)
            self.store.client.log_batch(self.state.run, metrics, params, tags)
        except self.store.Error as error:
            if len(items) == 1:
                self._refuse({"t": kind, **dict(items[0])}, error, error.error_code)
            elif error.error_code == REFUSAL:
                half = len(items) // 2
                self._send_batch(kind, items[:half])
                self._send_batch(kind, items[half:])
            else:
                raise

    def _present(self, event: dict[str, Any], *paths: Path) -> bool:
        missing = [str(p) for p in paths if not p.exists()]
        if missing:
            self._note(event, f"no longer there: {', '.join(missing)}")
        return not missing

    def _refuse(self, event: dict[str, Any], error: Exception, code: str) -> None:
        """What MLflow will never take must not hold up the rest; anything else is tried again."""
        if code != REFUSAL:
            raise error
        self._note(event, without_password(str(error), self.store.uri))

    def _note(self, event: dict[str, Any], reason: str) -> None:
        self.outcome.refused += 1
        path = self.entry.folder / REFUSED
        line = json.dumps({"event": event, "reason": reason[:500]}, default=str) + "\n"
        if not path.exists() or line not in path.read_text(encoding="utf-8").splitlines(keepends=True):
            with open(path, "a", encoding="utf-8") as file:
                file.write(line)


def _name(name: str) -> str:
    """MLflow takes letters, digits and these; `fid@10k` becomes `fid_10k`."""
    return re.sub(r"[^\w./ :-]", "_", name)


def _text(value: Any) -> str:
    """As every database takes it: none of undecodable file names, and no NUL, which PostgreSQL has no place for."""
    return str(value).encode(errors="replace").decode().replace("\0", "?")
