"""Class-conditional GAN: DCGAN layout, conditional batch normalisation, projection discriminator, hinge loss.

Radford et al. 2016 (layout), de Vries et al. 2017 (normalisation), Miyato & Koyama 2018 (projection), Miyato et al.
2018 (spectral normalisation, hinge). The class enters the generator through the normalisations alone: given at its
input too, it drowned the latent, and every class collapsed to one image. At the default settings, for 128-pixel gray
images of 6 classes, the generator has 9.1 million parameters and the discriminator 2.7 million.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models import losses
from pipeline.models.base import adams, base_resolution
from pipeline.models.batch import Batch, MicroBatch
from pipeline.models.changes import Change
from pipeline.models.coarse import drawn_around
from pipeline.models.latent_vector_gan import LatentVectorGAN, LatentVectorGenerator
from pipeline.models.layers import ConditionalBatchNorm, Weighted, minibatch_std, precision, spectral_norm
from pipeline.settings import CGANSettings, ImageSpec

MOST_CHANNELS = 512


def widths(base: int, halvings: int) -> list[int]:
    """Channels from the finest resolution to the coarsest: doubled at every halving up to 512, or `base` if more."""
    return [min(base << i, max(base, MOST_CHANNELS)) for i in range(halvings + 1)]


class Generator(LatentVectorGenerator):
    """A latent is z and, where there is noise, that of every resolution from the second on, the coarsest first."""

    def __init__(self, settings: CGANSettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        channels = widths(settings.generator_channels, doublings)[::-1]
        self.start = (channels[0], height, width)
        sizes = [(height << i, width << i) for i in range(1, doublings + 1)] if settings.noise_strength else []
        self.lengths = [settings.z_dim, *itertools.starmap(operator.mul, sizes)]
        self.sizes = sizes
        self.dense = nn.Linear(settings.z_dim, math.prod(self.start), bias=False)
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, len(spec.classes)) for c in channels)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in itertools.pairwise(channels)
        )
        self.image = nn.Conv2d(channels[-1], spec.channels, 3, padding=1)
        self.strengths = nn.ParameterList(
            nn.Parameter(torch.full((c, 1, 1), settings.noise_strength)) for c in channels[1 : len(sizes) + 1]
        )
        for layer in (self.dense, *self.ups, self.image):
            nn.init.orthogonal_(layer.weight)
        self.around = self._around(settings, spec, channels)

    def forward(self, latents: Tensor, labels: Tensor, pictures: Tensor | None = None) -> Tensor:
        z, *noises = latents.split(self.lengths, 1)
        x = self.dense(z).unflatten(1, self.start)
        for i, (norm, up) in enumerate(zip(self.norms, self.ups, strict=False)):
            x = up(F.relu(norm(x, labels)))
            if noises:
                x = x + self.strengths[i].to(x.dtype) * noises[i].to(x.dtype).unflatten(1, (1, *self.sizes[i]))
            if self.around:
                x = self.around(i, x, pictures)
        image = self.image(F.relu(self.norms[-1](x, labels))).to(latents.dtype)
        return torch.tanh(image) if pictures is None else drawn_around(image, pictures)


class Judged(NamedTuple):
    """What the discriminator makes of images."""

    logits: Tensor  # (N,) the higher, the more real as images of their classes
    features: Tensor  # (N, D) what they are judged by


class Discriminator(nn.Module):
    """Images (N, C, H, W) and labels (N,) to what is said of them."""

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

    def forward(self, images: Tensor, labels: Tensor) -> Judged:
        x = images
        for down, same in zip(self.downs, self.sames, strict=False):
            x = F.leaky_relu(same(F.leaky_relu(down(x), 0.2)), 0.2)
        x = F.leaky_relu(self.downs[-1](x), 0.2)
        with precision(x):
            features = minibatch_std(x.to(self.linear.bias.dtype), labels).sum((2, 3))
            # Miyato & Koyama 2018, eq. 4: y' V φ(x) + ψ(φ(x))
            logits = self.linear(features).squeeze(1) + (self.embedding(labels) * features).sum(1)
            return Judged(logits, features)

    def class_loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """() Cross-entropy of the classes (N,) by V φ(x), the class terms of all logits that an image could have."""
        with precision(features):
            return F.cross_entropy(F.linear(features, self.embedding.weight), labels)


class CGAN(LatentVectorGAN):
    """The family `cgan`."""

    settings: CGANSettings

    def __init__(self, settings: CGANSettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        generator = Generator(settings, spec)
        self._drawn_by(generator, sum(generator.lengths))
        self.discriminator = Discriminator(settings, spec)

    def make_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        of = self.settings
        return adams((of.beta1, 0.99), G=(self.generator, of.generator_lr), D=(self.discriminator, of.discriminator_lr))

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        scalars = self.optimizer_step("D", self._discriminator_loss, batch)
        scalars |= self.optimizer_step("G", self._generator_loss, batch)
        self.average(self.generator)
        return scalars

    def _change(self, part: MicroBatch) -> Callable[[Tensor], Tensor]:
        return Change(part) if self.settings.augment else nn.Identity()

    def _with_class(self, loss: Tensor, judged: Judged, labels: Tensor, name: str) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and what is to be logged as `name`, with that of the class where it is wanted."""
        if not self.settings.class_weight:
            return loss, {name: loss}
        of_class = self.discriminator.class_loss(judged.features, labels)
        return loss + self.settings.class_weight * of_class, {name: loss, f"{name}/class": of_class}

    def _discriminator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        # Not compiled: its power iteration changes buffers between the two calls, before either's gradient is taken.
        discriminator = self.discriminator
        with self.autocast():
            with torch.no_grad():
                fake = self._fake(part).images
            change = self._change(part)
            real, drawn = (discriminator(change(x), part.labels) for x in (part.images, fake))
        hinge = losses.hinge_discriminator(real.logits, drawn.logits)
        loss, scalars = self._with_class(hinge, real, part.labels, "loss/D")
        return loss, scalars | {
            "logit/real": real.logits.mean(),
            "logit/fake": drawn.logits.mean(),
            "saturation": losses.saturation(real.logits, drawn.logits, 1.0),
        }

    def _generator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            fake = self._fake(part)
            drawn = self.discriminator(self._change(part)(fake.images), part.labels)
        missed, asked = self._missed(fake)
        loss, scalars = self._with_class(losses.hinge_generator(drawn.logits), drawn, part.labels, "loss/G")
        return loss + missed, scalars | asked

    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        return {"logit/held_out": self.discriminator(part.images, part.labels).logits.mean()}
