"""The networks and images that are checked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline import models
from pipeline.data.image_set import ImageSetWriter
from pipeline.models.base import GenerativeModel
from pipeline.settings import ImageSpec, Training, model_settings

CLASSES = ("horizontal", "vertical")
# Every layer and every phase of an update, in few channels.
NARROW: dict[str, dict[str, Any]] = {
    "dcgan": {"z_dim": 16, "channels": 32, "learning_rate": 3e-3},
    "cgan": {"z_dim": 16, "generator_channels": 8, "discriminator_channels": 8},
    "wgan_gp": {"z_dim": 16, "channels": 32, "critic_steps": 2},
    "stylegan2_ada": {"z_dim": 16, "w_dim": 16, "channel_base": 512, "channel_max": 16, "r1_every": 4},
    "projected_gan": {
        "z_dim": 8,
        "generator_channels": 8,
        "most_channels": 16,
        "discriminator_channels": 16,
        "lr_warmup_images": 0,
    },
    "ddpm": {
        "channels": 8,
        "multipliers": [1, 2],
        "blocks": 1,
        "attention": [16],
        "heads": 2,
        "dropout": 0.0,
        "lr_warmup_images": 0,
        "sampling_steps": 5,
    },
}
PRECISIONS = {"fp32": None, "tf32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def narrow(family: str, **changes: Any) -> Training:
    """Settings of a model that makes an update in a fraction of a second on a CPU."""
    return model_settings({"family": family, "batch": 4} | NARROW[family] | changes)


def built(settings: Training, size: int, device: torch.device, amp: torch.dtype | None) -> GenerativeModel:
    """The same model whatever the device: made on the CPU, and lively."""
    torch.manual_seed(0)
    model = models.build(settings, ImageSpec(size, size, 1, CLASSES), amp)
    _enliven(model)
    return model.to(device).to(memory_format=torch.channels_last)


@torch.no_grad()
def _enliven(model: GenerativeModel) -> None:
    """Weights that pass signals and gradients through every layer, as they do once trained: none smaller than He et al.
    2015 (eq. 10) would have it, no bias 0, and half of the augmentations at work."""
    for parameter in model.parameters():
        spread = math.sqrt(2 / parameter[0].numel()) if parameter.ndim > 1 else 0.1
        if parameter.std() < spread if parameter.ndim > 1 else not parameter.any():
            parameter.normal_(0, spread)
    for name, buffer in model.named_buffers():
        if name == "augmentation.p":
            buffer.fill_(0.5)


def noise(n: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images (n, 1, size, size) in [-1, 1], the same on every device, and labels (n,) in turn."""
    images = torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    labels = torch.arange(n) % len(CLASSES)
    return images.to(device, memory_format=torch.channels_last), labels.to(device)


def stripes(path: Path, size: int, n: int = 64) -> Path:
    """An image set of two classes, horizontal and vertical stripes of random phase and period."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    names = np.array(CLASSES)[np.arange(n) % 2]
    ids = [f"stripes_{i:03d}" for i in range(n)]
    columns_of = {"id": ids, "label": names, "source": ids, "row": 0, "col": 0, "group": ids, "split": "train"}
    meta = {
        "classes": list(CLASSES),
        "symmetry": "both",
        "dtype": "uint8",
        "scaling": {"rule": "dtype", "low": 0, "high": 255},
        "pixel_size": None,
        "unit": "px",
    }
    with ImageSetWriter(path, n, size, size, 1, "uint8") as writer:
        for i, name in enumerate(names):
            along = rows if name == "horizontal" else columns
            wave = np.sin(2 * np.pi * (along / (size / rng.uniform(2, 6)) + rng.uniform()))
            pixels = 127.5 + 80 * wave + rng.normal(0, 5, (size, size))
            writer[i] = np.clip(pixels, 0, 255).astype(np.uint8)[..., None]
        writer.finish(pd.DataFrame(columns_of), meta)
    return path
