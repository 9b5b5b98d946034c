"""The data feed: which training images a step shows, as a stateless function of the seed and the step."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import psutil
import torch
from torch import Tensor

from pipeline.base.device import upload
from pipeline.base.pixels import normalised, stored
from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.models import distributed
from pipeline.models.batch import Batch, BatchRng
from pipeline.models.flips import FLIPS, flipped
from pipeline.models.layouts import covered, padded
from pipeline.settings import ImageSpec, UserError
from pipeline.training.layouts import layouts_of

AT_ONCE = 64  # images
RESIDENT = 0.25  # share of the free memory that the training images may take


def model_spec(data: ImageSet, classes: list[str] | None, boxes: bool = False) -> ImageSpec:
    """What a model trained on `classes` (None: all) is told about the images, and with `boxes` about their boxes.

    Raises:
        UserError: an unknown or repeated class, a symmetry that the shape does not have, or no boxes.
    """
    spec = data.spec
    if boxes:
        if not data.box_classes:
            raise UserError(f"boxes: true needs images with boxes, {data.path} has none")
        spec = spec._replace(boxes=tuple(data.box_classes))
    wanted = classes or []
    for name in wanted:
        if name not in spec.classes:
            raise UserError(f"classes: `{name}` is not a class of {data.path}; it has {', '.join(spec.classes)}")
        if wanted.count(name) > 1:
            raise UserError(f"classes: `{name}` is named twice")
    if spec.symmetry == "dihedral" and spec.height != spec.width:
        raise UserError(f"symmetry: `dihedral` needs square images, these are {spec.height}x{spec.width}")
    return spec._replace(classes=tuple(classes)) if classes else spec


def split_rows(data: ImageSet, spec: ImageSpec, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n,) int64 in the image set of a split's images of the spec's classes, and their labels (n,) int64.

    Labels index `spec.classes`. A spec with boxes leaves out images whose boxes are not known.
    """
    index = {name: i for i, name in enumerate(spec.classes)}
    rows = data.rows(split)
    names = data.metadata["label"].to_numpy()[rows]
    wanted = np.isin(names, list(index))
    if spec.boxes:
        wanted &= data.annotated[rows]
    return rows[wanted], np.array([index[name] for name in names[wanted]], dtype=np.int64)


def training_rows(data: ImageSet, spec: ImageSpec) -> tuple[np.ndarray, np.ndarray]:
    """`split_rows` of the training images.

    Raises:
        UserError: no training image of the classes asked for, or none at all; for a spec with boxes, none of a class
            whose boxes are known.
    """
    rows, labels = split_rows(data, spec, "train")
    missing = [name for i, name in enumerate(spec.classes) if i not in labels]
    if missing and spec.boxes:
        raise UserError(
            f"{data.path}: `{'`, `'.join(missing)}` has no training image whose boxes are known (boxes: true); "
            "name the other classes in the model's `classes`, or say in the data set's `boxes.missing` that images "
            "without annotation are background"
        )
    if missing == list(spec.classes) or (missing and len(spec.classes) < len(data.spec.classes)):
        raise UserError(f"{data.path}: `{'`, `'.join(missing)}` has no training image")
    return rows, labels


class Feed:
    """Batches of training images. Holds no state that a resumed training would need.

    Every epoch is a permutation of all images; a batch may reach over the border of two epochs, and over several where
    it is larger than the data set.
    """

    def __init__(self, data: ImageSet, spec: ImageSpec, batch: int, device: torch.device):
        self.rows, labels = training_rows(data, spec)
        self.labels = torch.from_numpy(labels).to(device)
        self.batch_size, self.device, self.symmetry = batch, device, spec.symmetry
        size = len(self.rows) * data.images[0].nbytes
        self.layouts = layouts_of(data, self.rows) if spec.boxes else []
        self.box_classes = len(spec.boxes)
        if spec.boxes:
            self.box_counts = np.array([len(layout.kinds) for layout in self.layouts])
            self.kinds, self.boxes = (part.to(device) for part in padded(self.layouts))
        source = _Resident if size <= RESIDENT * _free_bytes(device) else _Mapped
        self.source = source(data.images, self.rows, device)

    def order(self, seed: int, step: int) -> np.ndarray:
        """(batch,) int64 positions among the training images that step `step` (from 0) shows."""
        n = len(self.rows)
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = places // n
        return np.concatenate(
            [_permutation(seed, int(epoch), n)[places[epochs == epoch] % n] for epoch in np.unique(epochs)]
        )

    def batch(self, seed: int, step: int, part: int | None = None) -> Batch:
        """This rank's share of the images of a step, randomly flipped as the data set's symmetry allows; the update's
        randomness is derived from seed and step too.

        Args:
            part: images that go through the networks at once; None is all.
        """
        n = self.batch_size // distributed.count()
        own = slice(distributed.index() * n, (distributed.index() + 1) * n)
        order = self.order(seed, step)[own]
        places = upload(torch.from_numpy(order), self.device)
        taken = self.source.take(order, places)
        self.source.prepare(self.order(seed, step + 1)[own])
        rng = BatchRng(derive(seed, step, 2), self.batch_size, own, self.device)
        images, masks = normalised(taken), None
        if self.box_classes:  # flipped as if they were colours of the image
            most = self.box_counts[order].max()
            kinds, boxes = (part[places, :most] for part in (self.kinds, self.boxes))
            masks = covered(kinds, boxes, self.box_classes, *images.shape[2:])
            shown = augment(torch.cat([images, masks], 1), self.symmetry, rng)
            images, masks = shown.split([images.shape[1], self.box_classes], 1)
        else:
            images = augment(images, self.symmetry, rng)
        return Batch(images, self.labels[places], derive(seed, step, 1), part, masks)

    def every(self) -> Iterator[Tensor]:
        """All training images in their order, AT_ONCE at a time, (n, C, H, W) float32 in [-1, 1], unflipped."""
        for positions in np.split(np.arange(len(self.rows)), range(AT_ONCE, len(self.rows), AT_ONCE)):
            places = torch.from_numpy(positions).to(self.device)
            yield normalised(self.source.take(positions, places))

    def class_images(self, label: int, count: int) -> Tensor:
        """The first `count` training images of a class, (n, C, H, W) float32 in [-1, 1], unflipped."""
        positions = np.flatnonzero(self.labels.cpu().numpy() == label)[:count]
        return normalised(self.source.take(positions, torch.from_numpy(positions).to(self.device)))


def augment(images: Tensor, symmetry: str, rng: BatchRng) -> Tensor:
    """Each image under an element of the symmetry's group, drawn uniformly."""
    chances = (rng.uniform(1, 1, 1) for _ in FLIPS[symmetry])
    return flipped(images, symmetry, chances).contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng(derive(seed, epoch)).permutation(n)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


class _Resident:
    """All training images on the device, as integers."""

    def __init__(self, images: np.ndarray, rows: np.ndarray, device: torch.device):
        self.images = stored(images[rows]).to(device)

    def take(self, order: np.ndarray, places: Tensor) -> Tensor:
        """Images by their positions; `places` are the same on the device."""
        return self.images[places]

    def prepare(self, order: np.ndarray) -> None:
        """Nothing to read ahead."""


class _Mapped:
    """Images stay on disk; a thread reads the next batch while the device works on this one."""

    def __init__(self, images: np.ndarray, rows: np.ndarray, device: torch.device):
        self.images, self.rows, self.device = images, rows, device
        self.reader = ThreadPoolExecutor(1)
        self.ahead: tuple[np.ndarray, Future] | None = None

    def take(self, order: np.ndarray, places: Tensor) -> Tensor:
        ready = self.ahead[1] if self.ahead and np.array_equal(self.ahead[0], order) else None
        return upload(ready.result() if ready else self._read(order), self.device)

    def prepare(self, order: np.ndarray) -> None:
        self.ahead = (order, self.reader.submit(self._read, order))

    def _read(self, order: np.ndarray) -> Tensor:
        return stored(self.images[self.rows[order]])
