"""The comparison of all detectors of a data set: from the results of its arms to `comparison.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import sole_model
from pipeline.downstream.baseline import select_baseline
from pipeline.downstream.label_efficiency import worth
from pipeline.downstream.paired_gain import LEVEL, Comparand, JackknifeScores, compare, family_size
from pipeline.downstream.records import Arm, ArmResult, Comparison, LabelEfficiency, read_results
from pipeline.downstream.records import write as write_comparison
from pipeline.downstream.registry import TASKS
from pipeline.downstream.task import Task
from pipeline.settings import UserError
from pipeline.tracking.stages import compared


@dataclass(frozen=True)
class Member:
    """A data set: the prepared images, and the results of the arms of each task, in the order of the plan."""

    dataset: str
    real: Path
    results: Mapping[str, Sequence[Path]]
    """Files of arms, by the name of the task."""


def member(results: Path, dataset: str, jobs: Mapping[str, Sequence[str]]) -> Member:
    """A data set below the root of results; `jobs`: names of the files of arms, by the name of the task."""
    folder = results / dataset
    files = {t: [folder / "detection" / f"{TASKS[t].place(job)}.json" for job in names] for t, names in jobs.items()}
    return Member(dataset, folder / "real", files)


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
    tasks = [TASKS[name].load() for name, results in mine.results.items() if results]
    arms = [arm for task in tasks for arm in _arms(task, mine, members, images)]
    comparison = Comparison(dataset, arms, family, images[dataset], LEVEL)
    write_comparison(comparison, out)
    return comparison


def of_results(dataset: str, real: Path, task: str, results: Sequence[ArmResult]) -> Comparison:
    """The comparison of arms of one task that were judged elsewhere.

    Raises:
        UserError: results that cannot be compared.
    """
    arms = [_arm(row) for row in compare(TASKS[task].load(), results)]
    return Comparison(dataset, arms, None, images_per_class(real), LEVEL)


def record(comparison: Comparison, folder: Path, seed: int) -> None:
    """Add gain and verdict of each arm to the run that its detectors' scores are in.

    Args:
        folder: of the journals, one an arm.
        seed: of the generators' training.
    """
    for arm in comparison.arms:
        task = TASKS[arm.task]
        where = comparison.dataset, task.place(arm.arm), task.comparison
        with compared(folder / arm.task / arm.arm, *where, sole_model(arm), seed) as run:
            if arm.gain is not None:
                bounds = {"gain": arm.gain, "gain_low": arm.low, "gain_high": arm.high}
                run.final({f"{task.stage}/{name}": value for name, value in bounds.items()})
            run.tags({"verdict": arm.verdict})


def images_per_class(real: Path) -> float:
    """Source images that train, whatever the number of their tiles; mean over the classes, without the good one where a
    set has one: bad images are what is scarce there."""
    images = ImageSet.open(real)
    counted = [name for name in images.spec.classes if name != images.meta.get("good")]
    table = images.metadata[images.metadata["split"] == "train"]
    found = table.groupby("label")["source"].nunique().reindex(counted).dropna()
    return float(found.mean()) if len(found) else 0.0


def _arms(task: Task, mine: Member, members: Sequence[Member], images: Mapping[str, float]) -> list[Arm]:
    rows = compare(task, read_results(mine.results[task.name], task.result))
    arms = [_arm(row) for row in rows]
    curve = _curve(task, members, images)
    if curve is None:
        return arms
    level = 1 - (1 - LEVEL) / family_size(arms)
    return [
        replace(arm, label_efficiency=_efficiency(row.headline, curve, images[mine.dataset], level))
        if arm.generative
        else arm
        for arm, row in zip(arms, rows, strict=True)
    ]


def _arm(row: Comparand) -> Arm:
    of, (first, *secondary) = row.result, row.estimates
    return Arm(
        **vars(first),
        task=of.task,
        arm=of.arm,
        baseline=row.baseline,
        real=of.real,
        synthetic=of.synthetic,
        n_real=of.n_real,
        n_synthetic=of.n_synthetic,
        n_test=of.n_test,
        n_groups=len(set(of.groups)),
        n_effective=row.n_effective,
        recipe=row.recipe,
        verdict=row.verdict,
        secondary=secondary,
        by_class=row.by_class,
        chosen=of.chosen,
    )


def _curve(
    task: Task, members: Sequence[Member], images: Mapping[str, float]
) -> tuple[list[float], list[JackknifeScores]] | None:
    """The baselines of the family by ascending number of images, those of equal numbers once; None of fewer than two.

    Raises:
        UserError: members that were not judged by the same test images, or not as often.
    """
    numbers: list[float] = []
    baselines: list[ArmResult] = []
    for member in sorted(members, key=lambda of: images[of.dataset]):
        found = read_results(member.results.get(task.name, ()), task.result)
        results = [one for one in found if not one.generative]
        if not results or (numbers and images[member.dataset] <= numbers[-1]):
            continue
        numbers.append(images[member.dataset])
        baselines.append(select_baseline(task.selection, results))
        _check_same_test(task, baselines[0], baselines[-1])
    if len(numbers) < 2:
        return None
    return numbers, [next(iter(task.jackknife(of, against=True).scores.values())) for of in baselines]


def _check_same_test(task: Task, one: ArmResult, other: ArmResult) -> None:
    fields = ("classes", *(field for field, _ in task.test_fields))
    often = {len(of.repetitions) for of in (one, other)} - {1}
    if len(often) > 1 or any(getattr(one, f) != getattr(other, f) for f in fields):
        raise UserError(
            f"detectors of {task.name} in {one.dataset} and {other.dataset}: not judged by the same test images as "
            "often, though these data sets differ in their shots alone; run both anew"
        )


def _efficiency(
    arm: JackknifeScores, curve: tuple[list[float], list[JackknifeScores]], images: float, level: float
) -> LabelEfficiency:
    found = worth(arm, curve[1], curve[0], level)
    beyond: dict[float, Literal["fewer", "more"]] = {0.0: "fewer", np.inf: "more"}
    return LabelEfficiency(
        images=images,
        worth=float(found.at) if np.isfinite(found.at) and found.at > 0 else None,
        low=float(found.low) if found.low > 0 else None,
        high=float(found.high) if np.isfinite(found.high) else None,
        fewest=found.first,
        most=found.last,
        beyond=beyond.get(found.at),
    )
