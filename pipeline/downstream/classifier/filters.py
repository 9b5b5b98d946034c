"""Which synthetic images to trust, by a detector of the real training images alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from pipeline.downstream.classifier.device_dataset import Pool
from pipeline.downstream.classifier.fit import features, log_probabilities

NEIGHBOUR = 5  # of the panel's balls too. A copy is its original's neighbour, and so are copies of near-duplicates
PIECE = 1024  # images whose distances to a class are held at once


def confidence(judge: nn.Module, pool: Pool, batch: int) -> np.ndarray:
    """(m,) log probability that the detector gives each synthetic image of the pool for the class asked for."""
    synthetic = np.arange(pool.n_real, len(pool))
    said = log_probabilities(judge, pool, synthetic, batch)
    return said[np.arange(len(synthetic)), pool.labels.cpu().numpy()[synthetic]]


def nearest(judge: nn.Module, pool: Pool, batch: int) -> np.ndarray:
    """(m,) minus the distance of each synthetic image of the pool to its 5th nearest training image (`remoteness`), in
    what the detector sees before it names a class."""
    seen, labels = features(judge, pool, None, batch), pool.labels.cpu().numpy()
    n = pool.n_real
    return -remoteness(seen[n:], labels[n:], seen[:n], labels[:n])


# What a filter says is greater for images that are trusted more.
FILTERS = {"confidence": confidence, "nearest": nearest}


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


def best(trust: np.ndarray, labels: np.ndarray, keep: float) -> np.ndarray:
    """Ascending positions of the share `keep` (rounded down) of each class that is trusted most; first come, first."""
    parts = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    found = [rows[np.argsort(-trust[rows], kind="stable")[: count(len(rows), keep)]] for rows in parts]
    return np.sort(np.concatenate(found))


def count(images: int, keep: float) -> int:
    """How many a share of them is, rounded down; 29 % of 100 are 29, which floating point says are 28.999…"""
    return int(round(keep * images, 6))
