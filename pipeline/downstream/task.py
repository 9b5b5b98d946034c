"""Interface of a task: what an experiment and its comparison need to know of one kind of detectors.

A further task is a module with a `TASK`, a line in `registry.TASKS` and a class of settings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from pipeline.base.files import sha256
from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import Arm
from pipeline.downstream.baseline import Selection
from pipeline.downstream.paired_gain import JackknifeTable
from pipeline.downstream.records import ArmResult
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.schedule import TrainingMix

Part = tuple[str | None, float]
"""A filter of synthetic images (None: none) and the fraction of each class that it keeps."""
Train = Callable[[TrainingMix, int], Any]
"""A training mix and a seed -> a trained detector."""


class DetectorSettings(Protocol):
    """The settings that all tasks have."""

    @property
    def repetitions(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def ratios(self) -> Sequence[float]: ...

    @property
    def selection_runs(self) -> int: ...

    def model_dump(self, *, exclude: set[str] | None = None) -> dict[str, Any]: ...


class Dataset(Protocol):
    """Images with their ground truth, held where a detector is trained or judged."""

    @property
    def n_real(self) -> int:
        """The first so many are real."""
        ...

    @property
    def device(self) -> torch.device: ...

    def __len__(self) -> int: ...


class Task(ABC):
    """A kind of detectors: how they learn, what they are judged by, and what their results are."""

    name: ClassVar[str]
    """As in `registry.TASKS`."""
    settings: ClassVar[type[DetectorSettings]]
    setting: ClassVar[str]
    """Section of the configuration."""
    detector: ClassVar[str]
    examples: ClassVar[str]
    """What it learns from and is judged by."""
    scores: ClassVar[Sequence[str]]
    """Of a repetition, in [0, 1], the more the better; the verdict is about the first. One may be missing where the
    test set does not allow it."""
    selection: ClassVar[Selection]
    """Scores on the validation set that choose."""
    result: ClassVar[type[ArmResult]]
    test_fields: ClassVar[Sequence[tuple[str, str]]]
    """Fields of `result` that are equal just where the test images are the same, and what they are called."""
    files: ClassVar[Sequence[str]] = ("meta.json", "metadata.csv")
    """Of an image set, that a training depends on, where they are there: the description has the hash of the images."""

    def hashes(self, *folders: Path) -> list[str]:
        """SHA-256 of each of `files` that exists, folder by folder."""
        return [sha256(of / name) for of in folders for name in self.files if (of / name).is_file()]

    @abstractmethod
    def check(self, real: ImageSet, dataset: str) -> None:
        """Look at the tables of the real images, at no image. Raises UserError where no detector could be judged."""

    @abstractmethod
    def training_set(
        self, settings: Any, real: ImageSet, synthetic: Sequence[ImageSet], dataset: str, device: torch.device
    ) -> Dataset:
        """The `train` rows of the real set, then those of every synthetic one. Raises UserError for unsuitable ones."""

    @abstractmethod
    def validation_set(self, settings: Any, real: ImageSet, device: torch.device) -> Dataset | None:
        """The `val` rows; None where nothing can be chosen by them."""

    @abstractmethod
    def test_set(self, settings: Any, real: ImageSet, dataset: str, device: torch.device) -> Dataset:
        """The `test` rows."""

    @abstractmethod
    def steps(self, settings: Any) -> int:
        """What one training tells its `tick` in all."""

    def varies(self, settings: Any, data: Any, mix: TrainingMix) -> bool:
        """Whether two trainings on this mix can differ; if not, there is one repetition."""
        return True

    @abstractmethod
    def train(
        self, settings: Any, real: ImageSet, data: Any, mix: TrainingMix, seed: int, tick: Callable[[int], object]
    ) -> Any:
        """A trained detector; `tick` is told of its steps. All randomness comes from `seed`.

        Raises:
            FloatingPointError: the training diverged.
        """

    @abstractmethod
    def validation_scores(self, settings: Any, real: ImageSet, detector: Any, validation: Any) -> dict[str, float]:
        """Each of `selection`."""

    @abstractmethod
    def test_record(
        self, settings: Any, real: ImageSet, detector: Any, test: Any, validation: Any | None
    ) -> dict[str, Any]:
        """The fields of a repetition in `result`, without `seed` and `seconds`."""

    @abstractmethod
    def ground_truth(self, real: ImageSet, test: Any) -> dict[str, Any]:
        """`classes`, `groups`, `truth` and the further fields of `result`."""

    @abstractmethod
    def jackknife(self, result: Any, against: bool = False) -> JackknifeTable:
        """The scores of an arm, without each group of test images.

        Args:
            against: whether it is the arm that others are compared to.
        """

    def notes(self, arm: Arm, real: ImageSet, synthetic: Sequence[ImageSet], data: Any, mix: TrainingMix) -> list[str]:
        """What a reader must know of what these detectors saw, and are judged by."""
        return []

    def pictures(self, real: ImageSet, result: Any, out: Path) -> list[Path]:
        """Draw pictures beside `out`, the file of the arm; `result` is None for one that is left out."""
        return []

    def precision(self, settings: Any, device: torch.device) -> torch.dtype | None:
        """Of autocast; None is float32."""
        return None

    def parts(self, settings: Any) -> list[Part]:
        """The filters of synthetic images to choose from; without filters, all images alone."""
        return [(None, 1.0)]

    def kept(
        self, settings: Any, data: Any, judge: Callable[[], Any], cache: StepCache, notes: list[str]
    ) -> dict[Part, np.ndarray]:
        """(k,) rows of the training set for each of `parts` that can be formed, with a note on each that cannot.

        Args:
            judge: trains a detector on the real images alone, by the recipe that was chosen.
        """
        return {(None, 1.0): np.arange(data.n_real, len(data))}
