"""Classifiers of any other program, compared by the rules of ours.

    python -m pipeline.downstream.classifier.predictions results/neu/real predictions.csv comparison.json

The first is the prepared image set whose test images were judged, the second what was said of them (`read`). Gains and
verdicts are printed, and written as those of ours are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.data.image_set import ImageSet
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
    known, `score`.

    `arm` is `real`, `augmented`, `balanced` or `augmented+balanced` for a detector that saw no generator's images, and
    `real+` with a name for one that did; its real images are taken to be presented as those of the baseline, which is
    `augmented` where there is one, else the first. `repetition` counts from 0. `image` is the `id` or the `source` of
    a test image in metadata.csv. `predicted` is a class; `score` is the higher, the surer it is of the second class.

    Raises:
        UserError: a file that cannot be read, columns or classes that are not known, or an arm and repetition that does
            not have every test image once.
    """
    table = _table(path)
    rows = images.rows("test")
    known = images.metadata.iloc[rows]
    names = "source" if set(table["image"]) <= set(known["source"]) and known["source"].is_unique else "id"
    classes = list(images.spec.classes)
    unknown = sorted(set(table["predicted"]) - set(classes))
    if unknown:
        raise UserError(f"{path}: predicted: `{unknown[0]}` is no class of {images.path} ({', '.join(classes)})")
    plain = [arm for arm in table["arm"].unique() if not arm.startswith(ADDED)]
    baseline = next((arm for arm in plain if arm == "augmented"), plain[0] if plain else "real")
    return [
        _result(path, part, str(arm), baseline, known[names].tolist(), images, dataset)
        for arm, part in table.groupby("arm", sort=False)
    ]


def _table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(("arm", "image", "predicted"), str), keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a CSV file ({error})") from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise UserError(f"{path}: has no column `{missing[0]}`; needed are {', '.join(COLUMNS)}")
    return table


def _result(
    path: Path, table: pd.DataFrame, name: str, baseline: str, wanted: list[str], images: ImageSet, dataset: str
) -> ClassifierResult:
    arm, recipe = _arm(path, name), _arm(path, baseline)
    truth = images.labels[images.rows("test")]
    repetitions = []
    for seed, part in table.groupby("repetition"):
        if sorted(part["image"]) != sorted(wanted):
            odd = sorted(set(wanted) ^ set(part["image"])) or part["image"][part["image"].duplicated()].tolist()
            raise UserError(
                f"{path}: arm {name}, repetition {seed}: {len(part)} rows for {len(wanted)} test images; `{odd[0]}` is "
                "too often there, missing, or no test image"
            )
        ordered = part.set_index("image").loc[wanted]
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


def _arm(path: Path, name: str) -> Arm:
    if name.startswith(ADDED) and len(name) > len(ADDED):
        return Arm((SyntheticSet(name.removeprefix(ADDED), "synthetic"),))
    plain = {arm.name: arm for arm in TASKS["classification"].baseline_arms()}
    if name not in plain:
        raise UserError(f"{path}: arm: `{name}` is neither of {', '.join(plain)} nor `real+` with a name")
    return plain[name]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for argument in ("real", "predicted", "out"):
        parser.add_argument(argument, type=Path)
    try:
        main(**vars(parser.parse_args()))
    except UserError as problem:
        sys.exit(f"ERROR: {problem}")
