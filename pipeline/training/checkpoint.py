"""Resumable training state on disk: whole or not at all, checked on load, the last two kept."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from pipeline.base.files import sha256, write_whole, writing
from pipeline.base.job import say
from pipeline.models.base import GenerativeModel

KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    step: int
    attempt: int
    body: dict[str, Any]  # JSON types: the log, the seconds, what was held out
    tensors: dict[str, Tensor]  # on the CPU


class Checkpoints:
    """The checkpoints of one run in a folder: the last two, and the last that was seen to be good.

    `identity` (JSON types) is what must agree for a checkpoint to be this run's: settings, data, spec, seed. A file is
    named `{run}-{attempt}-{step}-{good or new}-{sha256}.safetensors`, with `run` a hash of the identity and `sha256` of
    the file itself, so that one look at name and content tells a whole file from a damaged one.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]):
        self.folder, self.identity = folder, json.loads(json.dumps(identity))
        text = json.dumps(self.identity, sort_keys=True)
        self.run = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.kept: list[Path] = []  # oldest first
        folder.mkdir(parents=True, exist_ok=True)
        for torn in folder.glob("*.part"):
            torn.unlink()

    def write(
        self, tensors: dict[str, Tensor], step: int, attempt: int, body: dict[str, Any], good: bool = True
    ) -> None:
        """Add a checkpoint; `good` ones are what a sick training returns to.

        Raises:
            OSError: it could not be written (a full disk); the older ones are untouched.
        """
        meta = {"identity": self.identity, "step": step, "attempt": attempt, "body": body}
        payload = safetensors.torch.save(tensors, {"pyrite": json.dumps(meta)})
        digest = hashlib.sha256(payload).hexdigest()
        kind = "good" if good else "new"
        path = self.folder / f"{self.run}-{attempt:02d}-{step:09d}-{kind}-{digest}.safetensors"
        write_whole(path, payload)
        self.kept = [*(k for k in self.kept if k != path), path]
        last_good = [k for k in self.kept if _is_good(k)][-1:]
        self.kept = [k for k in self.kept if k in self.kept[-KEEP:] or k in last_good]
        for old in self._own():
            if old not in self.kept:
                old.unlink()

    def newest(self, most_steps: int, good: bool = False) -> Path | None:
        """The last whole (and `good`) checkpoint of this run with at most `most_steps` steps; says what it passes
        over."""
        for path in reversed(self._own()):
            step = int(path.name.split("-")[2])
            if good and not _is_good(path):
                continue
            if step > most_steps:
                say(f"{path}: holds {step} steps, this training has {most_steps} in all; not used")
                continue
            if not _is_whole(path):
                say(f"{path}: damaged (its SHA-256 is not the one in its name); going back to the one before")
                continue
            before = [k for k in self._own() if k < path and _is_good(k)]
            self.kept = [*before[-1:], path]
            return path
        return None

    def say_foreign(self) -> None:
        """Say which settings keep the checkpoints of other runs in the folder from being resumed."""
        for path in sorted(set(self.folder.glob("*.safetensors")) - set(self._own())):
            try:
                with safetensors.safe_open(path, "pt") as file:
                    other = json.loads(file.metadata()["pyrite"])["identity"]
            except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError):
                say(f"{path}: not a checkpoint that can be read; ignored")
                continue
            changes = ", ".join(_differences(other, self.identity))
            say(f"{path}: not resumed, it is of another training ({changes})")

    def finish(self) -> None:
        """Keep the last checkpoint of this run alone: a raised `total_images` goes on from it."""
        for path in self.folder.glob("*.safetensors"):
            if path not in self.kept[-1:]:
                path.unlink()

    def _own(self) -> list[Path]:
        """This run's files, oldest first."""
        return sorted(self.folder.glob(f"{self.run}-*-*-*.safetensors"))


def read(path: Path) -> Checkpoint:
    """A checkpoint that `newest` has found whole."""
    with safetensors.safe_open(path, "pt") as file:
        meta = json.loads(file.metadata()["pyrite"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return Checkpoint(meta["step"], meta["attempt"], meta["body"], tensors)


def last(folder: Path, spec: dict[str, Any], family: str) -> dict[str, Tensor]:
    """The tensors of the last whole checkpoint in a folder of a model of the family for such images; none where there
    is no such checkpoint."""
    for path in sorted(folder.glob("*-*-*-*-*.safetensors"), key=lambda p: p.stat().st_mtime, reverse=True):
        if not _is_whole(path):
            continue
        with safetensors.safe_open(path, "pt") as file:
            identity = json.loads(file.metadata()["pyrite"])["identity"]
        if identity["spec"] == json.loads(json.dumps(spec)) and identity["settings"]["family"] == family:
            return read(path).tensors
    return {}


def _is_whole(path: Path) -> bool:
    return sha256(path) == path.stem.split("-")[4]


def _is_good(path: Path) -> bool:
    return path.name.split("-")[3] == "good"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Wait until no other process trains with this folder: a run that was killed may have left its job at work.

    A file system without locks is trusted.

    Raises:
        UserError: the folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w")  # noqa: SIM115
    with file:
        with suppress(OSError):
            _lock(file, folder)
        yield


def _lock(file: IO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"{folder}: another process trains here; waiting for it to end")
        fcntl.flock(file, fcntl.LOCK_EX)


def state_on_cpu(model: GenerativeModel) -> dict[str, Tensor]:
    """A copy of the model's whole state on the CPU, row-major, each tensor with memory of its own."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous(memory_format=torch.contiguous_format)
        for name, tensor in model.state().items()
    }


def _differences(old: dict, new: dict, path: str = "") -> list[str]:
    """`settings.batch: 32 → 64` for every leaf that differs."""
    found = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{path}{key}.")
        elif a != b:
            found.append(f"{path}{key}: {a} → {b}")
    return found
