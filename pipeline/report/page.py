"""`report.html`: one page that holds everything, and `summary.csv` beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from pipeline.data.imageset import ImageSet
from pipeline.report import (
    answer,
    curves,
    detector,
    figures,
    gallery,
    images,
    labels,
    latex,
    overview,
    scoreboard,
    tables,
)
from pipeline.report.inputs import DatasetInputs, RunInputs
from pipeline.report.shifts import shifts
from pipeline.report.verdict import verdict

CLASSES_SHOWN = 12  # rows of samples; more would hide the answers below them
DIRECTIONS = {"lower": "↓ lower is closer", "higher": "↑ higher is closer", "equal": "≈ like the floor is best"}


def write(
    out_html: Path,
    summary_csv: Path,
    datasets: Mapping[str, DatasetInputs],
    settings: Mapping[str, Any],
    commit: str | None = None,
    date: datetime | None = None,
) -> None:
    """Write the report, the table of all its numbers, and beside it `{dataset}/table.tex`; each whole or not at all.

    Args:
        out_html: a self-contained page: images embedded, nothing loaded from elsewhere.
        summary_csv: one row a number (`tables.COLUMNS`).
        datasets: by the name in the config, in the order of the page. Pieces that are None or absent are left out.
        settings: `Settings.model_dump(mode="json")`.
        commit: of the code that ran, if known.
        date: of the report; None is now.

    Raises:
        UserError: a file that is there and cannot be read.
    """
    evaluations = [path for inputs in datasets.values() for path in _evaluations(inputs)]
    numbers = tables.write_summary(evaluations, summary_csv)
    latex.write(numbers, list(datasets), summary_csv.parent)
    context = {
        "title": "Pyrite report",
        "facts": _facts(datasets, commit, date or datetime.now(UTC)),
        "datasets": [_dataset(name, inputs, numbers, settings) for name, inputs in datasets.items()],
        "directions": DIRECTIONS,
        "settings": yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True),
        "summary_name": summary_csv.name,
        "version": version("pyrite"),
    }
    html = _environment().get_template("page.html").render(context)
    part = out_html.with_name(out_html.name + ".part")
    part.write_text(html, encoding="utf-8", errors="replace")  # file names may hold bytes that are no text
    os.replace(part, out_html)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["breakable"] = lambda text: Markup("<wbr>").join(re.split(r"(?<=[_-])", text))
    return environment


def _evaluations(inputs: DatasetInputs) -> list[Path]:
    paths = [inputs.evaluation, *(run.evaluation for run in inputs.runs)]
    return [path for path in paths if path is not None and path.is_file()]


def _facts(datasets: Mapping[str, DatasetInputs], commit: str | None, date: datetime) -> list[str]:
    models = {run.model for inputs in datasets.values() for run in inputs.runs}
    seeds = {run.seed for inputs in datasets.values() for run in inputs.runs}
    facts = [date.strftime("%Y-%m-%d %H:%M %Z").strip()]
    facts += [_count(len(datasets), "data set"), _count(len(models), "generator"), _count(len(seeds), "training seed")]
    return [*facts, f"code at commit {commit[:12]}"] if commit else facts


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _dataset(name: str, inputs: DatasetInputs, numbers: pd.DataFrame, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the template shows of one data set."""
    real = ImageSet.open(inputs.real)
    models = list(dict.fromkeys(run.model for run in inputs.runs))
    scores = tables.scores(numbers[numbers["dataset"] == name])
    rankings = answer.overall(scores, models)
    evaluations = {model: [tables.read_json(path) for path in _evaluations_of(inputs, model)] for model in models}
    verdicts = [verdict(scores, model, shifts(bodies)) for model, bodies in evaluations.items() if bodies]
    arms = detector.compared(inputs.detection)
    about = overview.dataset(real, settings.get("datasets", {}).get(name, {}))
    positions = scoreboard.positions(scores, models)
    folders = {model: [run.folder for run in _runs(inputs, model)] for model in models}
    return {
        "name": name,
        "overview": about,
        "generators": overview.generators(settings.get("models", {}), folders, about["totals"]["train"]),
        "closest": answer.closest(rankings, verdicts),
        "helped": answer.helped(arms, detector.SCORE_NAME),
        "cautions": answer.cautions(rankings, arms, len(arms[0]["seeds"]) if arms else 0),
        "samples": _samples(real, inputs, models),
        "galleries": [shown for model in models if (shown := gallery.shown(_runs(inputs, model)[0]))],
        "table": scoreboard.table(scores, models),
        "positions": images.svg(figures.positions(positions, models)) if positions else None,
        "by_class": scoreboard.by_class(scores, models, real.meta["classes"]),
        "notes": curves.notes(_evaluations(inputs)),
        "psd": curves.psd(inputs.evaluation, {model: _evaluations_of(inputs, model) for model in models}),
        "microstructure": curves.microstructure(
            inputs.evaluation, {model: _evaluations_of(inputs, model) for model in models}
        ),
        "cut": curves.cut(_evaluations(inputs)),
        "training": _training(inputs, models),
        "gifs": [gif for run in inputs.runs if (gif := _gif(run))],
        "detector": detector.shown(arms),
        "timings": _timings(inputs.benchmarks),
    }


def _runs(inputs: DatasetInputs, model: str) -> list[RunInputs]:
    return [run for run in inputs.runs if run.model == model]


def _evaluations_of(inputs: DatasetInputs, model: str) -> list[Path]:
    paths = [run.evaluation for run in _runs(inputs, model)]
    return [path for path in paths if path is not None and path.is_file()]


def _samples(real: ImageSet, inputs: DatasetInputs, models: Sequence[str]) -> dict[str, Any]:
    """A row a class: real training images, held-out ones, and those of each generator's first seed."""
    columns = [("Real", "training images", real, "train"), ("Real", "held out", real, "test")]
    for model in models:
        run = _runs(inputs, model)[0]
        if run.synthetic is not None and run.synthetic.is_dir():
            drawn = ImageSet.open(run.synthetic)
            columns.append((model, f"synthetic, seed {run.seed}{_truncation(drawn)}", drawn, None))
    classes = real.meta["classes"]
    rows = [
        {"label": label, "cells": [images.samples(image_set, label, split) for _, _, image_set, split in columns]}
        for label in classes[:CLASSES_SHOWN]
    ]
    return {
        "columns": [(name, note) for name, note, _, _ in columns],
        "rows": rows,
        "left_out": max(0, len(classes) - CLASSES_SHOWN),
    }


def _truncation(drawn: ImageSet) -> str:
    """Said where it was used: a model without styles is never truncated, whatever the settings ask for."""
    truncation = drawn.meta.get("truncation", 1.0)
    return "" if truncation == 1 else f", truncated to {truncation:g}"


def _training(inputs: DatasetInputs, models: Sequence[str]) -> str | None:
    found = {
        model: {
            run.seed: pd.read_csv(run.folder / "training.csv")
            for run in _runs(inputs, model)
            if (run.folder / "training.csv").is_file()
        }
        for model in models
    }
    found = {model: tables_of for model, tables_of in found.items() if tables_of}
    return images.svg(figures.training(found)) if found else None


def _gif(run: RunInputs) -> dict[str, str] | None:
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


def _timings(benchmarks: Mapping[str, Path]) -> list[dict[str, Any]]:
    rows = tables.timings(benchmarks)
    for row in rows:
        row |= {"time": labels.duration(row["seconds"]), "memory": labels.memory(row["megabytes"])}
        row |= {key: "" if row[key] is None else row[key] for key in ("seconds", "megabytes")}
    return rows
