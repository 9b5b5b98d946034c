"""The discriminators of `projected_gan`: they see images through a frozen network that was trained on photographs.

Sauer et al. 2021: the features of several scales are mixed across channels and across scales by random projections that
never learn, so that no discriminator can go by a few of them alone; a small discriminator judges each scale.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.base.imagenet import CHANNELS, EfficientNetLite0, load
from pipeline.models import distributed
from pipeline.models.layers import activate, precision, spectral_norm
from pipeline.settings import ImageSpec

SCALES = (2, 4, 8, 16)  # an image's pixels for one of the features
WIDTHS = (32, 64, 64, 128)  # of the features that are mixed, by scale
LEAST = 64  # pixels that a smaller image is enlarged to: the network knows nothing of details finer than its own
STATISTICS = 64  # images, at least, that features are centred and scaled on


class Projector(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to features of each of SCALES, (N, WIDTHS[i], H / scale, W / scale).

    Nothing here learns. The random mixing is in the state: another training has another.
    """

    def __init__(self, spec: ImageSpec):
        super().__init__()
        self.network = EfficientNetLite0(load(), spec.channels)
        self.enlarged = max(1, LEAST // min(spec.height, spec.width))
        inputs = [CHANNELS[scale] for scale in SCALES]
        coarser = [*WIDTHS[1:], 0]
        for i, (a, b, above) in enumerate(zip(inputs, WIDTHS, coarser, strict=True)):
            self.register_buffer(f"channels{i}", _random(b, a, 1))
            self.register_buffer(f"scales{i}", _random(b, b, 3))
            if above:
                self.register_buffer(f"down{i}", _random(b, above, 1))
            self.register_buffer(f"mean{i}", torch.zeros(a, 1, 1))
            self.register_buffer(f"deviation{i}", torch.ones(a, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        with precision(images):  # the frozen network knows its own features in float32
            return self._mixed(self._maps(images.to(self.get_buffer("channels0").dtype)))

    def _mixed(self, maps: list[Tensor]) -> list[Tensor]:
        mixed: list[Tensor] = []
        for i in reversed(range(len(SCALES))):
            scaled = (maps[i] - self.get_buffer(f"mean{i}")) / self.get_buffer(f"deviation{i}")
            x = F.conv2d(scaled, self.get_buffer(f"channels{i}"))
            if mixed:
                coarser = F.interpolate(mixed[0], x.shape[2:], mode="bilinear", align_corners=False)
                x = x + F.conv2d(coarser, self.get_buffer(f"down{i}"))
            mixed.insert(0, F.conv2d(x, self.get_buffer(f"scales{i}"), padding=1))
        return mixed

    @torch.no_grad()
    def centre(self, images: Tensor) -> None:
        """Take the mean and the deviation of each feature over images (N, C, H, W) out of what is seen from now on."""
        for i, found in enumerate(self._maps(images)):
            self.get_buffer(f"mean{i}").copy_(found.mean((0, 2, 3))[:, None, None])
            self.get_buffer(f"deviation{i}").copy_(found.std((0, 2, 3))[:, None, None] + 1e-3)

    def _maps(self, images: Tensor) -> list[Tensor]:
        if self.enlarged > 1:
            images = F.interpolate(images, scale_factor=float(self.enlarged), mode="bilinear", align_corners=False)
        maps = self.network.maps(images)
        return [maps[scale] for scale in SCALES]


class Discriminator(nn.Module):
    """Mixed features of each scale, and labels (N,), to the logits of each, (N, scales, h, w) in rows of one length."""

    def __init__(self, width: int, classes: int, sides: list[int]):
        super().__init__()
        self.heads = nn.ModuleList(Head(c, width, classes, side) for c, side in zip(WIDTHS, sides, strict=True))

    def forward(self, features: list[Tensor], labels: Tensor) -> list[Tensor]:
        return [head(x, labels) for head, x in zip(self.heads, features, strict=True)]


class Head(nn.Module):
    """Features (N, C, h, w) of one scale, halved until 4 are left on the shorter side, to logits (N, places)."""

    def __init__(self, channels: int, width: int, classes: int, side: int):
        super().__init__()
        self.classes = classes
        halvings = max(0, (side // 4).bit_length() - 1)
        inputs = [channels, *[width] * halvings]
        self.downs = nn.ModuleList(spectral_norm(nn.Conv2d(a, width, 4, stride=2, padding=1)) for a in inputs[:-1])
        self.same = spectral_norm(nn.Conv2d(inputs[-1], width, 3, padding=1))
        self.logit = spectral_norm(nn.Conv2d(width + 1, 1, 1))
        self.embedding = spectral_norm(nn.Embedding(classes, width + 1))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        for down in self.downs:
            x = activate(down(x))
        x = activate(self.same(x))
        bias = self.logit.bias
        assert bias is not None  # it was made with one
        with precision(x):
            x = x.to(bias.dtype)
            x = torch.cat([x, class_deviation(x, labels, self.classes)], 1)
            # Miyato & Koyama 2018, eq. 4, at each place: y' V φ(x) + ψ(φ(x))
            projected = (self.embedding(labels)[:, :, None, None] * x).sum(1)
            return (self.logit(x)[:, 0] + projected).flatten(1)


def class_deviation(x: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(N, 1, h, w) of the class of each image: the deviation of features (N, C, h, w) among the images of this class,
    over all ranks; its mean over channels and places (Karras et al. 2018, of a class in place of any group). A class
    of one image has none. Classes that collapse to one image are seen, however few of their images there are."""
    every, whose = distributed.gather(x).flatten(1), F.one_hot(distributed.gather(labels), classes).to(x.dtype)
    mean_of = whose.mT / whose.sum(0).clamp(min=1)[:, None]  # (classes, all images)
    apart = every - whose @ (mean_of @ every)
    deviation = (mean_of @ apart.square() + 1e-8).sqrt().mean(1)
    return deviation[labels][:, None, None, None].expand(-1, 1, *x.shape[2:])


def _random(outputs: int, inputs: int, kernel: int) -> Tensor:
    """Weights that keep the variance of normal features."""
    return torch.randn(outputs, inputs, kernel, kernel) / (inputs * kernel * kernel) ** 0.5
