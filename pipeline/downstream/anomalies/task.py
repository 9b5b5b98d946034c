"""The task of anomaly detectors: is an image good, when few or no bad ones are known?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.anomalies import dataset, scoring
from pipeline.downstream.anomalies.dataset import JudgedPatches, Patches, TrainingPatches, defects_of, good_ones
from pipeline.downstream.anomalies.detectors import learn
from pipeline.downstream.anomalies.jackknife import RECALLS, jackknife
from pipeline.downstream.anomalies.patches import Looks
from pipeline.downstream.anomalies.records import AnomalyResult
from pipeline.downstream.anomalies.scoring import Detector
from pipeline.downstream.arms import Arm
from pipeline.downstream.paired_gain import JackknifeTable
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.task import Task
from pipeline.settings import DetectAnomalies


class AnomalyDetection(Task):
    """Is an image of the good class? See `Task`."""

    name = "anomalies"
    settings = DetectAnomalies
    setting = "detect.anomalies"
    detector = "anomaly detector"
    examples = "bad images"
    scores = ("auroc", *RECALLS, "pixel_ap")
    selection = (("auroc", 1), ("pixel_ap", 1))
    result = AnomalyResult
    test_fields = (("truth", "test images"), ("groups", "test images"))
    files = (*Task.files, "boxes.json")  # has the hash of the masks

    def __init__(self) -> None:
        self._patches = Patches()

    def check(self, real: ImageSet, name: str) -> None:
        dataset.check(real, name)

    def training_set(
        self, settings: DetectAnomalies, real: ImageSet, synthetic: Sequence[ImageSet], name: str, device: torch.device
    ) -> TrainingPatches:
        return self._patches.training(settings, real, synthetic, device)

    def validation_set(self, settings: DetectAnomalies, real: ImageSet, device: torch.device) -> JudgedPatches | None:
        good = good_ones(real, real)[real.rows("val")]
        both = len(good) and good.any() and not good.all()
        return self._patches.judged(settings, real, "val", device) if both else None

    def test_set(self, settings: DetectAnomalies, real: ImageSet, name: str, device: torch.device) -> JudgedPatches:
        return self._patches.judged(settings, real, "test", device)

    def steps(self, settings: DetectAnomalies) -> int:
        return 1

    def varies(self, settings: DetectAnomalies, data: TrainingPatches, mix: TrainingMix) -> bool:
        """Where only a part of what is added or drawn is seen."""
        return len(mix.extra) > 1 or len(data.drawn.get(mix.defects, ())) > 1

    def train(
        self,
        settings: DetectAnomalies,
        real: ImageSet,
        data: TrainingPatches,
        mix: TrainingMix,
        seed: int,
        tick: Callable[[int], object],
    ) -> Detector:
        """The memory of good patches, or a head on the patches of the good images, of all real bad ones, and of a
        random half of the added and of the drawn ones; without any bad image it is the memory too."""
        drawing, adding = (np.random.default_rng([seed, stream]) for stream in range(2))
        drawn = data.drawn.get(mix.defects)
        bad = [(data.bad, 1.0)] if mix.defects != "none" else []
        if drawn is not None and len(drawn):
            bad.append((_half(drawing, drawn, np.arange(len(drawn))), 1.0))
        if len(mix.extra):
            bad.append((_half(adding, data.added, mix.extra - data.n_real), mix.ratio))
        tick(1)
        return learn(data.memory, data.good, bad) if any(len(looks) for looks, _ in bad) else data.memory

    def validation_scores(
        self, settings: DetectAnomalies, real: ImageSet, detector: Detector, validation: JudgedPatches
    ) -> dict[str, float]:
        return scoring.validation_scores(detector, validation)

    def test_record(
        self,
        settings: DetectAnomalies,
        real: ImageSet,
        detector: Detector,
        test: JudgedPatches,
        validation: JudgedPatches | None,
    ) -> dict[str, Any]:
        return scoring.test_record(detector, test)

    def ground_truth(self, real: ImageSet, test: JudgedPatches) -> dict[str, Any]:
        return {"classes": ["good", "bad"], "groups": test.groups, "truth": test.bad.astype(int).tolist()}

    def jackknife(self, result: AnomalyResult, against: bool = False) -> JackknifeTable:
        return jackknife(result, against)

    def notes(
        self, arm: Arm, real: ImageSet, synthetic: Sequence[ImageSet], data: TrainingPatches, mix: TrainingMix
    ) -> list[str]:
        """What these detectors could learn of defects from."""
        if mix.defects == "none":
            return []
        rows = real.rows("train")
        _, known = defects_of(real, rows)
        bad = ~good_ones(real, real)[rows]
        notes = [f"{(bad & known).sum()} of {bad.sum()} bad training images have a mask"] if bad.any() else []
        if not bad.any() and not len(mix.extra) and not data.drawn.get(mix.defects):
            notes.append("no bad training image: this is the arm `one_class`")
        if mix.defects == "moved" and not len(data.drawn["moved"]):
            notes.append("no mask tells which defects could be moved: none are")
        return notes


def _half(rng: np.random.Generator, looks: Looks, rows: np.ndarray) -> Looks:
    """A random half of these rows, rounded up: random halves spread as fresh draws of as many images would."""
    return looks.at(rng.permutation(rows)[: -(-len(rows) // 2)])


TASK = AnomalyDetection()
