"""The journals of the pipeline's stages: which MLflow run each adds to, and what the run is found by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.settings import places
from pipeline.tracking.journal import Journal, digest, git_tags
from pipeline.tracking.system import watched

CHECKOUT = Path(__file__).resolve().parents[2]


def training(folder: Path, dataset: str, model: str, seed: int, settings: Mapping[str, Any], data: str) -> Journal:
    """The journal that opens a generator's run.

    Args:
        folder: of the journal.
        settings: the model's, every default filled in.
        data: digest of the real image set.
    """
    tags = {"kind": "generator", "dataset": dataset, "model": model, "family": settings["family"], "seed": seed}
    tags |= {"config_hash": digest(settings), "data_hash": data} | git_tags(CHECKOUT)
    return Journal(
        folder,
        key=_key(dataset, model, seed),
        stage="train",
        name=f"{model}-s{seed}",
        experiment=dataset,
        resume=True,
        params=dict(settings) | {"seed": seed},
        tags=tags,
    )


@contextmanager
def watched_training(
    folder: Path,
    dataset: str,
    model: str,
    seed: int,
    settings: Mapping[str, Any],
    data: str,
    path: Path,
    splits: Mapping[str, int],
) -> Iterator[Journal]:
    """As `training`; the image set is named in the run, and what the job takes of its machine is recorded.

    Args:
        path: of the real image set.
        splits: its number of images in each.
    """
    with training(folder, dataset, model, seed, settings, data) as journal, watched(journal):
        journal.dataset(dataset, data, path, splits)
        yield journal


def addition(folder: Path, dataset: str, model: str, seed: int, stage: str):
    """The journal of a later stage, which adds to the generator's run."""
    key = _key(dataset, model, seed)
    return Journal(folder, key=key, stage=stage, name=f"{model}-s{seed}", experiment=dataset, attach=True)


def detector(
    folder: Path,
    dataset: str,
    place: str,
    stage: str,
    model: str | None,
    kind: str,
    seed: int,
    settings: Mapping[str, Any],
):
    """The journal of an arm's detectors: it adds to a generator's run, or has a run of its own.

    Args:
        folder: of the journal.
        dataset: name in the config.
        place: of the arm's results, within `{dataset}/detection` and without a suffix.
        stage: of the pipeline.
        model: the generator whose run holds the scores; None where they are not one generator's. Images with blended
            patches are none's: their generator learned another data set, and its run is beside that one's.
        kind: of the arm, a tag of a run of its own.
        seed: of the generators' training.
        settings: of the detectors.
    """
    if model is not None:
        return addition(folder, dataset, model, seed, stage)
    tags = {"kind": "detector", "dataset": dataset, "arm": place, "family": kind} | git_tags(CHECKOUT)
    names = _of_arm(dataset, place, stage)
    return Journal(folder, **names, params=dict(settings), tags=tags | {"config_hash": digest(settings)})


def compared(folder: Path, dataset: str, place: str, stage: str, model: str | None, seed: int) -> Journal:
    """The journal of an arm's comparison, which adds to the run that the scores of its detectors are in: as `detector`
    has it."""
    if model is not None:
        return addition(folder, dataset, model, seed, stage)
    return Journal(folder, **_of_arm(dataset, place, stage), attach=True)


def comparison(folder: Path, dataset: str) -> Journal:
    """The journal of the answer on a data set, which has a run of its own."""
    names: dict[str, Any] = {"key": f"{dataset}/comparison", "stage": "report", "name": "comparison"}
    tags = {"kind": "comparison", "dataset": dataset} | git_tags(CHECKOUT)
    return Journal(folder, **names, experiment=dataset, tags=tags)


def _of_arm(dataset: str, place: str, stage: str) -> dict[str, Any]:
    return {
        "key": f"{places.DETECTION.format(dataset=dataset)}/{place}",
        "stage": stage,
        "name": place,
        "experiment": dataset,
    }


def _key(dataset: str, model: str, seed: int) -> str:
    return places.RUN.format(dataset=dataset, model=model, seed=seed)
