"""What the journals hold that MLflow does not have yet. Imports no MLflow, so that looking costs next to nothing."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import psutil

from pipeline.tracking.journal import EVENTS, head_of, read_events

STATE = "mlflow.json"
Kept = TypeVar("Kept")
SILENCE = 1800.0  # seconds after which a job of another host that wrote nothing counts as dead


@dataclass
class State:
    """How far one journal was sent, to which store. May be lost at any time: sending all again adds nothing."""

    store: str = ""
    attempt: str = ""
    owner: str = ""
    run: str = ""
    offset: int = 0
    status: str = ""
    host: str = ""
    pid: int = 0
    since: int = 0
    """When that process opened the journal, ms since 1970."""


@dataclass
class Entry:
    """One journal. `owner` is the head of the journal that has the run this one goes into; None while there is none."""

    folder: Path
    head: dict[str, Any]
    owner: dict[str, Any] | None
    state: State

    @property
    def events(self) -> Path:
        return self.folder / EVENTS

    @property
    def superseded(self) -> bool:
        """It tells of an attempt that was begun anew since."""
        return self.owner is not None and self.head["ts"] < self.owner["ts"]

    @property
    def waiting(self) -> bool:
        return self.owner is None

    @property
    def gone(self) -> bool:
        """Its process is no more: seen at once on this host, by its silence on another."""
        if self.state.host == socket.gethostname():
            return not alive(self.state.pid, self.state.since)
        return time.time() - self.events.stat().st_mtime > SILENCE

    @property
    def pending(self) -> bool:
        if self.waiting or self.superseded:
            return False
        if self.state.status == "RUNNING" and self.gone:
            return True
        return next(read_events(self.events, self.state.offset), None) is not None

    def save(self) -> None:
        keep(self.folder / STATE, self.state)

    def forget(self) -> None:
        """Send everything again."""
        self.state = State(self.state.store, self.head["attempt"], self.owner["attempt"] if self.owner else "")


def backlog(journals: Path, store: str) -> list[Entry]:
    """Every journal under a folder; those that have a run of their own come first.

    Args:
        journals: the folder, which need not exist.
        store: identifies where they are sent; a state left by another store does not count.
    """
    found = {path.parent: head_of(path) for path in sorted(journals.rglob(EVENTS))}
    heads = {folder: head for folder, head in found.items() if head}
    owners = {(h["experiment"], h["key"]): h for h in heads.values() if not h["attach"]}
    entries = []
    for folder, head in sorted(heads.items(), key=lambda item: item[1]["attach"]):
        entry = Entry(folder, head, owners.get((head["experiment"], head["key"])), State(store))
        entry.forget()
        old = kept(folder / STATE, State)
        if (old.store, old.attempt, old.owner) == (store, entry.state.attempt, entry.state.owner):
            entry.state = old
        entries.append(entry)
    return entries


def alive(pid: int, since: int) -> bool:
    """Whether the process that had this number at the time `since` (ms since 1970) runs still."""
    try:
        process = psutil.Process(pid)
        reused = process.create_time() > since / 1000 + 60  # a minute for clocks that were set
        return not reused and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def keep(path: Path, state: Any) -> None:
    """Write a dataclass whole."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(state)), encoding="utf-8")
    os.replace(part, path)


def kept(path: Path, kind: type[Kept]) -> Kept:
    """What `keep` wrote; one of defaults alone where it is lost or damaged."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return kind(**{f.name: body[f.name] for f in fields(kind)})  # type: ignore[arg-type]  # a dataclass
    except (OSError, ValueError, KeyError, TypeError):
        return kind()
