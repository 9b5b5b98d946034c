"""The families of generators. A family is one file, one line here and one settings class."""

from __future__ import annotations

import torch

from pipeline.models.base import GenerativeModel
from pipeline.models.cgan import CGAN
from pipeline.models.dcgan import DCGAN
from pipeline.models.ddpm import DDPM
from pipeline.models.elastic import Warp
from pipeline.models.projected_gan import ProjectedGAN
from pipeline.models.quilting import Quilting
from pipeline.models.stylegan2_ada import StyleGAN2ADA
from pipeline.models.untrained import Recombination
from pipeline.models.wgan_gp import WGANGP
from pipeline.settings import ImageSpec, Training, Untrained

FAMILIES: dict[str, type[GenerativeModel]] = {
    "dcgan": DCGAN,
    "cgan": CGAN,
    "wgan_gp": WGANGP,
    "stylegan2_ada": StyleGAN2ADA,
    "ddpm": DDPM,
    "projected_gan": ProjectedGAN,
}
UNTRAINED: dict[str, type[Recombination]] = {"quilting": Quilting, "warp": Warp}


def build(settings: Training, spec: ImageSpec, amp: torch.dtype | None = None) -> GenerativeModel:
    """The model that `settings.family` names, initialised from the global generator, on the CPU.

    Raises:
        UserError: a size of image that the family cannot make.
    """
    return FAMILIES[settings.family](settings, spec, amp)


def build_untrained(settings: Untrained, spec: ImageSpec) -> Recombination:
    """The generator without training that `settings.family` names, still without any images."""
    return UNTRAINED[settings.family](settings, spec)
