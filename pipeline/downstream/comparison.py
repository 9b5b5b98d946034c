"""The comparison of all detectors of a data set: from the results of its arms to `comparison.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.base.files import read_json, write_whole
from pipeline.data.image_set import ImageSet
from pipeline.downstream import baseline, paired_gain
from pipeline.downstream.boxes import baseline as box_basis
from pipeline.downstream.boxes import paired_gain as box_compare
from pipeline.downstream.label_efficiency import Worth, worth
from pipeline.downstream.paired_gain import Judged, interval
from pipeline.downstream.records import (
    Arm,
    Candidate,
    Chosen,
    ClassEstimate,
    Comparison,
    Estimate,
    Images,
    LabelEfficiency,
    text,
)
from pipeline.settings import UserError
from pipeline.tracking.stages import compared

LEVEL = 0.95
Result = dict[str, Any]


class Row(NamedTuple):
    """What `compare` says of an arm."""

    first: dict[str, Any]
    others: dict[str, dict[str, Any]]
    """By the names of further scores."""


@dataclass(frozen=True)
class ArmFile:
    """An arm as it was planned, and the file of its results."""

    path: Path
    real: bool
    synthetic: list[Images]


@dataclass(frozen=True)
class Member:
    """A data set: the prepared images and the arms of both tasks, of each task in the order of the plan."""

    dataset: str
    real: Path
    arms: Mapping[str, Sequence[ArmFile]]
    """By the name of the task."""


def member(results: Path, dataset: str, arms: Mapping[str, Sequence[Mapping[str, Any]]]) -> Member:
    """A data set below the root of results; `arms` in plain values, as the plan of a run has them."""
    folder = results / dataset
    planned = {
        task: [ArmFile(folder / arm["file"], arm["real"], [Images(*made) for made in arm["synthetic"]]) for arm in of]
        for task, of in arms.items()
    }
    return Member(dataset, folder / "real", planned)


class Task(NamedTuple):
    """A kind of detector, as far as the comparison knows it."""

    metric: str
    of_class: str
    """Name of the score of one class, in a row."""
    rows: Callable[[list[Result]], list[Row]]
    """Of each arm, the baseline first."""
    judged: Callable[[Result, str, bool], Judged]
    baseline: Callable[[Sequence[Result]], str]
    test: Sequence[str]
    """Keys that are equal in the results of two data sets just where they are judged by the same test images."""


def _classifiers(results: list[Result]) -> list[Row]:
    """Accuracy beside macro F1, and AUROC where there are two classes that both have test images."""
    ranked = all(seed.get("auroc") is not None for result in results for seed in result["seeds"])
    metrics = ["accuracy", *(["auroc"] if ranked else [])]
    others = {metric: {row["arm"]: row for row in paired_gain.compare(results, metric, LEVEL)} for metric in metrics}
    rows = paired_gain.compare(results, "macro_f1", LEVEL)
    return [Row(row, {metric: of[row["arm"]] for metric, of in others.items()}) for row in rows]


def _box_detectors(results: list[Result]) -> list[Row]:
    return [Row(row, {box_compare.EXACT: row[box_compare.EXACT]}) for row in box_compare.compare(results, LEVEL)]


TASKS = {
    "classification": Task(
        "macro_f1", "f1", _classifiers, paired_gain.judged, baseline.strongest, ("classes", "truth", "groups")
    ),
    "boxes": Task(
        box_compare.FIRST,
        "ap50",
        _box_detectors,
        box_compare.judged,
        box_basis.strongest,
        ("classes", "ids", "groups", "truth"),
    ),
}


def write(members: Sequence[Member], dataset: str, family: str | None, out: Path) -> Comparison:
    """Compare the detectors of one data set, and say how many real images its generators are worth.

    Args:
        members: the data sets of a few-shot family, this one among them; or this one alone.
        dataset: name of this one.
        family: name of the family; None without one.
        out: JSON file to write, whole.

    Raises:
        UserError: results that cannot be compared.
    """
    mine = next(member for member in members if member.dataset == dataset)
    images = {member.dataset: images_per_class(member.real) for member in members}
    arms = [arm for task in mine.arms for arm in _arms(task, mine, members, images)]
    comparison = Comparison(dataset, arms, family, images[dataset], LEVEL)
    write_whole(out, text(comparison).encode())
    return comparison


def record(comparison: Comparison, folder: Path, seed: int) -> None:
    """Add gain and verdict of each arm to the run that its detectors' scores are in.

    Args:
        folder: of the journals, one an arm.
        seed: of the generators' training.
    """
    for arm in comparison.arms:
        prefix = {"classification": "detect", "boxes": "detect_boxes"}[arm.task]
        models = [(of.model, of.made) for of in arm.synthetic]
        with compared(
            folder / arm.task / arm.arm, comparison.dataset, arm.task, arm.arm, arm.real, models, seed
        ) as run:
            if arm.gain is not None:
                bounds = {"gain": arm.gain, "gain_low": arm.low, "gain_high": arm.high}
                run.final({f"{prefix}/{name}": value for name, value in bounds.items()})
            run.tags({"verdict": arm.verdict})


def images_per_class(real: Path) -> float:
    """Source images that train, whatever the number of their tiles; mean over the classes."""
    table = ImageSet.open(real).metadata
    table = table[table["split"] == "train"]
    return float(table.groupby("label")["source"].nunique().mean())


def _arms(name: str, mine: Member, members: Sequence[Member], images: Mapping[str, float]) -> list[Arm]:
    task = TASKS[name]
    results = {of.path: read_json(of.path, "arm", "seeds") for of in mine.arms[name]}
    if not results:
        return []
    planned = {results[of.path]["arm"]: of for of in mine.arms[name]}
    by_name = {result["arm"]: result for result in results.values()}
    rows = task.rows(list(by_name.values()))
    arms = [_arm(name, row, by_name[row.first["arm"]], planned[row.first["arm"]]) for row in rows]
    curve = _curve(name, members, images)
    if curve is None or not any(arm.generative and arm.real for arm in arms):
        return arms
    level = 1 - (1 - LEVEL) / sum(arm.generative for arm in arms)
    return [
        replace(arm, label_efficiency=_efficiency(row.first["judged"], curve, images[mine.dataset], level))
        if arm.generative
        else arm
        for arm, row in zip(arms, rows, strict=True)
    ]


def _arm(task: str, row: Row, result: Result, planned: ArmFile) -> Arm:
    classes = [
        ClassEstimate(of["class"], of[TASKS[task].of_class], *(of.get(key) for key in ("difference", "low", "high")))
        for of in row.first["by_class"]
    ]
    return Arm(
        **vars(_estimate(TASKS[task].metric, row.first)),
        task=task,
        arm=result["arm"],
        baseline=row.first["against"],
        real=planned.real,
        synthetic=list(planned.synthetic),
        n_real=result["n_real"],
        n_synthetic=result["n_synthetic"],
        n_test=result["n_test"],
        n_groups=len(set(result["groups"])),
        verdict=row.first["verdict"],
        secondary=[_estimate(metric, other) for metric, other in row.others.items()],
        by_class=classes,
        chosen=_chosen(result, bool(planned.synthetic)),
    )


def _estimate(metric: str, row: dict[str, Any]) -> Estimate:
    own = interval(row["judged"], LEVEL)
    return Estimate(
        metric=metric,
        score=row["mean"],
        score_low=max(own["low"], 0.0),
        score_high=own["high"],
        repetitions=list(row["scores"]),
        gain=row["difference"],
        low=row["low"],
        high=row["high"],
        error_repetitions=row["spread_seeds"],
        error_images=row["spread_images"],
        share_repetitions=row["share_seeds"],
    )


def _chosen(result: Result, generative: bool) -> Chosen:
    """Detectors of boxes have neither balanced sampling nor filters."""
    candidates = [
        Candidate(of["ratio"], of.get("filter"), of.get("keep", 1.0), of["validation"]) for of in result["candidates"]
    ]
    return Chosen(
        augmented=result["augmented"],
        balanced=result.get("balanced", False),
        ratio=result["ratio"] if generative else None,
        filter=result.get("filter"),
        keep=result.get("keep", 1.0) if generative else None,
        candidates=candidates,
        validation=result["validation"],
        notes=result["notes"],
    )


def _curve(
    name: str, members: Sequence[Member], images: Mapping[str, float]
) -> tuple[list[float], list[Judged]] | None:
    """The baselines of the family by ascending number of images, those of equal numbers once; None of fewer than two.

    Raises:
        UserError: members that were not judged by the same test images, or not as often.
    """
    task, numbers, baselines = TASKS[name], [], []
    first: tuple[str, Result] | None = None
    for member in sorted(members, key=lambda of: images[of.dataset]):
        results = [read_json(of.path, "arm", "seeds") for of in member.arms.get(name, ()) if not of.synthetic]
        if not results or (numbers and images[member.dataset] <= numbers[-1]):
            continue
        best = task.baseline(results)
        base = next(result for result in results if result["arm"] == best)
        first = first or (member.dataset, base)
        _check_same_test(name, first, (member.dataset, base))
        numbers.append(images[member.dataset])
        baselines.append(task.judged(base, task.metric, True))
    return (numbers, baselines) if len(numbers) > 1 else None


def _check_same_test(name: str, one: tuple[str, Result], other: tuple[str, Result]) -> None:
    a, b = one[1], other[1]
    if len(a["seeds"]) != len(b["seeds"]) or any(a[key] != b[key] for key in TASKS[name].test):
        raise UserError(
            f"detectors of {name} in {one[0]} and {other[0]}: not judged by the same test images as often, "
            "though these data sets differ in their shots alone; run both anew"
        )


def _efficiency(arm: Judged, curve: tuple[list[float], list[Judged]], images: float, level: float) -> LabelEfficiency:
    found: Worth = worth(arm, curve[1], curve[0], level)
    beyond = {0.0: "fewer", np.inf: "more"}.get(found.at)
    return LabelEfficiency(
        images=images,
        worth=float(found.at) if np.isfinite(found.at) and found.at > 0 else None,
        low=float(found.low) if found.low > 0 else None,
        high=float(found.high) if np.isfinite(found.high) else None,
        fewest=found.first,
        most=found.last,
        beyond=beyond,
    )
