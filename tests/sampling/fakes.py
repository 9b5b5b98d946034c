"""Models whose images are known: what is tested is what is made of them."""

import torch
from torch import nn

from pipeline.models.base import DrawsStrips, GenerativeModel, StyledModel, slerp
from pipeline.sampling.provenance import Provenance
from pipeline.settings import FAMILY_SETTINGS, ImageSpec

QUICK = {"ddpm": {"sampling_steps": 2}}  # of true families, where the images do not matter
SPEC = ImageSpec(4, 4, 1, ("a", "b"))
SOURCE = Provenance("trainedAlgorithmicMedia", "steel_gan", "cgan", "ab12", "cd34")


class Plain(GenerativeModel):
    """An image is its latents, halved."""

    def __init__(self, family="cgan", spec=SPEC):
        super().__init__(FAMILY_SETTINGS[family](family=family), spec)
        self.ema = nn.Identity()
        self.latent_length = spec.channels * spec.height * spec.width

    def make_optimizers(self):
        raise NotImplementedError

    def train_step(self, batch):
        raise NotImplementedError

    def validation_losses(self, part):
        raise NotImplementedError

    def generate(self, labels, latents):
        return latents.unflatten(1, (self.spec.channels, self.spec.height, self.spec.width)) / 2

    def interpolate_latents(self, start, end, t):
        return slerp(start, end, t)


class Styled(Plain, StyledModel):
    """Six styles of one number; pixel (y, x) is style y + 2 (rows) times 0.1, and in column 0 also the noise.

    The latent's first number is z, the second the noise; the mean style of class k is k.
    """

    def __init__(self):
        super().__init__("stylegan2_ada")
        self.latent_length = 2

    def styles(self, labels, latents, truncation=1.0):
        w = torch.lerp(labels.float(), latents[:, 0], truncation)
        return w[:, None, None].expand(-1, 6, 1)

    def render(self, styles, latents):
        images = styles[:, 2:, 0, None].mul(0.1).repeat(1, 1, 4)
        images[:, :, 0] += latents[:, 1, None]
        return images[:, None]

    def style_matrix(self):
        return torch.ones(1, 1)

    def generate(self, labels, latents):
        return self.render(self.styles(labels, latents), latents)


class Endless(Plain, DrawsStrips):
    """Pixel (y, x) of every strip is a function of class, seed, y and x; drawn in blocks of `block` columns."""

    def __init__(self, block, spec=SPEC):
        super().__init__("ddpm", spec)
        self.block = block

    @property
    def alignment(self):
        return 1

    def strip(self, label, seed, width):
        for x in range(0, width, self.block):
            yield self.columns(label, seed, torch.arange(x, min(x + self.block, width)))

    def columns(self, label, seed, x):
        y = torch.arange(self.spec.height)[:, None]
        c = torch.arange(self.spec.channels)[:, None, None]
        return torch.sin(0.3 * x + 0.7 * y + 1.3 * c + seed % 97 + label).float()
