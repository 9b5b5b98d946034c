"""What MLflow's tables of generators and detectors are read by, and which generator of a data set is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline.downstream.arms import sole_model
from pipeline.downstream.records import Arm
from pipeline.downstream.registry import TASKS
from pipeline.report import sentences, tables
from pipeline.report.findings import overall
from pipeline.report.inputs import DatasetInputs, RunInputs
from pipeline.report.verdict import Scores, ratio, verdict
from pipeline.tracking import stages, views

DIGITS = 2  # after the point: MLflow's tables show all that a number has


@dataclass(frozen=True)
class Standing:
    """Of one run of a generator."""

    model: str
    seed: int
    numbers: dict[str, float] = field(default_factory=dict)
    """By the columns of `views`, those that are known."""
    labels: dict[str, str] = field(default_factory=dict)
    best: bool = False


def record(datasets: Mapping[str, DatasetInputs], summary_csv: Path, journals: Path) -> None:
    """Add the standing of each generator and of each arm's detectors to its run, and the answer on each data set.

    Args:
        datasets: by their names.
        summary_csv: the table of all numbers.
        journals: folder of the journals.

    Raises:
        UserError: a file that is there and cannot be read.
    """
    numbers = tables.read(summary_csv)
    for name, inputs in datasets.items():
        compared = inputs.compared()
        arms = compared.arms if compared else []
        ranked = standings(inputs, numbers[numbers["dataset"] == name], arms)
        folder = journals / name
        for of in ranked:
            with stages.addition(
                folder / of.model / f"seed-{of.seed}" / "report", name, of.model, of.seed, "report"
            ) as run:
                run.final({name: round(number, DIGITS) for name, number in of.numbers.items()})
                run.labels(of.labels)
                run.version(of.best)
        for arm in arms:
            _record_detector(folder / "detection" / "report", name, arm)
        _record_answer(folder / "report", name, inputs, ranked, arms)


def standings(inputs: DatasetInputs, numbers: pd.DataFrame, arms: Sequence[Arm]) -> list[Standing]:
    """Of each run, in the order of the settings. The best is the closest of those whose images show no sign of copies,
    by the measure that the report answers with; of its seeds the closest one.

    Args:
        numbers: rows of `summary.csv` on this data set.
        arms: of its detectors, which learnt from the first seed's images.
    """
    measured = numbers[numbers["kind"] != "detector"]
    models = inputs.models()
    scores = tables.scores(measured)
    rankings = overall(scores, models)
    verdicts = {model: verdict(scores, model, {}) for model in models}
    honest = [m for m, _ in rankings[0].models if verdicts[m].copies == "none"] if rankings else []
    found = []
    for run in inputs.runs:
        alone = tables.scores(measured[(measured["kind"] != "generator") | (measured["seed"] == run.seed)])
        first = inputs.of(run.model)[0] is run
        arm = next((arm for arm in arms if sole_model(arm) == run.model), None) if first else None
        known = _distance(alone, run.model) | _minutes(run)
        copies = sentences.copies(verdicts[run.model])
        labels = {views.COPIES: copies} if copies else {}
        if arm is not None:
            known |= _gain(arm)
            labels |= {views.VERDICT: arm.verdict}
        found.append(Standing(run.model, run.seed, known, labels))
    of_best = [one for one in found if one.model in honest[:1] and views.DISTANCE in one.numbers]
    best = min(of_best, key=lambda one: one.numbers[views.DISTANCE], default=None)
    return [Standing(s.model, s.seed, s.numbers, s.labels, s is best) for s in found]


def _distance(scores: Scores, model: str) -> dict[str, float]:
    for ranking in overall(scores, [model])[:1]:
        times = ratio(scores[model, ranking.extractor, ranking.metric, None], ranking.floor, ranking.metric)
        if times is not None:
            return {views.DISTANCE: times}
    return {}


def _minutes(run: RunInputs) -> dict[str, float]:
    seconds = run.recipe().get("seconds")
    return {} if seconds is None else {views.MINUTES: seconds / 60}


def _gain(arm: Arm) -> dict[str, float]:
    return {} if arm.gain is None else {views.GAIN: 100 * arm.gain}


def _record_detector(folder: Path, dataset: str, arm: Arm) -> None:
    if sole_model(arm) is not None:
        return  # its scores are in the generator's run
    place = TASKS[arm.task].place(arm.arm)
    with stages.compared(folder / place, dataset, place, "report", None, 0) as run:
        numbers = {views.SCORE: 100 * arm.score} | _gain(arm)
        run.final({name: round(number, DIGITS) for name, number in numbers.items()})
        run.labels({views.VERDICT: arm.verdict})


def _record_answer(
    folder: Path, dataset: str, inputs: DatasetInputs, ranked: Sequence[Standing], arms: Sequence[Arm]
) -> None:
    made = [arm for arm in arms if arm.generative and not arm.control]
    counts = {views.HELP: "helps", views.HURT: "hurts"}
    with stages.comparison(folder, dataset) as run:
        best = next((of.model for of in ranked if of.best), None)
        run.labels({} if best is None else {views.CLOSEST: best})
        run.final({name: sum(arm.verdict == word for arm in made) for name, word in counts.items()})
        for path in (inputs.comparison, inputs.real.parent / "report.html"):
            if path is not None and path.is_file():
                run.artifact(path, "report")
