"""What is drawn of a model to be looked at: sheets, a film, strips, and `gallery.json`, which says what there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.base.device import memory_limit, say_device, use_threads
from pipeline.base.files import writing
from pipeline.base.job import progress
from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.models.base import GenerativeModel
from pipeline.sampling import directions, film, strips
from pipeline.sampling.abilities import styled, wide
from pipeline.sampling.class_odds import ClassOdds
from pipeline.sampling.export import safe_names
from pipeline.sampling.interpolation import walk
from pipeline.sampling.mixing import mixing_grid
from pipeline.sampling.provenance import Provenance
from pipeline.sampling.truncation import sweep
from pipeline.settings import METHOD, Gallery, ImageSpec, Interpolation, Mixing, Strips, Sweep, UserError
from pipeline.training import grids, model_files

CLASSES = 4  # drawn where the settings name none
SHOWN_STEPS = (-3, -2, -1, 0, 1, 2, 3)  # standard deviations along a direction

Facts = dict[str, Any]


class GalleryModel:
    """A trained model, the classes to draw of it, and the seeds of their images."""

    def __init__(self, model: GenerativeModel, settings: Gallery, meta: dict[str, Any], provenance: Provenance):
        self.model, self.settings, self.meta, self.provenance = model, settings, meta, provenance
        known = model.spec.classes
        names = known[:CLASSES] if settings.classes is None else [c for c in settings.classes if c in known]
        if not names:
            raise UserError(f"gallery.classes: the model knows none of {settings.classes}, but {', '.join(known)}")
        self.labels = {name: known.index(name) for name in names}

    def seeds(self, label: int, count: int, first: int = 0) -> Tensor:
        """(count,) int64, of images `first`, `first` + 1, ... of a class: as the synthetic set's."""
        return torch.tensor([derive(self.settings.seed, label, i) for i in range(first, first + count)])

    def rows(self, count: int, first: int = 0) -> tuple[Tensor, Tensor]:
        """Labels and seeds (classes · count,), class by class."""
        labels = torch.tensor(list(self.labels.values()))
        return labels.repeat_interleave(count), torch.cat([self.seeds(k, count, first) for k in labels.tolist()])

    def by_class(self, images: Tensor) -> dict[str, np.ndarray]:
        """(classes · n, C, H, W) as rows of a sheet, (n, H, W, C) by class."""
        parts = images.permute(0, 2, 3, 1).numpy()
        return dict(zip(self.labels, np.split(parts, len(self.labels)), strict=True))


def draw_gallery(settings: Gallery, model: Path, data: Path, out: Path, journal, threads: int | None = None) -> None:
    """Draw every part of a gallery that the settings do not leave out.

    Args:
        model: folder of a trained generator.
        data: folder of the prepared image set.
        out: folder to write to: `truncation.png`, `interpolation.gif`, `.mp4` and `frames/`, `mixing.png`,
            `directions.png` and `.json`, `strips.png` and `strips/`, and `gallery.json` with what a reader must know of
            each.
        journal: a `pipeline.tracking.journal.Journal`.
        threads: CPU threads to compute with; None leaves torch's choice.

    Raises:
        UserError: a part that the family cannot draw, classes the model does not know, too little memory or disk.
    """
    use_threads(threads)
    generator = model_files.load(model)
    assert isinstance(generator, GenerativeModel)  # one that was trained
    subject = GalleryModel(generator, settings, model_files.read_recipe(model)["data"], Provenance.of(model))
    say_device(f"gallery of {model.parent.name}", subject.model.device, subject.model.generate_amp)
    parts: dict[str, tuple[Callable[..., Facts], Any]] = {
        "truncation": (_sweep, settings.sweep),
        "interpolation": (_interpolation, settings.interpolation),
        "mixing": (_mixing, settings.mixing),
        "directions": (_directions, data if settings.directions else None),
        "strips": (_strips, settings.strips),
    }
    wanted = {name: (draw, part) for name, (draw, part) in parts.items() if part}
    facts: Facts = {"version": METHOD["gallery"], "classes": list(subject.labels), "seed": settings.seed}
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with memory_limit("gallery.batch", settings.batch), progress("gallery", len(wanted), "part") as bar:
            for name, (draw, part) in wanted.items():
                facts[name] = draw(subject, part, out)
                bar.update()
        (out / "gallery.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _tell(journal, facts, out)


def images_drawn(settings: Gallery, spec: ImageSpec) -> float:
    """How many images a model of such draws for its gallery, about; a strip counts by its width."""
    each = 0.0
    if settings.sweep:
        each += settings.sweep.count * len(settings.sweep.truncations)
    if settings.interpolation:
        each += settings.interpolation.count * settings.interpolation.frames
    if settings.mixing:
        each += (settings.mixing.rows + 1) * (settings.mixing.columns + 1)
    if settings.strips:
        each += settings.strips.count * settings.strips.width / spec.width
    classes = len(settings.classes) if settings.classes else min(CLASSES, len(spec.classes))
    along = directions.IMAGES_DRAWN + directions.FOUND * len(SHOWN_STEPS) if settings.directions else 0
    return classes * each + along


def _sweep(subject: GalleryModel, part: Sweep, out: Path) -> Facts:
    model = styled(subject.model, "gallery.sweep")
    labels, seeds = subject.rows(part.count)
    images = sweep(model, labels, seeds, part.truncations, subject.settings.batch)
    heads = [f"{t:g}" for t in part.truncations]
    rows = subject.by_class(images.flatten(0, 1))
    grids.sheet(rows, "truncation", columns=len(heads), heads=heads).save(out / "truncation.png")
    return {"file": "truncation.png", "truncations": part.truncations}


def _interpolation(subject: GalleryModel, part: Interpolation, out: Path) -> Facts:
    """Pair k of a class goes from its image 2k to its image 2k + 1."""
    labels, seeds = subject.rows(2 * part.count)
    ends = (x.split(subject.settings.batch) for x in (labels[::2], seeds[::2], seeds[1::2]))
    ways = [
        walk(subject.model, some, first, last, part.frames, part.space) for some, first, last in zip(*ends, strict=True)
    ]
    frames = [subject.by_class(torch.cat(images)) for images in zip(*ways, strict=True)]
    pictures = [grids.sheet(rows, columns=part.count) for rows in frames]
    (out / "frames").mkdir(exist_ok=True)
    for i, picture in enumerate(pictures):
        picture.save(out / "frames" / f"{i:04d}.png")
    loop = film.there_and_back(pictures)
    film.write_gif(loop, out / "interpolation.gif", part.fps)
    film.write_mp4(loop, out / "interpolation.mp4", part.fps)
    return {"file": "interpolation.gif", "frames": part.frames, "pairs": part.count}


def _mixing(subject: GalleryModel, part: Mixing, out: Path) -> Facts:
    model, rows = styled(subject.model, "gallery.mixing"), {}
    for name, label in subject.labels.items():
        coarse, fine = subject.seeds(label, part.rows), subject.seeds(label, part.columns, first=part.rows)
        grid = mixing_grid(model, label, coarse, fine, subject.settings.batch)
        rows[name] = grid.flatten(0, 1).permute(0, 2, 3, 1).numpy()
    grids.sheet(rows, columns=part.columns + 1).save(out / "mixing.png")
    return {"file": "mixing.png", "rows": part.rows, "columns": part.columns}


def _directions(subject: GalleryModel, data: Path, out: Path) -> Facts:
    """The first image of the first class along each direction."""
    model, batch = styled(subject.model, "gallery.directions"), subject.settings.batch
    found = directions.find(model, batch, ClassOdds.of(ImageSet.open(data)))
    label = next(iter(subject.labels.values()))
    seed = int(subject.seeds(label, 1)[0])
    rows = {}
    for direction in found:
        images = directions.along(model, direction, label, seed, list(SHOWN_STEPS), batch)
        rows[direction.name] = images.permute(0, 2, 3, 1).numpy()
    heads = [f"{step:+g}" if step else "0" for step in SHOWN_STEPS]
    grids.sheet(rows, "standard deviations", columns=len(heads), heads=heads).save(out / "directions.png")
    facts = [direction.facts() for direction in found]
    (out / "directions.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return {"file": "directions.png", "directions": facts}


def _strips(subject: GalleryModel, part: Strips, out: Path) -> Facts:
    """The preview shows the first strip of each class."""
    model, spec = wide(subject.model, "gallery.strips"), subject.model.spec
    (out / "strips").mkdir(exist_ok=True)
    files = safe_names(list(spec.classes))
    found: dict[str, Facts] = {}
    shown: dict[str, np.ndarray] = {}
    for name, label in subject.labels.items():
        for i, seed in enumerate(subject.seeds(label, part.count).tolist()):
            path = out / "strips" / f"{files[name]}_{i:06d}.tif"
            found[path.name], preview = strips.write_strip(
                model, spec, label, seed, part.width, subject.meta, path, subject.provenance
            )
            shown.setdefault(name, strips.preview_rows(preview)[None])
    grids.sheet(shown, columns=1, tile=next(iter(shown.values())).shape[2]).save(out / "strips.png")
    keys = ("seam_ratio", "seam_ratio_elsewhere")
    return {
        "file": "strips.png",
        "width": part.width,
        "shown": preview.shape[1],
        "strips": {file: {key: facts[key] for key in keys} for file, facts in found.items()},
    }


def _tell(journal, facts: Facts, out: Path) -> None:
    for file in (
        "truncation.png",
        "interpolation.gif",
        "interpolation.mp4",
        "mixing.png",
        "directions.png",
        "strips.png",
    ):
        if (out / file).is_file():
            journal.artifact(out / file, "gallery")
    ratios = [s["seam_ratio"] for s in facts.get("strips", {}).get("strips", {}).values()]
    if known := [r for r in ratios if r is not None]:
        journal.final({"strips/seam_ratio": float(np.mean(known))})
