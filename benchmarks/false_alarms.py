"""How often the panel calls new real images wrong.

    python -m benchmarks.false_alarms --images data/neu/IMAGES --partitions 20 --tables data/neu/splits/train.csv \
        data/neu/splits/val.csv

The images are parted again and again, whole groups at a time, into 40 % to train, 30 % held out (the floor) and 30 %
that are judged as if a generator had drawn them. Tables have the columns file, class, group; images of one group show
one scene. Every measure that a verdict would call off the floor is a false alarm.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.base.job import progress
from pipeline.base.null_journal import NullJournal
from pipeline.data.image_set import ImageSet, ImageSetWriter
from pipeline.data.preparing.prepare import prepare
from pipeline.evaluation import panel
from pipeline.report import tables, verdict
from pipeline.settings import Dataset, Evaluate

SHARES = (0.4, 0.3, 0.3)
KEPT = ("classes", "symmetry", "unit", "dtype", "pixel_size", "scaling")  # of what a set says of its images
SETTINGS = Evaluate(inception="off", lpips="off")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--partitions", type=int, default=20)
    given = parser.parse_args()
    labels = {"rule": "csv", "csv": [str(path) for path in given.tables]}
    split = {"group_column": "group", "near_duplicates": "off"}
    with tempfile.TemporaryDirectory() as folder, progress("partitions", given.partitions, "partition") as bar:
        root = Path(folder)
        prepare(Dataset(source=str(given.images), size=given.size, labels=labels, split=split), root / "whole")
        whole, found = ImageSet.open(root / "whole"), []
        for seed in range(given.partitions):
            found.append(alarms(whole, parts(whole, seed), root / str(seed)))
            bar.update(1)
    print(report(found))


def parts(whole: ImageSet, seed: int) -> list[NDArray[np.int64]]:
    """Rows of each part, whole groups, in even shares of each class."""
    rng = np.random.default_rng(seed)
    labels, groups = (whole.metadata[name].to_numpy(str) for name in ("label", "group"))
    found: list[list[int]] = [[] for _ in SHARES]
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        wanted, have = np.array(SHARES) * len(rows), np.zeros(len(SHARES))
        for group in rng.permutation(np.unique(groups[rows])):
            members = rows[groups[rows] == group]
            part = int(np.argmax((wanted - have) / wanted))
            found[part] += members.tolist()
            have[part] += len(members)
    return [np.sort(np.array(part)) for part in found]


def alarms(whole: ImageSet, rows: list[NDArray[np.int64]], folder: Path) -> dict[str, Any]:
    """Measures that are off, over all classes and of single ones, and how many were asked."""
    train, heldout, judged = rows
    real = ["train"] * len(train) + ["test"] * len(heldout)
    write(whole, np.concatenate([train, heldout]), real, folder / "real")
    write(whole, judged, ["train"] * len(judged), folder / "new")
    panel.evaluate_real(SETTINGS, folder / "real", folder / "floor.json", "real")
    panel.evaluate(SETTINGS, folder / "real", folder / "new", folder / "new.json", "real", "new", 0, NullJournal())
    pairs = verdict.paired(tables.scores(tables.summary([folder / "floor.json", folder / "new.json"])), "new")
    everything = pairs.pop(None)
    single = sum(len(asked) for asked in pairs.values())
    classes = [f"{of[:2]} of {of.label}" for asked in pairs.values() for of in verdict.off(asked, single)]
    off = [of[:2] for of in verdict.off(everything, len(everything))]
    return {"all": off, "class": classes, "asked": len(everything)}


def write(whole: ImageSet, rows: NDArray[np.int64], splits: list[str], path: Path) -> None:
    table: pd.DataFrame = whole.metadata.iloc[rows].assign(split=splits)
    with ImageSetWriter(path, len(rows), *whole.images.shape[1:], str(whole.images.dtype)) as writer:
        writer[:] = whole.images[rows]
        writer.finish(table, {key: whole.meta[key] for key in KEPT})


def report(found: list[dict[str, Any]]) -> str:
    alarmed, count = sum(bool(one["all"]) for one in found), Counter(m for one in found for m in one["all"])
    lines = [
        f"{len(found)} partitions, {found[0]['asked']} measures over all classes: {alarmed} with a false alarm, "
        f"{sum(count.values()) / len(found):.2f} alarms a partition",
        *(f"  {extractor} {metric}: {n}" for (extractor, metric), n in count.most_common()),
        f"measures of single classes: {sum(bool(one['class']) for one in found)} partitions with a false alarm",
        *(f"  {name}" for one in found for name in one["class"]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
