"""The files a page is made of, each by its path. What was not made is None, or absent from the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json
from pipeline.base.results import forecasts
from pipeline.data.image_set import ImageSet
from pipeline.downstream import records
from pipeline.downstream.records import Comparison
from pipeline.settings import Settings, places


@dataclass(frozen=True)
class RunInputs:
    """One generator."""

    model: str
    seed: int
    folder: Path
    """`model.json`, `synthetic/`, `evaluation.json`; of a trained one `training.csv`, `progress.gif`, `gallery/`."""

    @property
    def synthetic(self) -> Path:
        return self.folder / "synthetic"

    @property
    def evaluation(self) -> Path:
        return self.folder / places.EVALUATION

    def recipe(self) -> dict[str, Any]:
        """What its `model.json` says; empty where there is none.

        Raises:
            UserError: a file that is there and is no JSON object.
        """
        return _said(self.folder / places.RECIPE)

    def evaluated(self) -> dict[str, Any]:
        """What its `evaluation.json` says; as `recipe`."""
        return _said(self.evaluation)

    def drawn(self) -> ImageSet | None:
        """The images drawn from it; None where there are none."""
        return ImageSet.open(self.synthetic) if self.synthetic.is_dir() else None


@dataclass(frozen=True)
class DatasetInputs:
    """One data set and all that was made of it."""

    real: Path
    """The prepared image set, with `rejected.csv` and `evaluation.json` beside its files."""
    runs: Sequence[RunInputs] = ()
    detection: Sequence[Path] = ()
    """A JSON file for each training arm of the detector, the arm `real` among them."""
    box_arms: Sequence[Path] = ()
    """A JSON file for each training arm of the detectors of boxes."""
    anomalies: Sequence[Path] = ()
    """A JSON file for each job of anomaly detectors."""
    comparison: Path | None = None
    """`comparison.json` of all these arms."""
    benchmarks: Mapping[str, Path] = field(default_factory=dict)
    """Snakemake's benchmark file of each stage, by what the reader knows the stage as (`train cgan, seed 0`)."""
    forecasts: Mapping[str, float] = field(default_factory=dict)
    """Seconds that `make plan` said beforehand, by the same names."""

    @property
    def evaluation(self) -> Path:
        """Of held-out real images: floor and noise baselines."""
        return self.real / places.EVALUATION

    def evaluated(self) -> dict[str, Any]:
        """What it says; as `RunInputs.recipe`."""
        return _said(self.evaluation)

    def models(self) -> list[str]:
        """Names of the generators, each once, in order."""
        return list(dict.fromkeys(run.model for run in self.runs))

    def of(self, model: str) -> list[RunInputs]:
        """The runs of a generator, a seed each."""
        return [run for run in self.runs if run.model == model]

    def evaluations_of(self, model: str) -> list[Path]:
        """Those evaluations of a generator that are there."""
        return _there(run.evaluation for run in self.of(model))

    def compared(self) -> Comparison | None:
        """The comparison of the detectors; None where there is none.

        Raises:
            UserError: a file that is there and is no comparison.
        """
        return records.read(self.comparison) if self.comparison is not None and self.comparison.is_file() else None

    def learned_in(self) -> dict[str, str]:
        """By generator, the extractor in whose features it was trained, where it was (`features` of `model.json`).

        Raises:
            UserError: a file that is there and is no JSON object.
        """
        recipes = {run.model: recipe for run in self.runs if (recipe := run.recipe())}
        return {model: recipe["features"] for model, recipe in recipes.items() if recipe.get("features")}

    def evaluations(self) -> list[Path]:
        """All that are there, that of the real images first."""
        return _there([self.evaluation, *(run.evaluation for run in self.runs)])


def _there(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.is_file()]


def _said(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def collect(results: Path, settings: Settings, arms: Sequence[Path] = ()) -> dict[str, DatasetInputs]:
    """Where the workflow puts what it makes of each data set.

    Args:
        results: the root of all.
        settings: of the run.
        arms: the JSON files of the detectors that were planned, of all tasks and data sets:
            `{dataset}/detection/{job}.json`, `{dataset}/detection/boxes/{job}.json` and
            `{dataset}/detection/anomalies/{job}.json` below the root.
    """
    return {dataset: _dataset(results, settings, dataset, arms) for dataset in settings.datasets}


def _dataset(results: Path, settings: Settings, dataset: str, arms: Sequence[Path]) -> DatasetInputs:
    real, folder = (results / of.format(dataset=dataset) for of in (places.REAL, places.DETECTION))
    classifiers, boxes, anomalies = (_within(of, arms) for of in (folder, folder / "boxes", folder / "anomalies"))
    took = _benchmarks(results / "benchmarks" / dataset, settings, dataset, classifiers, boxes, anomalies)
    said = forecasts(results)
    models = settings.models_of(dataset)
    return DatasetInputs(
        real=real,
        runs=[
            RunInputs(m, s, results / places.RUN.format(dataset=dataset, model=m, seed=s))
            for m in models
            for s in settings.seeds
        ],
        detection=classifiers,
        box_arms=boxes,
        anomalies=anomalies,
        comparison=folder / places.COMPARISON if settings.detect.enabled else None,
        forecasts={job: said[file] for job, path in took.items() if (file := str(path.relative_to(results))) in said},
        benchmarks=took,
    )


def _within(folder: Path, paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.parent == folder]


def _benchmarks(
    folder: Path,
    settings: Settings,
    dataset: str,
    classifiers: Iterable[Path],
    box_arms: Iterable[Path],
    anomalies: Iterable[Path],
) -> dict[str, Path]:
    found = {"prepare": folder / "prepare.tsv", "evaluate held-out real": folder / "evaluate_real.tsv"}
    models = settings.models_of(dataset)
    for model in models:
        for seed in settings.seeds:
            for stage in ("collect", "train", "generate", "gallery", "evaluate"):
                found[f"{stage} {model}, seed {seed}"] = folder / f"{model}-s{seed}" / f"{stage}.tsv"
    for job in (path.stem for path in classifiers):
        found["detect, all arms" if job == "arms" else f"detect, arm {job}"] = folder / "detection" / f"{job}.tsv"
    for job in (path.stem for path in anomalies):
        found["detect anomalies, all arms"] = folder / "detection" / "anomalies" / f"{job}.tsv"
    boxes = folder / "detection" / "boxes"
    found |= {"detect, length": folder / "detection" / "steps.tsv", "detect boxes, length": boxes / "steps.tsv"}
    return found | {f"detect boxes, arm {path.stem}": boxes / f"{path.stem}.tsv" for path in box_arms}
