"""One classifier: its training, and what it says of images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.device import amp_dtype
from pipeline.downstream.classifier.augment import Augmentation
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.resnet import body, resnet18
from pipeline.downstream.schedule import TrainingMix, presented
from pipeline.settings import Detect, ImageSpec

CHECK = 50  # steps between looks at the loss; each makes an accelerator wait


def train(
    settings: Detect, spec: ImageSpec, pool: DeviceDataset, mix: TrainingMix, seed: int, tick=lambda steps: None
) -> nn.Module:
    """A ResNet-18 after `settings.steps` AdamW steps, cosine decay to zero; all randomness comes from `seed`.

    Args:
        settings: `steps`, `batch`, `learning_rate`, `weight_decay` and `width`.
        spec: of the images.
        pool: the training images; their device is where training happens.
        mix: what of the pool is seen.
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
    augment = Augmentation(seed, device) if mix.augmented else None
    ticked = 0
    for step, (rows, orientations) in enumerate(
        presented(settings.steps, settings.batch, spec.symmetry, pool, mix, seed), 1
    ):
        at = pool.at(rows, orientations)
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


def log_probabilities(network: nn.Module, pool: DeviceDataset, rows: np.ndarray | None, batch: int) -> np.ndarray:
    """(n, K) float64, log of the probability of each class for these rows of the pool, None for all."""
    return _logits(network, pool, rows, batch).log_softmax(1).cpu().double().numpy()


def features(network: nn.Module, pool: DeviceDataset, rows: np.ndarray | None, batch: int) -> np.ndarray:
    """(n, 8 × width) float64, what the detector sees in these rows of the pool, None for all, before it names any."""
    return _logits(body(network), pool, rows, batch).cpu().double().numpy()


@torch.inference_mode()
def _logits(network: nn.Module, pool: DeviceDataset, rows: np.ndarray | None, batch: int) -> Tensor:
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
