"""TensorBoard's view of the journals: event files that grow with them, live, and can be deleted and made again.

    tensorboard --logdir results/tensorboard

A run is `{results}/tensorboard/{dataset}/{model}-s{seed}/`, and has one event file for each journal that adds to it:
curves over images, final scores (`final/…`, at 0), sample grids, settings, tags and how it ended as text. The same
journal always gives the same bytes. Needs the package `tensorboard` (`pip install 'pyrite[tensorboard]'`), which is
imported when there is something to write; neither torch nor TensorFlow are.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.settings import UserError
from pipeline.tracking.journal import read_events
from pipeline.tracking.pending_runs import Entry, backlog, keep, kept

PREFIX = "events.out.tfevents"  # what TensorBoard knows an event file by
VERSION = "brain.Event:2"


def check() -> None:
    """Raises UserError where the package is not installed."""
    if find_spec("tensorboard") is None:
        raise UserError(
            "tracking.tensorboard: true needs the package tensorboard, which is not installed; "
            "pip install 'pyrite[tensorboard]', or set it to false"
        )


@dataclass
class Cursor:
    """How far a journal was written. May be lost at any time: the file is then made again, the same."""

    read: int = 0
    """Bytes of the journal."""
    written: int = 0
    """Bytes of the event file."""


class View:
    """The event files of all journals under a results folder."""

    def __init__(self, results: Path):
        self.journals, self.root = results / "journal", results / "tensorboard"
        self.trouble = ""
        """What could not be done the last time."""

    def refresh(self) -> None:
        """Write what is new. Never raises: it is only a view, and what failed is said once and tried again."""
        try:
            with self._alone():
                trouble = "; ".join(self._refresh()[:1])
        except OSError as error:
            trouble = str(error)
        if trouble and trouble != self.trouble:
            print(f"tensorboard: will try again: {trouble}", flush=True)
        self.trouble = trouble

    def _refresh(self) -> list[str]:
        failed: list[str] = []
        wanted: dict[Path, set[str]] = {}
        for entry in backlog(self.journals, ""):
            head = entry.head
            run = self.root / head["experiment"] / head["name"]
            files = wanted.setdefault(run, set())
            if entry.waiting or entry.superseded:
                continue
            # TensorBoard reads the files of a run in the order of their names, and never goes back to an earlier one.
            file = run / f"{PREFIX}.{head['ts']}.{head['stage']}.{head['attempt'][:8]}"
            files |= {file.name, _cursor(file).name}
            try:
                extend(file, entry)
            except Exception as error:
                failed.append(f"{file}: {type(error).__name__}: {error}")
        for run, files in wanted.items():
            for file in run.glob("*"):
                if file.name not in files and (file.name.startswith(PREFIX) or file.suffix == ".cursor"):
                    file.unlink(missing_ok=True)  # of an attempt that was begun anew
        return failed

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The follower and the last pass of a run meet at its end; the kernel drops the lock of a killed one."""
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def extend(file: Path, entry: Entry) -> None:
    """Append to an event file what its journal has more."""
    cursor = _read(file)
    if cursor.read == entry.events.stat().st_size:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "r+b" if cursor.written else "wb") as stream:
        stream.truncate(cursor.written)  # what was appended by a process killed before it said so
        stream.seek(cursor.written)
        encode = Encoder(stream, entry)
        if not cursor.written:
            encode.begin()
        for offset, event in read_events(entry.events, cursor.read):
            encode(event)
            cursor.read = offset
        cursor.written = stream.tell()
    keep(_cursor(file), cursor)


class Encoder:
    """From the events of one journal to records of an event file."""

    def __init__(self, stream: BinaryIO, entry: Entry):
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.event, self.summary, self.tensor, self.types = event_pb2, summary_pb2, tensor_pb2, types_pb2
        self.records, self.entry = RecordWriter(stream), entry
        self.stage = entry.head["stage"]
        self.handlers: dict[str, Callable[[dict[str, Any]], Iterator[Any]]] = {
            "params": lambda event: self._table("settings", event),
            "tags": lambda event: self._table("tags", event),
            "metrics": self._scalars,
            "final": lambda event: self._scalars(event, "final/"),
            "system": self._scalars,
            "image": self._image,
            "end": self._end,
        }

    def begin(self) -> None:
        """What a file begins with. The first of a run takes back what TensorBoard showed of an earlier attempt."""
        at = self.entry.head["ts"] / 1000
        self._write(wall_time=at, file_version=VERSION)
        if not self.entry.head["attach"]:
            self._write(wall_time=at, step=0, session_log=self.event.SessionLog(status=self.event.SessionLog.START))

    def __call__(self, event: dict[str, Any]) -> None:
        """Nothing for an event that TensorBoard has no place for (files, data sets) or that is broken."""
        try:
            values, images = list(self.handlers.get(event["t"], lambda _: ())(event)), int(event.get("images", 0))
            at = event["ts"] / 1000
        except (AttributeError, KeyError, TypeError, ValueError, OSError):
            return
        if values:
            summary = self.summary.Summary(value=values)
            self._write(wall_time=at, step=images, summary=summary)

    def _scalars(self, event: dict[str, Any], group: str = "") -> Iterator[Any]:
        for name, value in event["d"].items():
            yield self.summary.Summary.Value(tag=group + name, simple_value=value)

    def _image(self, event: dict[str, Any]) -> Iterator[Any]:
        from PIL import Image

        file = self.entry.folder / "images" / f"{event['file']}.png"
        if not file.is_file():  # taken away by hand
            return
        with Image.open(file) as picture:
            width, height = picture.size
            channels = len(picture.getbands())
        image = self.summary.Summary.Image(
            width=width, height=height, colorspace=channels, encoded_image_string=file.read_bytes()
        )
        yield self.summary.Summary.Value(tag=event["key"], image=image)

    def _table(self, name: str, event: dict[str, Any]) -> Iterator[Any]:
        yield self._text(f"{self.stage}/{name}", "\n".join(f"{key}: {value}" for key, value in event["d"].items()))

    def _end(self, event: dict[str, Any]) -> Iterator[Any]:
        yield self._text(f"{self.stage}/status", "\n".join(filter(None, (event["status"], event["error"]))))

    def _text(self, tag: str, text: str) -> Any:
        """As a block of code: what a setting holds is no Markdown."""
        block = "\n".join("    " + line for line in text.splitlines())
        plugin = self.summary.SummaryMetadata.PluginData(plugin_name="text")
        tensor = self.tensor.TensorProto(dtype=self.types.DT_STRING, string_val=[block.encode()])
        metadata = self.summary.SummaryMetadata(plugin_data=plugin)
        return self.summary.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)

    def _write(self, **content: Any) -> None:
        self.records.write(self.event.Event(**content).SerializeToString(deterministic=True))


def _cursor(file: Path) -> Path:
    return file.with_name(f"{file.name.removeprefix(PREFIX + '.')}.cursor")


def _read(file: Path) -> Cursor:
    """Where to go on; the beginning, where the event file holds less than the cursor says."""
    cursor = kept(_cursor(file), Cursor)
    return cursor if file.is_file() and file.stat().st_size >= cursor.written else Cursor()
