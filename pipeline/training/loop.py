"""The training loop of every family.

What step `s` does follows from the model's state and from (seed, s) alone: the order of the images, the flips and every
random number are derived from them, so a checkpoint needs nothing but the model's tensors and the number of the step.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import pipeline.models
from pipeline.data.imageset import ImageSet
from pipeline.job import progress, say
from pipeline.models import ranks
from pipeline.settings import METHOD, Training, UserError
from pipeline.training import device as devices
from pipeline.training import sentinels, store
from pipeline.training.checkpoint import Checkpoints, alone, gather
from pipeline.training.feed import Feed, model_spec, training_rows
from pipeline.training.interrupt import STATUS, Interrupt
from pipeline.training.log import TrainingLog
from pipeline.training.seeds import derive
from pipeline.training.sentinels import Sick
from pipeline.training.snapshots import COLUMNS, Snapshots, draw_classes

ROWS = 200  # of training.csv over a whole training
ROLLBACKS = 1  # returns to the last checkpoint before a sick training is stopped
HEALTHY = 0.1  # share of the training after which samples must look like something
BUDGET = {"total_images", "snapshots"}  # settings that may change between a checkpoint and what goes on from it


def train(
    settings: Training,
    data: Path,
    out: Path,
    state: Path,
    seed: int,
    journal,
    checkpoint_seconds: float = 60.0,
    threads: int | None = None,
) -> None:
    """Train one generator; go on from the last checkpoint in `state` where there is one of this very training.

    Args:
        data: a prepared image set; its rows of split `train` are used.
        out: gets `model.safetensors`, `model.json`, `training.csv`, `progress.gif` and `samples/*.png`.
        state: folder of resumable checkpoints, outside what a failed job loses.
        seed: everything random follows from it; on a CPU, with the same number of threads, to the last bit.
        journal: a `pipeline.tracking.journal.Journal`.
        checkpoint_seconds: time between checkpoints.
        threads: CPU threads to compute with; None leaves torch's choice.

    Raises:
        UserError: impossible settings, a sick training, too little memory, an unwritable folder.
        SystemExit: status 75 after SIGTERM or SIGINT, with a checkpoint written.
    """
    devices.use_threads(threads)
    with alone(state), devices.memory_limit("batch", settings.batch):
        run = Run(settings, ImageSet.open(data), out, state, seed, journal)
        run.begin()
        with Interrupt() as interrupt:
            while run.step < run.steps:
                try:
                    run.advance(checkpoint_seconds, interrupt)
                except Sick as sickness:
                    run.roll_back(sickness)
        run.finish()


class Run:
    """One training: its model, where it stands, and where it writes."""

    def __init__(self, settings: Training, data: ImageSet, out: Path, state: Path, seed: int, journal):
        self.settings, self.data, self.out, self.seed, self.journal = settings, data, out, seed, journal
        self.spec = model_spec(data, settings.classes)
        self.device = devices.best_device()
        amp = devices.amp_dtype(settings.precision, self.device)
        self.feed = Feed(data, self.spec, settings.batch, self.device)
        self.steps = math.ceil(settings.total_images / settings.batch)
        torch.manual_seed(derive(seed))
        model = pipeline.models.build(settings, self.spec, amp)
        self.model = model.to(self.device, memory_format=torch.channels_last)
        try:
            out.mkdir(parents=True, exist_ok=True)
            self.checkpoints = Checkpoints(state, _identity(settings, data, self.spec, seed))
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be written ({error.strerror})") from error
        self.log = TrainingLog(out / "training.csv", self.device)
        self.snapshots = Snapshots(state / "samples", out / "samples")
        self.row_steps = _schedule(self.steps, ROWS)
        self.snapshot_steps = _schedule(self.steps, settings.snapshots)
        self.step = self.attempt = 0
        self.seconds, self.started = 0.0, time.monotonic()
        self.saved = -math.inf  # moment of the last checkpoint

    @property
    def images(self) -> int:
        return self.step * self.settings.batch

    @property
    def elapsed(self) -> float:
        """Seconds of training, over all its interruptions."""
        return self.seconds + time.monotonic() - self.started

    def begin(self) -> None:
        """Go on from the last checkpoint, or start with one: a folder that cannot be written is known at once."""
        self.journal.params(self._facts())
        if self._restore():
            say(f"{self.settings.family}: goes on from {self.images} images")
            if self.step == self.steps:
                say(f"the training is complete already; delete {self.checkpoints.folder} to train anew")
            return
        self.checkpoints.say_foreign()
        self.snapshots.begin(-1)
        self._checkpoint()
        self._snapshot()

    def advance(self, checkpoint_seconds: float, interrupt: Interrupt) -> None:
        """Steps to the end of the training.

        Raises:
            Sick: a sentinel saw something.
        """
        batch = self.settings.batch
        title = f"train {self.settings.family}"
        with progress(title, self.steps * batch, unit="img", initial=self.images) as bar:
            while self.step < self.steps:
                self._step()
                bar.update(batch)
                if self.step in self.row_steps:
                    bar.set_postfix({k: f"{v:.3g}" for k, v in self._row().items() if _shown(k)}, refresh=False)
                if self.step in self.snapshot_steps:
                    self._snapshot()
                due = time.monotonic() - self.saved >= checkpoint_seconds
                if due or interrupt.signal or self.step == self.steps:
                    self._checkpoint()
                if interrupt.signal and self.step < self.steps:
                    say(f"{interrupt.signal}: stopped after {self.images} images; the same command goes on")
                    sys.exit(STATUS)

    def roll_back(self, sickness: Sick) -> None:
        """Return to the last checkpoint, and from there on with other random numbers; give up the second time.

        Raises:
            UserError: it happened before, or there is no checkpoint.
        """
        at = self.images
        if self.attempt >= ROLLBACKS or not self._restore():
            raise UserError(
                f"training of {self.settings.family} stopped after {at} images: {sickness}"
                + (f", again after {self.attempt} return to an earlier checkpoint" if self.attempt else "")
                + "; smaller learning rates or precision: fp32 may help"
            ) from sickness
        self.attempt += 1
        self._checkpoint()
        say(f"after {at} images: {sickness}; returned to {self.images} images (return {self.attempt} of {ROLLBACKS})")

    def finish(self) -> None:
        """Write the model, the film and the last entries of the journal."""
        try:
            self.log.write()
            self.snapshots.film(self.out / "progress.gif")
        except OSError as error:
            raise UserError(f"{self.out}: cannot be written ({error.strerror})") from error
        store.save(self.model, self.out, self.seed, self.data.meta, self.elapsed)
        self.checkpoints.finish()
        self.journal.final({"train/seconds": self.elapsed, "train/images": self.images})
        for name in ("progress.gif", "training.csv"):
            self.journal.artifact(self.out / name)
        self.journal.model("generator", self.out)

    def _step(self) -> None:
        stream = derive(self.seed, self.attempt)
        torch.manual_seed(derive(stream, self.step, 0, ranks.index()))
        self.log.add(self.model.update(self.feed.batch(stream, self.step, self.settings.batch_per_device)))
        self.step += 1

    def _row(self) -> dict[str, float]:
        scalars = self.log.row(self.images, self.elapsed)
        sentinels.check_scalars(scalars)
        with _forgiven("training.csv"):
            self.log.write()
        self.journal.metrics(scalars, self.images)
        return scalars

    def _snapshot(self) -> None:
        samples = draw_classes(self.model, self.settings.batch)
        with _forgiven("sample grid"):
            self.journal.image("samples", self.snapshots.save(samples, self.images), self.images)
        if self.step >= HEALTHY * self.steps:
            for label, (name, images) in enumerate(samples.items()):
                real = self.feed.class_images(label, COLUMNS).cpu()
                if len(real):
                    sentinels.check_samples(name, images, real, self.step)

    def _checkpoint(self) -> None:
        """Write one; a disk that refuses is said, and the training goes on with the checkpoints it has.

        Raises:
            Sick: the state is not finite; the older checkpoints stay.
            UserError: the very first one cannot be written.
        """
        state = gather(self.model)
        sentinels.check_state(state)
        body = {"log": self.log.state(), "seconds": self.elapsed}
        try:
            self.checkpoints.write(state, self.step, self.attempt, body)
        except OSError as error:
            text = f"{self.checkpoints.folder}: no checkpoint at {self.images} images ({error.strerror})"
            if not self.checkpoints.kept:
                raise UserError(text) from error
            say(f"{text}; the last one stays: {self.checkpoints.kept[-1].name}")
        self.saved = time.monotonic()

    def _restore(self) -> bool:
        found = self.checkpoints.newest(self.steps)
        if found is None:
            return False
        try:
            self.model.load_state(found.tensors)
        except RuntimeError as error:
            raise UserError(
                f"{self.checkpoints.kept[-1]}: does not fit this version of {self.settings.family}; "
                f"delete {self.checkpoints.folder} to train anew"
            ) from error
        self.step, self.attempt = found.step, found.attempt
        self.seconds, self.started = found.body["seconds"], time.monotonic()
        self.log.load_state(found.body["log"])
        with _forgiven("training.csv, sample grids"):
            self.log.write()
            self.snapshots.begin(self.images)
        self.saved = time.monotonic()
        return True

    def _facts(self) -> dict[str, Any]:
        counts = {f"parameters/{name}": n for name, n in store.parameters(self.model).items()}
        precision = "fp32" if self.model.amp is None else "bf16"
        facts = {"device": store.device_name(self.device), "precision_used": precision}
        return facts | {"training_images": len(self.feed.rows), "cpus": os.cpu_count()} | counts


@contextmanager
def _forgiven(what: str) -> Iterator[None]:
    """A full disk must not end a training whose checkpoints are safe; only its end insists."""
    try:
        yield
    except OSError as error:
        say(f"{what} not written ({error.strerror}); the training goes on")


def _shown(name: str) -> bool:
    """Whether a scalar is worth its place in the progress bar."""
    return name.startswith("loss/") or name == "ada/p"


def _schedule(steps: int, count: int) -> set[int]:
    """`count` steps in 1..steps, evenly spread, the last among them; all where there are fewer."""
    return {math.ceil(steps * k / count) for k in range(1, count + 1)}


def _identity(settings: Training, data: ImageSet, spec, seed: int) -> dict[str, Any]:
    """What must agree for a checkpoint to be continued."""
    digest = hashlib.sha256()
    for array in training_rows(data, spec):
        digest.update(array.tobytes())
    return {
        "method": METHOD["train"],
        "settings": settings.model_dump(mode="json", exclude=BUDGET),
        "spec": spec._asdict(),
        "seed": seed,
        "images": data.meta["data_hash"],
        "rows": digest.hexdigest(),
    }
