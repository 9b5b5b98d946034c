"""The files a page is made of, each by its path. What was not made is None, or absent from the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.settings import Settings


@dataclass(frozen=True)
class RunInputs:
    """One trained generator."""

    model: str
    seed: int
    folder: Path
    """`training.csv`, `progress.gif`, `model.json`, `gallery/`."""
    synthetic: Path | None = None
    """Image set drawn from it."""
    evaluation: Path | None = None
    """Its `evaluation.json`."""


@dataclass(frozen=True)
class DatasetInputs:
    """One data set and all that was made of it."""

    real: Path
    """The prepared image set, with `rejected.csv` beside its files."""
    evaluation: Path | None = None
    """`evaluation.json` of held-out real images: floor and ceilings."""
    runs: Sequence[RunInputs] = ()
    detection: Sequence[Path] = ()
    """A JSON file for each training arm of the detector, the arm `real` among them."""
    benchmarks: Mapping[str, Path] = field(default_factory=dict)
    """Snakemake's benchmark file of each stage, by what the reader knows the stage as (`train cgan, seed 0`)."""


def collect(results: Path, settings: Settings, arms: Sequence[str]) -> dict[str, DatasetInputs]:
    """Where the workflow puts what it makes of each data set; detectors are there only for one with labels."""
    return {
        dataset: DatasetInputs(
            real=results / dataset / "real",
            evaluation=results / dataset / "real" / "evaluation.json",
            runs=[_run(results / dataset, m, s) for m in settings.models for s in settings.seeds],
            detection=[results / dataset / "detection" / f"{arm}.json" for arm in arms],
            benchmarks=_benchmarks(results / "benchmarks" / dataset, settings, arms),
        )
        for dataset in settings.datasets
    }


def _run(folder: Path, model: str, seed: int) -> RunInputs:
    run = folder / model / f"seed-{seed}"
    return RunInputs(model, seed, run, run / "synthetic", run / "evaluation.json")


def _benchmarks(folder: Path, settings: Settings, arms: Sequence[str]) -> dict[str, Path]:
    found = {"prepare": folder / "prepare.tsv", "evaluate held-out real": folder / "evaluate_real.tsv"}
    for model in settings.models:
        for seed in settings.seeds:
            for stage in ("train", "generate", "gallery", "evaluate"):
                found[f"{stage} {model}, seed {seed}"] = folder / f"{model}-s{seed}" / f"{stage}.tsv"
    return found | {f"detect, arm {arm}": folder / "detection" / f"{arm}.tsv" for arm in arms}
