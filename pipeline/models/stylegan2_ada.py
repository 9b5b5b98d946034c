"""StyleGAN2 with adaptive discriminator augmentation (Karras et al. 2020a "SG2", Karras et al. 2020b "ADA").

Skip generator, residual discriminator, both class-conditional; logistic loss, lazy R1 and path length penalties. The
networks are in stylegan2_generator.py and stylegan2_discriminator.py, strips in stylegan2_strip.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.base.weights import verified
from pipeline.models import distributed, ema, losses, stylegan2_fit, stylegan2_strip
from pipeline.models.ada import AdaptiveAugment
from pipeline.models.base import DrawsStrips, StyledModel, base_resolution, slerp
from pipeline.models.batch import Batch, BatchRng, MicroBatch
from pipeline.models.layers import EqualisedLinear
from pipeline.models.stylegan2_discriminator import Discriminator
from pipeline.models.stylegan2_generator import Generator
from pipeline.models.texture import Texture
from pipeline.models.texture import load as load_texture
from pipeline.settings import ImageSpec, StyleGAN2ADASettings, UserError

ADA_SHARE = 0.1  # of the budget, in which p may go from 0 to 1 where the settings do not say
ADA_MOST = 500_000  # images, the paper's


def lazy_adam(parameters, rate: float, every: int) -> torch.optim.Adam:
    """Adam for a network that makes every + 1 steps in `every` updates (SG2, appendix B, "lazy regularization")."""
    share = every / (every + 1) if every else 1.0
    return torch.optim.Adam(parameters, rate * share, (0.0, 0.99**share), eps=1e-8, fused=True)


class StyleGAN2ADA(StyledModel, DrawsStrips):
    """The family `stylegan2_ada`."""

    compiling_pays = True
    begun_anew = ("augmentation.",)
    settings: StyleGAN2ADASettings
    ema: Generator
    path_mean: Tensor  # () buffer
    texture: Texture | None  # read at the first update; no part of the state

    def __init__(self, settings: StyleGAN2ADASettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        if settings.compile == "on" and settings.checkpoint_activations:  # torch 2.15's compiler fails on these
            raise UserError("checkpoint_activations: true cannot be had together with compile: true; choose one")
        self.generator = Generator(settings, spec)
        self.discriminator = Discriminator(settings, spec)
        self.ema = ema.averaged_copy(self.generator)
        self.texture = None
        self.latent_length = settings.z_dim + self.generator.synthesis.noise_length
        pace = settings.ada_images or min(ADA_MOST, ADA_SHARE * settings.total_images)
        self.augmentation = (
            AdaptiveAugment(spec.height, spec.width, settings.ada_target, pace) if settings.ada_target else None
        )
        self.register_buffer("path_mean", torch.zeros(()))
        gamma = settings.r1_gamma
        self.r1_gamma = 2e-4 * spec.height * spec.width / settings.batch if gamma is None else gamma
        self.path_every = settings.path_length_every if settings.path_length_weight else 0
        self.r1_every = settings.r1_every if self.r1_gamma else 0

    def make_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        rate = self.settings.learning_rate
        return {
            "G": lazy_adam(self.generator.parameters(), rate, self.path_every),
            "D": lazy_adam(self.discriminator.parameters(), rate, self.r1_every),
        }

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        scalars = self.optimizer_step("D", self._discriminator_loss, batch)
        if self.r1_every and self.updates % self.r1_every == 0:
            # The main step's gradient is what is logged.
            scalars = self.optimizer_step("D", self._r1_loss, batch) | scalars
        scalars |= self.optimizer_step("G", self._generator_loss, batch)
        if self.path_every and self.updates % self.path_every == 0:
            measured = self.optimizer_step("G", self._path_loss, batch, every=2)
            self.path_mean.lerp_(distributed.total(measured["path/length"]) / distributed.count(), 0.01)
            scalars = measured | scalars
        if self.augmentation is not None:
            self.augmentation.steer(self.updates + 1, batch.total)
            scalars |= {"ada/p": self.augmentation.p.clone(), "ada/rt": self.augmentation.rt.clone()}
        self.average(self.generator)
        return scalars

    def generate(self, labels: Tensor, latents: Tensor) -> Tensor:
        return self.render(self.styles(labels, latents), latents)

    def styles(self, labels: Tensor, latents: Tensor, truncation: float = 1.0) -> Tensor:
        """(N, layers, w_dim): the w of a mapping network for every layer, truncated as in Karras et al. 2019, section
        B."""
        return self.ema.repeat(self.ema.mapping(latents[:, : self.settings.z_dim], labels, truncation))

    def render(self, styles: Tensor, latents: Tensor) -> Tensor:
        synthesis = self.ema.synthesis
        return synthesis(styles, synthesis.split_noise(latents[:, self.settings.z_dim :])).clamp(-1, 1)

    def style_matrix(self) -> Tensor:
        entrances = [layer for layer in self.ema.synthesis.modules() if isinstance(layer, EqualisedLinear)]
        return torch.cat([layer.weight * layer.weight_gain for layer in entrances])

    @property
    def alignment(self) -> int:
        return 1 << len(self.ema.synthesis.blocks)

    @torch.no_grad()
    def strip(self, label: int, seed: int, width: int) -> Iterator[Tensor]:
        if self.settings.modulation != "weights":
            raise UserError(
                f"modulation: `{self.settings.modulation}` cannot draw strips, for it normalises over the width of an "
                "image; `weights` can"
            )
        self.eval()
        yield from stylegan2_strip.strip(self.ema, label, seed, width)

    def interpolate_latents(self, start: Tensor, end: Tensor, t: float) -> Tensor:
        """The noise stays that of the start: it would only flicker."""
        z = self.settings.z_dim
        return torch.cat([slerp(start[:, :z], end[:, :z], t), start[:, z:]], 1)

    def fitted(self, weights: dict[str, Tensor], spec: ImageSpec) -> dict[str, Tensor]:
        """Any size and either number of channels; a mapping network of another depth is left out."""
        doublings = [base_resolution(of, self.settings.family)[2] for of in (spec, self.spec)]
        placed = stylegan2_fit.resized(weights, doublings[1] - doublings[0])
        coloured = stylegan2_fit.recoloured(placed, self.spec.channels)
        return stylegan2_fit.same_depth(coloured, set(self.state_dict()))

    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        """Augmented as the training images are, so that the logits compare (ADA, eq. 1)."""
        return {"logit/held_out": self.discriminator(self._augment(part.images, part.rng), part.labels).mean()}

    def _fake(self, part: MicroBatch) -> Tensor:
        synthesis = self.compiled(self.generator.synthesis)
        return synthesis(self._mixed(part, track=True), self._noise(part.rng), self.settings.checkpoint_activations)

    def _logits(self, part: MicroBatch, *sets: Tensor) -> tuple[Tensor, ...]:
        """(n,) logits of each set of images (n, C, H, W), augmented, where no second derivative is wanted; the
        discriminator takes all sets at once, and reads its weights but once."""
        images = torch.cat([self._augment(images, part.rng) for images in sets])
        discriminator = self.compiled(self.discriminator)
        labels, recompute = part.labels.repeat(len(sets)), self.settings.checkpoint_activations
        return discriminator(images, labels, recompute, len(sets)).chunk(len(sets))

    def _discriminator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            with torch.no_grad():
                fake = self._fake(part)
            real_logits, fake_logits = self._logits(part, part.images, fake)
        if self.augmentation is not None:
            self.augmentation.observe(real_logits)
        loss = losses.logistic_discriminator(real_logits, fake_logits)
        return loss, {
            "loss/D": loss,
            "logit/real": real_logits.mean(),
            "logit/fake": fake_logits.mean(),
            "saturation": losses.saturation(real_logits, fake_logits, losses.CERTAIN),
        }

    def _r1_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        real = part.images.detach().requires_grad_()
        penalty = losses.r1_penalty(real, self.discriminator(self._augment(real, part.rng), part.labels)).mean()
        return penalty * (self.r1_gamma * self.r1_every), {"r1": penalty}

    def _generator_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        with self.autocast():
            fake = self._fake(part)
            adversarial = losses.logistic_generator(*self._logits(part, fake))
            terms = self._texture_terms(fake, part)
        loss = adversarial + sum(weight * term for weight, term in terms.values())
        return loss, {"loss/G": adversarial} | {f"texture/{name}": term for name, (_, term) in terms.items()}

    def _texture_terms(self, fake: Tensor, part: MicroBatch) -> dict[str, tuple[Tensor, Tensor]]:
        """Weight and loss () of each texture loss; the images are not augmented."""
        weights = self.settings.texture
        if weights is None:
            return {}
        if self.texture is None:  # not in __init__: to draw images takes no VGG19
            self.texture = load_texture(verified("vgg19", weights.weights)).to(self.device)
        found = self.texture(fake, part.images, part.labels)
        return {name: (getattr(weights, name), term) for name, term in found.items()}

    def _path_loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """SG2, eq. 4, on half a batch; `path_mean` is the running mean length a, of the penalties before."""
        with self.autocast():
            ws = self._mixed(part)
            images = self.generator.synthesis(ws, self._noise(part.rng))
        lengths = losses.path_lengths(images, ws, part.rng.normal(*images.shape[1:]))
        penalty = (lengths - self.path_mean).square().mean()
        scalars = {"path/penalty": penalty, "path/length": lengths.mean()}
        return penalty * (self.settings.path_length_weight * self.path_every), scalars

    def _mixed(self, part: MicroBatch, track: bool = False) -> Tensor:
        """(N, layers, w_dim): with probability `style_mixing` an image's layers from a random one on take another w."""
        mapping, layers, rng = self.generator.mapping, self.generator.synthesis.layers, part.rng
        z = [rng.normal(self.settings.z_dim) for _ in range(2)]
        coarse, fine = mapping(torch.cat(z), part.labels.repeat(2)).chunk(2)
        if track:
            mapping.track(coarse.detach(), part.labels)
        cut = rng.integers(1, layers, 1)
        mixed = rng.uniform(1) < self.settings.style_mixing
        second = mixed & (torch.arange(layers, device=cut.device) >= cut)  # (N, layers)
        return torch.where(second[:, :, None], fine[:, None], coarse[:, None])

    def _noise(self, rng: BatchRng) -> list[Tensor | None]:
        synthesis = self.generator.synthesis
        return synthesis.split_noise(rng.normal(synthesis.noise_length))

    def _augment(self, images: Tensor, rng: BatchRng) -> Tensor:
        return images if self.augmentation is None else self.augmentation(images, rng)
