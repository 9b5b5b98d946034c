"""The task of classifiers: which class does an image show?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import Arm
from pipeline.downstream.classifier import device_dataset, filters, scoring
from pipeline.downstream.classifier.backbone import Backbone, Classifier, LabelledDataset
from pipeline.downstream.classifier.fine_tuned import FineTuned
from pipeline.downstream.classifier.frozen import Frozen
from pipeline.downstream.classifier.jackknife import jackknife
from pipeline.downstream.classifier.records import ClassifierResult
from pipeline.downstream.classifier.scratch import Scratch
from pipeline.downstream.paired_gain import JackknifeTable
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.task import Part, Task
from pipeline.settings import Detect

BACKBONES: dict[str, Backbone] = {backbone.name: backbone for backbone in (Frozen(), FineTuned(), Scratch())}


class Classification(Task):
    """Which class does an image show? See `Task`."""

    name = "classification"
    settings = Detect
    setting = "detect"
    detector = "detector"
    examples = "images"
    scores = ("macro_f1", "accuracy", "auroc")
    selection = (("macro_f1", 1), ("loss", -1))
    result = ClassifierResult
    # Groups, too: other images may have the same classes in the same order.
    test_fields = (("truth", "test images"), ("groups", "test images"))

    def check(self, real: ImageSet, dataset: str) -> None:
        device_dataset.check(real, dataset)

    def training_set(
        self, settings: Detect, real: ImageSet, synthetic: Sequence[ImageSet], dataset: str, device: torch.device
    ) -> LabelledDataset:
        return BACKBONES[settings.backbone].training(real, synthetic, device)

    def validation_set(self, settings: Detect, real: ImageSet, device: torch.device) -> LabelledDataset | None:
        return BACKBONES[settings.backbone].of_split(real, "val", device)

    def test_set(self, settings: Detect, real: ImageSet, dataset: str, device: torch.device) -> LabelledDataset:
        test = BACKBONES[settings.backbone].of_split(real, "test", device)
        assert test is not None  # `check` has looked
        return test

    def steps(self, settings: Detect) -> int:
        return BACKBONES[settings.backbone].steps(settings)

    def varies(self, settings: Detect, data: LabelledDataset, mix: TrainingMix) -> bool:
        return BACKBONES[settings.backbone].varies(data, mix)

    def precision(self, settings: Detect, device: torch.device) -> torch.dtype | None:
        return BACKBONES[settings.backbone].precision(device)

    def train(
        self,
        settings: Detect,
        real: ImageSet,
        data: LabelledDataset,
        mix: TrainingMix,
        seed: int,
        tick: Callable[[int], object],
    ) -> Classifier:
        return BACKBONES[settings.backbone].train(settings, real.spec, data, mix, seed, tick)

    def validation_scores(
        self, settings: Detect, real: ImageSet, detector: Classifier, validation: LabelledDataset
    ) -> dict[str, float]:
        return scoring.validation_scores(detector, validation)

    def test_record(
        self,
        settings: Detect,
        real: ImageSet,
        detector: Classifier,
        test: LabelledDataset,
        validation: LabelledDataset | None,
    ) -> dict[str, Any]:
        return scoring.test_record(detector, test, validation)

    def ground_truth(self, real: ImageSet, test: LabelledDataset) -> dict[str, Any]:
        groups = real.metadata["group"].iloc[real.rows("test")].tolist()
        return {"classes": list(real.spec.classes), "groups": groups, "truth": test.labels.tolist()}

    def jackknife(self, result: ClassifierResult, against: bool = False) -> JackknifeTable:
        return jackknife(result, against)

    def notes(
        self, arm: Arm, real: ImageSet, synthetic: Sequence[ImageSet], data: LabelledDataset, mix: TrainingMix
    ) -> list[str]:
        """Classes that cannot be judged, or that these detectors have never seen."""
        unjudged, unseen = (
            ", ".join(name for index, name in enumerate(real.spec.classes) if index not in found)
            for found in (real.labels[real.rows("test")], data.labels.cpu().numpy()[mix.extra])
        )
        notes = [f"no test images of {unjudged}; macro F1 is the mean over the other classes"] if unjudged else []
        return notes if arm.real or not unseen else [*notes, f"no synthetic images of {unseen}: it cannot be found"]

    def parts(self, settings: Detect) -> list[Part]:
        return filters.parts(settings)

    def kept(
        self,
        settings: Detect,
        data: LabelledDataset,
        judge: Callable[[], Classifier],
        cache: StepCache,
        notes: list[str],
    ) -> dict[Part, np.ndarray]:
        return filters.kept(settings, data, judge, cache, notes)


TASK = Classification()
