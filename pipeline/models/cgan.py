"""Class-conditional GAN: DCGAN layout, conditional batch normalisation, projection discriminator, hinge loss.

Radford et al. 2016 (layout), de Vries et al. 2017 (normalisation), Miyato & Koyama 2018 (projection), Miyato et al.
2018 (spectral normalisation, hinge). The class enters the generator through the normalisations alone: given at its
input too, it drowned the latent, and every class collapsed to one image. At the default settings, for 128-pixel gray
images of 6 classes, the generator has 9.1 million parameters and the discriminator 2.7 million.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models import ema, losses
from pipeline.models.base import LatentVectorGAN, base_resolution
from pipeline.models.batch import Batch, MicroBatch
from pipeline.models.changes import Change
from pipeline.models.layers import ConditionalBatchNorm, Weighted, minibatch_std, precision, spectral_norm
from pipeline.settings import CGANSettings, ImageSpec

MOST_CHANNELS = 512


def widths(base: int, halvings: int) -> list[int]:
    """Channels from the finest resolution to the coarsest: doubled at every halving up to 512, or `base` if more."""
    return [min(base << i, max(base, MOST_CHANNELS)) for i in range(halvings + 1)]


class Generator(nn.Module):
    """z (N, z_dim) and labels (N,) to images (N, C, H, W) in [-1, 1]."""

    def __init__(self, settings: CGANSettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        channels = widths(settings.generator_channels, doublings)[::-1]
        self.start = (channels[0], height, width)
        self.dense = nn.Linear(settings.z_dim, math.prod(self.start), bias=False)
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, len(spec.classes)) for c in channels)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in itertools.pairwise(channels)
        )
        self.image = nn.Conv2d(channels[-1], spec.channels, 3, padding=1)
        for layer in (self.dense, *self.ups, self.image):
            nn.init.orthogonal_(layer.weight)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        x = self.dense(z).unflatten(1, self.start)
        for norm, up in zip(self.norms, self.ups, strict=False):
            x = up(F.relu(norm(x, labels)))
        return torch.tanh(self.image(F.relu(self.norms[-1](x, labels))).to(z.dtype))


class Discriminator(nn.Module):
    """Images (N, C, H, W) and labels (N,) to logits (N,)."""

    def __init__(self, settings: CGANSettings, spec: ImageSpec):
        super().__init__()

        def wrap(layer: Weighted) -> Weighted:
            return spectral_norm(layer) if settings.spectral_norm else layer

        base = settings.discriminator_channels
        channels = [spec.channels, *widths(base, base_resolution(spec, settings.family)[2] - 1)]
        self.downs = nn.ModuleList(
            wrap(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in itertools.pairwise(channels)
        )
        self.sames = nn.ModuleList(wrap(nn.Conv2d(c, c, 3, padding=1)) for c in channels[1:-1])
        self.linear = wrap(nn.Linear(channels[-1] + 1, 1))
        self.embedding = wrap(nn.Embedding(len(spec.classes), channels[-1] + 1))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        x = images
        for down, same in zip(self.downs, self.sames, strict=False):
            x = F.leaky_relu(same(F.leaky_relu(down(x), 0.2)), 0.2)
        x = F.leaky_relu(self.downs[-1](x), 0.2)
        with precision(x):
            features = minibatch_std(x.to(self.linear.bias.dtype), labels).sum((2, 3))
            # Miyato & Koyama 2018, eq. 4: y' V φ(x) + ψ(φ(x))
            return self.linear(features).squeeze(1) + (self.embedding(labels) * features).sum(1)


class CGAN(LatentVectorGAN):
    """The family `cgan`."""

    settings: CGANSettings

    def __init__(self, settings: CGANSettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        self.generator = Generator(settings, spec)
        self.discriminator = Discriminator(settings, spec)
        self.ema = ema.averaged_copy(self.generator)
        self.latent_length = settings.z_dim
        betas = (settings.beta1, 0.99)
        self.optimizers = {
            "G": torch.optim.Adam(self.generator.parameters(), settings.generator_lr, betas, fused=True),
            "D": torch.optim.Adam(self.discriminator.parameters(), settings.discriminator_lr, betas, fused=True),
        }

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        scalars = self.optimizer_step("D", self._discriminator_loss, batch)
        scalars |= self.optimizer_step("G", self._generator_loss, batch)
        self.average(self.generator)
        return scalars

    def _change(self, part: MicroBatch) -> Callable[[Tensor], Tensor]:
        return Change(part) if self.settings.augment else nn.Identity()

    def _discriminator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        # Not compiled: its power iteration changes buffers between the two calls, before either's gradient is taken.
        discriminator = self.discriminator
        with self.autocast():
            with torch.no_grad():
                fake = self._fake(part)
            change = self._change(part)
            real_logits, fake_logits = (discriminator(change(x), part.labels) for x in (part.images, fake))
        loss = losses.hinge_discriminator(real_logits, fake_logits)
        return loss, {
            "loss/D": loss,
            "logit/real": real_logits.mean(),
            "logit/fake": fake_logits.mean(),
            "saturation": losses.saturation(real_logits, fake_logits, 1.0),
        }

    def _generator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            fake = self._fake(part)
            loss = losses.hinge_generator(self.discriminator(self._change(part)(fake), part.labels))
        return loss, {"loss/G": loss}

    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        return {"logit/held_out": self.discriminator(part.images, part.labels).mean()}
