"""How close each generator is after how many seconds of one core, beside those without training.

    python -m benchmarks.time_to_quality measure --images results-neu64/neu/real \\
        --config config/all-families.yaml --models quilting warp cgan ddpm > time-to-quality.csv
    python -m benchmarks.time_to_quality figure time-to-quality.csv time-to-quality.png

`measure` trains the models of a configuration with their budgets and looks at the averaged weights after an eighth, a
quarter, a half and all of it: a row each, after that of the test images. Where rates fall over the training, the looks
before its end are of a training that is not finished. CPU seconds are those of the updates alone, of one thread; of
a generator without training those of drawing. With `--per-class 10` the models see so few training images of each
class, and are judged against all.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import matplotlib
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.judge import Judge, built, drawn, trained
from pipeline.base.device import use_threads
from pipeline.data.image_set import ImageSet
from pipeline.models.base import Sampler
from pipeline.settings import Training, Untrained, model_settings
from pipeline.training.collect import gathered

MOMENTS = (1 / 8, 1 / 4, 1 / 2, 1.0)  # of a budget
DRAWN = 288  # images, at least, that are judged
FLOOR = "real images"


class Look(NamedTuple):
    """A row of the table."""

    model: str
    seconds: float
    images: int
    frechet: float
    floors: float
    kid: float
    precision: float
    recall: float


def looks(settings: Training, data: ImageSet, seed: int) -> Iterator[tuple[Sampler, float, int]]:
    """The model at each moment, the CPU seconds until then, and the images seen."""
    model, feed = built(settings, data, seed)
    moments = [share * settings.total_images for share in MOMENTS]
    for images, seconds in trained(model, feed, seed):
        if images >= moments[0]:
            moments = [moment for moment in moments if moment > images]
            yield model, seconds, images
            if not moments:
                return


def few(data: ImageSet, each: int, seed: int) -> ImageSet:
    """The set with this many training images of each class, drawn by the seed; the others train nothing."""
    table = data.metadata
    train = table["split"] == "train"
    kept = table[train].groupby("label").sample(each, random_state=seed).index
    return replace(data, metadata=table.assign(split=table["split"].mask(train & ~table.index.isin(kept), "control")))


def measure(
    name: str, settings: Training | Untrained, data: ImageSet, seed: int, per_class: int | None = None
) -> Iterator[Look]:
    """The looks at a model, trained on `per_class` images of each class (None is all), judged against all of `data`."""
    classes = settings.classes or data.spec.classes
    each = -(-DRAWN // len(classes))
    judge = Judge(data, each * len(classes), settings.classes)
    floor = judge.floor()["frechet"]
    shown = data if per_class is None else few(data, per_class, seed)

    def look(model: Sampler, seconds: float, images: int) -> Look:
        began = time.process_time()
        made = drawn(model, each, data.spec.classes.index)
        seconds = seconds or time.process_time() - began
        found = judge(*made)
        rest = (found[key] for key in ("kid", "precision", "recall"))
        return Look(name, seconds, images, found["frechet"], found["frechet"] / floor, *rest)

    if isinstance(settings, Untrained):
        yield look(gathered(settings, shown, seed), 0.0, 0)
    else:
        yield from (look(*moment) for moment in looks(settings, shown, seed))


def figure(rows: list[Look], path: Path) -> None:
    """Fréchet distances in multiples of the floor over seconds, both axes logarithmic."""
    runs = defaultdict(list)
    for row in rows:
        runs[row.model].append(row)
    canvas = Figure(figsize=(7.5, 4.5), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots()
    axes.axhline(1, color="black", linewidth=1, label="new real images")
    styles = itertools.product("os^", matplotlib.colormaps["tab10"].colors)
    for (marker, colour), (name, run) in zip(styles, runs.items(), strict=False):
        seconds, floors = [row.seconds for row in run], [row.floors for row in run]
        if run[-1].images:
            axes.plot(seconds, floors, marker=marker, markersize=4, color=colour, label=name)
        else:
            axes.axhline(floors[0], color=colour, linewidth=1, linestyle="--", label=f"{name}, no training")
    axes.set(xscale="log", yscale="log", xlabel="seconds of one core", ylabel="Fréchet distance / floor")
    axes.set_yticks(ticks := [1, 1.5, 2, 3, 5, 10, 20, 50], [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    canvas.legend(loc="outside right upper", fontsize=8, frameon=False)
    canvas.savefig(path, dpi=120)


def read(path: Path) -> list[Look]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [Look(row["model"], *(float(row[key]) for key in Look._fields[1:])) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of = commands.add_parser("measure")
    of.add_argument("--images", type=Path, required=True, help="a prepared image set of 8 bits")
    of.add_argument("--config", type=Path, nargs="+", required=True, help="files whose `models` are measured")
    of.add_argument("--models", nargs="+", required=True)
    of.add_argument("--seed", type=int, default=0)
    of.add_argument("--per-class", type=int, help="training images of each class; all without it")
    of = commands.add_parser("figure")
    of.add_argument("table", type=Path)
    of.add_argument("picture", type=Path)
    given = parser.parse_args()
    if given.command == "figure":
        figure(read(given.table), given.picture)
        return
    use_threads(1)
    data = ImageSet.open(given.images)
    entries = {}
    for path in given.config:
        entries |= yaml.safe_load(path.read_text()).get("models", {})
    writer = csv.writer(sys.stdout)
    writer.writerow(Look._fields)
    for name in given.models:
        for row in measure(name, model_settings(entries[name]), data, given.seed, given.per_class):
            writer.writerow([f"{x:.4g}" if isinstance(x, float) else x for x in row])
            sys.stdout.flush()


if __name__ == "__main__":
    main()
