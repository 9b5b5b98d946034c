"""The coarse picture that goes with boxes: that of the training image whose own boxes lie most like them."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from pipeline.models.coarse import TrainingPictures
from pipeline.models.flips import FLIPS, flipped
from pipeline.models.layouts import Book, Layout, coverage
from pipeline.settings import ImageSpec

NEARLY = 0.1  # by how much less alike than the most alike boxes are still taken


def paired(
    pictures: TrainingPictures, book: Book, spec: ImageSpec, labels: Tensor, layouts: list[Layout], numbers: Tensor
) -> Tensor:
    """Coarse pictures (N, PARTS * C, h, w) in [-1, 1] for images of these classes and boxes.

    Each is that of a training image of the class under the element of the symmetry's group that brings its own boxes
    nearest, with a little smooth noise. One is chosen among those that are nearly as alike as the most alike one; that
    is the image itself where the boxes are a training image's.

    Args:
        pictures, book: of the same training images, in the same order.
        labels: (N,) int64.
        numbers: (N, pictures.numbers) standard normal.
    """
    found = torch.zeros(len(labels), *pictures.shape, device=numbers.device)
    asked = _seen(layouts, spec, pictures)
    chances = torch.special.ndtr(numbers[:, 0].double()).tolist()
    for label in labels.unique().tolist():
        own = pictures.of_class(label)
        masks = _seen(book.of_class(label), spec, pictures)
        elements = itertools.product((0.0, 1.0), repeat=len(FLIPS[spec.symmetry]))
        flips = [own.new_tensor(element).unbind() for element in elements]
        every = torch.cat([pictures.turned(own, some) for some in flips])
        moved = torch.cat([flipped(masks, spec.symmetry, some) for some in flips])
        for i in (labels == label).nonzero()[:, 0].tolist() if len(every) else ():
            likeness = alike(asked[i], moved)
            near = (likeness >= likeness.max() - NEARLY).nonzero()[:, 0]
            found[i] = every[near[min(int(chances[i] * len(near)), len(near) - 1)]]
    return pictures.varied(found, numbers)


def alike(asked: Tensor, given: Tensor) -> Tensor:
    """(M,) in [0, 1]: of what a mask (...) and others (M, ...) cover together, the share that both do (Jaccard 1901); 1
    where neither covers anything."""
    both, either = (pick(asked, given).flatten(1).sum(1) for pick in (torch.minimum, torch.maximum))
    return torch.where(either > 0, both / either, 1.0)


def _seen(layouts: list[Layout], spec: ImageSpec, pictures: TrainingPictures) -> Tensor:
    """(N, boxes, h, w): how much of each place of a coarse picture boxes of a class cover."""
    height, width = pictures.shape[1:]
    if not layouts:
        return torch.zeros(0, len(spec.boxes), height, width)
    places = [Layout(kinds, boxes * height / spec.height) for kinds, boxes in layouts]
    return coverage(places, len(spec.boxes), height, width, pictures.first.device)
