"""Small models and known images for the tests of the families."""

from pathlib import Path

import torch
import yaml
from torch import Tensor

from pipeline.gpu_check.subjects import narrow
from pipeline.settings import ImageSpec, Training, load

QUICK = Path(__file__).resolve().parents[2] / "config" / "quick.yaml"
TINY = {
    "dcgan": {"z_dim": 8, "learning_rate": 1e-3},
    "wgan_gp": {"z_dim": 8, "channels": 16},
    "cgan": {"z_dim": 8},
    "stylegan2_ada": {"z_dim": 8, "w_dim": 8, "channel_base": 128, "r1_every": 2},
    "projected_gan": {},
    "ddpm": {"attention": [8], "dropout": 0.1, "learning_rate": 3e-3, "sampling_steps": 20},
}


def tiny_settings(family: str, **changes) -> Training:
    """Settings of a model that makes an update in milliseconds: narrower still than those of the check of cards."""
    return narrow(family, **TINY[family] | changes)


def quick_settings(family: str, **changes) -> Training:
    """Settings of a model under the overlay of tiny budgets."""
    overlay = yaml.safe_load(QUICK.read_text())["all_models"] | changes
    config = {"datasets": {"d": {"source": "voronoi"}}, "models": {"m": {"family": family}}, "all_models": overlay}
    return load(config).models["m"]


def spec(size: int = 16, channels: int = 1, classes: int = 3) -> ImageSpec:
    return ImageSpec(size, size, channels, tuple("abcdefgh"[:classes]))


def batch(of: ImageSpec, n: int = 4) -> tuple[Tensor, Tensor]:
    """Random images (N, C, H, W) in [-1, 1], and labels that take turns."""
    rng = torch.Generator().manual_seed(5)
    images = torch.rand(n, of.channels, of.height, of.width, generator=rng) * 2 - 1
    return images, torch.arange(n) % len(of.classes)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
