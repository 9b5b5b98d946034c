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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pipeline.models
from pipeline.base import device as devices
from pipeline.base.files import writing
from pipeline.base.job import progress, say
from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.models import distributed
from pipeline.models.base import DrawsBoxes
from pipeline.settings import METHOD, Training, UserError
from pipeline.training import health, model_files
from pipeline.training.checkpoint import Checkpoints, exclusive, read, state_on_cpu
from pipeline.training.feed import Feed, model_spec, split_rows, training_rows
from pipeline.training.health import UnhealthyTraining
from pipeline.training.interrupt import STATUS, Interrupt
from pipeline.training.layouts import layouts_of
from pipeline.training.log import TrainingLog
from pipeline.training.snapshots import COLUMNS, Snapshots, draw_classes
from pipeline.training.transfer import Start
from pipeline.training.validator import KID, Validator

ROWS = 200  # of training.csv over a whole training
ROLLBACKS = 2  # returns to the last good checkpoint before a sick training is stopped
SLOWER = 0.5  # factor of the learning rates at each
HEALTHY = 0.1  # share of the training after which samples must look like something
# Settings that may change between a checkpoint and what goes on from it.
BUDGET = {"total_images", "snapshots", "patience", "keep", "batch_per_device", "compile"}
RARE = 50  # times as long as a checkpoint takes, nothing between snapshots asks for the next one
STOP = 2  # what a rank that was told to stop tells the others
OPEN = 64  # pixels from which coarse pictures, of 8 x 8 places, leave most of an image open
BEST = "best."  # prefix of the best snapshot's weights in a checkpoint


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

    Where several ranks train together (`launch`), each calls this; rank 0 reads the data's held-out part, looks at
    samples and writes all files.

    Args:
        data: a prepared image set; its rows of split `train` are used, and those of `val` to choose by.
        out: gets `model.safetensors`, `model.json`, `training.csv`, `progress.gif` and `samples/*.png`, and
            `last.safetensors` where the last weights are not the best.
        state: folder of resumable checkpoints, outside what a failed job loses.
        seed: everything random follows from it; on a CPU, with the same number of threads, to the last bit.
        journal: a `pipeline.tracking.journal.Journal`.
        checkpoint_seconds: time between checkpoints; longer where they would take more than a fiftieth of it.
        threads: CPU threads to compute with, of all ranks together; None leaves torch's choice.

    Raises:
        UserError: impossible settings, a sick training, too little memory, an unwritable folder.
        SystemExit: status 75 after SIGTERM or SIGINT, with a checkpoint written.
    """
    devices.use_threads(threads and threads // distributed.count())
    with ExitStack() as stack:
        if distributed.index() == 0:
            stack.enter_context(exclusive(state))
        stack.enter_context(devices.memory_limit("batch_per_device", settings.batch_per_device or settings.batch))
        run = Run(settings, ImageSet.open(data), out, state, seed, journal)
        run.begin()
        interrupt = stack.enter_context(Interrupt())
        while not run.done:
            try:
                run.advance(checkpoint_seconds, interrupt)
            except UnhealthyTraining as sickness:
                run.roll_back(sickness)
        run.finish()


class Run:
    """One training: its model, where it stands, and where it writes."""

    def __init__(self, settings: Training, data: ImageSet, out: Path, state: Path, seed: int, journal):
        self.settings, self.data, self.out, self.seed, self.journal = settings, data, out, seed, journal
        self.leader = distributed.index() == 0
        self.spec = model_spec(data, settings.classes, settings.draws_boxes)
        self.start = Start.of(Path(settings.init_from).expanduser()) if settings.init_from else None
        self.device = devices.best_device()
        amp = devices.amp_dtype(settings.precision, self.device)
        if settings.batch % distributed.count():
            raise UserError(
                f"batch: {settings.batch} images cannot be shared evenly by {distributed.count()} processes"
            )
        self.feed = Feed(data, self.spec, settings.batch, self.device)
        self.steps = math.ceil(settings.total_images / settings.batch)
        torch.manual_seed(derive(seed))
        model = pipeline.models.build(settings, self.spec, amp)
        model.keep_labels(self.feed.labels)
        if self.spec.boxes:
            assert isinstance(model, DrawsBoxes)  # `model_spec` gives boxes to no other family
            model.set_layouts(self.feed.labels.tolist(), self.feed.layouts)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.model.keep_images(self.feed.every(), self.feed.labels)
        identity = _identity(settings, data, self.spec, seed) | ({"init_from": self.start.sha256} if self.start else {})
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        with writing(state):
            self.checkpoints = Checkpoints(state, identity)
        self.log = TrainingLog(out / "training.csv", self.device)
        self.snapshots = Snapshots(state / "samples", out / "samples")
        self.validator = Validator(data, self.spec, self.device, settings)
        self.snapshot_steps = _schedule(self.steps, settings.snapshots)
        self.row_steps = _schedule(self.steps, ROWS) | self.snapshot_steps
        self.step = self.attempt = 0
        self.seconds, self.started = 0.0, time.monotonic()
        self.saved = -math.inf  # moment of the last checkpoint
        self.stopped = 0.0  # seconds that it took
        self.tried = False  # whether an update has shown how much memory it takes

    @property
    def images(self) -> int:
        return self.step * self.settings.batch

    @property
    def elapsed(self) -> float:
        """Seconds of training, over all its interruptions."""
        return self.seconds + time.monotonic() - self.started

    @property
    def done(self) -> bool:
        return self.step == self.steps or self.validator.exhausted

    def begin(self) -> None:
        """Go on from the last checkpoint, or start with one: a folder that cannot be written is known at once."""
        self.journal.params(self._facts())
        if self.leader:
            devices.say_device(f"train {self.settings.family}", self.device, self.model.amp)
        if self._restore():
            self._say(f"{self.settings.family}: goes on from {self.images} images")
            if self.done:
                self._say(f"the training is complete already; delete {self.checkpoints.folder} to train anew")
            return
        shown, there = len(self.feed.rows), len(split_rows(self.data, self.spec._replace(boxes=()), "train")[0])
        if shown < there:
            self._say(f"boxes: {there - shown} of {there} training images are left out, their boxes are not known")
        if self.settings.real_pixels and min(self.spec.height, self.spec.width) < OPEN:
            self._say(
                f"WARNING: size: coarse pictures of {self.spec.height} x {self.spec.width} pixels leave little of an "
                f"image open: many may be copies, which the report counts; of steel at {OPEN} pixels none were"
            )
        if self.leader:
            self.checkpoints.say_foreign()
        if self.start:
            self._take_over(self.start)
        self._by_the_leader(lambda: self.snapshots.begin(-1), self._checkpoint, self._snapshot)

    def advance(self, checkpoint_seconds: float, interrupt: Interrupt) -> None:
        """Steps to the end of the training.

        Raises:
            UnhealthyTraining: a check of its health failed.
        """
        batch = self.settings.batch
        title = f"train {self.settings.family}"
        with progress(title, self.steps * batch, "img", self.images, silent=not self.leader) as bar:
            while not self.done:
                self._step()
                bar.update(batch)
                looked = self._look() if self.step in self.snapshot_steps else {}
                if self.step in self.row_steps:
                    scalars = self._row(looked)
                    bar.set_postfix({k: f"{v:.3g}" for k, v in scalars.items() if _shown(k)}, refresh=False)
                late = self.leader and time.monotonic() - self.saved >= max(checkpoint_seconds, RARE * self.stopped)
                flag = distributed.highest(STOP if interrupt.signal else int(late))
                if self.step in self.snapshot_steps:
                    self._by_the_leader(self._snapshot, self._checkpoint)
                elif flag:
                    self._by_the_leader(lambda: self._checkpoint(good=False))
                if flag == STOP and not self.done:
                    reason = interrupt.signal or "another process"
                    self._say(f"{reason}: stopped after {self.images} images; the same command goes on")
                    sys.exit(STATUS)
        if self.step < self.steps:
            self._say(
                f"{self.settings.family}: stopped early after {self.images} of {self.steps * batch} images: nothing "
                f"held out has got better for {self.settings.patience} snapshots (patience)"
            )

    def roll_back(self, sickness: UnhealthyTraining) -> None:
        """Return to the last good checkpoint, and from there on with lower rates and other random numbers; give up
        after ROLLBACKS of it.

        Raises:
            UserError: it has happened too often.
        """
        at, attempt = self.images, self.attempt
        if attempt >= ROLLBACKS or not self._restore(good=True):
            raise UserError(
                f"training of {self.settings.family} stopped after {at} images: {sickness}"
                + (f", again after {attempt} returns to earlier checkpoints" if attempt else "")
                + "; smaller learning rates or precision: fp32 may help"
            ) from sickness
        self.attempt = attempt + 1
        self.model.lr_scale = SLOWER**self.attempt
        self._by_the_leader(self._checkpoint)
        self._say(
            f"after {at} images: {sickness}; returned to {self.images} images with learning rates times "
            f"{self.model.lr_scale:g} (return {self.attempt} of {ROLLBACKS})"
        )

    def finish(self) -> None:
        """Write the model, the film and the last entries of the journal."""
        if not self.leader:
            return
        with writing(self.out):
            self.log.write()
            self.snapshots.film(self.out / "progress.gif")
        kept = self.validator.kept if self.settings.keep == "best" else None
        started_from = self.start.described() if self.start else None
        weights = self.validator.weights
        model_files.save(self.model, self.out, self.seed, self.data.meta, self.elapsed, weights, kept, started_from)
        self.checkpoints.finish()
        final = {"train/seconds": self.elapsed, "train/images": self.images}
        for name, (value, images) in self.validator.best.items():
            final |= {f"best/{name}": value, f"best/{name}_images": images}
        self.journal.final(final)
        for name in ("progress.gif", "training.csv"):
            self.journal.artifact(self.out / name)
        self.journal.model("generator", self.out)

    def _take_over(self, start: Start) -> None:
        self._say(f"{self.settings.family}: begins with {start.path}" + f" ({start.licence})" * bool(start.licence))
        outcome = start.give(self.model)
        for line in outcome.lines():
            self._say(f"init_from: {line}")
        self.journal.params({"init_from/tensors": outcome.taken, "init_from/of": outcome.count})

    def _step(self) -> None:
        stream = derive(self.seed, self.attempt)
        torch.manual_seed(derive(stream, self.step, 0, distributed.index()))
        batch = self.feed.batch(stream, self.step, self.settings.batch_per_device)
        scalars, problem = None, ""
        try:
            scalars = self.model.update(batch)
        except (RuntimeError, MemoryError) as error:
            if not devices.is_memory(error):
                raise
            problem = str(error).partition("\n")[0]
        if scalars is None:  # outside the handler, so that the failed update's memory is free again
            raise UserError(self._too_much(len(batch.images), batch.part, problem))
        if not self.tried:
            self._say(f"an update of {batch.part} images at once took {devices.memory(self.device)}")
            self.tried = True
        self.log.add(scalars)
        self.step += 1

    def _too_much(self, share: int, part: int, problem: str) -> str:
        """What to say when an update does not fit into memory: tries smaller parts until one does.

        This rank tries by itself: the others are in the midst of theirs.
        """
        message = f"batch_per_device: {part} images at once do not fit into memory"
        with distributed.alone():
            while (part := part // 2) >= 1:
                if devices.fits(lambda: self.model.update(self.feed.batch(self.seed, self.step, part))):
                    memory = devices.memory(self.device)
                    return f"{message} (batch is {share} on this device); {part} do fit, with {memory} ({problem})"
        mend = "make the images (size) or the networks smaller"
        return f"{message}, nor does a single one: {mend} ({problem})"

    def _row(self, looked: dict[str, float]) -> dict[str, float]:
        scalars = self.log.row(self.images, self.elapsed, looked)
        health.check_scalars(scalars)
        if self.leader:
            with _forgiven("training.csv"):
                self.log.write()
            self.journal.metrics(scalars, self.images)
        health.check_saturation(self.log.rows)
        return scalars

    def _look(self) -> dict[str, float]:
        """What the held-out images say; on every rank what rank 0 saw."""
        part = self.settings.batch_per_device or self.settings.batch
        looked = self.validator.evaluate(self.model, self.images, part) if self.leader else {}
        scalars, state = distributed.broadcast((looked, self.validator.state()))
        if not self.leader:
            self.validator.load_state(state, {})
        return scalars

    def _snapshot(self) -> None:
        samples = draw_classes(self.model, self.settings.batch_per_device or self.settings.batch)
        with _forgiven("sample grid"):
            self.journal.image("samples", self.snapshots.save(samples, self.images), self.images)
        if self.step >= HEALTHY * self.steps:
            for label, (name, images) in enumerate(samples.items()):
                real = self.feed.class_images(label, COLUMNS).cpu()
                if len(real):
                    health.check_samples(name, images, real, self.step)

    def _by_the_leader(self, *work: Callable[[], None]) -> None:
        """Work of rank 0 that the others wait for; what it raises, all raise."""
        problem = None
        if self.leader:
            try:
                with distributed.alone():
                    for part in work:
                        part()
            except (UnhealthyTraining, UserError) as error:
                problem = error
        problem = distributed.broadcast(problem)
        if problem is not None:
            raise problem

    def _checkpoint(self, good: bool = True) -> None:
        """Write one; a disk that refuses is said, and the training goes on with the checkpoints it has.

        Raises:
            UnhealthyTraining: the state is not finite; the older checkpoints stay.
            UserError: the very first one cannot be written.
        """
        began = time.monotonic()
        state = state_on_cpu(self.model)
        health.check_state(state)
        state |= {BEST + name: tensor for name, tensor in self.validator.weights.items()}
        body = {"log": self.log.state(), "seconds": self.elapsed, "watch": self.validator.state()}
        good = good and not (self.log.rows and health.discriminator_saturated(self.log.rows[-1]))
        try:
            self.checkpoints.write(state, self.step, self.attempt, body, good)
        except OSError as error:
            text = f"{self.checkpoints.folder}: no checkpoint at {self.images} images ({error.strerror})"
            if not self.checkpoints.kept:
                raise UserError(text) from error
            say(f"{text}; the last one stays: {self.checkpoints.kept[-1].name}")
        self.saved = time.monotonic()
        self.stopped = self.saved - began

    def _restore(self, good: bool = False) -> bool:
        path = distributed.broadcast(self.checkpoints.newest(self.steps, good) if self.leader else None)
        if path is None:
            return False
        found = read(path)
        best = {k.removeprefix(BEST): v for k, v in found.tensors.items() if k.startswith(BEST)}
        try:
            self.model.load_state({k: v for k, v in found.tensors.items() if not k.startswith(BEST)})
        except (RuntimeError, KeyError) as error:
            raise UserError(
                f"{path}: does not fit this version of {self.settings.family}; "
                f"delete {self.checkpoints.folder} to train anew"
            ) from error
        self.step, self.attempt = found.step, found.attempt
        self.model.lr_scale = SLOWER**self.attempt
        self.seconds, self.started = found.body["seconds"], time.monotonic()
        self.log.load_state(found.body["log"])
        self.validator.load_state(found.body["watch"], best)
        if self.leader:
            with _forgiven("training.csv, sample grids"):
                self.log.write()
                self.snapshots.begin(self.images)
        self.saved = time.monotonic()
        return True

    def _say(self, line: str) -> None:
        if self.leader:
            say(line)

    def _facts(self) -> dict[str, Any]:
        counts = {f"parameters/{name}": n for name, n in model_files.parameters(self.model).items()}
        facts: dict[str, Any] = {"device": devices.device_name(self.device)}
        facts["precision_used"] = devices.precision_name(self.model.amp)
        facts |= {"training_images": len(self.feed.rows), "cpus": os.cpu_count(), "processes": distributed.count()}
        return facts | counts


@contextmanager
def _forgiven(what: str) -> Iterator[None]:
    """A full disk must not end a training whose checkpoints are safe; only its end insists."""
    try:
        yield
    except OSError as error:
        say(f"{what} not written ({error.strerror}); the training goes on")


def _shown(name: str) -> bool:
    """Whether a scalar is worth its place in the progress bar."""
    return name.startswith("loss/") or name in ("ada/p", KID)


def _schedule(steps: int, count: int) -> set[int]:
    """`count` steps in 1..steps, evenly spread, the last among them; all where there are fewer."""
    return {math.ceil(steps * k / count) for k in range(1, count + 1)}


def _identity(settings: Training, data: ImageSet, spec, seed: int) -> dict[str, Any]:
    """What must agree for a checkpoint to be continued."""
    free = BUDGET - {"total_images"} if settings.depends_on_budget else BUDGET
    digest = hashlib.sha256()
    for array in training_rows(data, spec):
        digest.update(array.tobytes())
    if spec.boxes:
        rows = np.concatenate([split_rows(data, spec, split)[0] for split in ("train", "val")])
        digest.update(repr([[part.tolist() for part in layout] for layout in layouts_of(data, rows)]).encode())
    return {
        "method": METHOD["train"],
        "settings": settings.model_dump(mode="json", exclude=free),
        "spec": spec.described(),
        "seed": seed,
        "images": data.meta["data_hash"],
        "rows": digest.hexdigest(),
    }
