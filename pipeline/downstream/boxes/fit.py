"""One detector of boxes: trained on what it may see, and what it finds in images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from pipeline.base.device import reproducible
from pipeline.downstream.boxes.augment import BoxAugmentation
from pipeline.downstream.boxes.box_dataset import BoxDataset
from pipeline.downstream.boxes.detector import BoxDetector, Detections
from pipeline.downstream.boxes.registry import DETECTORS
from pipeline.downstream.fit import fit
from pipeline.downstream.schedule import TrainingMix, presented
from pipeline.settings import DetectBoxes, ImageSpec

WARM = 0.1  # of the steps, over which the rate rises: first steps at full rate throw untrained boxes far away
REAL = TrainingMix(np.arange(0), 0.0)  # real images and nothing else
STEEPEST = 10.0  # norm of a gradient; a batch of few boxes can have one much larger than the others


def train(
    settings: DetectBoxes,
    spec: ImageSpec,
    classes: int,
    pool: BoxDataset,
    seed: int,
    tick: Callable[[int], object] = lambda steps: None,
    mix: TrainingMix = REAL,
) -> BoxDetector:
    """A detector after `settings.steps` AdamW steps; all randomness comes from `seed`.

    Args:
        settings: of the detectors.
        spec: of the images.
        classes: of boxes.
        pool: the training images; their device is where training happens.
        seed: of the repetition.
        tick: called with a number of steps whenever that many more are done.
        mix: what of the pool is seen beside its real images, and whether all are augmented. It is not `balanced`: an
            image may hold boxes of several classes.

    Raises:
        FloatingPointError: the training diverged.
    """
    device = pool.images.stored.device
    with _drawing_from(seed, device):
        # Drawn on the CPU, so that they are the same whatever trains them.
        network = DETECTORS[settings.detector](spec, classes, settings).to(device).to(memory_format=torch.channels_last)
        augment = BoxAugmentation(seed, device) if mix.augmented else None

        def loss(rows: np.ndarray, orientations: np.ndarray) -> Tensor:
            images, marks = pool.batch(rows, orientations)
            images, marks = augment(images, marks) if augment else (images, marks)
            return torch.stack(list(network.losses(images, marks).values())).sum()

        batches = presented(settings.steps, settings.batch, spec.symmetry, pool.images, mix, seed)
        network.again = augment is None
        fit(network, settings, batches, loss, tick, WARM, STEEPEST)
        network.again = True
    return network


@torch.inference_mode()
def find(network: BoxDetector, pool: BoxDataset, batch: int) -> list[Detections]:
    """What a detector finds in every image of the pool, on the CPU."""
    rows, found = np.arange(len(pool)), []
    with reproducible():
        for part in np.split(rows, rows[batch::batch]):
            images, _ = pool.batch(part, np.zeros(len(part), np.uint8))
            found += [Detections(*(value.cpu() for value in one)) for one in network.detect(images)]
    return found


@contextmanager
def _drawing_from(seed: int, device: torch.device) -> Iterator[None]:
    """Weights, and the samples that torchvision's detectors draw, from a seed."""
    with reproducible(), torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
