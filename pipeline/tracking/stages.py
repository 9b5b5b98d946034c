"""The journals of the pipeline's stages: which MLflow run each adds to, and what the run is found by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.tracking.journal import Journal, digest, git_tags

CHECKOUT = Path(__file__).resolve().parents[2]


def training(folder: Path, dataset: str, model: str, seed: int, settings: Mapping[str, Any], data: Mapping[str, Any]):
    """The journal that opens a generator's run.

    Args:
        folder: of the journal.
        settings: the model's, every default filled in.
        data: `meta` of the real image set.
    """
    tags = {"dataset": dataset, "model": model, "family": settings["family"], "seed": seed}
    tags |= {"config_hash": digest(settings), "data_hash": data["data_hash"]} | git_tags(CHECKOUT)
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


def addition(folder: Path, dataset: str, model: str, seed: int, stage: str):
    """The journal of a later stage, which adds to the generator's run."""
    key = _key(dataset, model, seed)
    return Journal(folder, key=key, stage=stage, name=f"{model}-s{seed}", experiment=dataset, attach=True)


def detector(folder: Path, dataset: str, arm, seed: int, settings: Mapping[str, Any]):
    """The journal of a detector: it adds to the generator's run in the arm of real images and those of one generator.

    Else it has a run of its own.

    Args:
        folder: of the journal.
        dataset: name in the config.
        arm: of the comparison (`detection.arms.Arm`).
        seed: of the generators' training.
        settings: of the comparison.
    """
    model = _sole(arm.real, [(model, "synthetic") for model in arm.models])
    if model is not None:
        return addition(folder, dataset, model, seed, "detect")
    family = "baseline" if not arm.models else "hybrid" if arm.real else "synthetic only"
    return _own(folder, dataset, arm.name, family, "detect", settings)


def box_detector(folder: Path, dataset: str, arm, seed: int, settings: Mapping[str, Any]):
    """The journal of a detector of boxes: it adds to the generator's run in the arm of one generator.

    Else it has a run of its own, as it has with blended patches: their generator learned another data set, and its run
    is beside that one's.

    Args:
        folder: of the journal.
        dataset: name in the config.
        arm: of the comparison (`detection.boxes.arms.BoxArm`).
        seed: of the generators' training.
        settings: of the comparison.
    """
    model = _sole(True, arm.made)
    if model is not None:
        return addition(folder, dataset, model, seed, "detect_boxes")
    family = "baseline" if not arm.made else "hybrid" if len(arm.made) > 1 else "blended"
    return _own(folder, dataset, f"boxes/{arm.name}", family, "detect_boxes", settings)


def compared(
    folder: Path, dataset: str, task: str, arm: str, real: bool, models: Sequence[tuple[str, str]], seed: int
) -> Journal:
    """The journal of an arm's comparison, which adds to the run that the scores of its detectors are in.

    Args:
        folder: of the journal.
        dataset: name in the config.
        task: `classification` or `boxes`.
        arm: its name.
        real: whether its detectors saw real images.
        models: each of its generators, and how their images were made.
        seed: of the generators' training.
    """
    stage = {"classification": "compare", "boxes": "compare_boxes"}[task]
    model = _sole(real, models)
    if model is not None:
        return addition(folder, dataset, model, seed, stage)
    name = arm if task == "classification" else f"boxes/{arm}"
    return Journal(folder, key=f"{dataset}/detection/{name}", stage=stage, name=name, experiment=dataset, attach=True)


def _sole(real: bool, models: Sequence[tuple[str, str]]) -> str | None:
    """The generator whose run holds the scores of an arm: the only one, added to real images that it has learnt."""
    return models[0][0] if real and len(models) == 1 and models[0][1] != "blended" else None


def _own(folder: Path, dataset: str, arm: str, family: str, stage: str, settings: Mapping[str, Any]):
    tags = {"dataset": dataset, "arm": arm, "family": family} | git_tags(CHECKOUT)
    return Journal(
        folder,
        key=f"{dataset}/detection/{arm}",
        stage=stage,
        name=arm,
        experiment=dataset,
        params=dict(settings),
        tags=tags | {"config_hash": digest(settings)},
    )


def _key(dataset: str, model: str, seed: int) -> str:
    return f"{dataset}/{model}/seed-{seed}"
