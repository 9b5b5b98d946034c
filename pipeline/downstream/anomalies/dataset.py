"""The images that anomaly detectors learn from and are judged by, as patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.base import imagenet
from pipeline.base.device import memory_limit
from pipeline.base.rows import blocks
from pipeline.data.image_set import ImageSet
from pipeline.downstream.anomalies import defects
from pipeline.downstream.anomalies.detectors import Memory, remember
from pipeline.downstream.anomalies.patches import Looks, grid, joined, looked
from pipeline.downstream.arms import Defects
from pipeline.downstream.classifier.device_dataset import check_labels, check_turns
from pipeline.settings import DetectAnomalies, UserError

PATCHES = 50_000  # of good images, at random, that a memory is chosen from
SEED = 4000  # of what is drawn once for all arms
CPU = torch.device("cpu")

Made = TypeVar("Made")


@dataclass(frozen=True)
class TrainingPatches:
    """The rows of the training set are its real images, then the bad images that are added."""

    good: NDArray[np.float32]
    """(m, SIZE), of the real good images, in random order."""
    memory: Memory
    bad: Looks
    """The real bad images."""
    drawn: Mapping[Defects, Looks]
    """Defects that need no generator."""
    added: Looks
    """Bad images of generators."""
    n_real: int
    device: torch.device = CPU

    def __len__(self) -> int:
        return self.n_real + len(self.added)


@dataclass(frozen=True)
class JudgedPatches:
    """Images that choose or judge, as patches."""

    patches: NDArray[np.float16]
    """(N, P, Q, SIZE)."""
    bad: NDArray[np.bool_]
    """(N,) whether an image is not of the good class."""
    masks: NDArray[np.bool_]
    """(N, H, W)."""
    known: NDArray[np.bool_]
    """(N,) whether it is known where the defects of an image are."""
    groups: list[str]
    device: torch.device = CPU

    @property
    def n_real(self) -> int:
        return len(self)

    def __len__(self) -> int:
        return len(self.bad)


class Patches:
    """Of the image sets of a job, which many arms share: what was looked at once is kept."""

    def __init__(self) -> None:
        self._known: dict[tuple, object] = {}

    def training(
        self, settings: DetectAnomalies, real: ImageSet, synthetic: Sequence[ImageSet], device: torch.device
    ) -> TrainingPatches:
        """The training rows of the real set, and the bad ones of every synthetic set.

        Raises:
            UserError: a synthetic set of another size, channels or depth, or with a class that the real one has not.
        """
        with memory_limit("detect.anomalies.batch", settings.batch):
            key = ("train", *_what(real, "train"), settings.drawn, settings.memory)
            own = self._once(key, lambda: _own(settings, real, device))
            added = [self._added(settings, real, one, device) for one in synthetic]
        return TrainingPatches(own.good, own.memory, own.bad, own.drawn, joined([own.added, *added]), own.n_real)

    def judged(self, settings: DetectAnomalies, real: ImageSet, split: str, device: torch.device) -> JudgedPatches:
        """The rows of a split."""
        with memory_limit("detect.anomalies.batch", settings.batch):
            return self._once((split, *_what(real, split)), lambda: _judged(settings, real, split, device))

    def _added(self, settings: DetectAnomalies, real: ImageSet, one: ImageSet, device: torch.device) -> Looks:
        check_labels(one, real)
        rows = one.rows("train")
        rows = rows[~good_ones(real, one)[rows]]
        # Real images in the place of synthetic ones have masks, too, which nobody would have of those of a generator.
        nowhere, known = np.zeros((len(rows), *one.images.shape[1:3]), bool), np.zeros(len(rows), bool)
        key = ("added", one.meta["data_hash"], rows.tobytes(), real.spec.symmetry)
        return self._once(key, lambda: _looks(settings, real, one.images[rows], nowhere, known, device))

    def _once(self, key: tuple, make: Callable[[], Made]) -> Made:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]  # type: ignore[return-value]


def good_ones(real: ImageSet, of: ImageSet) -> NDArray[np.bool_]:
    """(N,) bool: which images of a set are of the class that is `good` in the real one."""
    return (of.metadata["label"] == real.meta["good"]).to_numpy()


def check(real: ImageSet, dataset: str) -> None:
    """Looks at the table of the images, at none of them.

    Raises:
        UserError: no good class; no good image to train; a side of the test images without any; images that cannot be
            turned by a quarter.
    """
    good = real.meta.get("good")
    if good not in real.spec.classes:
        raise UserError(f"datasets.{dataset}.good: `{good}` is no class, found {', '.join(real.spec.classes)}")
    ours = good_ones(real, real)
    if not ours[real.rows("train")].any():
        raise UserError(f"datasets.{dataset}: 0 training images of the good class `{good}`, at least 1 is needed")
    test = ours[real.rows("test")]
    if not len(test) or test.all() or not test.any():
        raise UserError(
            f"datasets.{dataset}.split.test: {test.sum()} good and {(~test).sum()} bad test images, a detector needs "
            "at least 1 of each to be judged by"
        )
    check_turns(real, dataset)


def defects_of(real: ImageSet, rows: NDArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n, H, W) bool: where these images have defects, and (n,) bool: whether that is known. A good image has none."""
    good = good_ones(real, real)[rows]
    masks = np.zeros((len(rows), *real.images.shape[1:3]), bool)
    if real.masks is None:
        return masks, good
    bad = np.flatnonzero(~good)
    masks[bad] = real.masks[rows[bad]] > 0
    return masks, good | (real.masked[rows] & masks.any(axis=(1, 2)))


def _own(settings: DetectAnomalies, real: ImageSet, device: torch.device) -> TrainingPatches:
    rows, good = real.rows("train"), good_ones(real, real)
    images = real.images[rows]
    fine, broken = images[good[rows]], images[~good[rows]]
    masks, known = defects_of(real, rows[~good[rows]])
    patches = _some(settings, real, fine, device)
    pieces: dict[Defects, Callable] = {"pasted": defects.pasted, "scarred": defects.scarred}
    made: dict[Defects, tuple] = {name: paste(fine, settings.drawn, SEED) for name, paste in pieces.items()}
    made["moved"] = defects.moved(fine, broken[known], masks[known], real.spec.symmetry, settings.drawn, SEED)
    drawn: dict[Defects, Looks] = {
        name: _looks(settings, real, images, places, np.ones(len(images), bool), device, turns=False)
        for name, (images, places) in made.items()
    }
    looks = _looks(settings, real, broken, masks, known, device)
    memory = remember(patches, settings.memory)
    return TrainingPatches(patches, memory, looks, drawn, looks.at(np.arange(0)), len(rows))


def _some(settings: DetectAnomalies, real: ImageSet, images: NDArray, device: torch.device) -> NDArray[np.float32]:
    """(m, SIZE) patches of these images in random order, as many of each; PATCHES at most, or one of each image."""
    network, rng, kept = _network(real, device), np.random.default_rng(SEED), []
    for some in blocks(images, settings.batch):
        found = grid(network, some, settings.batch, device)
        found = found.reshape(len(found), -1, found.shape[-1])
        each = min(found.shape[1], max(1, PATCHES // len(images)))
        chosen = np.argsort(rng.random(found.shape[:2]), axis=1)[:, :each, None]
        kept.append(np.take_along_axis(found, chosen, axis=1).reshape(-1, found.shape[-1]))
    return rng.permutation(np.concatenate(kept))


def _judged(settings: DetectAnomalies, real: ImageSet, split: str, device: torch.device) -> JudgedPatches:
    rows, network = real.rows(split), _network(real, device)
    parts = (grid(network, real.images[some], settings.batch, device) for some in blocks(rows, settings.batch))
    found = [part.astype(np.float16) for part in parts]
    masks, known = defects_of(real, rows)
    bad = ~good_ones(real, real)[rows]
    return JudgedPatches(np.concatenate(found), bad, masks, known, real.metadata["group"].iloc[rows].tolist())


def _looks(
    settings: DetectAnomalies,
    real: ImageSet,
    images: NDArray,
    masks: NDArray[np.bool_],
    known: NDArray[np.bool_],
    device: torch.device,
    turns: bool = True,
) -> Looks:
    symmetry = real.spec.symmetry if turns else "none"  # what is drawn was turned when it was
    return looked(_network(real, device), images, masks, known, symmetry, settings.batch, device)


def _network(real: ImageSet, device: torch.device) -> imagenet.EfficientNetLite0:
    return imagenet.EfficientNetLite0(imagenet.load(), real.spec.channels).to(device)


def _what(real: ImageSet, split: str) -> tuple:
    """All that the patches of a split depend on."""
    known = real.masks is not None and real.masked.tobytes()
    return (
        real.meta["data_hash"],
        real.rows(split).tobytes(),
        real.spec.symmetry,
        real.meta["good"],
        known,
        str(real.path),
    )
