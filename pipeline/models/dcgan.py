"""Deep convolutional GAN (Radford et al. 2016): batch normalisation in both networks, binary cross-entropy.

Classes, where there are several, are given as Mirza & Osindero 2014 do: one-hot, beside the latent and, as planes of
ones and zeros, beside the image. Of one class it is the paper's network. Latents are normal, where the paper's are
uniform. At the default settings, for 128-pixel gray images of one class, the generator has 3.6 million parameters and
the discriminator 2.8 million.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models import losses
from pipeline.models.base import adams, base_resolution
from pipeline.models.batch import Batch, MicroBatch
from pipeline.models.coarse import drawn_around
from pipeline.models.latent_vector_gan import LatentVectorGAN, LatentVectorGenerator
from pipeline.models.layers import ScaledBatchNorm, channel_schedule, class_channels, precision, with_class
from pipeline.settings import DCGANSettings, ImageSpec


class Generator(LatentVectorGenerator):
    """A latent is z. The first layer is dense: the paper's "project and reshape", a convolution of one pixel."""

    def __init__(self, settings: DCGANSettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        channels = channel_schedule(settings.channels, doublings - 1)
        self.classes = len(spec.classes)
        self.start = (channels[0], height, width)
        self.dense = nn.Linear(settings.z_dim + class_channels(self.classes), math.prod(self.start), bias=False)
        self.norms = nn.ModuleList(ScaledBatchNorm(c) for c in channels)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in itertools.pairwise(channels)
        )
        self.image = nn.ConvTranspose2d(channels[-1], spec.channels, 4, stride=2, padding=1)
        initialise(self)
        self.around = self._around(settings, spec, channels)

    def forward(self, z: Tensor, labels: Tensor, pictures: Tensor | None = None) -> Tensor:
        x = self.dense(with_class(z, labels, self.classes)).unflatten(1, self.start)
        for i, (norm, up) in enumerate(zip(self.norms, self.ups, strict=False)):
            x = up(F.relu(norm(x)))
            if self.around:
                x = self.around(i, x, pictures)
        image = self.image(F.relu(self.norms[-1](x))).to(z.dtype)
        return torch.tanh(image) if pictures is None else drawn_around(image, pictures)


class Discriminator(nn.Module):
    """Images (N, C, H, W) and labels (N,) to logits (N,); σ of a logit is the probability that the image is real.

    The images of a call are normalised together: real and generated ones come in calls of their own.
    """

    def __init__(self, settings: DCGANSettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        self.classes = len(spec.classes)
        channels = channel_schedule(settings.discriminator_channels or settings.channels, doublings - 1)[::-1]
        self.first = nn.Conv2d(spec.channels + class_channels(self.classes), channels[0], 4, stride=2, padding=1)
        self.downs = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in itertools.pairwise(channels)
        )
        self.norms = nn.ModuleList(ScaledBatchNorm(c) for c in channels[1:])
        self.last = nn.Conv2d(channels[-1], 1, (height, width))
        initialise(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(with_class(images, labels, self.classes)), 0.2)
        for down, norm in zip(self.downs, self.norms, strict=True):
            x = F.leaky_relu(norm(down(x)), 0.2)
        with precision(x):
            return self.last(x.to(self.last.weight.dtype)).flatten()


def initialise(network: nn.Module) -> None:
    """Weights N(0, 0.02), biases 0 (Radford et al. 2016, section 4); normalisations have their own."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class DCGAN(LatentVectorGAN):
    """The family `dcgan`.

    An update is a step of the generator, then one of the discriminator (the steps take turns; which of them comes first
    matters to the first update alone). The first step of the discriminator sees the latents of the generator's: so what
    the generator's step did to D(G(z)) is known without another pass through the networks.
    """

    settings: DCGANSettings

    def __init__(self, settings: DCGANSettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        self._drawn_by(Generator(settings, spec), settings.z_dim)
        self.discriminator = Discriminator(settings, spec)

    def make_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        rate = self.settings.learning_rate
        return adams((self.settings.beta1, 0.999), G=(self.generator, rate), D=(self.discriminator, rate))

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        clip = self.settings.clip
        again = Batch(batch.images, batch.labels, batch.seed, batch.part)  # the same random numbers, from the first on
        scalars = self.optimizer_step("G", self._generator_loss, batch, clip=clip)
        scalars |= self.optimizer_step("D", self._discriminator_loss, again, clip=clip)
        for _ in range(self.settings.discriminator_steps - 1):
            self.optimizer_step("D", self._discriminator_loss, again, clip=clip)
        self.average(self.generator)
        return scalars

    def _generator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            fake = self._fake(part)
            logits = self._judge(fake.images, part)
        loss, (missed, asked) = losses.logistic_generator(logits), self._missed(fake)
        return loss + missed, {"loss/G": loss, "D(G(z))/before": logits.sigmoid().mean()} | asked

    def _discriminator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            with torch.no_grad():
                fake = self._fake(part).images
            fake_logits = self._judge(fake, part)  # first, so that noise is what it was before the generator's step
            real_logits = self._judge(part.images, part)
        loss = losses.logistic_discriminator(real_logits, fake_logits)
        return loss, {
            "loss/D": loss,
            "logit/real": real_logits.mean(),
            "logit/fake": fake_logits.mean(),
            "D(x)": real_logits.sigmoid().mean(),
            "D(G(z))/after": fake_logits.sigmoid().mean(),
            "saturation": losses.saturation(real_logits, fake_logits, losses.CERTAIN),
        }

    def _judge(self, images: Tensor, part: MicroBatch) -> Tensor:
        if self.settings.input_noise:
            images = images + self.settings.input_noise * part.rng.normal(*images.shape[1:])
        return self.compiled(self.discriminator)(images, part.labels)

    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        """Normalised by the running statistics of all that the discriminator saw, real and generated."""
        return {"logit/held_out": self.discriminator(part.images, part.labels).mean()}
