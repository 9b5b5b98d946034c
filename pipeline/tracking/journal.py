"""What a job writes about itself: a file of events that outlives the job, the network and the tracking server.

A journal is a folder with `events.jsonl`, one JSON object a line, and the images it keeps for MLflow. Every event has
its kind `t` and its time `ts` (ms since 1970):

    start     key, stage, name, experiment, attach, attempt, supersedes, host, pid    always the first line
    resume    host, pid                        the same attempt goes on in another process
    params    d: {name: text}                  tags: the same
    metrics   images, d: {name: number}        a point of each curve
    final     d: {name: number}                final scores
    system    d: {name: number}                what the job takes of its machine
    image     key, images, file                images/{file}.png and a small copy for the slider of the MLflow page
    artifact  path, dest                       path: from this folder, so that both can be moved
    model     name, path, digest
    dataset   name, digest, path, splits: {name: images}
    labels    d: {name: text}                  tags of the run itself, whatever stage writes them
    version   best                             the model is one of those of its data set, `best` the one to take
    end       status, error                    FINISHED, FAILED or KILLED

Standard library only, so that any environment can write one; Pillow is imported by `Journal.image` alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

EVENTS = "events.jsonl"
FOLDER = "journal"  # of all journals, within the results
HEAD: dict[str, type] = dict.fromkeys(("key", "stage", "name", "experiment", "attempt", "host"), str)  # of a `start`
HEAD |= {"attach": bool, "supersedes": list, "pid": int, "ts": int}
THUMBNAIL = 256  # pixels; the MLflow page shows this copy


class Journal:
    """The journal of one job, as a context manager. No method raises, waits, or opens a connection.

    Leaving the block writes how it ended: FINISHED, KILLED (interrupt, SystemExit) or FAILED with the traceback.

    Args:
        folder: where it is kept. Snakemake must not know it, or would delete it.
        key: what the MLflow run is about, the same for every job that adds to it (`steel/cgan/seed-0`).
        stage: what this job does (`train`, `evaluate`).
        name: name of the MLflow run (`cgan-s0`).
        experiment: the MLflow experiment (`pyrite/steel`).
        attach: add to the run of the job with the same key that has a run of its own.
        resume: the job may go on from a checkpoint, which it shows by its first point: one beyond where the attempt
            began continues it, any other is a job begun anew. Without `resume` it always is. Then a new attempt begins,
            and the old journal is set aside; its run will be deleted.
        params: as the method. MLflow takes a parameter's first value only.
        tags: as the method.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        key: str,
        stage: str,
        name: str,
        experiment: str,
        attach: bool = False,
        resume: bool = False,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ):
        self._folder = Path(folder).absolute()
        self._head: dict[str, Any] = {
            "key": key,
            "stage": stage,
            "name": name,
            "experiment": experiment,
            "attach": attach,
        }
        self._file = -1
        self._torn = self._failed = False
        self._past: Past | None = None
        self._held: list[dict[str, Any]] | None = None  # events that wait for the decision which attempt this is
        with self._harmless():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._past = Past.of(self._folder / EVENTS)
            if resume and self._past:
                self._held = []
            else:
                self._begin()
        self.params(params or {})
        self.tags(tags or {})

    def params(self, values: Mapping[str, Any]) -> None:
        """Settings, by name; nested ones get dotted names."""
        self._texts("params", values)

    def tags(self, values: Mapping[str, Any]) -> None:
        """What the run is found and grouped by."""
        self._texts("tags", values)

    def metrics(self, values: Mapping[str, Any], images: int) -> None:
        """A point of each curve. A point that this attempt had reached before it was resumed is left out."""
        with self._harmless():
            images = int(images)
            self._decide(images)
            if new := {k: float(v) for k, v in values.items() if self._is_new("metrics", k, images)}:
                self._write("metrics", images=images, d=new)

    def final(self, values: Mapping[str, Any]) -> None:
        """Final scores: at 0 images MLflow draws bars that compare runs."""
        with self._harmless():
            self._decide()
            self._write("final", d={k: float(v) for k, v in values.items()})

    def system(self, values: Mapping[str, float]) -> None:
        """What the job takes of its machine now; says nothing of which attempt this is."""
        self._write("system", d={f"system/{k}": float(v) for k, v in values.items()})

    @property
    def watches(self) -> bool:
        """Whether what the job takes belongs here: not to another's run that it adds to, which shows its own job's."""
        return not self._head["attach"]

    def image(self, key: str, path: str | os.PathLike, images: int) -> None:
        """A PNG file as one step of the image slider `key`; copied, so the file may go."""
        with self._harmless():
            self._decide(int(images))
            if self._file < 0 or not self._is_new("image", key, int(images)):
                return
            from PIL import Image

            # The form of the name is MLflow's; fixed here, once, so that sending it again replaces it.
            flat = re.sub(r"[^\w.~ -]", "_", key.replace("/", "~"))
            file = f"{flat}+step+{int(images)}+timestamp+{_now()}+{uuid.uuid4()}"
            folder = self._folder / "images"
            folder.mkdir(exist_ok=True)
            shutil.copyfile(path, folder / f"{file}.png")
            with Image.open(path) as picture:
                small = picture.convert("RGB")
            small.thumbnail((THUMBNAIL, THUMBNAIL))
            small.save(folder / f"{file}+compressed.webp")
            self._write("image", key=key, images=int(images), file=file)

    def artifact(self, path: str | os.PathLike, dest: str = "") -> None:
        """A file or folder to keep with the run, in its folder `dest`."""
        self._decide()
        self._write("artifact", path=self._from_here(path), dest=dest)

    def model(self, name: str, folder: str | os.PathLike) -> None:
        """The trained model: `model.safetensors` and `model.json` of `folder`."""
        with self._harmless():
            self._decide()
            with open(Path(folder) / "model.safetensors", "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            self._write("model", name=name, path=self._from_here(folder), digest=content)

    def dataset(self, name: str, digest: str, path: str | os.PathLike, splits: Mapping[str, int]) -> None:
        """The image set that was used, by the digest of its content and its number of images in each split."""
        self._write("dataset", name=name, digest=digest, path=os.path.abspath(path), splits=dict(splits))

    def labels(self, values: Mapping[str, Any]) -> None:
        """Tags that a person reads in the table of runs; those of an addition keep their names too, the last holds."""
        self._texts("labels", values)

    def version(self, best: bool) -> None:
        """Count the run's model among those of its data set; `best` is the one to take."""
        self._write("version", best=best)

    def close(self, status: str = "FINISHED", error: str | None = None) -> None:
        """Write how the job ended. Called by the end of the block."""
        self._decide()
        self._write("end", status=status, error=error)
        if self._file >= 0:
            with self._harmless():
                os.fsync(self._file)
                os.close(self._file)
            self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            self.close()
        elif issubclass(kind, (KeyboardInterrupt, SystemExit)):
            self.close("KILLED", kind.__name__)
        else:
            self.close("FAILED", "".join(traceback.format_exception(kind, error, trace))[-8000:])

    def _from_here(self, path: str | os.PathLike) -> str:
        return os.path.relpath(path, self._folder)

    def _decide(self, images: int | None = None) -> None:
        """Which attempt this is, seen from its first point."""
        if self._held is None:
            return
        held, self._held = self._held, None
        with self._harmless():
            assert self._past is not None  # or nothing would have been held
            if images is not None and images <= self._past.first:
                self._begin()
            else:
                self._continue()
            for event in held:
                self._append(event)

    def _begin(self) -> None:
        path = self._folder / EVENTS
        supersedes = []
        if self._past:
            supersedes = [*self._past.head["supersedes"], self._past.head["attempt"]]
            os.replace(path, self._folder / f"events.{self._past.head['attempt']}.jsonl")
            self._past = None
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        started = {"t": "start", "ts": _after_all(self._folder, str(self._head["key"]))}
        self._append(started | self._head | {"attempt": uuid.uuid4().hex, "supersedes": supersedes} | _process())

    def _continue(self) -> None:
        path = self._folder / EVENTS
        self._torn = not _ends_with_newline(path)  # killed in the middle of a line
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._write("resume", **_process())

    def _is_new(self, kind: str, name: str, images: int) -> bool:
        return self._past is None or images > self._past.reached.get((kind, name), -1)

    def _texts(self, kind: str, values: Mapping[str, Any]) -> None:
        with self._harmless():
            if texts := {k: v if isinstance(v, str) else _json(v) for k, v in _flat(values)}:
                self._write(kind, d=texts)

    def _write(self, kind: str, **fields: Any) -> None:
        event = {"t": kind, "ts": _now(), **fields}
        if self._held is not None:
            self._held.append(event)
        elif self._file >= 0:
            self._append(event)

    def _append(self, event: dict[str, Any]) -> None:
        with self._harmless():
            line = (_json(event) + "\n").encode()
            # One write, so that lines of several threads or processes never mix.
            whole = b"\n" + line if self._torn else line
            self._torn = True
            self._torn = os.write(self._file, whole) < len(whole)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            if not self._failed:
                self._failed = True
                print("journal: an event was lost, the job goes on:", file=sys.stderr)
                traceback.print_exc()


class Past(NamedTuple):
    """What a journal already holds."""

    head: dict[str, Any]
    first: int
    """Images at its first point; -1 before there is one."""
    reached: dict[tuple[str, str], int]
    """Images at the last point of ("metrics" or "image", name)."""

    @classmethod
    def of(cls, path: Path) -> Past | None:
        """None without a journal, or for one that was killed before its first line was whole."""
        head = head_of(path)
        if head is None:
            return None
        points: list[int] = []
        reached: dict[tuple[str, str], int] = {}
        for _, event in read_events(path):
            for name in _curves(event):
                points.append(event["images"])
                mark = (event["t"], name)
                reached[mark] = max(reached.get(mark, -1), event["images"])
        return cls(head, min(points, default=-1), reached)


def _curves(event: dict[str, Any]) -> list[str]:
    """Names of the curves that an event has a point of."""
    names = {"metrics": event.get("d"), "image": [event.get("key")]}.get(event["t"])
    if not isinstance(names, dict | list) or not isinstance(event.get("images"), int):
        return []
    return [name for name in names if isinstance(name, str)]


def read_events(path: str | os.PathLike, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events of a journal from a byte offset on, each with the offset that follows it.

    A line torn by a kill, or without a kind, is passed over; a last line still being written is left for the
    next reader. What else an event holds is for its reader to check: files may be altered.
    """
    with open(path, "rb") as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if not line.endswith(b"\n"):
                return
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and isinstance(event.get("t"), str) and isinstance(event.get("ts", 0), int):
                yield offset, event


def head_of(path: str | os.PathLike) -> dict[str, Any] | None:
    """The `start` event of a journal, or None where there is none that is whole."""
    try:
        _, event = next(read_events(path), (0, {}))
    except OSError:
        return None
    whole = event.get("t") == "start" and all(isinstance(event.get(name), kind) for name, kind in HEAD.items())
    return event if whole else None


def git_tags(root: str | os.PathLike) -> dict[str, str]:
    """`git_commit` and `git_dirty` (tracked files differ from it) of a checkout; {} where there is none."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git_commit": commit, "git_dirty": str(bool(changes)).lower()}


def digest(value: Any) -> str:
    """12 hexadecimal digits that are the same for equal settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _git(root: str | os.PathLike, *words: str) -> str:
    command = ["git", "-C", os.fspath(root), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


def _after_all(folder: Path, key: str) -> int:
    """Now, but after all that the journals of this run began with: the order of these must outlive a clock set back."""
    root = next((parent for parent in folder.parents if parent.name == FOLDER), folder)
    heads = [head for path in root.rglob(EVENTS) if (head := head_of(path)) and head["key"] == key]
    return max([_now(), *(head["ts"] + 1 for head in heads)])


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)


def _now() -> int:
    return time.time_ns() // 1_000_000
