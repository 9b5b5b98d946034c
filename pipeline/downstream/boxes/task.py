"""The task of box detectors: where are the defects in an image, and of which class?

Filters do not apply to it: they ask how well an image shows the one class asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import Arm
from pipeline.downstream.boxes import box_dataset, figure, scoring
from pipeline.downstream.boxes.box_dataset import BoxDataset, annotated_rows, annotation_rows
from pipeline.downstream.boxes.detector import BoxDetector
from pipeline.downstream.boxes.fit import train
from pipeline.downstream.boxes.jackknife import EXACT, FIRST, jackknife
from pipeline.downstream.boxes.records import BoxResult
from pipeline.downstream.paired_gain import JackknifeTable
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.task import Task
from pipeline.settings import DetectBoxes


class BoxDetection(Task):
    """Where are the defects of each class? See `Task`."""

    name = "boxes"
    settings = DetectBoxes
    setting = "detect.boxes"
    detector = "detector of boxes"
    examples = "images with boxes"
    scores = (FIRST, EXACT)
    selection = ((FIRST, 1), (EXACT, 1))
    result = BoxResult
    test_fields = (("ids", "test images"), ("groups", "test images"), ("truth", "true boxes"))
    files = (*Task.files, "boxes.csv", "boxes.json")

    def check(self, real: ImageSet, dataset: str) -> None:
        box_dataset.check(real, dataset)

    def training_set(
        self,
        settings: DetectBoxes,
        real: ImageSet,
        synthetic: Sequence[ImageSet],
        dataset: str,
        device: torch.device,
    ) -> BoxDataset:
        return box_dataset.training(real, synthetic, dataset, device)

    def validation_set(self, settings: DetectBoxes, real: ImageSet, device: torch.device) -> BoxDataset | None:
        return box_dataset.choosing(real, device)

    def test_set(self, settings: DetectBoxes, real: ImageSet, dataset: str, device: torch.device) -> BoxDataset:
        return box_dataset.judging(real, dataset, device)

    def steps(self, settings: DetectBoxes) -> int:
        return settings.steps

    def train(
        self,
        settings: DetectBoxes,
        real: ImageSet,
        data: BoxDataset,
        mix: TrainingMix,
        seed: int,
        tick: Callable[[int], object],
    ) -> BoxDetector:
        return train(settings, real.spec, len(real.box_classes), data, seed, tick, mix)

    def validation_scores(
        self, settings: DetectBoxes, real: ImageSet, detector: BoxDetector, validation: BoxDataset
    ) -> dict[str, float]:
        return scoring.validation_scores(detector, validation, len(real.box_classes), settings.batch)

    def test_record(
        self,
        settings: DetectBoxes,
        real: ImageSet,
        detector: BoxDetector,
        test: BoxDataset,
        validation: BoxDataset | None,
    ) -> dict[str, Any]:
        return scoring.test_record(detector, test, len(real.box_classes), settings.batch)

    def ground_truth(self, real: ImageSet, test: BoxDataset) -> dict[str, Any]:
        tested, truth = real.metadata.iloc[annotated_rows(real, "test")], scoring.drawn(test)
        return {
            "classes": real.box_classes,
            "groups": tested["group"].tolist(),
            "truth": scoring.lists(truth),
            "ids": tested["id"].tolist(),
            "n_background": len(test) - len(np.unique(truth.image)),
        }

    def jackknife(self, result: BoxResult, against: bool = False) -> JackknifeTable:
        return jackknife(result, against)

    def notes(
        self, arm: Arm, real: ImageSet, synthetic: Sequence[ImageSet], data: BoxDataset, mix: TrainingMix
    ) -> list[str]:
        return [*_absent(real, synthetic), *_seen_by_generators(arm, real)]

    def pictures(self, real: ImageSet, result: BoxResult | None, out: Path) -> list[Path]:
        """Of what the first repetition found."""
        picture = out.with_suffix(".png")
        if result is None:
            figure.write_empty(picture)
        else:
            figure.write(real, result, picture)
        return [picture]


def _absent(real: ImageSet, sets: Sequence[ImageSet]) -> list[str]:
    """Notes on classes of boxes that cannot be found, or not be judged."""
    notes = []
    for of, split, where, so in (
        ([real, *sets], "train", "training", "it cannot be found"),
        ([real], "test", "test", "the mean is that of the other classes"),
    ):
        there = {label for images in of for label in annotation_rows(images, split)["label"]}
        missing = [name for name in real.box_classes if name not in there]
        if missing:
            notes.append(f"no box of {', '.join(missing)} in the {where} images; {so}")
    return notes


def _seen_by_generators(arm: Arm, real: ImageSet) -> list[str]:
    """A note where generators learnt from images that no detector may see."""
    more = len(real.rows("train")) - len(annotated_rows(real, "train"))
    if not more or all(one.made != "pseudo" for one in arm.synthetic):
        return []
    return [f"its generators also learnt from {more} training images whose boxes are not known, which no detector sees"]


TASK = BoxDetection()
