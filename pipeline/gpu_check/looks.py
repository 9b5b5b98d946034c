"""What does no training of generators: drawing, what looks at images, detectors."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.base import imagenet
from pipeline.base.device import full_precision, reproducible
from pipeline.downstream.boxes import fit as boxes
from pipeline.downstream.boxes.box_dataset import BoxDataset
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.resnet import body, resnet18
from pipeline.downstream.classifier.scratch import Scratch
from pipeline.downstream.schedule import TrainingMix
from pipeline.gpu_check.rows import Finding
from pipeline.gpu_check.subjects import CLASSES, built, noise
from pipeline.metrics.random_networks import RandomNetworks
from pipeline.settings import Detect, DetectBoxes, ImageSpec, Training
from pipeline.training.snapshots import draw

FEATURES = 1e-4  # of the largest feature
IMAGE = 0.1  # of how unlike two images are, each drawn in two batches

Train = Callable[[], nn.Module]


def drawing(settings: Training, size: int, device: torch.device, amp: torch.dtype | None, n: int) -> Finding:
    """n images at once, and the same in batches of 5; how many a second the first time is no part of."""
    model = built(settings, size, device, amp)
    labels, seeds = torch.arange(n) % len(CLASSES), torch.arange(n)
    draw(model, labels, seeds, n)
    begun = time.perf_counter()
    together = draw(model, labels, seeds, n)
    rate = n / (time.perf_counter() - begun)
    apart, levels = unlike(together, draw(model, labels, seeds, 5))
    said = {"apart": apart, "levels": levels, "images_a_second": rate}
    return Finding(said, apart <= IMAGE, f"apart ≤ {IMAGE}")


def unlike(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Images (n, C, H, W) in [-1, 1] drawn twice: root mean square of the difference, over that of two of different
    seeds; the largest difference in levels of 255."""
    between = (a - a.roll(1, 0)).square().mean().sqrt()
    return float((a - b).square().mean().sqrt() / between), float((a - b).abs().max() * 127.5)


def features(size: int, device: torch.device, amplified: float = 1.0) -> Finding:
    """The random networks, a classifier as `class_features` has it, the ImageNet network: on the device and on the CPU.

    Args:
        amplified: factor of what is seen on the device; not 1 is for showing that a wrong one is found.
    """
    images = noise(8, size, torch.device("cpu"))[0].contiguous()
    spec = ImageSpec(size, size, 1, CLASSES)
    torch.manual_seed(0)
    networks = [body(resnet18(spec, 8).eval()), imagenet.EfficientNetLite0(imagenet.load(), 1)]
    errors = {}
    with torch.inference_mode(), full_precision():
        at_home = [*RandomNetworks(1, size, torch.device("cpu"))(images), *(network(images) for network in networks)]
        seen = images.to(device)
        there = [*RandomNetworks(1, size, device)(seen), *(network.to(device)(seen) for network in networks)]
    for name, a, b in zip(("random", "gram", "classifier", "imagenet"), there, at_home, strict=True):
        errors[name] = float((a.cpu() * amplified - b).abs().max() / b.abs().max())
    return Finding(errors, max(errors.values()) <= FEATURES, f"each ≤ {FEATURES}")


def detector(kind: str, size: int, device: torch.device, steps: int, width: int) -> Finding:
    """Two trainings of one seed: the same bits, on any device; milliseconds a step of the second."""
    return twice(
        _classifier(size, device, steps, width) if kind == "classes" else _finder(size, device, steps, width), steps
    )


def twice(train: Train, steps: int) -> Finding:
    first = train()
    begun = time.perf_counter()
    second = train()
    weights = [torch.cat([p.detach().flatten().cpu() for p in network.parameters()]) for network in (first, second)]
    ms = (time.perf_counter() - begun) / steps * 1e3
    apart = float((weights[0] - weights[1]).abs().max())
    return Finding({"apart": apart, "ms_a_step": ms}, torch.equal(*weights), "bits")


def _pool(size: int, device: torch.device) -> DeviceDataset:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (96, size, size, 1), dtype=torch.uint8, generator=rng)
    return DeviceDataset(images.to(device), (torch.arange(96) % len(CLASSES)).to(device), 96)


def _classifier(size: int, device: torch.device, steps: int, width: int) -> Train:
    pool, settings = _pool(size, device), Detect(steps=steps, batch=16, width=width)

    def train() -> nn.Module:
        with reproducible():
            mix = TrainingMix(np.arange(0), 0.0, augmented=True)
            spec = ImageSpec(size, size, 1, CLASSES, "both")
            return Scratch().train(settings, spec, pool, mix, 0, lambda steps: None).network

    return train


def _finder(size: int, device: torch.device, steps: int, width: int) -> Train:
    """Of one box an image, of a quarter of its side or more."""
    corner = np.random.default_rng(0).uniform(0, size / 2, (96, 1, 2))
    marks = np.concatenate([corner, corner + size / 4 + corner % 1 * size / 4], 2).astype(np.float32)
    pool = BoxDataset(_pool(size, device), marks, np.arange(96)[:, None] % 2)
    settings = DetectBoxes(steps=steps, batch=16, width=width)
    mix = TrainingMix(np.arange(0), 0.0, augmented=True)
    return lambda: boxes.train(settings, ImageSpec(size, size, 1, CLASSES, "both"), 2, pool, 0, mix=mix)
