"""Filters: which synthetic images to keep, by their quality to a classifier of the real training images alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch

from pipeline.downstream.classifier.backbone import Classifier, LabelledDataset
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.task import Part
from pipeline.settings import Detect

NEIGHBOUR = 5  # of the panel's balls too. A copy is its original's neighbour, and so are copies of near-duplicates
PIECE = 1024  # images whose distances to a class are held at once


def confidence(judge: Classifier, pool: LabelledDataset) -> np.ndarray:
    """(m,) log probability that the detector gives each synthetic image of the pool for the class asked for."""
    synthetic = np.arange(pool.n_real, len(pool))
    said = judge.log_probabilities(pool, synthetic)
    return said[np.arange(len(synthetic)), pool.labels.cpu().numpy()[synthetic]]


def nearest(judge: Classifier, pool: LabelledDataset) -> np.ndarray:
    """(m,) minus the distance of each synthetic image of the pool to its 5th nearest training image (`remoteness`), in
    what the detector sees before it names a class."""
    seen, labels = judge.features(pool), pool.labels.cpu().numpy()
    n = pool.n_real
    return -remoteness(seen[n:], labels[n:], seen[:n], labels[:n])


# Quality of each synthetic image, greater for those to keep.
FILTERS = {"confidence": confidence, "nearest": nearest}


def parts(settings: Detect) -> list[Part]:
    """All synthetic images, if these are a candidate, and what each filter keeps."""
    below = [keep for keep in dict.fromkeys(settings.keep_fractions) if keep < 1]
    return [*([(None, 1.0)] if 1 in settings.keep_fractions else []), *product(dict.fromkeys(settings.filters), below)]


def kept(
    settings: Detect, data: LabelledDataset, judge: Callable[[], Classifier], cache: StepCache, notes: list[str]
) -> dict[Part, np.ndarray]:
    """(k,) rows of the dataset for each of `parts`; what would leave a class empty is left out, with a note.

    Args:
        judge: trains a classifier on the real images alone; called where there is anything to filter.
    """
    synthetic = np.arange(data.n_real, len(data))
    labels = data.labels.cpu().numpy()[synthetic]
    possible = _possible(settings, labels, notes)
    asked = [(name, keep) for name, keep in parts(settings) if keep in possible]
    if any(name is not None for name, _ in asked):
        quality = cache.run("filter", lambda: _quality(settings, data, judge()))
    return {
        (name, keep): synthetic if name is None else synthetic[best(np.asarray(quality[name]), labels, keep)]
        for name, keep in asked or [(None, 1.0)]
    }


def _possible(settings: Detect, labels: np.ndarray, notes: list[str]) -> list[float]:
    """The fractions to keep that leave images of every class there is."""
    fewest = np.unique(labels, return_counts=True)[1].min()
    fractions = []
    for keep in dict.fromkeys(settings.keep_fractions):
        if count(fewest, keep):
            fractions.append(keep)
        else:
            notes.append(f"detect.keep_fractions: {keep:g} would leave a class without any synthetic image; left out")
    if not fractions:
        notes.append("detect.keep_fractions: no share leaves images of every class; all synthetic images were taken")
    return fractions


def _quality(settings: Detect, data: LabelledDataset, judge: Classifier) -> dict[str, list[float]]:
    """Of each filter, the quality of each synthetic image."""
    return {name: FILTERS[name](judge, data).tolist() for name in settings.filters}


def remoteness(
    asked: np.ndarray, classes: np.ndarray, real: np.ndarray, truth: np.ndarray, neighbour: int = NEIGHBOUR
) -> np.ndarray:
    """Distance to the K-th nearest real image of the class asked for (DeVries et al. 2020, Instance Selection for
    GANs, section 3).

    Euclidean, in features as they are: to divide them by their length would hide that an image shows hardly anything,
    or far too much, of what tells the classes apart. With K = 1 copies of real images would come before all that is
    new; from K = 2 on a copy is as far as the other real images are from its original, so that copying gains nothing.

    Args:
        asked: (m, d) features of synthetic images.
        classes: (m,) the class each was asked for.
        real: (n, d) features of real images.
        truth: (n,) class of each; every class asked for has one at least.
        neighbour: K; in a class with fewer images it is their number.

    Returns:
        (m,) float64.
    """
    found = np.empty(len(asked))
    for k in np.unique(classes):
        mine = np.flatnonzero(classes == k)
        others = torch.from_numpy(real[truth == k])
        for piece in np.split(mine, range(PIECE, len(mine), PIECE)):
            distances = torch.cdist(torch.from_numpy(asked[piece]), others)
            found[piece] = distances.kthvalue(min(neighbour, len(others)), dim=1).values.numpy()
    return found


def best(quality: np.ndarray, labels: np.ndarray, keep: float) -> np.ndarray:
    """(k,) ascending positions of the images of highest quality in each class; of equal ones the first.

    Args:
        quality: (m,).
        labels: (m,) classes.
        keep: fraction of each class, in [0, 1], rounded down.
    """
    parts = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    found = [rows[np.argsort(-quality[rows], kind="stable")[: count(len(rows), keep)]] for rows in parts]
    return np.sort(np.concatenate(found))


def count(images: int, keep: float) -> int:
    """How many a share of them is, rounded down; 29 % of 100 are 29, which floating point says are 28.999…"""
    return int(round(keep * images, 6))
