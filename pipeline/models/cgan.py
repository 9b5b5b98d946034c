"""Class-conditional GAN: DCGAN layout, conditional batch normalisation, projection discriminator, hinge loss.

Radford et al. 2016 (layout), de Vries et al. 2017 (normalisation), Miyato & Koyama 2018 (projection), Miyato et al.
2018 (spectral normalisation, hinge). The class enters the generator through the normalisations alone: given at its
input too, it drowned the latent, and every class collapsed to one image. At the default settings, for 128-pixel gray
images of 6 classes, the generator has 9.1 million parameters and the discriminator 2.7 million.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models import ema, losses
from pipeline.models.base import GenerativeModel, latents, optimise, require_power_of_two
from pipeline.models.layers import ConditionalBatchNorm, minibatch_std, precision, spectral_norm
from pipeline.settings import CGAN as CGANSettings
from pipeline.settings import ImageSpec

MOST_CHANNELS = 512


def widths(base: int, halvings: int) -> list[int]:
    """Channels from the finest resolution to the coarsest: doubled at every halving up to 512, or `base` if more."""
    return [min(base << i, max(base, MOST_CHANNELS)) for i in range(halvings + 1)]


class Generator(nn.Module):
    """z (N, z_dim) and labels (N,) to images (N, C, size, size) in [-1, 1]."""

    def __init__(self, settings: CGANSettings, spec: ImageSpec):
        super().__init__()
        channels = widths(settings.generator_channels, spec.height.bit_length() - 3)[::-1]
        self.dense = nn.Linear(settings.z_dim, channels[0] * 16, bias=False)
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, len(spec.classes)) for c in channels)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in itertools.pairwise(channels)
        )
        self.image = nn.Conv2d(channels[-1], spec.channels, 3, padding=1)
        for layer in (self.dense, *self.ups, self.image):
            nn.init.orthogonal_(layer.weight)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        x = self.dense(z).unflatten(1, (-1, 4, 4))
        for norm, up in zip(self.norms, self.ups, strict=False):
            x = up(F.relu(norm(x, labels)))
        return torch.tanh(self.image(F.relu(self.norms[-1](x, labels))).float())


class Discriminator(nn.Module):
    """Images (N, C, size, size) and labels (N,) to logits (N,)."""

    def __init__(self, settings: CGANSettings, spec: ImageSpec):
        super().__init__()
        wrap = spectral_norm if settings.spectral_norm else lambda layer: layer
        base = settings.discriminator_channels
        channels = [spec.channels, *widths(base, spec.height.bit_length() - 4)]
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
            features = minibatch_std(x.float(), labels).sum((2, 3))
            # Miyato & Koyama 2018, eq. 4: y' V φ(x) + ψ(φ(x))
            return self.linear(features).squeeze(1) + (self.embedding(labels) * features).sum(1)


class CGAN(GenerativeModel):
    """The family `cgan`."""

    def __init__(self, settings: CGANSettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        require_power_of_two(spec, settings.family)
        self.generator = Generator(settings, spec)
        self.discriminator = Discriminator(settings, spec)
        self.ema = ema.averaged_copy(self.generator)
        betas = (settings.beta1, 0.99)
        self.optimizers = {
            "G": torch.optim.Adam(self.generator.parameters(), settings.generator_rate, betas, fused=True),
            "D": torch.optim.Adam(self.discriminator.parameters(), settings.discriminator_rate, betas, fused=True),
        }

    def train_step(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        self.train()
        n = len(images)
        z = torch.randn(n, self.settings.z_dim, generator=rng, device=images.device)
        with self.autocast():
            fake = self.generator(z, labels)
            real_logits = self.discriminator(images, labels)
            fake_logits = self.discriminator(fake.detach(), labels)
        loss_d = losses.hinge_discriminator(real_logits, fake_logits)
        optimise(self.optimizers["D"], loss_d)
        self.discriminator.requires_grad_(False)
        with self.autocast():
            loss_g = losses.hinge_generator(self.discriminator(fake, labels))
        optimise(self.optimizers["G"], loss_g)
        self.discriminator.requires_grad_(True)
        self.updates += 1
        keep = ema.decay(n, self.updates * n, self.settings.ema_images, self.settings.ema_rampup)
        ema.update(self.ema, self.generator, keep)
        scalars = {
            "loss/G": loss_g,
            "loss/D": loss_d,
            "logit/real": real_logits.mean(),
            "logit/fake": fake_logits.mean(),
        }
        return {name: value.detach() for name, value in scalars.items()}

    @torch.no_grad()
    def sample(self, labels: Tensor, seeds: Tensor) -> Tensor:
        z = latents(seeds, self.settings.z_dim).to(self.device)
        return self.ema.eval()(z, labels.to(self.device))
