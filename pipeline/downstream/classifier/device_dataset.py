"""The images one detector may see, held on the device, and those that choose and judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.base.device import is_memory, upload
from pipeline.base.pixels import normalised, stored
from pipeline.data.image_set import ImageSet
from pipeline.downstream.schedule import HORIZONTAL, TRANSPOSE, VERTICAL
from pipeline.settings import UserError


class At(NamedTuple):
    """Images of a pool and how they are turned, on its device."""

    rows: Tensor  # (n,) int64
    orientations: Tensor  # (n,) int64, the bits of `schedule`
    bits: int  # those that occur, known without asking the device


@dataclass(frozen=True)
class DeviceDataset:
    """Labelled images on one device.

    `stored` is (N, H, W, C) as `base.pixels.stored` gives them; `labels` is (N,) int64; `n_real` of the images, the
    first ones, are real.
    """

    stored: Tensor
    labels: Tensor
    n_real: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def at(self, rows: NDArray, orientations: NDArray) -> At:
        """(n,) rows and orientations (see `schedule`) on the pool's device, in one upload that nothing waits for."""
        row, orientation = upload(torch.from_numpy(np.stack([rows, orientations.astype(np.int64)])), self.stored.device)
        return At(row, orientation, int(np.bitwise_or.reduce(orientations, initial=0)))

    def images(self, rows: Tensor) -> Tensor:
        """(n, C, H, W) float32 in [-1, 1], channels-last."""
        return normalised(self.stored[rows])

    def turned(self, at: At) -> Tensor:
        """(n, C, H, W) as `images`, each turned by the bits of its orientation."""
        images = self.stored[at.rows]
        for bit, turn in (
            (HORIZONTAL, lambda x: x.flip(2)),
            (VERTICAL, lambda x: x.flip(1)),
            (TRANSPOSE, lambda x: x.transpose(1, 2)),
        ):
            if at.bits & bit:
                chosen = (at.orientations & bit).bool()[:, None, None, None]
                images = torch.where(chosen, turn(images), images)
        return normalised(images)


def held(sets: list[Tensor], device: torch.device) -> Tensor:
    """Images (N, H, W, C) of one or more sets, one after the other on the device.

    Raises:
        UserError: they do not fit into its memory.
    """
    try:
        return (torch.cat(sets) if len(sets) > 1 else sets[0]).to(device)
    except (RuntimeError, MemoryError) as error:
        if not is_memory(error):
            raise
        (height, width), count = sets[0].shape[1:3], sum(map(len, sets))
        raise UserError(
            f"{count} images of {height} x {width} pixels, {sum(images.nbytes for images in sets) / 2**30:.1f} GiB, do "
            f"not fit into the memory ({device.type}) of a detector; make them smaller (`size`) or fewer (`limit`, "
            "`generate.images_per_class`)"
        ) from error


def check(real: ImageSet, dataset: str) -> None:
    """Looks at the table of the images, at none of them.

    Raises:
        UserError: fewer than two classes, a class without training images, no test images, or images that cannot be
            turned by a quarter.
    """
    classes = real.spec.classes
    if len(classes) < 2:
        raise UserError(
            f"datasets.{dataset}.labels: a detector needs two classes, found {len(classes)} ({classes[0]}); `detect:"
            " off` trains none and keeps all else that is done, as does `none` from the beginning"
        )
    counts = np.bincount(real.labels[real.rows("train")], minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if not count:
            raise UserError(f"datasets.{dataset}: class `{name}` has 0 training images, a detector needs at least 1")
    if not len(real.rows("test")):
        raise UserError(
            f"datasets.{dataset}.split.test: 0 test images, a detector needs at least 1 to be judged by; `detect: off`"
            " trains none"
        )
    check_turns(real, dataset)


def check_turns(real: ImageSet, dataset: str) -> None:
    """Raises UserError where the symmetry has quarter turns and the images are not square."""
    spec = real.spec
    if spec.symmetry == "dihedral" and spec.height != spec.width:
        raise UserError(
            f"datasets.{dataset}.symmetry: `dihedral` needs square images, these are {spec.height}x{spec.width}"
        )


def training(real: ImageSet, synthetic: Sequence[ImageSet], device: torch.device) -> DeviceDataset:
    """The training rows of the real set, then those of every synthetic set.

    Raises:
        UserError: a synthetic set that is empty, or of another size, channels, depth or classes than the real one; more
            images than fit into memory.
    """
    rows = real.rows("train")
    images, labels = [stored(real.images[rows])], [real.labels[rows]]
    for one in synthetic:
        drawn, asked = _added(real, one)
        images.append(drawn)
        labels.append(asked)
    return DeviceDataset(held(images, device), torch.from_numpy(np.concatenate(labels)).to(device), len(rows))


def added(real: ImageSet, synthetic: ImageSet, device: torch.device) -> DeviceDataset:
    """The training rows of a synthetic set alone, none of which is real. Raises UserError as `training`."""
    images, labels = _added(real, synthetic)
    return DeviceDataset(held([images], device), torch.from_numpy(labels).to(device), 0)


def _added(real: ImageSet, synthetic: ImageSet) -> tuple[Tensor, NDArray[np.int64]]:
    check_labels(synthetic, real)
    drawn = synthetic.rows("train")
    if not len(drawn):
        raise UserError(f"{synthetic.path}: 0 synthetic images, at least 1 is needed")
    codes = pd.Categorical(synthetic.metadata["label"], categories=real.spec.classes).codes[drawn]
    return stored(synthetic.images[drawn]), codes.astype(np.int64)


def of_split(real: ImageSet, split: str, device: torch.device) -> DeviceDataset | None:
    """The real images of `train`, `val` or `test`; None where there are none."""
    rows = real.rows(split)
    if not len(rows):
        return None
    labels = torch.from_numpy(real.labels[rows]).to(device)
    return DeviceDataset(held([stored(real.images[rows])], device), labels, len(rows))


def check_kind(fakes: ImageSet, real: ImageSet) -> None:
    """Raises UserError where the images are of another size, channels or depth than the real ones."""
    for what, found, wanted in (
        ("height × width", fakes.images.shape[1:3], real.images.shape[1:3]),
        ("channels", fakes.images.shape[3], real.images.shape[3]),
        ("stored type", str(fakes.images.dtype), str(real.images.dtype)),
    ):
        if found != wanted:
            raise UserError(f"{fakes.path}: {what} is {found}, the real images {real.path} have {wanted}")


def check_labels(fakes: ImageSet, real: ImageSet) -> None:
    """`check_kind`, and raises UserError where the images are of a class that the real ones have not."""
    check_kind(fakes, real)
    unknown = sorted(set(fakes.metadata["label"]) - set(real.spec.classes))
    if unknown:
        raise UserError(f"{fakes.path}: class `{unknown[0]}` is none of the real ones ({', '.join(real.spec.classes)})")
