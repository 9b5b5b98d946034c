"""A family small enough to test the loop with: an image a class and noise through one convolution."""

from __future__ import annotations

import contextlib
import copy
import csv
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

import pipeline.models
from pipeline import settings as pyrite_settings
from pipeline.models.base import GenerativeModel, slerp
from pipeline.training import loop
from pipeline.training.loop import train
from tests import forks, image_sets

forks.imported(__name__, "torch._dynamo")  # which a first optimiser imports


class TinySettings(pyrite_settings.Training):
    family: Literal["tiny"] = "tiny"
    batch: int = 4
    sick_from: int = -1
    """Updates seen after which the loss is NaN; negative is never."""
    always_sick: bool = True
    """NaN again after a rollback."""
    flat: bool = False
    """Draw black images only."""


class Net(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.shape = (spec.channels, spec.height, spec.width)
        self.mean = nn.Parameter(torch.zeros(len(spec.classes), *self.shape))
        self.mix = nn.Conv2d(spec.channels, 8, 3, padding=1)
        self.out = nn.Conv2d(8, spec.channels, 3, padding=1)

    def forward(self, labels, noise):
        return torch.tanh(self.mean[labels] + self.out(torch.relu(self.mix(noise.view(-1, *self.shape)))))


class Tiny(GenerativeModel):
    def __init__(self, settings, spec, amp=None):
        super().__init__(settings, spec, amp)
        self.net = Net(spec)
        self.ema = copy.deepcopy(self.net).requires_grad_(False)
        self.latent_length = self.net.mean[0].numel()
        self.dropout = nn.Dropout(0.2)  # draws from the global generator
        self.poison = settings.sick_from

    def make_optimizers(self):
        return {"net": torch.optim.Adam(self.net.parameters(), lr=0.01, betas=(0.0, 0.99))}

    def train_step(self, batch):
        scalars = self.optimizer_step("net", self._loss, batch)
        self.average(self.net)
        rare = {"loss/rare": scalars["loss/G"]} if self.updates % 3 == 2 else {}
        return scalars | rare

    def _loss(self, part):
        drawn = self.net(part.labels, part.rng.normal(self.latent_length))
        loss = self.dropout(drawn - part.images).square().mean()
        if self.updates >= self.poison >= 0:
            loss = loss * torch.nan
            self.poison = self.poison if self.settings.always_sick else -1
        return loss, {"loss/G": loss}

    def generate(self, labels, latents):
        drawn = self.ema(labels, latents)
        return torch.full_like(drawn, -1) if self.settings.flat else drawn

    def interpolate_latents(self, start, end, t):
        return slerp(start, end, t)

    def validation_losses(self, part):
        drawn = self.ema(part.labels, part.rng.normal(self.latent_length))
        return {"loss/held_out": (drawn - part.images).square().mean()}


def register() -> None:
    """Make the family known; `monkeypatch.setitem` does the same for the time of a test."""
    pipeline.models.FAMILIES["tiny"] = Tiny
    pyrite_settings.FAMILY_SETTINGS["tiny"] = TinySettings


def image_set(
    path: Path,
    n: int = 20,
    size: int = 16,
    channels: int = 1,
    dtype: str = "uint8",
    symmetry: str = "none",
    val: bool = False,
) -> Path:
    """Noise around a gray level of its own for each of two classes; every fifth image is a test image, and with `val`
    the one before it is held out to choose by."""
    rng = np.random.default_rng(0)
    labels = np.array(["dark", "bright"])[np.arange(n) % 2]
    level = np.where(labels == "dark", 0.25, 0.75)[:, None, None, None]
    images = np.clip(level + rng.normal(0, 0.1, (n, size, size, channels)), 0, 1)
    split = np.where(np.arange(n) % 5 == 4, "test", "train")
    split[np.arange(n) % 5 == 3] = "val" if val else "train"
    ids = [f"image_{i:03d}" for i in range(n)]
    pixels = np.rint(images * np.iinfo(dtype).max).astype(dtype)
    meta = {"classes": ["dark", "bright"], "symmetry": symmetry, "pixel_size": 0.5}
    return image_sets.write(path, pixels, labels, split, ids, **meta)


@contextlib.contextmanager
def terminated(monkeypatch: pytest.MonkeyPatch, family: type, updates: int) -> Iterator[pytest.ExceptionInfo]:
    """Within, a training of the family is asked to end after so many updates, as schedulers do, and exits."""
    step = family.train_step

    def asked(self, batch):
        if self.updates == updates:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(family, "train_step", asked)
        with pytest.raises(SystemExit) as stop:
            yield stop


def table(folder: Path) -> list[dict[str, str]]:
    """The curves of a training into `folder`/out."""
    with open(folder / "out" / "training.csv") as file:
        return list(csv.DictReader(file))


class Events:
    """A journal that remembers; with a file, it writes there what it was told."""

    def __init__(self, path: Path | None = None):
        self.path, self.list = path, []

    def __getattr__(self, kind):
        def note(*args):
            self.list.append((kind, *args))
            if self.path:
                self.path.write_text(json.dumps(self.list, default=str))

        return note

    def of(self, kind: str) -> list[tuple]:
        return [event[1:] for event in self.list if event[0] == kind]


def forked(data: Path, folder: Path, settings: pyrite_settings.Training, moment: str = ""):
    """Train in a process of its own, with a checkpoint after each update; with a moment, it dies by SIGKILL in the
    writing of the sixth. Returns the process, started."""
    process = forks.context().Process(target=_train, args=(data, folder, settings, moment))
    process.start()
    return process


def _train(data: Path, folder: Path, settings: pyrite_settings.Training, moment: str) -> None:
    register()
    loop.RARE = 0
    if moment:
        _die(moment, 6)
    train(settings, data, folder / "out", folder / "state", 0, Events(), checkpoint_seconds=0.0, threads=1)


def _die(moment: str, write: int) -> None:
    replace, seen = os.replace, []

    def fatal(source, target):
        seen.append(target) if Path(target).suffix == ".safetensors" else None
        if len(seen) < write:
            return replace(source, target)
        if moment == "in the payload":
            os.truncate(source, 1000)
        if moment == "after the name":
            replace(source, target)
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = fatal
