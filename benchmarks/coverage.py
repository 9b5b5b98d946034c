"""Whether the panel's intervals hold: how often they cover the truth, and how often they call equal sets apart.

    .venv/bin/python -m benchmarks.coverage --trials 200 --out docs/results/coverage.md

Images are smooth noise of two classes made here, those of one group alike in scale, contrast and brightness; a model's
are coarser and paler. From a large population of each the same sets are drawn again and again: training images,
held-out ones, a model's, and new real ones as a perfect model would draw them. What is covered is the mean of a
measure over all trials, at this number of images, in the unit of features that the population has; of copies, over
trials with the same training images. Apart are held-out and new real images whose intervals leave a gap.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import fft

from pipeline.base.device import use_threads
from pipeline.base.job import progress
from pipeline.evaluation import distances, phases, structure
from pipeline.evaluation.context import Context
from pipeline.evaluation.copies import copies, nearest_training
from pipeline.evaluation.diversity import diversity
from pipeline.evaluation.features import Extractor
from pipeline.evaluation.random_features import random_features
from pipeline.evaluation.sample import Sample
from pipeline.evaluation.spectra import spectra
from pipeline.metrics import microstructure
from pipeline.metrics.distances import block_scale
from pipeline.settings import Evaluate

PIXELS = 32
SCALES = {"fine": 1.3, "coarse": 2.2}  # pixels, of the noise of each class
REFERENCES = 4  # sets of training images of which copies are looked for
SETTINGS = Evaluate(inception="off", lpips="off", class_feature_steps=0, imagenet=False)


class Cell(NamedTuple):
    """So many images of each set, so many of them a group; training images and a model's `more` times as many."""

    n: int
    members: int
    more: int = 1

    def __str__(self) -> str:
        groups = f" in groups of {self.members}" if self.members > 1 else ""
        return f"{self.n}{groups}" + (f", others {self.more * self.n}" if self.more > 1 else "")


CELLS = [Cell(n, members) for n in (12, 30, 60, 180) for members in (1, 3)] + [Cell(60, 1, 4)]


# ---------------------------------------------------------------- images


def images(groups: int, members: int, seed: int, coarser: float = 1.0, paler: float = 1.0) -> tuple[NDArray, NDArray]:
    """(groups · members, PIXELS, PIXELS, 1) uint8 images, group after group, and (groups,) classes in turn."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(PIXELS)[:, None], np.fft.rfftfreq(PIXELS)[None])
    labels = np.array(list(SCALES))[np.arange(groups) % len(SCALES)]
    found = np.empty((groups * members, PIXELS, PIXELS, 1), np.uint8)
    for group, label in enumerate(labels):
        scale = coarser * SCALES[label] * np.exp(rng.normal(0, 0.15))
        contrast, brightness = paler * 45 * np.exp(rng.normal(0, 0.2)), 128 + rng.normal(0, 8)
        smooth = np.exp(-2 * (np.pi * frequency * scale) ** 2)
        for i in range(group * members, (group + 1) * members):
            field = fft.irfft2(fft.rfft2(rng.standard_normal((PIXELS, PIXELS))) * smooth, (PIXELS, PIXELS))
            grain = 5 * rng.standard_normal((PIXELS, PIXELS))
            found[i, ..., 0] = np.clip(brightness + contrast * np.tanh(2 * field / field.std()) + grain, 0, 255)
    return found, labels


class Population:
    """Groups of images of which sets are drawn."""

    def __init__(self, groups: int, members: int, extractors: dict[str, Extractor], **kind: float):
        made, self.labels = images(groups, members, **kind)
        self.members = members
        names = np.repeat(np.arange(groups), members).astype(str)
        self.sample = replace(Sample.of_array(made, np.repeat(self.labels, members), extractors, "made"), groups=names)

    def sets(self, counts: Iterable[int], members: int, rng: np.random.Generator) -> list[Sample]:
        """Sets of so many images, `members` of a group, the classes in even shares; no group is in two."""
        orders = [rng.permutation(np.flatnonzero(self.labels == label)) for label in SCALES]
        order, found, start = np.stack(orders, axis=1).ravel(), [], 0
        for count in counts:
            groups = order[start : start + count // members]
            start += len(groups)
            rows = (groups[:, None] * self.members + np.arange(members)).ravel()
            mask = np.zeros(len(self.sample), bool)
            mask[rows] = True
            found.append(self.sample.where(mask))
        return found


# ---------------------------------------------------------------- trials


def trials(
    cell: Cell, count: int, real: Population, model: Population, past: Population, context: Context
) -> pd.DataFrame:
    """Numbers of all trials: `trial`, `set` (`real`, `new`, `model`), `training` (which training images), and the
    panel's own columns. `past` holds the training images of which copies are looked for, none of which is drawn anew.
    """
    rows = []
    count = count if cell.n < 180 else count // 2
    for trial in range(count):
        rng = np.random.default_rng([trial, *cell])
        heldout, new, training = real.sets((cell.n, cell.n, cell.more * cell.n), cell.members, rng)
        made = model.sets((cell.more * cell.n,), 1, rng)[0]
        looking = context._replace(reference=training, heldout=heldout)
        for name, candidate in (("real", heldout), ("new", new), ("model", made)):
            rows += [{"set": name, "trial": trial, "training": trial} | row for row in _compared(candidate, looking)]
    references = past.sets([cell.n] * REFERENCES, cell.members, np.random.default_rng([1, *cell]))
    for trial in range(count):
        rng = np.random.default_rng([2, trial, *cell])
        training = references[trial % REFERENCES]
        heldout, new = real.sets((cell.n, cell.n), cell.members, rng)
        looking = context._replace(reference=training, heldout=heldout)
        judged = [heldout, new, *model.sets((cell.n,), 1, rng)]
        found, _ = nearest_training(judged, looking)
        for name, candidate, near in zip(("real", "new", "model"), judged, found, strict=True):
            more = [row for row in copies(candidate, looking, near, found[0]) if not isinstance(row, str)]
            rows += [{"set": name, "trial": trial, "training": trial % REFERENCES} | row for row in more]
    return pd.DataFrame(rows)


def _compared(candidate: Sample, context: Context) -> Iterator[dict[str, Any]]:
    """All of the panel but copies, as `panel.measure` has it."""
    n = context.equal_n(candidate)
    labels, groups = (candidate.labels, context.reference.labels), (candidate.groups, context.reference.groups)
    draws = context.draws(labels, n, groups)
    for part in (
        distances.overall(candidate, context, "random", n, draws),
        structure.textures(candidate, context, n, draws),
        structure.microstructure(candidate, context, n, draws),
        diversity(candidate, context),
        distances.by_class(candidate, context, "random"),
    ):
        yield from (row for row in part if not isinstance(row, str))


def rates(table: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """A row for each measure: `covered` of the model's and `floor` of the new real images' intervals, percent; `few`:
    trials without interval, percent; `apart`: trials in which held-out and new real images were told apart, percent."""
    found = []
    table = table.assign(**{"class": np.where(table["class"].isna(), "all", "one")})  # of classes their mean
    for (metric, label), rows in table.groupby(["metric", "class"], sort=False):
        of = dict(list(rows.groupby("set")))
        covered = {name: _covered(some) for name, some in of.items()}
        keys = ["trial", "training", "label"]
        pair = [of[name].assign(label=of[name].groupby("trial").cumcount()).set_index(keys) for name in ("real", "new")]
        gap = (pair[0]["low"] > pair[1]["high"]) | (pair[1]["low"] > pair[0]["high"])
        few = 100 * float(rows["low"].isna().mean())
        found.append(
            {"cell": str(cell), "metric": metric + ("" if label == "all" else ", one class"), "few": few}
            | {"covered": covered["model"], "floor": covered["new"], "apart": 100 * float(gap.mean())}
        )
    return pd.DataFrame(found)


def _covered(rows: pd.DataFrame) -> float:
    """Percent of the intervals that hold the mean over the trials with the same training images, or with new ones."""
    fixed = rows["training"].nunique() <= REFERENCES
    place = rows.groupby("trial").cumcount()
    truth = rows.groupby([rows["training"], place] if fixed else place)["value"].transform("mean")
    some = rows["low"].notna()
    held = (rows["low"] <= truth + 1e-12) & (truth <= rows["high"] + 1e-12)
    return 100 * float(held[some].mean()) if some.any() else np.nan


def simulate(cells: Iterable[Cell], count: int, groups: int) -> pd.DataFrame:
    """`rates` of all cells; populations have so many groups."""
    cells = list(cells)
    members = max(cell.members for cell in cells)
    gray, _ = images(200, 1, seed=9)
    threshold = microstructure.otsu(np.bincount(gray.ravel(), minlength=256)) / 255
    cut = phases.Binarisation(threshold, False, False, 0.0, None, "px")
    extractors = {"random": Extractor("1", random_features), "psd": Extractor("1", spectra)}
    extractors["phases"] = phases.extractor(threshold)
    real = Population(groups, members, extractors, seed=0)
    past = Population(REFERENCES * max(cell.n // cell.members for cell in cells), members, extractors, seed=2)
    model = Population(groups, 1, extractors, seed=1, coarser=1.15, paler=0.85)
    context = Context(SETTINGS, real.sample, None, extractors, cut)
    centre, scale = block_scale(real.sample.vectors("random"), real.sample.features["random"].vector_blocks)

    def scaled(*sets: Sample | str) -> tuple[NDArray, NDArray]:
        x, y = ((one.vectors("random") - centre) / scale for one in sets[:2])
        return x, y

    found = []
    with progress("cells", len(cells), "cell") as bar, mock.patch.object(distances, "scaled", scaled):
        for cell in cells:
            found.append(rates(trials(cell, count, real, model, past, context), cell))
            bar.update(1)
    return pd.concat(found, ignore_index=True)


# ---------------------------------------------------------------- the page


def page(found: pd.DataFrame, command: str, before: pd.DataFrame | None) -> Iterator[str]:
    yield from ("# How often the panel's intervals hold", "", f"`{command}`", "")
    yield (
        "In each cell: 95 % intervals that hold the truth, in percent, of a model's images / of new real images / and"
        " how often new and held-out real images are told apart. *few*: no interval is given, there are too few images;"
        " –: the measure is left out." + (" Before the change → now." if before is not None else "")
    )
    tables = [_cells(table) for table in (before, found) if table is not None]
    columns = list(dict.fromkeys(found["cell"]))
    yield from ("", "| measure | " + " | ".join(columns) + " |", "| --- |" + " ---: |" * len(columns))
    for metric in dict.fromkeys(found["metric"]):
        cells = (" → ".join(table.get((metric, column), "–") for table in tables) for column in columns)
        yield f"| {metric} | " + " | ".join(cells) + " |"


def _cells(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    texts: dict[tuple[str, str], str] = defaultdict(str)
    for row in table.itertuples():
        numbers = f"{row.covered:.0f}/{row.floor:.0f}/{row.apart:.0f}"
        texts[row.metric, row.cell] = "few" if row.few > 50 else numbers
    return dict(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--groups", type=int, default=2400, help="of a population")
    parser.add_argument("--rates", type=Path, help="write the numbers to this CSV file as well")
    parser.add_argument("--before", type=Path, help="such a file of another version, to be shown beside")
    parser.add_argument("--out", type=Path, help="write the page to this Markdown file as well")
    given = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")
    found = simulate(CELLS, given.trials, given.groups)
    if given.rates:
        found.to_csv(given.rates, index=False)
    before = None if given.before is None else pd.read_csv(given.before)
    command = f".venv/bin/python -m benchmarks.coverage --trials {given.trials}"
    text = "\n".join(page(found, command, before)) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
