"""The comparison of all detectors of a data set: from the results of its arms to `comparison.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import sole_model
from pipeline.downstream.baseline import select_baseline
from pipeline.downstream.chance import LEVEL, family_size
from pipeline.downstream.label_efficiency import worth
from pipeline.downstream.paired_gain import Comparand, JackknifeScores, compare, interval, pooled, told
from pipeline.downstream.records import Arm, ArmResult, Comparison, LabelEfficiency, NewShots, read_results
from pipeline.downstream.records import write as write_comparison
from pipeline.downstream.registry import TASKS
from pipeline.downstream.task import Task
from pipeline.settings import UserError
from pipeline.tracking.stages import compared

ENOUGH = 5  # draws of few shots, from which on their spread says what new images would do


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


def write(
    members: Sequence[Member], dataset: str, family: str | None, out: Path, further: Sequence[Sequence[Member]] = ()
) -> Comparison:
    """Compare the detectors of one data set, and say how many real images its generators are worth.

    Args:
        members: the data sets of a few-shot family, this one among them; or this one alone.
        dataset: name of this one.
        family: name of the family; None without one.
        out: JSON file to write, whole.
        further: of each further draw of the few shots, the members in the same order.

    Raises:
        UserError: results that cannot be compared.
    """
    place, draws = [member.dataset for member in members].index(dataset), [members, *further]
    images = {member.dataset: images_per_class(member.real) for draw in draws for member in draw}
    tasks = [TASKS[name].load() for name, results in members[place].results.items() if results]
    arms = [arm for task in tasks for arm in _arms(task, place, draws, images)]
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


def _arms(task: Task, place: int, draws: Sequence[Sequence[Member]], images: Mapping[str, float]) -> list[Arm]:
    """Of the data set at this place of the first draw; all draws have part in what needs several."""
    draws = draws if len(draws) >= ENOUGH else draws[:1]
    judged = [compare(task, read_results(draw[place].results[task.name], task.result)) for draw in draws]
    for rows in judged[1:]:
        _check_same_test(task, judged[0][0].result, rows[0].result)
    arms, level = [_arm(row) for row in judged[0]], 1 - (1 - LEVEL) / family_size([row.result for row in judged[0]])
    found = {row.result.arm: [row] for row in judged[0]}
    for row in (row for rows in judged[1:] for row in rows):
        found.setdefault(row.result.arm, []).append(row)
    if len(draws) > 1:
        arms = [replace(arm, new_shots=_new_shots(found[arm.arm], level)) if arm.generative else arm for arm in arms]
    curves = [_curve(task, members, images) for members in draws]
    numbers = curves[0][0]
    if len(numbers) < 2:
        return arms
    plain = [pooled(of) if len(of) > 1 else of[0] for of in zip(*(curve for _, curve in curves), strict=True)]
    efficiency = partial(_efficiency, plain, numbers, images[draws[0][place].dataset], level)
    return [
        replace(arm, label_efficiency=efficiency([row.headline for row in found[arm.arm]])) if arm.generative else arm
        for arm in arms
    ]


def _new_shots(rows: Sequence[Comparand], level: float) -> NewShots:
    """Of an arm in each draw."""
    gains = [interval(pooled(of), level) for of in zip(*(row.gains for row in rows), strict=True)]
    return NewShots(len(rows), *gains[0][:3], told(gains))


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
) -> tuple[list[float], list[JackknifeScores]]:
    """The baselines of the family by ascending number of images; of members with the same number, one.

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
    plain: Sequence[JackknifeScores],
    numbers: Sequence[float],
    images: float,
    level: float,
    arm: Sequence[JackknifeScores],
) -> LabelEfficiency:
    """`plain`, the curve at these numbers of images; `arm`, of each draw."""
    found = worth(pooled(arm) if len(arm) > 1 else arm[0], plain, numbers, level)
    beyond: dict[float, Literal["fewer", "more"]] = {0.0: "fewer", np.inf: "more"}
    return LabelEfficiency(
        images=images,
        worth=float(found.at) if np.isfinite(found.at) and found.at > 0 else None,
        low=float(found.low) if found.low > 0 else None,
        high=float(found.high) if np.isfinite(found.high) else None,
        fewest=found.first,
        most=found.last,
        beyond=beyond.get(found.at),
        draws=len(arm),
    )
