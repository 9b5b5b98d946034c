"""The contract between the training loop and a family of generators."""

from __future__ import annotations

import importlib.util
import math
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.models import distributed, ema
from pipeline.models.batch import Batch, MicroBatch
from pipeline.models.layouts import Layout
from pipeline.settings import ImageSpec, Training, Untrained, UserError

if TYPE_CHECKING:
    from pipeline.models.coarse import CoarseBook

Loss = Callable[[MicroBatch], tuple[Tensor, dict[str, Tensor]]]

LEAST, MOST = 16, 1024  # pixels of the sides of images
LONG = 500_000  # images of a training that is worth some minutes of compilation


class Sampler(ABC, nn.Module):
    """What draws images by classes and seeds, trained or not.

    A family sets `ema`, the module that holds all that `generate` needs and that is saved, and `latent_length`.
    """

    ema: nn.Module
    latent_length: int  # numbers that an image is drawn from
    generate_amp: torch.dtype | None = None  # dtype of autocast in `generate`

    def __init__(self, settings: Training | Untrained, spec: ImageSpec):
        super().__init__()
        self.settings, self.spec = settings, spec

    @property
    @abstractmethod
    def device(self) -> torch.device: ...

    @abstractmethod
    def generate(self, labels: Tensor, latents: Tensor) -> Tensor:
        """Images; image i depends on labels[i] and latents[i] alone, but for rounding: another batch size may mean
        another algorithm, on a GPU in TF32 or bf16 a level or so of 8 bits.

        Args:
            labels: (N,) int64.
            latents: (N, latent_length) float32, standard normal.

        Returns:
            (N, C, H, W) float32 in [-1, 1].
        """

    @torch.no_grad()
    def sample(self, labels: Tensor, seeds: Tensor) -> Tensor:
        """Images (N, C, H, W) float32 in [-1, 1]; image i depends on labels[i] and seeds[i] alone, but for rounding, as
        in `generate`.

        Args:
            labels: (N,) int64.
            seeds: (N,) int64, non-negative.
        """
        return self.draw(labels, latents(seeds, self.latent_length))

    @torch.no_grad()
    def draw(self, labels: Tensor, latents: Tensor) -> Tensor:
        """What `sample` gives for the seeds of these latents (N, latent_length), whatever device they are on."""
        self.settle()
        return self.generate(labels.to(self.device), latents.to(self.device))

    def settle(self) -> None:
        """Make ready to draw. Whoever reads `ema` calls this first; `sample` does."""
        self.eval()

    def load_average(self, weights: dict[str, Tensor]) -> None:
        """Take over the state of another model's settled `ema`.

        Raises:
            RuntimeError: names or shapes that are not this model's.
        """
        self.ema.load_state_dict(weights)


class DrawsAround(Sampler):
    """A family that can draw around coarse pictures, also around the one of a given image. A model without any draws as
    others do.

    The last of an image's latent numbers are those of its coarse picture.
    """

    @property
    @abstractmethod
    def pictures(self) -> CoarseBook | None:
        """Where the coarse pictures of drawn images come from."""

    @abstractmethod
    def around(self, labels: Tensor, latents: Tensor, pictures: Tensor) -> Tensor:
        """As `generate`, around these coarse pictures (N, PARTS * C, h, w), such as `pictures.seen` gives of images."""

    @torch.no_grad()
    def follow(self, labels: Tensor, latents: Tensor, image: Tensor) -> Tensor:
        """What `draw` gives, around the coarse picture of this image (C, H, W) in [-1, 1]; needs `pictures`."""
        assert self.pictures is not None
        self.settle()
        labels, latents = labels.to(self.device), latents.to(self.device)
        images = image.to(self.device).expand(len(labels), -1, -1, -1)
        return self.around(labels, latents, self.pictures.of(images, latents[:, -self.pictures.numbers :]))


class GenerativeModel(Sampler):
    """Networks, their averaged copy, their optimisers and one update.

    A family sets in its `__init__` the networks and `ema`, the module that holds all that `generate` needs. Everything
    an update changes beside weights (ADA probability, path-length mean) is a registered buffer, so `state` covers it;
    the count of updates, which decides on the host what an update computes, is in the state too. Batch normalisation is
    that of `layers`: `settle` measures it.

    `amp` is the dtype of autocast, or None for float32. All randomness of an update comes from the `rng` of its
    micro-batches or, for layers that take none, from the global generator, seeded by the loop before each update.
    """

    settings: Training
    compiling_pays = False  # on a graphics card, in a long training
    features: str | None = None  # the panel's extractor in whose features it is trained: that one will flatter it
    begun_anew: tuple[str, ...] = ()  # beginnings of names in the state that another model's weights leave alone
    images_seen: Tensor  # () int64 buffer

    def __init__(self, settings: Training, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec)
        self.amp = amp
        self.updates = 0  # made before the one at work
        self.lr_scale = 1.0  # factor of every learning rate; the loop lowers it after a sickness
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))
        self.shown = torch.arange(len(spec.classes))  # (n,) labels, on the CPU; see `keep_labels`
        self._settled = False  # whether the statistics in `ema` are those of its weights
        self._scaler: torch.amp.GradScaler | None = None
        self._compiled: dict[int, Callable] = {}

    # ------------------------------------------------------------ what a family is

    @abstractmethod
    def make_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers of the networks' parameters, by name."""

    @abstractmethod
    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """One update of every network and of `ema`: an `optimizer_step` for each step of an optimiser, then `average`.

        Returns:
            Detached () tensors to log, by name (`loss/G`, `loss/D`, `ada/p`); a term not computed this time is absent.
        """

    @abstractmethod
    def interpolate_latents(self, start: Tensor, end: Tensor, t: float) -> Tensor:
        """Latents (N, latent_length) at t in [0, 1] of the way between two, themselves as likely as any."""

    @abstractmethod
    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        """Scalars, means over images that the training does not see; how they drift apart from those of the training
        images shows overfitting. `loss/held_out`, where there is one, is what early stopping goes by."""

    # ------------------------------------------------------------ what a family uses

    @cached_property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Made when first asked for: the first of a process costs two seconds, and drawing needs none."""
        return self.make_optimizers()

    def optimizer_step(
        self, name: str, loss: Loss, batch: Batch, every: int = 1, clip: float | None = None
    ) -> dict[str, Tensor]:
        """One step of `optimizers[name]` down the mean of `loss` over every `every`-th row of the batch.

        Args:
            loss: (a part) -> (mean loss () of its rows, scalars () to log, means over its rows).
            clip: upper bound of the gradient's norm.

        Returns:
            The scalars over all parts, and `gradient/{name}`, the norm of the gradient (without a loss scale only).
        """
        optimizer, scaler = self.optimizers[name], self.scaler
        for other in self.optimizers:
            for parameter in self._parameters_of(other):
                parameter.requires_grad_(other == name)
        optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for part in batch.microbatches(every):
            value, scalars = loss(part)
            scaler.scale(value * part.weight).backward()
            weight = part.weight * distributed.count()
            for key, scalar in scalars.items():
                sums[key] = sums.get(key, 0) + scalar.detach() * weight
        gradients = [p.grad for p in self._parameters_of(name) if p.grad is not None]
        distributed.all_reduce_(gradients)
        if clip is not None:
            scaler.unscale_(optimizer)
        if clip is not None or not scaler.is_enabled():
            norm = nn.utils.get_total_norm(gradients)
            if clip is not None:
                nn.utils.clip_grads_with_norm_(self._parameters_of(name), clip, norm)
            if not scaler.is_enabled():
                sums[f"gradient/{name}"] = norm
        self._set_rate(optimizer)
        scaler.step(optimizer)
        scaler.update()
        return sums

    def average(self, live: nn.Module) -> None:
        """Move `ema` towards the network it averages: once an update. Batch statistics are left to `settle`."""
        n = self.settings.batch
        keep = ema.decay(n, (self.updates + 1) * n, self.settings.ema_half_life_images, self.settings.ema_rampup)
        ema.update(self.ema, live, keep)

    def compiled(self, module: nn.Module) -> Callable:
        """The module, compiled where the settings ask for it. Not for what is differentiated twice."""
        if not self.compiles:
            return module
        if id(module) not in self._compiled:
            self._compiled[id(module)] = torch.compile(module)
        return self._compiled[id(module)]

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.amp or torch.float32, enabled=self.amp is not None)

    @property
    def compiles(self) -> bool:
        """What the setting `compile` comes to: `auto` never asks for what the machine or the network cannot do."""
        if self.settings.compile != "auto":
            return self.settings.compile == "on"
        gains = self.device.type == "cuda" and self.compiling_pays and self.settings.total_images >= LONG
        return gains and not getattr(self.settings, "checkpoint_activations", False) and _has_compiler()

    @property
    def device(self) -> torch.device:
        return self.images_seen.device

    @property
    def scaler(self) -> torch.amp.GradScaler:
        """Scales losses so that their float16 gradients do not vanish; switched off in other precisions."""
        if self._scaler is None:
            self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp is torch.float16)
        return self._scaler

    def _parameters_of(self, name: str) -> list[nn.Parameter]:
        return [p for group in self.optimizers[name].param_groups for p in group["params"]]

    def _load_slots(self, name: str, slots: dict[str, Tensor]) -> None:
        parameters, state = self._parameters_of(name), dict[int, dict[str, Tensor]]()
        for key, value in slots.items():
            index, slot = key.split(".", 1)
            parameter = parameters[int(index)]
            if value.shape == parameter.shape:  # fused optimisers read a moment in the memory order of its parameter
                value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
            state.setdefault(int(index), {})[slot] = value
        self.optimizers[name].load_state_dict(self.optimizers[name].state_dict() | {"state": state})

    def _set_rate(self, optimizer: torch.optim.Optimizer) -> None:
        factor = self.lr_scale * rate_factor(self.settings, self.updates * self.settings.batch)
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    # ------------------------------------------------------------ what the loop and the sampler use

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One update; returns what is to be logged."""
        self.train()
        self.ema.eval()
        scalars = self.train_step(batch)
        self._settled = False
        self.updates += 1
        self.images_seen += batch.total
        return scalars

    def keep_labels(self, labels: Tensor) -> None:
        """Take over the labels (n,) int64 of the training images; without them all classes are equally frequent."""
        self.shown = labels.cpu()

    def keep_images(self, images: Iterator[Tensor], labels: Tensor) -> None:
        """Take over what the family needs of the training images before the first update, or keeps of them.

        Args:
            images: all of them in parts, (n, C, H, W) float32 in [-1, 1]; read only where they are needed.
            labels: (N,) int64 of all.
        """

    def fitted(self, weights: dict[str, Tensor], spec: ImageSpec) -> dict[str, Tensor]:
        """Weights of a model of the family for other images, by the names that they have in this one.

        Args:
            weights: by the names of `state_dict`.
            spec: the other model's images.
        """
        return weights

    @torch.no_grad()
    def settle(self) -> None:
        """Go into evaluation mode, with the batch statistics of the averaged weights in `ema`.

        Where they are not yet known, they are measured on images of its own, of fixed seeds and of classes as frequent
        as among the training images.
        """
        super().settle()
        norms = [] if self._settled else ema.normalisations(self.ema)
        if norms:
            size = self.settings.batch_per_device or self.settings.batch
            count = -(-ema.MEASURED // size) * size
            places = torch.randperm(count, generator=torch.Generator().manual_seed(0)) * len(self.shown) // count
            labels = self.shown[places].to(self.device).split(size)
            numbers = (latents(seeds, self.latent_length).to(self.device) for seeds in torch.arange(count).split(size))
            with distributed.alone():  # one rank looks, and waits for no other
                ema.measure(norms, map(self.generate, labels, numbers))
        self._settled = True

    def load_average(self, weights: dict[str, Tensor]) -> None:
        super().load_average(weights)
        self._settled = True

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.updates)

    def set_extra_state(self, state: Tensor) -> None:
        self.updates, self._settled = int(state), False

    def state(self) -> dict[str, Tensor]:
        """Everything the next update depends on, as tensors by flat names (safetensors holds nothing else)."""
        flat = {f"model.{name}": tensor for name, tensor in self.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for index, slots in optimizer.state_dict()["state"].items():
                for slot, value in slots.items():
                    flat[f"optimizer.{name}.{index}.{slot}"] = torch.as_tensor(value)
        for key, value in self.scaler.state_dict().items():
            flat[f"scaler.{key}"] = torch.tensor(value, dtype=torch.float64)
        return flat

    def load_state(self, flat: dict[str, Tensor]) -> None:
        """The inverse of `state`.

        Raises:
            RuntimeError: names or shapes that are not this model's.
        """
        self.load_state_dict({k.removeprefix("model."): v for k, v in flat.items() if k.startswith("model.")})
        for name in self.optimizers:
            prefix = f"optimizer.{name}."
            self._load_slots(name, {k.removeprefix(prefix): v for k, v in flat.items() if k.startswith(prefix)})
        scale = {k: type(v)(flat[f"scaler.{k}"]) for k, v in self.scaler.state_dict().items()}
        self.scaler.load_state_dict(scale)


def _has_compiler() -> bool:
    """Whether torch.compile has what it takes on a CUDA card: Triton, and a C compiler for what starts its kernels."""
    return importlib.util.find_spec("triton") is not None and any(map(shutil.which, ("cc", "gcc", "clang")))


class StyledModel(GenerativeModel):
    """A family with an intermediate latent: styles that can be truncated, mixed and walked through in a line."""

    @abstractmethod
    def styles(self, labels: Tensor, latents: Tensor, truncation: float = 1.0) -> Tensor:
        """(N, layers, width) styles; `truncation` below 1 draws them towards the mean of the class."""

    @abstractmethod
    def render(self, styles: Tensor, latents: Tensor) -> Tensor:
        """Images (N, C, H, W) float32 in [-1, 1] of styles; only what is no style is taken from `latents`."""

    @abstractmethod
    def style_matrix(self) -> Tensor:
        """(n, width): the weights of all that styles are multiplied with first, of all layers."""


class DrawsStrips(ABC):
    """A family that draws strips of any width without seams."""

    @property
    @abstractmethod
    def alignment(self) -> int:
        """Columns after which the network's arithmetic repeats; a divisor of the width of its images. What it draws may
        differ by the place among them, in its images as in its strips."""

    @abstractmethod
    def strip(self, label: int, seed: int, width: int) -> Iterator[Tensor]:
        """Consecutive blocks of columns, (C, H, w) float32 in [-1, 1] on the CPU, `width` columns in all.

        Memory does not grow with the width but for at most some numbers a pixel. The same seed gives the same strip.
        """


class DrawsBoxes(ABC):
    """A family that can draw images with boxes: it puts defects where it is asked to. Its models do where their spec
    has classes of boxes; all of this is of no meaning for the others."""

    @abstractmethod
    def set_layouts(self, labels: list[int], layouts: list[Layout]) -> None:
        """Take over the layouts of the training images and their classes: the only ones that are ever asked for."""

    @abstractmethod
    def boxes(self, labels: Tensor, seeds: Tensor) -> list[Layout]:
        """What `sample` asks for with the same arguments: the boxes of its images, in pixels."""

    @abstractmethod
    def arrange(self, labels: Tensor, latents: Tensor, layout: Layout) -> Tensor:
        """What `draw` gives, with these boxes asked for in each image."""


def rate_factor(settings: Training, seen: int) -> float:
    """Of the learning rates after `seen` images: a linear rise over `lr_warmup_images` images, and a fall to 0 at
    `total_images` along half a cosine (Loshchilov & Hutter 2017, eq. 5, without restarts) for `cosine`."""
    factor = min(1.0, (seen + settings.batch) / settings.lr_warmup_images) if settings.lr_warmup_images else 1.0
    if settings.lr_schedule == "cosine":
        factor *= (1 + math.cos(math.pi * min(1.0, seen / settings.total_images))) / 2
    return factor


def adams(betas: tuple[float, float], **networks: tuple[nn.Module, float]) -> dict[str, torch.optim.Optimizer]:
    """One optimiser a network, by name, each with its rate."""
    return {
        name: torch.optim.Adam(network.parameters(), rate, betas, fused=True)
        for name, (network, rate) in networks.items()
    }


def base_resolution(spec: ImageSpec, family: str) -> tuple[int, int, int]:
    """Height and width of the coarsest features, 4 pixels on the shorter side, and how often they are doubled.

    Raises:
        UserError: the shorter side is no power of two within the limits, or the longer one no multiple of a quarter
            of it.
    """
    short, long = sorted((spec.height, spec.width))
    unit = max(1, short // 4)
    if short & (short - 1) or not LEAST <= short <= MOST or long % unit:
        raise UserError(
            f"size: {spec.height} x {spec.width} cannot be made by {family}; its shorter side must be a power of two "
            f"from {LEAST} to {MOST}, the longer one a multiple of a quarter of it"
        )
    return spec.height // unit, spec.width // unit, unit.bit_length() - 1


def latents(seeds: Tensor, size: int) -> Tensor:
    """(N, size) float32 standard normal on the CPU; row i depends on seeds[i] alone."""
    rows = [torch.randn(size, generator=torch.Generator().manual_seed(int(s))) for s in seeds]
    return torch.stack(rows)


def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """(N, D) on the great circle between the directions of two sets of normal vectors (Shoemake 1985), their lengths
    interpolated; vectors of one direction, or of opposite ones, are interpolated in a line."""
    a, b = (v / v.norm(dim=1, keepdim=True).clamp(min=1e-12) for v in (start, end))
    angle = (a * b).sum(1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    straight = sine < 1e-6
    sine = torch.where(straight, torch.ones_like(sine), sine)
    first = torch.where(straight, torch.full_like(angle, 1 - t), ((1 - t) * angle).sin() / sine)
    second = torch.where(straight, torch.full_like(angle, t), (t * angle).sin() / sine)
    length = torch.lerp(start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True), t)
    return (first * a + second * b) * length
