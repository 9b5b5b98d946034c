"""Wasserstein GAN with gradient penalty (Gulrajani et al. 2017): no normalisation, a critic without bounds.

The generator doubles the resolution by repeating pixels before its convolutions, which leaves no checkerboard. Classes,
where there are several, are given as in `dcgan`. At the default settings, for 128-pixel gray images of one class, the
generator has 2.6 million parameters and the critic 2.8 million.
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
from pipeline.models.layers import channel_schedule, class_channels, precision, with_class
from pipeline.settings import ImageSpec, WGANGPSettings


class Generator(LatentVectorGenerator):
    """A latent is z."""

    def __init__(self, settings: WGANGPSettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        channels = channel_schedule(settings.channels, doublings)
        self.classes = len(spec.classes)
        self.start = (channels[0], height, width)
        self.dense = nn.Linear(settings.z_dim + class_channels(self.classes), math.prod(self.start))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(channels))
        self.image = nn.Conv2d(channels[-1], spec.channels, 3, padding=1)
        initialise(self)
        self.around = self._around(settings, spec, channels)

    def forward(self, z: Tensor, labels: Tensor, pictures: Tensor | None = None) -> Tensor:
        # Leaky, unlike in DCGAN: without normalisation, plain rectifiers pass on little of what differs from z to z.
        x = F.leaky_relu(self.dense(with_class(z, labels, self.classes)), 0.2).unflatten(1, self.start)
        for i, conv in enumerate(self.convs):
            x = conv(F.interpolate(x, scale_factor=2, mode="nearest"))
            x = F.leaky_relu(self.around(i, x, pictures) if self.around else x, 0.2)
        image = self.image(x).to(z.dtype)
        return torch.tanh(image) if pictures is None else drawn_around(image, pictures)


class Critic(nn.Module):
    """Images (N, C, H, W) and labels (N,) to scores (N,), unbounded; the higher, the more real.

    No image's score depends on another image: the penalty is of each image's own gradient.
    """

    def __init__(self, settings: WGANGPSettings, spec: ImageSpec):
        super().__init__()
        height, width, doublings = base_resolution(spec, settings.family)
        self.classes = len(spec.classes)
        channels = channel_schedule(settings.channels, doublings - 1)[::-1]
        inputs = spec.channels + class_channels(self.classes)
        self.downs = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise([inputs, *channels])
        )
        # One group is all channels and pixels of an image: layer normalisation (Ba et al. 2016).
        norms = [nn.GroupNorm(1, c) if settings.layer_norm else nn.Identity() for c in channels[1:]]
        self.norms = nn.ModuleList([nn.Identity(), *norms])
        # Without a bias: differences of scores are all that counts.
        self.linear = nn.Linear(channels[-1] * height * width, 1, bias=False)
        initialise(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        x = with_class(images, labels, self.classes)
        for down, norm in zip(self.downs, self.norms, strict=True):
            x = F.leaky_relu(norm(down(x)), 0.2)
        with precision(x):
            return self.linear(x.to(self.linear.weight.dtype).flatten(1)).squeeze(1)


def initialise(network: nn.Module) -> None:
    """Normal weights that keep the scale of what rectifiers pass on (He et al. 2015, eq. 15), biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, 0.2)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class WGANGP(LatentVectorGAN):
    """The family `wgan_gp`.

    An update is `critic_steps` steps of the critic and one of the generator. Every step of the critic sees the update's
    real images, with latents and interpolates of its own: progress counts each image once.
    """

    settings: WGANGPSettings

    def __init__(self, settings: WGANGPSettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        self._drawn_by(Generator(settings, spec), settings.z_dim)
        self.critic = Critic(settings, spec)

    def make_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        of = self.settings
        return adams((of.beta1, 0.9), G=(self.generator, of.generator_lr), D=(self.critic, of.critic_lr))

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        scalars: dict[str, Tensor] = {}
        for _ in range(self.settings.critic_steps):  # logged is the last, the best estimate of the distance
            scalars = self.optimizer_step("D", self._critic_loss, batch)
        scalars |= self.optimizer_step("G", self._generator_loss, batch)
        self.average(self.generator)
        return scalars

    def _critic_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            with torch.no_grad():
                fake = self._fake(part).images
            critic = self.compiled(self.critic)
            real_scores, fake_scores = critic(part.images, part.labels), critic(fake, part.labels)
        norms = self._gradient_norms(part, fake)
        wasserstein = real_scores.mean() - fake_scores.mean()
        loss = -wasserstein + self.settings.penalty * losses.gradient_penalty(norms).mean()
        return loss, {
            "loss/D": loss,
            "wasserstein": wasserstein,
            "gradient_norm": norms.mean(),
            "logit/real": real_scores.mean(),
            "logit/fake": fake_scores.mean(),
        }

    def _gradient_norms(self, part: MicroBatch, fake: Tensor) -> Tensor:
        """(n,) of the critic at points between real and generated images; in float32 and never compiled, since it is
        differentiated again."""
        points = torch.lerp(part.images, fake, part.rng.uniform(1, 1, 1)).requires_grad_()
        return losses.gradient_norms(points, self.critic(points, part.labels))

    def _generator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            fake = self._fake(part)
            loss = -self.compiled(self.critic)(fake.images, part.labels).mean()
        missed, asked = self._missed(fake)
        return loss + missed, {"loss/G": loss} | asked

    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        return {"logit/held_out": self.critic(part.images, part.labels).mean()}
