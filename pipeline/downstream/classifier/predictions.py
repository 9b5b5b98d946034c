"""Classifiers of any other program, compared by the rules of ours.

    python -m pipeline.downstream.classifier.predictions results/neu/real predictions.csv comparison.json

The first is the prepared image set whose test images were judged, the second what was said of them (`read`). Gains and
verdicts are printed, and written as those of ours are.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.base.job import print_anywhere
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import user_table
from pipeline.downstream import comparison, records
from pipeline.downstream.arms import Arm, SyntheticSet
from pipeline.downstream.classifier import scoring
from pipeline.downstream.classifier.records import ClassifierResult
from pipeline.downstream.records import Chosen, result_of
from pipeline.downstream.registry import TASKS
from pipeline.settings import METHOD, UserError

COLUMNS = ("arm", "repetition", "image", "predicted")
SCORE = "score"
ADDED = "real+"


def main(real: Path, predicted: Path, out: Path) -> None:
    """Compare, print and write. Raises UserError as `read`, and for results that cannot be compared."""
    images = ImageSet.open(real)
    dataset = real.resolve().parent.name
    found = comparison.of_results(dataset, real, "classification", read(predicted, images, dataset))
    records.write(found, out)
    for arm in found.arms:
        gain = (
            ""
            if arm.gain is None or arm.low is None or arm.high is None
            else f"{100 * arm.gain:+.1f} ({100 * arm.low:+.1f} to {100 * arm.high:+.1f})"
        )
        print(f"{arm.arm:24} macro F1 {100 * arm.score:5.1f} %  {gain:24} {arm.verdict}")


def read(path: Path, images: ImageSet, dataset: str) -> list[ClassifierResult]:
    """The arms of a CSV file with the columns `arm`, `repetition`, `image`, `predicted` and, of two classes, if it is
    known, `score`; `user_table.read` says as what it may be saved.

    `arm` is `real`, `augmented`, `balanced` or `augmented+balanced` for a detector that saw no generator's images, and
    `real+` with a name for one that did; its real images are taken to be presented as those of the baseline, which is
    `augmented` where there is one, else the first. `repetition` counts from 0. `image` is the `id` or the `source` of
    a test image in metadata.csv. `predicted` is a class; `score` is the higher, the surer it is of the second class.

    Raises:
        UserError: a file that cannot be read, columns, classes or numbers that are not known, or an arm and repetition
            that does not have every test image once.
    """
    columns = {f"predictions.{name}": name for name in COLUMNS}
    lines = user_table.read(str(path), columns, [SCORE], what="predictions")
    if not lines:
        raise UserError(f"predictions: {path} has no row below the names of its columns")
    table = pd.DataFrame([line.cells for line in lines]).assign(line=[line.number for line in lines])
    classes = {name.strip(): name for name in images.spec.classes}
    table["predicted"] = _each(
        path, table, "predicted", classes.get, f"no class of {images.path} ({', '.join(classes)})"
    )
    table["repetition"] = _each(path, table, "repetition", _count, "no number of a repetition, which count from 0")
    if SCORE in table and len(classes) == 2:
        wanted = "no number; each row has one, or leave the column out"
        table[SCORE] = _each(path, table, SCORE, _decimal, wanted).astype(float)
        _check_direction(path, table, images.spec.classes)
    known = images.metadata.iloc[images.rows("test")]
    names = max(("id", "source"), key=lambda column: table["image"].isin(known[column]).sum())
    plain = [arm for arm in table["arm"].unique() if not arm.startswith(ADDED)]
    baseline = next((arm for arm in plain if arm == "augmented"), plain[0] if plain else "real")
    return [
        _result(path, part, str(arm), baseline, known[names], images, dataset)
        for arm, part in table.groupby("arm", sort=False)
    ]


def _each(
    path: Path, table: pd.DataFrame, column: str, meant: Callable[[str], object | None], wanted: str
) -> pd.Series:
    """What the cells of a column mean; `wanted` says what one is that means nothing."""
    found = [meant(cell) for cell in table[column]]
    if None in found:
        row = table.iloc[found.index(None)]
        raise UserError(f"predictions: {path}, line {row['line']}: {column} `{row[column]}` is {wanted}")
    return pd.Series(found, index=table.index)


def _check_direction(path: Path, table: pd.DataFrame, classes: Sequence[str]) -> None:
    """At any threshold a score that is surer of the second class is on average higher where that is predicted."""
    means = table.groupby(["arm", "predicted"])[SCORE].mean().unstack()
    if set(classes) <= set(means) and (turned := means[classes[1]] < means[classes[0]]).any():
        raise UserError(
            f"predictions: {path}: arm {turned.idxmax()}: score is higher where `{classes[0]}` is predicted; it must"
            f" be the higher, the surer of `{classes[1]}`"
        )


def _count(cell: str) -> int | None:
    return int(found[1]) if (found := re.fullmatch(r"(\d{1,9})(?:\.0*)?", cell, re.ASCII)) else None


def _decimal(cell: str) -> float | None:
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _result(
    path: Path, table: pd.DataFrame, name: str, baseline: str, wanted: pd.Series, images: ImageSet, dataset: str
) -> ClassifierResult:
    arm, recipe = _arm(path, name), _arm(path, baseline)
    truth = images.labels[images.rows("test")]
    repetitions = []
    for seed, part in table.groupby("repetition"):
        if odd := _odd(part["image"], wanted):
            raise UserError(
                f"predictions: {path}: arm {name}, repetition {seed}: {len(part)} rows for {len(wanted)} test images; "
                f"{odd}"
            )
        ordered = part.set_index("image").loc[wanted.tolist()]
        predicted = pd.Categorical(ordered["predicted"], categories=images.spec.classes).codes.astype(np.int64)
        odds = ordered[SCORE].to_numpy(float) if SCORE in ordered and len(images.spec.classes) == 2 else None
        repetitions.append({"seed": int(seed), "seconds": 0.0} | scoring.record(predicted, truth, images.spec, odds))
    presented = arm if not arm.synthetic else recipe
    return result_of(
        {
            "version": METHOD[TASKS["classification"].stage],
            "task": "classification",
            "dataset": dataset,
            "arm": name,
            "synthetic": arm.synthetic,
            "real": True,
            "classes": list(images.spec.classes),
            "steps": 0,
            "settings": {},
            "chosen": Chosen(presented.augmented, presented.balanced, None, None, None, [], None, []),
            "n_real": len(images.rows("train")),
            "n_synthetic": 0,
            "n_test": len(truth),
            "groups": images.metadata["group"].iloc[images.rows("test")].tolist(),
            "truth": truth.tolist(),
            "mean": {},
            "spread": {},
            "repetitions": repetitions,
        },
        ClassifierResult,
    )


def _odd(said: pd.Series, wanted: pd.Series) -> str:
    """What is wrong with the names of the images of a repetition; empty for nothing."""
    if wanted.duplicated().any():
        return (
            f"`{wanted[wanted.duplicated()].iloc[0]}` is the {wanted.name} of several of them: name images by their id"
        )
    unknown, missing = said[~said.isin(wanted)], wanted[~wanted.isin(said)]
    if len(unknown):
        example = f", such as `{wanted.iloc[0]}` is; name all by their id or all by their source" if len(wanted) else ""
        return f"`{unknown.iloc[0]}` is not the {wanted.name} of a test image{example}"
    if len(missing):
        return f"`{missing.iloc[0]}` is missing"
    twice = said[said.duplicated()]
    return f"`{twice.iloc[0]}` is there more than once" if len(twice) else ""


def _arm(path: Path, name: str) -> Arm:
    if name.startswith(ADDED) and len(name) > len(ADDED):
        return Arm((SyntheticSet(name.removeprefix(ADDED), "synthetic"),))
    plain = {arm.name: arm for arm in TASKS["classification"].baseline_arms()}
    if name not in plain:
        raise UserError(f"predictions: {path}: arm: `{name}` is neither of {', '.join(plain)} nor `real+` with a name")
    return plain[name]


if __name__ == "__main__":
    print_anywhere()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for argument in ("real", "predicted", "out"):
        parser.add_argument(argument, type=Path)
    try:
        main(**vars(parser.parse_args()))
    except UserError as problem:
        sys.exit(f"ERROR: {problem}")
