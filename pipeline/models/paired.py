"""The coarse pictures that go with boxes: of training images with the same boxes, or with the most similar ones."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from pipeline.models.coarse import TrainingPictures
from pipeline.models.flips import FLIPS, flipped
from pipeline.models.layouts import Book, Layout, coverage
from pipeline.settings import ImageSpec

NEARLY = 0.9  # how alike boxes must be that are taken, in parts of the most alike ones


def own(pictures: TrainingPictures, book: Book, labels: Tensor, numbers: Tensor) -> Tensor:
    """Coarse pictures (N, PARTS * C, h, w) of the images whose layouts `book.ask` gives, still, turned as these are.

    Args:
        pictures, book: of the same training images, in the same order.
        labels: (N,) int64.
        numbers: (N, NUMBERS) standard normal.
    """
    found = torch.zeros(len(labels), *pictures.shape, device=labels.device)
    for i, (label, row) in enumerate(zip(labels.tolist(), numbers.cpu(), strict=True)):
        place, flips = book.choice(label, row)
        picture = pictures.of_class(label)[place : place + 1]
        found[i] = pictures.turned(picture, picture.new_tensor(flips).unbind())[0]
    return found


def nearest(
    pictures: TrainingPictures, book: Book, spec: ImageSpec, labels: Tensor, layout: Layout, chances: Tensor
) -> Tensor:
    """Coarse pictures (N, PARTS * C, h, w) for images of these classes and boxes that somebody asks for.

    Each is of a training image of the class, moved by the element of the symmetry's group that brings its own boxes
    nearest, drawn from the images nearly as alike as the most alike one. Where no boxes are asked for, it is of an
    image with the smallest boxes. Of a class without images they are mid-gray.

    Args:
        pictures, book: of the same training images, in the same order.
        labels: (N,) int64.
        chances: (N,) in [0, 1], by which one is chosen.
    """
    found = torch.zeros(len(labels), *pictures.shape, device=labels.device)
    asked, chosen = _seen([layout], spec, pictures), chances.tolist()
    elements = list(itertools.product((0.0, 1.0), repeat=len(FLIPS[spec.symmetry])))
    for label in labels.unique().tolist():
        theirs, layouts = pictures.of_class(label), book.of_class(label)
        if not layouts:
            continue
        masks, flips = _seen(layouts, spec, pictures), [theirs.new_tensor(element).unbind() for element in elements]
        likeness = alike(asked[0], torch.cat([flipped(masks, spec.symmetry, some) for some in flips]))
        near = (likeness >= NEARLY * likeness.max()).nonzero()[:, 0]
        every = torch.cat([pictures.turned(theirs, some) for some in flips])
        for i in (labels == label).nonzero()[:, 0].tolist():
            found[i] = every[near[min(int(chosen[i] * len(near)), len(near) - 1)]]
    return found


def alike(asked: Tensor, given: Tensor) -> Tensor:
    """(M,) in (0, 1]: of what a mask (...) and others (M, ...) cover together the share that both do (Jaccard 1901).
    One place counts as covered by both, so that of masks that share none the smaller is more alike."""
    both, either = (1 + pick(asked, given).flatten(1).sum(1) for pick in (torch.minimum, torch.maximum))
    return both / either


def _seen(layouts: list[Layout], spec: ImageSpec, pictures: TrainingPictures) -> Tensor:
    """(N, boxes, h, w): how much of each place of a coarse picture boxes of a class cover."""
    height, width = pictures.shape[1:]
    places = [Layout(kinds, boxes * height / spec.height) for kinds, boxes in layouts]
    return coverage(places, len(spec.boxes), height, width, pictures.first.device)
