"""Interface of a backbone: what a classifier sees in images, and how it learns from that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.data.image_set import ImageSet
from pipeline.downstream.schedule import TrainingMix
from pipeline.downstream.task import Dataset
from pipeline.settings import Detect, ImageSpec


class LabelledDataset(Dataset, Protocol):
    """Labelled images as a backbone holds them."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        ...


class Classifier(Protocol):
    """A trained classifier of K classes."""

    def log_probabilities(self, pool: Any, rows: np.ndarray | None = None) -> np.ndarray:
        """(n, K) float64, log of the probability of each class for these rows of the pool, None for all."""
        ...

    def features(self, pool: Any, rows: np.ndarray | None = None) -> np.ndarray:
        """(n, d) float64, what it sees in these rows of the pool, None for all, before it names any class."""
        ...


class Backbone(ABC):
    """A kind of classifiers, by what they see images with."""

    name: ClassVar[str]
    """As `detect.backbone` has it."""

    @abstractmethod
    def training(self, real: ImageSet, synthetic: Sequence[ImageSet], device: torch.device) -> LabelledDataset:
        """The training rows of the real set, then those of every synthetic set.

        Raises:
            UserError: as `device_dataset.training`.
        """

    @abstractmethod
    def of_split(self, real: ImageSet, split: str, device: torch.device) -> LabelledDataset | None:
        """The real images of `val` or `test`; None where there are none."""

    @abstractmethod
    def train(
        self, settings: Detect, spec: ImageSpec, pool: Any, mix: TrainingMix, seed: int, tick: Callable[[int], object]
    ) -> Classifier:
        """All randomness comes from `seed`; `tick` is called with a number of steps whenever that many more are done.

        Raises:
            FloatingPointError: the training diverged.
        """

    @abstractmethod
    def steps(self, settings: Detect) -> int:
        """Of one training."""

    @abstractmethod
    def varies(self, pool: Any, mix: TrainingMix) -> bool:
        """Whether two seeds can give two classifiers."""

    def precision(self, device: torch.device) -> torch.dtype | None:
        """Of autocast; None is float32."""
        return None
