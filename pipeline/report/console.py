"""What a run ends with on the console: the distances, the detectors' verdicts in words, and where the report is."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from pipeline.base.job import print_anywhere
from pipeline.downstream import records
from pipeline.downstream.records import Arm
from pipeline.evaluation.catalog import METRICS
from pipeline.report import detector_findings, labels, sentences, tables
from pipeline.settings import UserError, places

ORDER = ("floor", "generator", "noise baseline")


def measures(summary: pd.DataFrame) -> pd.DataFrame:
    """The numbers over all classes of one data set, mean of the seeds: a row a measure, a column a set of images."""
    rows = summary[(summary["scope"] == "set") & (summary["kind"] != "detector")]
    rows = rows.assign(measure=[METRICS[m].title_of(e) for e, m in zip(rows["extractor"], rows["metric"], strict=True)])
    table = rows.pivot_table("value", "measure", ["kind", "model"], "mean", sort=False)
    table = table[sorted(table, key=lambda of: ORDER.index(of[0]))]
    return table.set_axis([_name(*of) for of in table], axis="columns")


def _name(kind: str, model: str) -> str:
    return {"floor": "held-out real", "generator": model, "noise baseline": f"{model} (no skill)"}[kind]


def detectors(arms: list[Arm]) -> pd.DataFrame:
    """Of each arm of one kind of detectors the score, the gain in points with its interval, the smallest gain that it
    could have been told to have, and the verdict; in brackets that of a control."""
    rows = {
        arm.arm: {
            f"{labels.DETECTORS[arm.task].score}, %": f"{100 * arm.score:.1f}",
            "gain": "" if arm.gain is None else labels.points(arm.gain),
            "interval": "" if arm.gain is None else labels.interval(arm),
            "sees from": "" if arm.detects is None or not arm.generative else f"{100 * arm.detects:.1f}",
            "verdict": sentences.verdict_of(arm),
        }
        for arm in arms
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def main(results: Path) -> None:
    summary = tables.read(results / "summary.csv")
    datasets = summary["dataset"].unique()
    for dataset in datasets:
        rows = summary[summary["dataset"] == dataset]
        if (rows["kind"] != "detector").any():
            print(f"\n{dataset}: distance to the training images (held-out real = as good as it gets)")
            print(measures(rows).rename_axis(index=None, columns=None).to_string(float_format="{:.3g}".format))
    for dataset in datasets:
        path = results / places.DETECTION.format(dataset=dataset) / places.COMPARISON
        if path.is_file():
            _say_detectors(dataset, records.read(path))
    print(f"\nThe report: {(results / 'report.html').absolute()}")
    for dataset in datasets:
        print(f"All of {dataset}: {(results / dataset / 'report.html').absolute()}")


def ending(results: Path) -> None:
    """The last lines of a run: the verdict on each kind of detectors, and where the report is."""
    for dataset in tables.read(results / "summary.csv")["dataset"].unique():
        path = results / places.DETECTION.format(dataset=dataset) / places.COMPARISON
        comparison = records.read(path) if path.is_file() else None
        for kind, _, said in _told(comparison) if comparison else ():
            print(f"{dataset}, {kind}: {said[0] if said else 'no verdict'}")
    print(f"The report: {(results / 'report.html').absolute()}")


def _say_detectors(dataset: str, comparison: records.Comparison) -> None:
    for kind, arms, said in _told(comparison):
        print(f"\n{dataset}: {kind} trained without synthetic images, with them, and on them only")
        print(detectors(arms).to_string())
        print(*said, sep="\n")


def _told(comparison: records.Comparison) -> Iterator[tuple[str, list[Arm], list[str]]]:
    """Each kind of detectors that was compared, their arms, and what is said of them, the gravest first."""
    for task, words in labels.DETECTORS.items():
        if arms := comparison.of(task):
            alarms = [f"WARNING: {alarm}" for alarm in sentences.alarms(detector_findings.alarms(arms))]
            said = [*alarms, *sentences.helped(detector_findings.answer(arms)), *sentences.nothing_added(arms)]
            yield words.kind, arms, [Markup(sentence).striptags() for sentence in said]


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # of a pipe that wants no more lines this process ends in silence
    print_anywhere()
    *ends, folder = sys.argv[1:]
    try:
        (ending if ends == ["--ending"] else main)(Path(folder))
    except UserError as error:
        sys.exit(f"ERROR: {error}")
