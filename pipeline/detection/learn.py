"""How a classifier learns, and what it then says of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pipeline.detection.order import batches
from pipeline.detection.pool import Pool
from pipeline.detection.resnet import resnet18
from pipeline.settings import Detect, ImageSpec
from pipeline.training.device import amp_dtype

CHECK = 50  # steps between looks at the loss; each makes an accelerator wait


def train(settings: Detect, spec: ImageSpec, pool: Pool, seed: int, tick=lambda steps: None) -> nn.Module:
    """A ResNet-18 after `settings.steps` AdamW steps, cosine decay to zero; all randomness comes from `seed`.

    Args:
        settings: `steps`, `batch`, `learning_rate`, `weight_decay` and `width`.
        spec: of the images.
        pool: the training images; their device is where training happens.
        seed: of the repetition.
        tick: called with a number of steps whenever that many more are done.

    Raises:
        FloatingPointError: the training diverged.
    """
    network = _initial(spec, settings.width, seed).to(pool.labels.device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    order = batches(seed, settings.steps, settings.batch, pool.n_real, len(pool) - pool.n_real, spec.symmetry)
    ticked = 0
    for step, (rows, views) in enumerate(order, 1):
        rows, views = (torch.from_numpy(a).to(pool.labels.device) for a in (rows, views))
        with _autocast(rows.device):
            loss = functional.cross_entropy(network(pool.images(rows, views)), pool.labels[rows])
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


@torch.inference_mode()
def predict(network: nn.Module, pool: Pool, batch: int) -> np.ndarray:
    """(N,) int64, the most probable class of every image of the pool."""
    rows = torch.arange(len(pool), device=pool.labels.device)
    with _autocast(rows.device):
        parts = [network(pool.images(part)).argmax(1) for part in rows.split(batch)]
    return torch.cat(parts).cpu().numpy()


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
