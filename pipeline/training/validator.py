"""What is measured on held-out images while a generator trains: which snapshot is the best, and when to stop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.base.device import full_precision
from pipeline.base.pixels import normalised, stored
from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.metrics import distances
from pipeline.models import distributed
from pipeline.models.base import GenerativeModel
from pipeline.models.batch import BatchRng, MicroBatch
from pipeline.models.layouts import coverage
from pipeline.settings import ImageSpec, Training
from pipeline.training.feed import split_rows
from pipeline.training.held_out import FID, SCORE, look
from pipeline.training.layouts import layouts_of
from pipeline.training.model_files import averaged_weights
from pipeline.training.snapshots import draw

MOST = 256  # held-out images looked at
LEAST = 20  # fewer tell nothing
KID, LOSS = "held_out/kid", "loss/held_out"


class Validator:
    """Compares a model with the images of split `val`, which choose here and judge nowhere.

    KID is that of the averaged weights' images, as many of each class as are held out and always from the same seeds,
    in the features of random networks or of those that `held_out` of the settings names. Its zero is the held-out
    images' own distribution; below some LEAST images nothing is measured, and the last weights are kept.

    So few images tell two moments of a training apart only where they are far from each other. Kept is the latest one
    that is at most one standard error of the difference above the lowest (the rule of Breiman et al. 1984, section
    3.4.3, which takes the simplest): what is trained longer is better unless something says that it is not.
    """

    def __init__(self, data: ImageSet, spec: ImageSpec, device: torch.device, settings: Training):
        rows, labels = split_rows(data, spec, "val")
        pick = np.linspace(0, len(rows) - 1, min(MOST, len(rows))).round().astype(int)
        order = np.argsort(labels, kind="stable")[pick]
        self.labels = torch.from_numpy(labels[order])
        self.able = len(order) >= LEAST
        self.device, self.patience = device, settings.patience
        watched = settings.held_out.patience_by if settings.held_out else None
        self.watched = f"held_out/{watched}" if watched else None
        if self.able:
            self.images = normalised(stored(data.images[rows[order]]))
            self.masks = None
            if spec.boxes:
                layouts = layouts_of(data, rows[order])
                self.masks = coverage(layouts, len(spec.boxes), spec.height, spec.width)
            self.look = look(settings.held_out, spec, device)
            vectors = self._vectors(self.images)
            self.centre, self.scale = np.zeros(1), np.ones(1)
            if self.look.blocks:
                self.centre, self.scale = distances.block_scale(vectors, self.look.blocks)
            self.real = (vectors - self.centre) / self.scale
        self.best: dict[str, tuple[float, int]] = {}  # by measure: its best value and the images seen then
        self.pulls: np.ndarray = np.empty(0)  # of each image on the lowest KID
        self.kept: tuple[float, int] | None = None  # KID of the moment that is kept, and the images seen then
        self.weights: dict[str, Tensor] = {}  # averaged, of that moment
        self.missed: dict[str, int] = {}  # by measure: looks since its best value

    def evaluate(self, model: GenerativeModel, images: int, batch: int) -> dict[str, float]:
        """Measure the model after so many images, and keep its averaged weights where its KID is within one standard
        error of the lowest.

        Returns:
            `held_out/kid`, what else the features tell, and the family's own scalars; nothing where too few images are
            held out.
        """
        if not self.able:
            return {}
        scalars = self._scalars(model, batch)
        seeds = torch.tensor([derive(int(label), i) for i, label in enumerate(self.labels)])
        drawn = (self._vectors(draw(model, self.labels, seeds, batch)) - self.centre) / self.scale
        scalars |= {KID: distances.kid(drawn, self.real), **self.look.scores(drawn, self.real)}
        for name in (KID, LOSS, FID, SCORE):
            if name in scalars and math.isfinite(scalars[name]):
                self._note(name, scalars[name], images)
        if math.isfinite(scalars[KID]) and self._as_good(scalars[KID], distances.kid_pulls(drawn, self.real)):
            self.kept, self.weights = (scalars[KID], images), averaged_weights(model)
        return scalars

    def _as_good(self, kid: float, pulls: np.ndarray) -> bool:
        """Whether a KID just measured is at most one standard error above the lowest, which it may be itself."""
        lowest = self.best[KID][0]
        if kid == lowest:
            self.pulls = pulls
        return kid - lowest <= float(np.linalg.norm(pulls - self.pulls))

    @property
    def exhausted(self) -> bool:
        """Whether `patience` looks have passed without a better value of what the settings watch, or held-out loss, or
        KID where the family has no loss."""
        measure = self.watched or (LOSS if LOSS in self.missed else KID)
        return self.patience is not None and self.missed.get(measure, 0) >= self.patience

    def state(self) -> dict[str, Any]:
        """All but the weights, as JSON types."""
        return {"best": self.best, "missed": self.missed, "kept": self.kept, "pulls": self.pulls.tolist()}

    def load_state(self, state: dict[str, Any], weights: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.best = {name: (value, images) for name, (value, images) in state["best"].items()}
        self.kept, self.pulls = state["kept"] and tuple(state["kept"]), np.array(state["pulls"])
        self.missed, self.weights = dict(state["missed"]), weights

    def _note(self, name: str, value: float, images: int) -> None:
        sign = -1 if name == SCORE else 1
        if name not in self.best or sign * value < sign * self.best[name][0]:
            self.best[name], self.missed[name] = (value, images), 0
        else:
            self.missed[name] += 1

    @torch.no_grad()
    def _scalars(self, model: GenerativeModel, batch: int) -> dict[str, float]:
        model.settle()
        sums: dict[str, float] = {}
        n = len(self.labels)
        with distributed.alone():
            for start in range(0, n, batch):
                rows = slice(start, min(start + batch, n))
                images, labels = (x[rows].to(self.device) for x in (self.images, self.labels))
                masks = None if self.masks is None else self.masks[rows].to(self.device)
                part = MicroBatch(images, labels, BatchRng(0, n, rows, self.device), len(labels) / n, masks)
                for name, value in model.validation_losses(part).items():
                    sums[name] = sums.get(name, 0.0) + float(value) * part.weight
        return sums

    def _vectors(self, images: Tensor) -> np.ndarray:
        with full_precision():
            return self.look.vectors(images)
