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

from pipeline.models import ema, losses
from pipeline.models.base import LatentVectorGAN, adams, base_resolution
from pipeline.models.batch import Batch, MicroBatch
from pipeline.models.layers import channel_schedule, class_channels, precision, with_class
from pipeline.settings import ImageSpec, WGANGPSettings


class Generator(nn.Module):
    """z (N, z_dim) and labels (N,) to images (N, C, H, W) in [-1, 1]."""

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

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        # Leaky, unlike in DCGAN: without normalisation, plain rectifiers pass on little of what differs from z to z.
        x = F.leaky_relu(self.dense(with_class(z, labels, self.classes)), 0.2).unflatten(1, self.start)
        for conv in self.convs:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return torch.tanh(self.image(x).to(z.dtype))


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
        self.linear = nn.Linear(
            channels[-1] * height * width, 1, bias=False
        )  # differences of scores are all that counts
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
        self.generator = Generator(settings, spec)
        self.critic = Critic(settings, spec)
        self.ema = ema.averaged_copy(self.generator)
        self.latent_length = settings.z_dim

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
                fake = self._fake(part)
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
            loss = -self.compiled(self.critic)(self._fake(part), part.labels).mean()
        return loss, {"loss/G": loss}

    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        return {"logit/held_out": self.critic(part.images, part.labels).mean()}
