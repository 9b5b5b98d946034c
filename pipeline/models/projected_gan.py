"""Projected GAN: discriminators that see through a frozen network, a light generator, coarse pictures of real images.

Sauer et al. 2021 (projected discriminators), Liu et al. 2021 (generator), Zhao et al. 2020 (differentiable
augmentation), Miyato & Koyama 2018 (projection of the class), Lim & Ye 2017 (hinge). The generator draws around a
coarse picture, grey values and contrasts of a training image of the class on 8 x 8 places, moved a little: without,
every class of a small set collapsed to one image. So a model holds the coarse pictures of its training images, which
`model.json` says, or a distribution of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.models import ema, losses
from pipeline.models.base import DrawsAround, GenerativeModel, adams
from pipeline.models.batch import Batch, MicroBatch
from pipeline.models.changes import Change, moved, shifts
from pipeline.models.coarse import CoarseBook
from pipeline.models.projected_discriminator import SCALES, STATISTICS, Discriminator, Projector
from pipeline.models.projected_generator import Generator
from pipeline.settings import ImageSpec, ProjectedGANSettings


class Pair(NamedTuple):
    """Features of real images and of fakes around their coarse pictures, all changed alike."""

    real: list[Tensor]
    fake: list[Tensor]


class ProjectedGAN(GenerativeModel, DrawsAround):
    """The family `projected_gan`.

    An update is a step of the generator, then one of the discriminators, which judge the features of the same images:
    one pass of the fakes through generator and frozen network serves both. Fakes are drawn around the coarse pictures
    of the batch's own real images, and changed as these are: where the two sides differ in nothing else, the
    discriminators can only go by the texture.
    """

    features = "imagenet"
    settings: ProjectedGANSettings
    ema: Generator

    def __init__(self, settings: ProjectedGANSettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        self.generator = Generator(settings, spec)
        self.projector = Projector(spec)
        sides = [self.projector.enlarged * min(spec.height, spec.width) // scale for scale in SCALES]
        self.discriminator = Discriminator(settings.discriminator_channels, len(spec.classes), sides)
        self.ema = ema.averaged_copy(self.generator)
        self.latent_length = self.generator.length

    def make_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        of = self.settings
        return adams(
            (of.beta1, 0.99), G=(self.generator, of.learning_rate), D=(self.discriminator, of.discriminator_lr)
        )

    def keep_images(self, images: Iterator[Tensor], labels: Tensor) -> None:
        self.generator.book.write(self._centring(images), labels)
        self.ema.book.set_extra_state(self.generator.book.table)

    def _centring(self, images: Iterator[Tensor]) -> Iterator[Tensor]:
        """All parts, after the features have been centred on the first of them."""
        first = []
        for part in images:
            first.append(part)
            if sum(map(len, first)) >= STATISTICS:
                break
        if first:
            self.projector.centre(torch.cat(first))
        yield from first
        yield from images

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        seen: deque[Pair] = deque()
        scalars = self.optimizer_step("G", partial(self._generator_loss, seen), batch)
        scalars |= self.optimizer_step("D", partial(self._discriminator_loss, seen), batch)
        self.average(self.generator)
        return scalars

    def _generator_loss(self, seen: deque[Pair], part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        latents = part.rng.normal(self.latent_length)
        noise, numbers = latents.tensor_split([self.latent_length - self.generator.book.numbers], 1)
        real, change = moved(part.images, shifts(part)), Change(part)
        pictures = self.generator.book.of(real, numbers)
        with self.autocast():
            fake = self.generator.render(part.labels, noise, pictures)
            features = self.projector(change(fake))
            adversarial = torch.stack([-logits.mean() for logits in self.discriminator(features, part.labels)]).mean()
            with torch.no_grad():
                seen.append(Pair(self.projector(change(real)), [x.detach() for x in features]))
        layout, contrast = self.generator.book.missed(fake, pictures)
        asked = self.settings.layout_weight * layout + self.settings.contrast_weight * contrast
        return adversarial + asked, {"loss/G": adversarial, "loss/layout": layout, "loss/contrast": contrast}

    def _discriminator_loss(self, seen: deque[Pair], part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            real, fake = (self.discriminator(features, part.labels) for features in seen.popleft())
        pairs = list(zip(real, fake, strict=True))
        loss = torch.stack([losses.hinge_discriminator(*pair) for pair in pairs]).mean()
        return loss, {
            "loss/D": loss,
            "logit/real": torch.cat(real, 1).mean(),
            "logit/fake": torch.cat(fake, 1).mean(),
            "saturation": torch.stack([losses.saturation(*pair, 1.0) for pair in pairs]).mean(),
        }

    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        return {"logit/held_out": torch.cat(self.discriminator(self.projector(part.images), part.labels), 1).mean()}

    def generate(self, labels: Tensor, latents: Tensor) -> Tensor:
        return self.ema(labels, latents)

    @property
    def pictures(self) -> CoarseBook:
        return self.ema.book

    def around(self, labels: Tensor, latents: Tensor, pictures: Tensor) -> Tensor:
        return self.ema.render(labels, latents[:, : -self.pictures.numbers], pictures)

    def interpolate_latents(self, start: Tensor, end: Tensor, t: float) -> Tensor:
        return self.pictures.on_the_way(start, end, t)
