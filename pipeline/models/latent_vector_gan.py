"""What the GANs have in common that make an image of one latent vector and a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from pipeline.models import ema
from pipeline.models.base import DrawsAround, GenerativeModel, slerp
from pipeline.models.batch import MicroBatch
from pipeline.models.coarse import Around, CoarseBook
from pipeline.settings import CoarsePictures, ImageSpec, ProjectedGANSettings

# Weights of what images miss of their coarse pictures.
LAYOUT, CONTRAST = (ProjectedGANSettings.model_fields[f"{part}_weight"].default for part in ("layout", "contrast"))


class LatentVectorGenerator(nn.Module):
    """Latent vectors (N, length), labels (N,) and, where there is an `around`, coarse pictures (N, C, h, w), to images
    (N, C, H, W) in [-1, 1]."""

    around: Around | None

    @staticmethod
    def _around(settings: CoarsePictures, spec: ImageSpec, channels: Sequence[int]) -> Around | None:
        """Of a generator with these channels, the first of 4 pixels: too few places for coarse pictures."""
        return Around(spec, settings, channels[1:]) if settings.coarse_pictures else None


class Fake(NamedTuple):
    """Generated images of a part of a batch."""

    images: Tensor
    """(N, C, H, W)"""
    pictures: Tensor | None
    """What they are drawn around, the coarse pictures of the real images of the batch; None for nothing."""


class LatentVectorGAN(GenerativeModel, DrawsAround):
    """A GAN whose generator makes an image of one latent vector and a class, and may draw it around a coarse picture.

    `latent_length` covers the vector and, behind it, the numbers by which a coarse picture is chosen.
    """

    generator: LatentVectorGenerator
    ema: LatentVectorGenerator

    def _drawn_by(self, generator: LatentVectorGenerator, length: int) -> None:
        """Take over the generator, and the length of the vectors that it draws from."""
        self.generator, self.ema, self._length = generator, ema.averaged_copy(generator), length
        self.latent_length = length + (generator.around.book.numbers if generator.around else 0)

    def keep_images(self, images: Iterator[Tensor], labels: Tensor) -> None:
        if self.generator.around and self.ema.around:
            self.generator.around.book.write(images, labels)
            self.ema.around.book.set_extra_state(self.generator.around.book.table)

    def _fake(self, part: MicroBatch) -> Fake:
        """Images of the batch's classes, around the coarse pictures of its own images: where real and fake ones differ
        in nothing else, a discriminator can only go by the texture."""
        latents, around = part.rng.normal(self.latent_length), self.generator.around
        pictures = around.book.of(part.images, latents[:, self._length :]) if around else None
        return Fake(self.compiled(self.generator)(latents[:, : self._length], part.labels, pictures), pictures)

    def _missed(self, fake: Fake) -> tuple[Tensor | float, dict[str, Tensor]]:
        """The loss for what images miss of their coarse pictures, and its parts to be logged."""
        if self.generator.around is None or fake.pictures is None:
            return 0.0, {}
        layout, contrast = self.generator.around.book.missed(fake.images, fake.pictures)
        return LAYOUT * layout + CONTRAST * contrast, {"loss/layout": layout, "loss/contrast": contrast}

    def generate(self, labels: Tensor, latents: Tensor) -> Tensor:
        vectors, numbers = latents[:, : self._length], latents[:, self._length :]
        return self.ema(vectors, labels, self.pictures.ask(labels, numbers) if self.pictures else None)

    @property
    def pictures(self) -> CoarseBook | None:
        return self.ema.around.book if self.ema.around else None

    def around(self, labels: Tensor, latents: Tensor, pictures: Tensor) -> Tensor:
        return self.ema(latents[:, : self._length], labels, pictures)

    def interpolate_latents(self, start: Tensor, end: Tensor, t: float) -> Tensor:
        return self.pictures.on_the_way(start, end, t) if self.pictures else slerp(start, end, t)
