"""Trainings through the real loop: stopped by a signal and gone on with, and by two processes."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from pipeline import models
from pipeline.base.null_journal import NullJournal
from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.gpu_check.rows import Finding, LeftOut
from pipeline.gpu_check.subjects import narrow, stripes
from pipeline.settings import Training
from pipeline.training import model_files
from pipeline.training.checkpoint import read, state_on_cpu
from pipeline.training.interrupt import STATUS
from pipeline.training.launch import launch
from pipeline.training.loop import train
from pipeline.training.snapshots import draw_classes

CHAOS = 0.2  # of the way that weights went: how far apart an accelerator's rounding may leave two trainings
ROUNDING = 0.02  # the same on a CPU, where two processes add up in another order than one


@dataclass
class Rows(NullJournal):
    """A journal that notes after how many images rows were written; from `stop` on it asks the training to end."""

    stop: int | None = None
    images: list[int] = field(default_factory=list)

    def metrics(self, values: dict[str, float], images: int) -> None:
        self.images.append(images)
        if self.stop is not None and images >= self.stop:
            os.kill(os.getpid(), signal.SIGTERM)


def short(family: str, precision: str, updates: int) -> Training:
    images = 4 * updates
    return narrow(family, precision=precision, total_images=images, snapshots=1, ema_half_life_images=4 * 4)


def check(family: str, size: int, device: torch.device, precision: str, updates: int) -> Finding:
    """A training that SIGTERM ends half-way and that goes on, against one that is left alone.

    They end in the same bits on a CPU, in the same weights up to rounding elsewhere; a checkpoint is read back to the
    bit everywhere.
    """
    settings = short(family, precision, updates)
    with tempfile.TemporaryDirectory() as folder:
        data, halves, whole = stripes(Path(folder) / "data", size), Path(folder) / "halves", Path(folder) / "whole"
        first, second = Rows(settings.total_images // 2), Rows()
        status = None
        try:
            train(settings, data, halves / "out", halves / "state", 0, first)
        except SystemExit as end:
            status = end.code
        same = status == STATUS and _comes_back(settings, data, halves / "state", device)
        train(settings, data, halves / "out", halves / "state", 0, second)
        train(settings, data, whole / "out", whole / "state", 0, NullJournal())
        difference = _difference(settings, data, halves / "out", whole / "out")
        drawn = torch.cat(list(draw_classes(model_files.load(whole / "out"), settings.batch).values()))
        recipe = model_files.read_recipe(whole / "out")
    went_on = (first.images[-1] if first.images else 0, second.images[0] if second.images else 0)
    limit = 0.0 if device.type == "cpu" else CHAOS
    right = same and went_on == (settings.total_images // 2, settings.total_images // 2 + settings.batch)
    right &= second.images[-1:] == [settings.total_images] and difference <= limit and bool(drawn.isfinite().all())
    found = {"stopped_at": went_on[0], "next_row_at": went_on[1], "state_kept": same, "apart": difference}
    return Finding(found | {"precision": recipe["precision"]}, right, f"goes on, state kept, apart ≤ {limit}")


def _comes_back(settings: Training, data: Path, state: Path, device: torch.device) -> bool:
    """Whether a checkpoint read into a new model on the device and taken out again is the same to the bit."""
    kept = read(max(state.glob("*.safetensors"), key=lambda path: read(path).step)).tensors
    model = (
        models.build(settings, ImageSet.open(data).spec, _amp(kept)).to(device).to(memory_format=torch.channels_last)
    )
    model.load_state(kept)
    again = state_on_cpu(model)
    return again.keys() == kept.keys() and all(torch.equal(again[name], kept[name]) for name in kept)


def _amp(state: dict[str, Tensor]) -> torch.dtype | None:
    """fp16 is the one precision that adds to the state."""
    return torch.float16 if any(name.startswith("scaler.") for name in state) else None


def two_processes(family: str, size: int, device: torch.device, updates: int) -> Finding:
    """Two processes against one with the same batch. Where there is one card, there can be no second."""
    if device.type == "mps" or (device.type == "cuda" and torch.cuda.device_count() < 2):
        raise LeftOut("it takes two cards")
    settings = short(family, "fp32", updates)
    with tempfile.TemporaryDirectory() as folder:
        data, outs = stripes(Path(folder) / "data", size), [Path(folder) / "1", Path(folder) / "2"]
        for processes, out in enumerate(outs, 1):
            launch(processes, train, settings, data, out / "out", out / "state", 0, journal=NullJournal(), threads=1)
        difference = _difference(settings, data, outs[0] / "out", outs[1] / "out")
    limit = ROUNDING if device.type == "cpu" else CHAOS
    return Finding({"apart": difference}, difference <= limit, f"apart ≤ {limit}")


def _difference(settings: Training, data: Path, a: Path, b: Path) -> float:
    """Of two trained generators, over the way that the second one's weights went from where both began."""
    torch.manual_seed(derive(0))
    start = dict(models.build(settings, ImageSet.open(data).spec).ema.named_parameters())
    ours, theirs = (safetensors.torch.load_file(folder / model_files.WEIGHTS) for folder in (a, b))
    return float(_distance(ours, theirs, start) / _distance(start, theirs, start))


@torch.no_grad()
def _distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor], names: Iterable[str]) -> Tensor:
    return torch.cat([(a[name] - b[name]).float().flatten() for name in names]).norm()
