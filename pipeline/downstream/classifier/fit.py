"""One detector: trained on what it may see, and what it says of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.device import amp_dtype
from pipeline.downstream.classifier.augment import Augmentation
from pipeline.downstream.classifier.device_dataset import Pool
from pipeline.downstream.classifier.resnet import body, resnet18
from pipeline.downstream.schedule import batches
from pipeline.settings import Detect, ImageSpec

CHECK = 50  # steps between looks at the loss; each makes an accelerator wait


@dataclass(frozen=True)
class Diet:
    """Which images of a pool a detector learns from besides its real ones, and how all are presented."""

    extra: np.ndarray
    """(m,) int64, rows of the pool for the places of synthetic images: kept ones, or real ones once more; or none."""
    ratio: float
    """Extra places for each real one; `inf`: no real image is seen."""
    augmented: bool = False
    balanced: bool = False


def train(settings: Detect, spec: ImageSpec, pool: Pool, diet: Diet, seed: int, tick=lambda steps: None) -> nn.Module:
    """A ResNet-18 after `settings.steps` AdamW steps, cosine decay to zero; all randomness comes from `seed`.

    Args:
        settings: `steps`, `batch`, `learning_rate`, `weight_decay` and `width`.
        spec: of the images.
        pool: the training images; their device is where training happens.
        diet: what of the pool is seen.
        seed: of the repetition.
        tick: called with a number of steps whenever that many more are done.

    Raises:
        FloatingPointError: the training diverged.
    """
    device = pool.labels.device
    network = _initial(spec, settings.width, seed).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    augment = Augmentation(seed, device) if diet.augmented else None
    ticked = 0
    for step, (rows, views) in enumerate(presented(settings.steps, settings.batch, spec.symmetry, pool, diet, seed), 1):
        at = pool.at(rows, views)
        images = pool.turned(at)
        images = augment(images) if augment else images
        with _autocast(device):
            loss = functional.cross_entropy(network(images), pool.labels[at.rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % CHECK == 0 or step == settings.steps:
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss was not finite at step {step}")
            tick(step - ticked)
            ticked = step
    return network.eval()


def presented(
    steps: int, batch: int, symmetry: str, pool: Pool, diet: Diet, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(batch,) rows of the pool and views of each step, as `order.batches` gives them for a diet."""
    labels, seen = pool.labels.cpu().numpy(), np.concatenate([np.arange(pool.n_real), diet.extra])
    real, extra = labels[: pool.n_real], labels[diet.extra]
    order = batches(seed, steps, batch, real, extra, diet.ratio, symmetry, balanced=diet.balanced)
    return ((seen[rows], views) for rows, views in order)


def log_probabilities(network: nn.Module, pool: Pool, rows: np.ndarray | None, batch: int) -> np.ndarray:
    """(n, K) float64, log of the probability of each class for these rows of the pool, None for all."""
    return _said(network, pool, rows, batch).log_softmax(1).cpu().double().numpy()


def features(network: nn.Module, pool: Pool, rows: np.ndarray | None, batch: int) -> np.ndarray:
    """(n, 8 × width) float64, what the detector sees in these rows of the pool, None for all, before it names any."""
    return _said(body(network), pool, rows, batch).cpu().double().numpy()


@torch.inference_mode()
def _said(network: nn.Module, pool: Pool, rows: np.ndarray | None, batch: int) -> Tensor:
    rows = np.arange(len(pool)) if rows is None else rows
    asked = torch.from_numpy(rows).to(pool.labels.device)
    with _autocast(asked.device):
        return torch.cat([network(pool.images(part)) for part in asked.split(batch)]).float()


def _initial(spec: ImageSpec, width: int, seed: int) -> nn.Module:
    """Drawn on the CPU, so that they are the same whatever trains them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return resnet18(spec, width)


def _autocast(device: torch.device) -> torch.autocast:
    amp = amp_dtype("auto", device)
    return torch.autocast(device.type, amp or torch.float32, enabled=amp is not None)


@contextmanager
def reproducible() -> Iterator[None]:
    """The same convolution algorithm in every arm, and one that adds up in a fixed order."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield
