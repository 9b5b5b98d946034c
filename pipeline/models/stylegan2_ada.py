"""StyleGAN2 with adaptive discriminator augmentation (Karras et al. 2020a "SG2", Karras et al. 2020b "ADA").

Skip generator, residual discriminator, both class-conditional; logistic loss, lazy R1 and path length penalties.
Modulated convolutions scale the activations instead of the weights: grouped convolutions are slow on every CPU.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models import ema, losses, ranks
from pipeline.models.ada import AdaptiveAugment
from pipeline.models.base import StyledModel, slerp
from pipeline.models.batch import Batch, Draws, Part
from pipeline.models.layers import (
    SQRT2,
    EqualisedConv,
    EqualisedLinear,
    activate,
    minibatch_std,
    normalise,
    precision,
)
from pipeline.models.resample import Blur, Downsample, Upsample
from pipeline.settings import ImageSpec
from pipeline.settings import StyleGAN2ADA as StyleGAN2ADASettings

HALF_RESOLUTIONS = 4  # the finest that run in half precision (ADA, appendix D)
W_AVERAGE_KEEP = 0.998  # an image's weight in the average w halves every 346 images of its class


def widths(settings: StyleGAN2ADASettings, size: int) -> dict[int, int]:
    """Channels by resolution, 4 to `size`."""
    resolutions = [4 << i for i in range(size.bit_length() - 2)]
    return {r: max(1, min(settings.channel_base // r, settings.channel_max)) for r in resolutions}


def perceptron(inputs: int, outputs: int, layers: int) -> nn.ModuleList:
    """Layers of a mapping network: the learning rate is a hundredth (Karras et al. 2019, appendix C)."""
    sizes = [inputs] + [outputs] * layers
    return nn.ModuleList(EqualisedLinear(a, b, rate=0.01, gain=SQRT2) for a, b in itertools.pairwise(sizes))


class Mapping(nn.Module):
    """z (N, z_dim) and labels (N,) to w (N, w_dim); keeps each class's mean w."""

    def __init__(self, settings: StyleGAN2ADASettings, classes: int):
        super().__init__()
        self.embedding = nn.Embedding(classes, settings.w_dim)
        self.layers = perceptron(settings.z_dim + settings.w_dim, settings.w_dim, settings.mapping_layers)
        self.register_buffer("w_average", torch.zeros(classes, settings.w_dim))

    def forward(self, z: Tensor, labels: Tensor, truncation: float = 1.0) -> Tensor:
        with precision(z):
            x = torch.cat([normalise(z), normalise(self.embedding(labels))], 1)
            for layer in self.layers:
                x = activate(layer(x))
            return x if truncation == 1 else self.w_average[labels].lerp(x, truncation)

    @torch.no_grad()
    def track(self, w: Tensor, labels: Tensor) -> None:
        """Move the mean of each class towards those of its w (N, w_dim), by their number."""
        member = F.one_hot(labels, len(self.w_average)).to(w.dtype)  # (N, K)
        count = ranks.total(member.sum(0))[:, None]
        mean = ranks.total(member.mT @ w) / count.clamp(min=1)
        self.w_average.lerp_(mean, 1 - W_AVERAGE_KEEP**count)


class ModulatedConv(nn.Module):
    """Convolution with weights scaled per image, then to unit norm (SG2, eqs. 1 and 3), with or without doubling."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, kernel: int, up: bool = False, demodulate: bool = True):
        super().__init__()
        self.affine = EqualisedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.weight_gain = (inputs * kernel * kernel) ** -0.5
        self.padding, self.demodulate = kernel // 2, demodulate
        self.blur = Blur(padding=1, gain=4.0) if up else None

    def forward(self, x: Tensor, w: Tensor, gain: float = 1.0) -> Tensor:
        """x (N, inputs, H, W) and w (N, w_dim) to `gain` times the result, (N, outputs, H or 2H, W or 2W)."""
        weight = self.weight * self.weight_gain
        with precision(x):
            style = self.affine(w)
            scale = None
            if self.demodulate:
                power = style.square() @ weight.square().sum((2, 3)).mT  # (N, outputs)
                scale = (gain * (power + 1e-8).rsqrt())[:, :, None, None]
        x = x * style[:, :, None, None].to(x.dtype)
        if self.blur is None:
            x = F.conv2d(x, weight, padding=self.padding)
        else:
            x = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        return x if scale is None else x * scale.to(x.dtype)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, up: bool):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, w_dim, 3, up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """noise: (N, 1, H, W) standard normal, of the result's size."""
        # Every term carries the gain √2 of the activation: lrelu(√2 x) = √2 lrelu(x).
        x = self.conv(x, w, gain=SQRT2)
        shift = (self.bias * SQRT2)[:, None, None]
        return activate(x + (noise * (self.strength * SQRT2)).to(x.dtype) + shift.to(x.dtype))


class SynthesisBlock(nn.Module):
    """One resolution of the skip generator (SG2, figure 7b): features to features, and what they add to the image."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, channels: int, half: bool):
        super().__init__()
        self.low_precision = half
        self.up = SynthesisLayer(inputs, outputs, w_dim, up=True)
        self.same = SynthesisLayer(outputs, outputs, w_dim, up=False)
        self.image = ToImage(outputs, w_dim, channels)
        self.upsample = Upsample()

    def forward(self, x: Tensor, image: Tensor, ws: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """ws: (N, 3, w_dim), of the two layers and the image; noise: of the two layers."""
        with precision(x, self.low_precision):
            x = self.up(x, ws[:, 0], noise[0])
            x = self.same(x, ws[:, 1], noise[1])
            added = self.image(x, ws[:, 2])
        with precision(x):
            return x, self.upsample(image) + added


class ToImage(nn.Module):
    """Modulated 1x1 convolution to (N, channels, H, W), in full precision."""

    def __init__(self, inputs: int, w_dim: int, channels: int):
        super().__init__()
        self.conv = ModulatedConv(inputs, channels, w_dim, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.conv(x, w).to(self.bias.dtype) + self.bias[:, None, None]


class Synthesis(nn.Module):
    """ws (N, layers, w_dim) and noise to images (N, C, size, size), about [-1, 1]."""

    def __init__(self, settings: StyleGAN2ADASettings, spec: ImageSpec):
        super().__init__()
        channels, w_dim = widths(settings, spec.height), settings.w_dim
        resolutions = list(channels)
        self.constant = nn.Parameter(torch.randn(channels[4], 4, 4))
        self.first = SynthesisLayer(channels[4], channels[4], w_dim, up=False)
        self.image = ToImage(channels[4], w_dim, spec.channels)
        self.blocks = nn.ModuleList(
            SynthesisBlock(channels[r // 2], channels[r], w_dim, spec.channels, r in resolutions[-HALF_RESOLUTIONS:])
            for r in resolutions[1:]
        )
        self.noise_sizes = [4] + [r for r in resolutions[1:] for _ in range(2)]
        self.layers = len(self.noise_sizes) + 1  # inputs w: one a convolution, one for the finest image

    def forward(self, ws: Tensor, noise: list[Tensor]) -> Tensor:
        with precision(ws):
            x = self.first(self.constant.expand(len(ws), -1, -1, -1), ws[:, 0], noise[0])
            image = self.image(x, ws[:, 1])
        for i, block in enumerate(self.blocks):
            x, image = block(x, image, ws[:, 2 * i + 1 : 2 * i + 4], noise[2 * i + 1 : 2 * i + 3])
        return image

    def split_noise(self, flat: Tensor) -> list[Tensor]:
        """(N, noise_length) to one (N, 1, H, H) a convolution."""
        parts = flat.split([s * s for s in self.noise_sizes], 1)
        return [p.unflatten(1, (1, s, s)) for p, s in zip(parts, self.noise_sizes, strict=True)]

    @property
    def noise_length(self) -> int:
        return sum(s * s for s in self.noise_sizes)


class Generator(nn.Module):
    def __init__(self, settings: StyleGAN2ADASettings, spec: ImageSpec):
        super().__init__()
        self.mapping = Mapping(settings, len(spec.classes))
        self.synthesis = Synthesis(settings, spec)

    def forward(self, z: Tensor, labels: Tensor, noise: Tensor, truncation: float = 1.0) -> Tensor:
        """z (N, z_dim), labels (N,), noise (N, noise_length) to images."""
        w = self.mapping(z, labels, truncation)
        return self.synthesis(self.repeat(w), self.synthesis.split_noise(noise))

    def repeat(self, w: Tensor) -> Tensor:
        """(N, w_dim) to (N, layers, w_dim)."""
        return w[:, None].expand(-1, self.synthesis.layers, -1)


class DiscriminatorBlock(nn.Module):
    """One halving of the residual discriminator (SG2, figure 7c)."""

    def __init__(self, inputs: int, outputs: int, half: bool):
        super().__init__()
        self.low_precision = half
        self.same = EqualisedConv(inputs, inputs, 3, gain=SQRT2)
        self.blur = Blur(padding=2)
        # The sum of the two branches is divided by √2, which meets the gain √2 of the activation here.
        self.down = EqualisedConv(inputs, outputs, 3, stride=2)
        self.downsample = Downsample()
        self.skip = EqualisedConv(inputs, outputs, 1, bias=False, gain=1 / SQRT2)

    def forward(self, x: Tensor) -> Tensor:
        with precision(x, self.low_precision):
            y = activate(self.same(x))
            return activate(self.down(self.blur(y))) + self.skip(self.downsample(x))


class Discriminator(nn.Module):
    """Images (N, C, size, size) and labels (N,) to logits (N,)."""

    def __init__(self, settings: StyleGAN2ADASettings, spec: ImageSpec):
        super().__init__()
        channels = widths(settings, spec.height)
        resolutions = list(channels)[::-1]
        width = channels[4]
        self.image = EqualisedConv(spec.channels, channels[spec.height], 1, gain=SQRT2)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(channels[r], channels[r // 2], r in resolutions[:HALF_RESOLUTIONS])
            for r in resolutions[:-1]
        )
        self.mix = EqualisedConv(width + 1, width, 3, gain=SQRT2)
        self.dense = EqualisedLinear(width * 16, width, gain=SQRT2)
        self.features = EqualisedLinear(width, width)
        self.embedding = nn.Embedding(len(spec.classes), width)
        self.mapping = perceptron(width, width, settings.mapping_layers)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        with precision(images, half=True):
            x = activate(self.image(images))
        for block in self.blocks:
            x = block(x)
        with precision(x):
            x = activate(self.mix(minibatch_std(x.to(self.dense.weight.dtype), labels)))
            features = self.features(activate(self.dense(x.flatten(1))))
            # Projection (Miyato & Koyama 2018) on a mapped class (ADA, appendix C).
            return (features * self.classes(labels)).sum(1) / features.shape[1] ** 0.5

    def classes(self, labels: Tensor) -> Tensor:
        """(N, width) of unit scale."""
        x = normalise(self.embedding(labels))
        for layer in self.mapping:
            x = activate(layer(x))
        return x


def lazy_adam(parameters, rate: float, every: int) -> torch.optim.Adam:
    """Adam for a network that makes every + 1 steps in `every` updates (SG2, appendix B, "lazy regularization")."""
    share = every / (every + 1) if every else 1.0
    return torch.optim.Adam(parameters, rate * share, (0.0, 0.99**share), eps=1e-8, fused=True)


class StyleGAN2ADA(StyledModel):
    """The family `stylegan2_ada`."""

    def __init__(self, settings: StyleGAN2ADASettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        self.generator = Generator(settings, spec)
        self.discriminator = Discriminator(settings, spec)
        self.ema = ema.averaged_copy(self.generator)
        self.latent_length = settings.z_dim + self.generator.synthesis.noise_length
        self.augmentation = (
            AdaptiveAugment(spec.height, settings.ada_target, settings.ada_images) if settings.ada_target else None
        )
        self.register_buffer("path_mean", torch.zeros(()))
        gamma = settings.r1_gamma
        self.r1_gamma = 2e-4 * spec.height * spec.width / settings.batch if gamma is None else gamma
        path_every = settings.path_length_every if settings.path_length_weight else 0
        r1_every = settings.r1_every if self.r1_gamma else 0
        self.optimizers = {
            "G": lazy_adam(self.generator.parameters(), settings.learning_rate, path_every),
            "D": lazy_adam(self.discriminator.parameters(), settings.learning_rate, r1_every),
        }
        self.r1_every, self.path_every = r1_every, path_every

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        scalars = self.descend("D", self._discriminator_loss, batch)
        if self.r1_every and self.updates % self.r1_every == 0:
            scalars |= self.descend("D", self._r1_loss, batch)
        scalars |= self.descend("G", self._generator_loss, batch)
        if self.path_every and self.updates % self.path_every == 0:
            scalars |= self.descend("G", self._path_loss, batch, every=2)
        if self.augmentation is not None:
            self.augmentation.steer(self.updates + 1, batch.total)
            scalars |= {"ada/p": self.augmentation.p.clone(), "ada/rt": self.augmentation.rt.clone()}
        self.average(self.generator)
        return scalars

    def decode(self, labels: Tensor, latents: Tensor) -> Tensor:
        return self.render(self.styles(labels, latents), latents)

    def styles(self, labels: Tensor, latents: Tensor, truncation: float = 1.0) -> Tensor:
        """Karras et al. 2019, section B."""
        return self.ema.repeat(self.ema.mapping(latents[:, : self.settings.z_dim], labels, truncation))

    def render(self, styles: Tensor, latents: Tensor) -> Tensor:
        synthesis = self.ema.synthesis
        return synthesis(styles, synthesis.split_noise(latents[:, self.settings.z_dim :])).clamp(-1, 1)

    def blend(self, start: Tensor, end: Tensor, t: float) -> Tensor:
        """The noise stays that of the start: it would only flicker."""
        z = self.settings.z_dim
        return torch.cat([slerp(start[:, :z], end[:, :z], t), start[:, z:]], 1)

    def held_out(self, part: Part) -> dict[str, Tensor]:
        """Augmented as the training images are, so that the logits compare (ADA, eq. 1)."""
        return {"logit/held_out": self.discriminator(self._augment(part.images, part.draws), part.labels).mean()}

    def _fake(self, part: Part) -> Tensor:
        return self.generator.synthesis(self._mixed(part, track=True), self._noise(part.draws))

    def _discriminator_loss(self, part: Part) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            with torch.no_grad():
                fake = self._fake(part)
            real_logits = self.discriminator(self._augment(part.images, part.draws), part.labels)
            fake_logits = self.discriminator(self._augment(fake, part.draws), part.labels)
        if self.augmentation is not None:
            self.augmentation.observe(real_logits)
        loss = losses.logistic_discriminator(real_logits, fake_logits)
        return loss, {
            "loss/D": loss,
            "logit/real": real_logits.mean(),
            "logit/fake": fake_logits.mean(),
            "saturation": losses.saturation(real_logits, fake_logits, losses.CERTAIN),
        }

    def _r1_loss(self, part: Part) -> tuple[Tensor, dict[str, Tensor]]:
        real = part.images.detach().requires_grad_()
        penalty = losses.r1_penalty(real, self.discriminator(self._augment(real, part.draws), part.labels)).mean()
        return penalty * (self.r1_gamma * self.r1_every), {"r1": penalty}

    def _generator_loss(self, part: Part) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            fake = self._augment(self._fake(part), part.draws)
            loss = losses.logistic_generator(self.discriminator(fake, part.labels))
        return loss, {"loss/G": loss}

    def _path_loss(self, part: Part) -> tuple[Tensor, dict[str, Tensor]]:
        """SG2, eq. 4, on half a batch; `path_mean` is the running mean length a."""
        ws = self._mixed(part)
        images = self.generator.synthesis(ws, self._noise(part.draws))
        lengths = losses.path_lengths(images, ws, part.draws.normal(*images.shape[1:]))
        self.path_mean.lerp_(ranks.total(lengths.detach().mean()) / ranks.count(), 0.01)
        penalty = (lengths - self.path_mean.clone()).square().mean()
        scalars = {"path/penalty": penalty, "path/mean": self.path_mean.clone()}
        return penalty * (self.settings.path_length_weight * self.path_every), scalars

    def _mixed(self, part: Part, track: bool = False) -> Tensor:
        """(N, layers, w_dim): with probability `style_mixing` an image's layers from a random one on take another w."""
        mapping, layers, draws = self.generator.mapping, self.generator.synthesis.layers, part.draws
        z = [draws.normal(self.settings.z_dim) for _ in range(2)]
        coarse, fine = mapping(torch.cat(z), part.labels.repeat(2)).chunk(2)
        if track:
            mapping.track(coarse.detach(), part.labels)
        cut = draws.integers(1, layers, 1)
        mixed = draws.uniform(1) < self.settings.style_mixing
        second = mixed & (torch.arange(layers, device=cut.device) >= cut)  # (N, layers)
        return torch.where(second[:, :, None], fine[:, None], coarse[:, None])

    def _noise(self, draws: Draws) -> list[Tensor]:
        synthesis = self.generator.synthesis
        return synthesis.split_noise(draws.normal(synthesis.noise_length))

    def _augment(self, images: Tensor, draws: Draws) -> Tensor:
        return images if self.augmentation is None else self.augmentation(images, draws)
