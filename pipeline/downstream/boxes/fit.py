"""One detector of boxes: trained on what it may see, and what it finds in images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from pipeline.base.device import reproducible
from pipeline.downstream.boxes.augment import BoxAugmentation
from pipeline.downstream.boxes.box_dataset import BoxDataset
from pipeline.downstream.boxes.detector import BoxDetector, Detections
from pipeline.downstream.boxes.registry import DETECTORS
from pipeline.downstream.classifier.scratch import CHECK
from pipeline.downstream.schedule import TrainingMix, presented
from pipeline.settings import DetectBoxes, ImageSpec, UserError

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
        tick: called with 1 after every step.
        mix: what of the pool is seen beside its real images, and whether all are augmented. It is not `balanced`: an
            image may hold boxes of several classes.

    Raises:
        UserError: the loss was not finite.
    """
    device = pool.images.stored.device
    with _drawing_from(seed, device):
        # Drawn on the CPU, so that they are the same whatever trains them.
        network = DETECTORS[settings.detector](spec, classes, settings).to(device).to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(
            network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, settings.steps))
        augment = BoxAugmentation(seed, device) if mix.augmented else None
        order = presented(settings.steps, settings.batch, spec.symmetry, pool.images, mix, seed)
        for step, (rows, orientations) in enumerate(order, 1):
            images, marks = pool.batch(rows, orientations)
            images, marks = augment(images, marks) if augment else (images, marks)
            loss = sum(network.losses(images, marks).values(), torch.zeros((), device=device))
            if (step % CHECK == 0 or step == settings.steps) and not torch.isfinite(loss):
                raise UserError(
                    f"detect.boxes.learning_rate: {settings.learning_rate:g}, the loss was not finite at step {step}; "
                    "lower it"
                )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), STEEPEST)
            optimizer.step()
            schedule.step()
            tick(1)
    return network.eval()


def rate(step: int, steps: int) -> float:
    """The learning rate of a step over its peak: up in a line, then half a cosine down to 0 after the last."""
    return min(1.0, (step + 1) / (WARM * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps))


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
