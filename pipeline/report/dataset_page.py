"""Everything that the pages show of one data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from pipeline.base import csvfile
from pipeline.base.files import read_json
from pipeline.data.image_set import ImageSet
from pipeline.downstream.anomalies.records import AnomalyResult
from pipeline.downstream.boxes.records import BoxResult
from pipeline.downstream.classifier.records import ClassifierResult
from pipeline.downstream.records import Arm, Comparison, Result, read_results
from pipeline.report import (
    anomalies_section,
    boxes_section,
    classifier_section,
    closest_pairs,
    curves,
    detector_findings,
    feature_map,
    figures,
    findings,
    front_rows,
    front_table,
    gallery,
    images,
    labels,
    next_steps,
    overview,
    ranking,
    sample_grid,
    sentences,
    tables,
)
from pipeline.report.directions import shifts
from pipeline.report.inputs import DatasetInputs, RunInputs
from pipeline.report.verdict import Scores, verdict
from pipeline.settings import UNTRAINED


def context(
    name: str,
    inputs: DatasetInputs,
    comparison: Comparison,
    numbers: pd.DataFrame,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Context of the templates.

    Args:
        name: of the data set, in the config.
        inputs: its files.
        comparison: of its detectors, without arms where there are none.
        numbers: rows of `tables.summary` of this data set.
        settings: `Settings.model_dump(mode="json")`.

    Raises:
        UserError: a file that is there and cannot be read.
    """
    real, scores = ImageSet.open(inputs.real), tables.scores(numbers)
    models = inputs.models()
    arms, box_arms, anomaly_arms = map(comparison.of, ("classification", "boxes", "anomalies"))
    classifiers, boxes = _by_arm(inputs.detection, ClassifierResult), _by_arm(inputs.box_arms, BoxResult)
    first, learn = arms or box_arms or anomaly_arms, classifiers if arms else boxes
    baseline = learn.get(first[0].arm) if arms or box_arms else None
    rising = baseline is not None and next_steps.took_all(baseline, settings.get("detect", {}))
    entry = settings.get("datasets", {}).get(name, {})
    about = overview.dataset(real, entry)
    crossing = (real.meta.get("near_duplicates") or {}).get("crossing", 0)
    untrained = {name for name, model in settings.get("models", {}).items() if model["family"] in UNTRAINED}
    generators = overview.generators(settings.get("models", {}), inputs, about["totals"]["train"])
    return (
        {
            "name": name,
            "overview": about,
            "generators": generators,
            "next": sentences.next_steps(next_steps.of_dataset(first, entry, generators, rising)),
            "strip": sample_grid.strip(real, inputs),
            "samples": sample_grid.table(real, inputs),
            "map": feature_map.context(real, inputs),
            "pairs": closest_pairs.context(real, inputs),
            "galleries": gallery.context([inputs.of(model)[0] for model in models]),
            "training": _training(inputs),
            "films": [film for run in inputs.runs if (film := _film(run))],
            "detector": classifier_section.context(arms, classifiers),
            "boxes": boxes_section.context(box_arms, boxes, real),
            "anomalies": anomalies_section.context(anomaly_arms, _by_arm(inputs.anomalies, AnomalyResult)),
            "timings": timings(inputs),
        }
        | _answers(scores, inputs, [arms, box_arms, anomaly_arms], untrained, crossing, about["same_pictures"])
        | _numbers(scores, models, arms, real)
        | _curves(inputs, models)
    )


def _by_arm(paths: Sequence[Path], kind: type[Result]) -> dict[str, Result]:
    results = read_results([path for path in paths if path.is_file()], kind)
    return {result.arm: result for result in results}


def _answers(
    scores: Scores,
    inputs: DatasetInputs,
    by_task: Sequence[Sequence[Arm]],
    untrained: set[str],
    crossing: int,
    same_pictures: str,
) -> dict[str, Any]:
    """The sentences of both pages."""
    verdicts = []
    for model in inputs.models():
        if evaluations := [read_json(path, "metrics") for path in inputs.evaluations_of(model)]:
            verdicts.append(verdict(scores, model, shifts(evaluations)))
    rankings = findings.overall(scores, inputs.models())
    beside = findings.beside_untrained(rankings, untrained)
    cautions = findings.cautions(
        rankings, [arm for of in by_task for arm in of], inputs.learned_in(), untrained, crossing, same_pictures
    )
    arms, box_arms, anomaly_arms = by_task
    return {
        "closest": [*sentences.closest(rankings, verdicts), *map(sentences.untrained, beside)],
        "glance": front_rows.line(rankings, arms or box_arms or anomaly_arms),
        "alarms": [alarm for of in by_task for alarm in sentences.alarms(detector_findings.alarms(of))],
        "helped": _helped(arms),
        "helped_boxes": _helped(box_arms),
        "helped_anomalies": _helped(anomaly_arms),
        "cautions": sentences.cautions(cautions),
    }


def _helped(arms: Sequence[Arm]) -> list[Markup]:
    return [*sentences.helped(detector_findings.answer(arms)), *sentences.nothing_added(arms)]


def _numbers(scores: Scores, models: Sequence[str], arms: Sequence[Arm], real: ImageSet) -> dict[str, Any]:
    positions = ranking.positions(scores, models)
    return {
        "headline": front_table.headline(scores, models, arms),
        "table": ranking.table(scores, models),
        "positions": images.svg(figures.positions(positions, models)) if positions else None,
        "by_class": ranking.by_class(scores, models, real.meta["classes"]),
        "every": ranking.every(scores, models, real.meta["classes"]),
    }


def _curves(inputs: DatasetInputs, models: Sequence[str]) -> dict[str, Any]:
    real = inputs.evaluated()
    evaluations = {model: [read_json(path) for path in inputs.evaluations_of(model)] for model in models}
    every = [body for of in ([real] if real else [], *evaluations.values()) for body in of]
    return {
        "notes": curves.notes(every),
        "psd": curves.psd(real, evaluations),
        "microstructure": curves.microstructure(real, evaluations),
        "binarisation": curves.binarisation(every),
    }


def _training(inputs: DatasetInputs) -> list[dict[str, str]]:
    """The curves of each generator, `model` and `uri`."""
    found: dict[str, dict[int, pd.DataFrame]] = {}
    for run in inputs.runs:
        if (run.folder / "training.csv").is_file():
            found.setdefault(run.model, {})[run.seed] = csvfile.read(run.folder / "training.csv", "images")
    return [{"model": model, "uri": images.svg(figures.training(model, of))} for model, of in found.items()]


def _film(run: RunInputs) -> dict[str, str] | None:
    """The progress of one generator; a caption says where only its end is shown."""
    embedded = images.animation(run.folder / "progress.gif")
    if embedded is None:
        return None
    uri, moves = embedded
    title = f"{run.model}, seed {run.seed}"
    caption = (
        "the same latent points drawn all through the training" if moves else "the end; the whole is in progress.gif"
    )
    return {"uri": uri, "title": title, "caption": f"{title}: {caption}."}


def timings(inputs: DatasetInputs) -> list[dict[str, Any]]:
    """What each stage took, and what had been said of it."""
    rows = tables.timings(inputs.benchmarks)
    for row in rows:
        row |= {"time": labels.duration(row["seconds"]), "memory": labels.memory(row["megabytes"])}
        row["forecast"] = _forecast(inputs.forecasts.get(row["stage"]), row["seconds"])
        row |= {key: "" if row[key] is None else row[key] for key in ("seconds", "megabytes")}
    return rows


def _forecast(said: float | None, taken: float | None) -> str:
    """What was said beforehand, and how far off that was; empty where nothing was."""
    if not said:
        return ""
    return labels.duration(said) + (f", off by a factor of {max(said / taken, taken / said):.2f}" if taken else "")
