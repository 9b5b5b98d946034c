"""What is here, and how long the generators of a configuration will take on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, cast

import psutil
import yaml

from pipeline.base import csvfile, needs, results
from pipeline.base import device as devices
from pipeline.base.needs import Images
from pipeline.data.image_set import ImageSet
from pipeline.data.reading.source import listing
from pipeline.sampling.gallery import images_drawn
from pipeline.settings import Dataset, ImageSpec, Settings, Training, UserError, gallery_of, load
from pipeline.settings.places import REAL, TOOK
from pipeline.training.elsewhere import CARD
from pipeline.training.forecast import START, forecast
from pipeline.training.validator import MOST

PACKAGES = ("pyrite", "torch", "torchvision", "numpy", "snakemake", "mlflow")
ASSUMED = 4  # classes of a data set that nobody has looked at yet
COLUMNS = "{:16} {:20} {:>9} {:>8} {:>7} {:>8} {:>7} {:>6}"


class Job(NamedTuple):
    """Of one seed."""

    seconds: float
    """The forecast."""
    taken: float | None
    """What such jobs took on average, where some have run here."""


class Row(NamedTuple):
    """A generator of a data set."""

    dataset: str
    model: str
    threads: int
    update: float
    """Seconds."""
    jobs: dict[str, Job]
    """`train`, `generate` (the synthetic set), and `gallery` where there is one."""
    seeds: int
    elsewhere: float | None
    """Seconds of its updates on a card that is not here, estimated."""
    disk: int
    """Bytes that a seed leaves: the weights, a checkpoint, the synthetic images as an array and as files."""


class Refusal(NamedTuple):
    """A generator that cannot be trained here, and why."""

    dataset: str
    model: str
    reason: str


def read(configurations: list[Path], overrides: str = "") -> Settings:
    """Configurations laid over one another, as Snakemake does with several.

    Raises:
        UserError: a file that cannot be read or is no YAML, or what `load` raises.
    """
    found: dict[str, Any] = {}
    for path in configurations:
        try:
            _lay(found, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        except (yaml.YAMLError, AttributeError, UnicodeDecodeError):
            raise UserError(f"{path}: is no configuration, for it is no YAML of settings by their names") from None
    return load(found | ({"set": overrides} if overrides else {}))


def facts() -> list[str]:
    """What is installed and what there is to compute with, a line each."""
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    device = devices.best_device()
    amp = devices.precision_name(devices.amp_dtype("auto", device))
    memory = psutil.virtual_memory()
    lines = [
        f"Python {platform.python_version()}, {versions}",
        f"computes on {devices.device_name(device)} in {amp}; {os.cpu_count()} processors",
        f"memory {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free",
    ]
    idle = devices.idle_card()
    return [*lines, idle] if idle else lines


def rows(settings: Settings, budget: float, threads: int | None = None) -> Iterator[Row | Refusal]:
    """Of each data set and each generator that is trained on it.

    Args:
        budget: seconds of timed updates, of each.
        threads: of each; None for as many as a run gives it (`threads_of`).
    """
    for name in settings.datasets:
        for model in settings.models_of(name):
            if isinstance(settings.models[model], Training):
                try:
                    yield _row(settings, name, model, budget, threads)
                except UserError as error:
                    yield Refusal(name, model, str(error))


def _row(settings: Settings, name: str, model: str, budget: float, threads: int | None) -> Row:
    chosen = cast(Training, settings.models[model])
    spec = spec_of(settings, name, chosen)
    threads = threads or threads_of(chosen, spec, settings.trainings)
    devices.use_threads(threads)
    found = forecast(chosen, spec, budget, held_out_of(Path(settings.results) / name / "real"))
    drawn = _drawn(settings, name)
    seconds = {"train": found.training, "generate": START + found.image * drawn.number}
    if shown := gallery_of(settings.gallery, chosen.family):
        seconds["gallery"] = START + found.image * images_drawn(shown, spec)
    jobs = {stage: Job(said, _taken(settings, name, model, stage)) for stage, said in seconds.items()}
    disk = 2 * found.checkpoint + 2 * int(1e6 * drawn.mb)
    return Row(name, model, threads, found.update, jobs, len(settings.seeds), found.elsewhere, disk)


def threads_of(model: Training, spec: ImageSpec, trainings: int) -> int:
    """Those of its job when nobody sets others, one of so many trainings: as the rule asks for."""
    asked = needs.training(model, Images(0, spec.height * spec.width, spec.channels), card=False)
    processors = os.cpu_count() or 1
    if devices.best_device().type != "cpu":
        return min(asked.threads, processors)
    return needs.side_by_side(asked, trainings, processors, psutil.virtual_memory().total / 1e6)


def _drawn(settings: Settings, name: str) -> Images:
    """The synthetic image set of a data set."""
    dataset = settings.datasets[name]
    source = settings.datasets[dataset.patches_of or name]
    prepared = Path(settings.results) / REAL.format(dataset=name) / "images.npy"
    images = Images.of(source, str(prepared) if prepared.is_file() else None, _files(source))._replace(
        pixels=prod(dataset.shape)
    )
    each = settings.generate.images_per_class
    return images._replace(number=each * len(spec_of(settings, name).classes)) if each else images


def _files(dataset: Dataset) -> list[Path]:
    """Those of its source; none of one that is drawn, or not on this machine."""
    if dataset.source is None or dataset.source == "voronoi":
        return []
    with suppress(UserError):
        return [Path(entry.path) for entry in listing(dataset.source)]
    return []


def spec_of(settings: Settings, name: str, model: Training | None = None) -> ImageSpec:
    """The images of a data set (those that a model learns), as they are where they have been prepared, else as the
    settings let one expect."""
    folder = Path(settings.results) / REAL.format(dataset=name)
    if (folder / "meta.json").is_file():
        spec = ImageSet.open(folder).spec
    else:
        dataset = settings.datasets[name]
        voronoi = dataset.voronoi.classes if dataset.source == "voronoi" else None
        labelled = [str(i) for i in range(ASSUMED)] if dataset.labels.rule != "none" else ["all"]
        classes = tuple(dataset.labels.classes or voronoi or labelled)
        spec = ImageSpec(*dataset.shape, 3 if dataset.channels == "rgb" else 1, classes)
    return spec._replace(classes=tuple(model.classes)) if model and model.classes else spec


def held_out_of(real: Path) -> int:
    """Images to choose by of a prepared data set; as many as a training looks at where nobody has prepared it."""
    return len(ImageSet.open(real).rows("val")) if (real / "meta.json").is_file() else MOST


def keep(found: list[Row], settings: Settings) -> None:
    """Write the forecasts into the folder of results, where the report sets them beside what the jobs took.

    Raises:
        UserError: the folder cannot be written.
    """
    seconds = {
        job: of.seconds
        for row in found
        for stage, of in row.jobs.items()
        for job in _jobs(settings, row.dataset, row.model, stage)
    }
    results.keep_forecasts(Path(settings.results), seconds)


def lines(found: list[Row], folder: Path) -> Iterator[str]:
    """A table for a console, its sum, and how right the forecasts were where jobs have run; the disk that they need,
    and what is free on that of the results. Of no generator that is trained here, a line that says so."""
    if not found:
        yield "no generator of it is trained here"
        return
    yield COLUMNS.format("data set", "generator", "an update", "training", "took", "drawing", "took", "seeds")
    for row in found:
        times = (short(seconds) for stage in ("train", "generate") for seconds in row.jobs[stage])
        yield COLUMNS.format(row.dataset[:16], row.model[:20], f"{1000 * row.update:.0f} ms", *times, row.seeds)
    training, drawing = (sum(row.seeds * row.jobs[of].seconds for row in found) for of in ("train", "generate"))
    yield f"all trainings one after another: {short(training)}, and to draw their images {short(drawing)}"
    ratios = [job.seconds / job.taken for row in found for job in row.jobs.values() if job.taken]
    if ratios:
        worst = max(max(ratio, 1 / ratio) for ratio in ratios)
        yield f"of jobs that have run here the forecast is off by a factor of {worst:.2f} at most"
    away = [row.elsewhere * row.seeds for row in found if row.elsewhere is not None]
    if away and len(away) == len(found):
        yield f"their updates on an {CARD}: {short(sum(away))}, estimated from their arithmetic; no such card is here"
    disk = sum(row.disk * row.seeds for row in found)
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    free = psutil.disk_usage(str(there)).free
    yield f"disk for them all: {disk / 1e9:.1f} GB, {free / 1e9:.1f} GB are free in {there}"


def short(seconds: float | None) -> str:
    """`41 s`, `3 min`, `2.1 h`; nothing where there is none."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def multiplied(settings: Settings) -> Iterator[str]:
    """By how much each few-shot set with several draws multiplies the trainings."""
    for name, dataset in settings.datasets.items():
        if dataset.draws > 1 and dataset.draw == 1:
            yield (
                f"{name}: {dataset.draws} draws of its images, each with generators of its own: {dataset.draws} times "
                "the trainings of one"
            )


def _lay(base: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _lay(base[key], value)
        else:
            base[key] = value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is missing"


def _jobs(settings: Settings, dataset: str, model: str, stage: str) -> list[str]:
    """The files of what they took, of each seed one."""
    return [TOOK.format(dataset=dataset, model=model, seed=seed, stage=stage) for seed in settings.seeds]


def _taken(settings: Settings, dataset: str, model: str, stage: str) -> float | None:
    files = [Path(settings.results) / job for job in _jobs(settings, dataset, model, stage)]
    times = [float(csvfile.read(file, "s", sep="\t")["s"].iloc[-1]) for file in files if file.is_file()]
    return sum(times) / len(times) if times else None
