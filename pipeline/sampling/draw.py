"""Synthetic image sets: as many images of each class as asked for, drawn from seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pipeline.base.device import memory_limit, say_device, use_threads
from pipeline.base.files import writing
from pipeline.base.job import progress
from pipeline.base.pixels import normalised, stored
from pipeline.base.seeds import derive
from pipeline.data.image_set import COLUMNS, ImageSet, ImageSetWriter
from pipeline.models.base import DrawsBoxes, GenerativeModel, Sampler
from pipeline.sampling.abilities import styled
from pipeline.sampling.boxes import write_boxes
from pipeline.sampling.class_odds import ClassOdds
from pipeline.sampling.directions import combined, find
from pipeline.sampling.export import export
from pipeline.sampling.missed import Missed
from pipeline.sampling.provenance import Provenance
from pipeline.sampling.truncation import draw_truncated
from pipeline.settings import Generate, UserError
from pipeline.training import grids, health, model_files
from pipeline.training.ahead import ahead

SHOWN = 10  # images of a class in samples.png
JUDGED = 64  # images of a class that the sentinel looks at


@dataclass(frozen=True)
class Wanted:
    """What is to be drawn of one class."""

    name: str
    real_label: int  # in the real image set; the seeds are derived from it
    model_label: int  # in the model, which may know fewer classes
    numbers: tuple[int, ...]  # which of the images that it can draw of the class
    first: int  # row of its first image in the synthetic set

    @property
    def count(self) -> int:
        return len(self.numbers)

    def seeds(self, seed: int) -> list[int]:
        """Of the images: from the settings' seed, the class and an image's number alone."""
        return [derive(seed, self.real_label, i) for i in self.numbers]


def generate(
    settings: Generate,
    model: Path,
    data: Path,
    out: Path,
    journal,
    threads: int | None = None,
    missed: Path | None = None,
) -> None:
    """Draw a synthetic image set and its exported files.

    Args:
        model: folder `{model}/seed-{seed}` of a generator; `{model}` becomes the images' `source`.
        data: the real image set, which gives the classes, their counts and the scale of the values.
        out: becomes an image set, with `samples.png` and `export/` beside it, and its boxes and `boxes.png` where the
            model draws images with boxes.
        journal: a `pipeline.tracking.journal.Journal`.
        threads: CPU threads to compute with; None leaves torch's choice.
        missed: table of what detectors miss (`pipeline.downstream.missed`): as many images are drawn, but of what is in
            it; None draws each class as often as it is there.

    Raises:
        UserError: a model that does not fit the data or cannot be truncated, images that are all the same, too little
            memory, a full disk.
    """
    use_threads(threads)
    real, generator = ImageSet.open(data), model_files.load(model)
    say_device(f"draw {model.parent.name}", generator.device, generator.generate_amp)
    wanted = _wanted(settings, generator, real, Missed.read(missed, real) if missed else None)
    with writing(out):
        with memory_limit("generate.batch", settings.batch):
            _write(settings, generator, real, wanted, model.parent.name, out)
        drawn = ImageSet.open(out)
        rows = {w.name: drawn.images[w.first : w.first + min(w.count, SHOWN)] for w in wanted}
        grids.sheet(rows, columns=SHOWN).save(out / "samples.png")
        export(drawn, out / "export", settings.export, Provenance.of(model), torch.get_num_threads())
        if generator.spec.boxes:
            assert isinstance(generator, DrawsBoxes)  # no other family is trained with boxes
            labels = [w.model_label for w in wanted for _ in range(w.count)]
            write_boxes(generator, generator.spec.boxes, labels, drawn)
    for name in ("samples.png", *(["boxes.png"] if generator.spec.boxes else [])):
        journal.artifact(out / name, out.name)


def _wanted(settings: Generate, generator: Sampler, real: ImageSet, missed: Missed | None) -> list[Wanted]:
    """The classes to draw, in the real set's order."""
    spec = generator.spec
    if spec[:3] != real.spec[:3]:
        made, kept = ("x".join(map(str, s[:3])) for s in (spec, real.spec))
        raise UserError(f"{real.path}: its images are {kept} (height x width x channels), the model makes {made}")
    labels = real.labels[real.rows("train")]
    there = {name: int((labels == label).sum()) for label, name in enumerate(real.spec.classes)}
    counts = {name: settings.images_per_class or n for name, n in there.items() if name in spec.classes}
    if not any(counts.values()):
        raise UserError(f"{real.path}: has none of the classes that the model makes ({', '.join(spec.classes)})")
    wanted, first = [], 0
    for name, count in (missed.counts(counts) if missed else counts).items():
        if count:
            places = real.spec.classes.index(name), spec.classes.index(name)
            numbers = missed.numbers(generator, name, *places, settings.seed, count) if missed else range(count)
            wanted.append(Wanted(name, *places, tuple(numbers), first))
            first += count
    return wanted


def _write(
    settings: Generate, generator: Sampler, real: ImageSet, wanted: list[Wanted], source: str, out: Path
) -> None:
    total = sum(w.count for w in wanted)
    move = None
    if settings.move:
        able = styled(generator, f"generate.move: {', '.join(settings.move)}")
        move = combined(find(able, settings.batch, ClassOdds.of(real)), settings.move, "generate.move")
    height, width, channels = real.spec[:3]
    dtype = real.images.dtype
    with (
        ImageSetWriter(out, total, height, width, channels, dtype.name) as writer,
        progress("generate", total) as bar,
    ):
        for w in wanted:
            judged: list[torch.Tensor] = []
            for images in ahead(partial(_keep, writer, dtype), _batches(settings, generator, w, move)):
                judged += list(images[: JUDGED - len(judged)])
                bar.update(len(images))
            if isinstance(generator, GenerativeModel):
                _judge(w, torch.stack(judged), real, int(generator.images_seen) // generator.settings.batch)
        copied = generator.settings.real_pixels
        meta = real.inherited | ({"real_pixels": copied} if copied else {}) | {"truncation": settings.truncation}
        meta |= {"move": settings.move} if settings.move else {}
        writer.finish(_table(settings, wanted, source), meta)


def _batches(
    settings: Generate, generator: Sampler, w: Wanted, move: torch.Tensor | None
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Rows of the synthetic set and their images (n, C, H, W) in [-1, 1]."""
    seeds = torch.tensor(w.seeds(settings.seed))
    start = w.first
    labels = torch.full_like(seeds, w.model_label)
    for images in draw_truncated(generator, labels, seeds, settings.truncation, settings.batch, move):
        yield slice(start, start + len(images)), images
        start += len(images)


def _keep(writer: ImageSetWriter, dtype: np.dtype, drawn: tuple[slice, torch.Tensor]) -> torch.Tensor:
    rows, images = drawn
    writer[rows] = quantised(images, dtype)
    return images


def quantised(images: torch.Tensor, dtype: np.dtype) -> np.ndarray:
    """(N, C, H, W) float in [-1, 1] to (N, H, W, C) stored integers, the inverse of what the networks are fed.

    Networks without a bounded last layer go a little beyond [-1, 1]: that is black, or white.
    """
    top = np.iinfo(dtype).max
    levels = (images.permute(0, 2, 3, 1).numpy().astype(np.float64) + 1) / 2 * top
    return np.rint(levels).clip(0, top).astype(dtype)


def _judge(w: Wanted, images: torch.Tensor, real: ImageSet, updates: int) -> None:
    rows = real.rows("train")
    rows = rows[real.labels[rows] == w.real_label][:JUDGED]
    if not len(rows):
        return
    try:
        health.check_samples(w.name, images, normalised(stored(real.images[rows])), updates)
    except health.UnhealthyTraining as sickness:
        raise UserError(f"the model is of no use: {sickness}; train it anew, or longer") from sickness


def _table(settings: Generate, wanted: list[Wanted], source: str) -> pd.DataFrame:
    rows = []
    for w in wanted:
        for i, seed in zip(w.numbers, w.seeds(settings.seed), strict=True):
            name = f"{w.name}_{i:06d}"
            rows.append((name, w.name, source, 0, 0, name, "train", seed))
    return pd.DataFrame(rows, columns=[*COLUMNS, "seed"])
