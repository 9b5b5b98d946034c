"""Denoising diffusion: a U-Net learns to take noise out of images, and draws by taking it out of nothing but noise.

Ho et al. 2020; cosine schedule of Nichol & Dhariwal 2021; v-prediction of Salimans & Ho 2022; loss weights of Hang et
al. 2023; guidance of Ho & Salimans 2022; non-leaky augmentation of Karras et al. 2022, appendix F.2. At the default
settings, for gray images of 6 classes, the network has 15.2 million parameters at 64 pixels and 14.9 at 128.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor, nn

from pipeline.models import diffusion, ema, paired
from pipeline.models.ada import Chance, blit, random_geometry, rotation, scaling, translation
from pipeline.models.base import DrawsAround, DrawsBoxes, DrawsStrips, GenerativeModel, latents, slerp
from pipeline.models.batch import Batch, BatchRng, MicroBatch
from pipeline.models.coarse import CoarseBook, TrainingPictures, enlarged
from pipeline.models.layouts import NUMBERS, Layout, coverage
from pipeline.models.unet import UNet, has_no_class, step
from pipeline.models.warp import Warp
from pipeline.settings import DDPMSettings, ImageSpec, UserError

GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples modulo 1 are spread evenly, however many are taken
LOOKS = 4  # times at which a held-out image is looked at
WINDOWS = 16  # windows of a strip that go through the network at once
CLIP = 1.0  # of the gradient's norm


class DDPM(GenerativeModel, DrawsAround, DrawsStrips, DrawsBoxes):
    """The family `ddpm`.

    A model with `coarse_pictures` is shown those beside the noisy image, one whose spec has classes of boxes their
    masks. What it draws has the layout or the coarse picture of a training image of the class, chosen by the last
    numbers of the latent; with both, of the same image. They are dropped together with the class, so guidance goes from
    nothing towards all, and an empty mask with a class is always background.
    """

    compiling_pays = True
    settings: DDPMSettings
    ema: UNet
    signal: Tensor  # (1001,) float32 buffers, by time
    spread: Tensor
    weight: Tensor

    def __init__(self, settings: DDPMSettings, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__(settings, spec, amp)
        self.generate_amp = amp
        if settings.guidance != 1 and settings.label_dropout == 0:
            raise UserError(f"guidance: {settings.guidance} needs label_dropout above 0, or no image is without class")
        self.augmentation = Augmentation(settings.augment, spec) if settings.augment else None
        self.network = UNet(settings, spec, Augmentation.LENGTH if self.augmentation else 0)
        self.ema = ema.averaged_copy(self.network)
        self.pixels = spec.channels * spec.height * spec.width
        self.latent_length = self.pixels + (NUMBERS if spec.boxes else 0)
        self.latent_length += self.ema.coarse.numbers if self.ema.coarse else 0
        self.abar = diffusion.SCHEDULES[settings.noise_schedule]()  # float64, on the CPU
        self.levels = diffusion.levels(self.abar)
        weights = diffusion.loss_weights(self.abar[1:], settings.prediction, settings.min_snr)
        for name, table in (
            ("signal", self.abar.sqrt()),
            ("spread", (1 - self.abar).sqrt()),
            ("weight", torch.cat([torch.zeros(1), weights])),
        ):
            self.register_buffer(name, table.float(), persistent=False)

    # ------------------------------------------------------------ training

    def make_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"G": torch.optim.Adam(self.network.parameters(), self.settings.learning_rate, fused=True)}

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        scalars = self.optimizer_step("G", self._loss, batch, clip=CLIP)
        self.average(self.network)
        return scalars

    def _loss(self, part: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        rng = part.rng
        u = (row_numbers(rng) + rng.uniform()) / rng.total  # one time in each stretch: less variance
        t = 1 + (u * diffusion.STEPS).long().clamp(max=diffusion.STEPS - 1)
        labels, dropped = part.labels, torch.zeros_like(part.labels, dtype=torch.bool)
        if has_no_class(self.settings, self.spec):
            dropped = rng.uniform() < self.settings.label_dropout
            labels = torch.where(dropped, len(self.spec.classes), labels)
        images, shown, conditions = part.images, part.masks, None
        if self.augmentation:
            moved, conditions = self.augmentation(beside(images, shown), rng)
            images, shown = self._apart(moved)
        if self.ema.coarse:
            shown = beside(self._coarse(images, rng), shown)
        shown = shown if shown is None else shown * ~dropped[:, None, None, None]
        errors = self._errors(self.compiled(self.network), images, t, labels, rng, shown, conditions)
        quarter = (t - 1) * 4 // diffusion.STEPS
        scalars = {f"loss/quarter{i + 1}": 4 * (errors * (quarter == i)).mean() for i in range(4)}
        loss = errors.mean()
        return loss, {"loss/denoising": loss} | scalars

    def _errors(
        self,
        network: Callable,
        images: Tensor,
        t: Tensor,
        labels: Tensor,
        rng: BatchRng,
        shown: Tensor | None,
        conditions: Tensor | None = None,
    ) -> Tensor:
        """(n,) weighted mean square errors of the network's predictions at times t (n,)."""
        noise = rng.normal(*images.shape[1:])
        signal, spread = (table[t][:, None, None, None] for table in (self.signal, self.spread))
        target = noise if self.settings.prediction == "epsilon" else diffusion.velocity(images, noise, signal, spread)
        with self.autocast():
            noisy = beside(diffusion.noised(images, noise, signal, spread), shown)
            predicted = network(noisy, t, labels, conditions)
        return self.weight[t] * (predicted - target).square().mean((1, 2, 3))

    def _apart(self, channels: Tensor) -> tuple[Tensor, Tensor | None]:
        """The inverse of `beside`; masks whose resampling went beyond [0, 1] are cut."""
        images, masks = channels.split([self.spec.channels, len(self.spec.boxes)], 1)
        return images, masks.clamp(0, 1) if self.spec.boxes else None

    def validation_losses(self, part: MicroBatch) -> dict[str, Tensor]:
        """`loss/held_out`: the loss of the averaged weights at times that are the same at every call."""
        first = row_numbers(part.rng) * GOLDEN % 1
        shown = beside(self._coarse(part.images, part.rng), part.masks) if self.ema.coarse else part.masks
        losses = []
        for look in range(LOOKS):
            u = (first + look) / LOOKS
            t = 1 + (u * diffusion.STEPS).long()
            losses.append(self._errors(self.ema, part.images, t, part.labels, part.rng, shown).mean())
        return {"loss/held_out": torch.stack(losses).mean()}

    # ------------------------------------------------------------ coarse pictures

    def keep_images(self, images: Iterator[Tensor], labels: Tensor) -> None:
        if self.network.coarse and self.ema.coarse:
            self.network.coarse.write(images, labels)
            self.ema.coarse.set_extra_state(self.network.coarse.table)

    def _coarse(self, images: Tensor, rng: BatchRng) -> Tensor:
        """The coarse pictures of these images, each a little different every time, as large as they."""
        assert self.ema.coarse is not None
        return self._enlarged(self.ema.coarse.of(images, rng.normal(self.ema.coarse.numbers)))

    def _enlarged(self, pictures: Tensor) -> Tensor:
        """Coarse pictures of one or several images side by side, a pixel of the images each."""
        factor = self.spec.height // pictures.shape[2]
        return enlarged(pictures, [factor * side for side in pictures.shape[2:]])

    # ------------------------------------------------------------ boxes

    def set_layouts(self, labels: list[int], layouts: list[Layout]) -> None:
        for network in (self.network, self.ema):
            assert network.book is not None  # there are boxes
            network.book.write(labels, layouts)

    def boxes(self, labels: Tensor, seeds: Tensor) -> list[Layout]:
        return self._asked(labels, latents(seeds, self.latent_length)[:, self.pixels :])

    def _asked(self, labels: Tensor, numbers: Tensor) -> list[Layout]:
        """Of images with these classes and, as all that follows, numbers (N, latent_length - pixels)."""
        book, spec = self.ema.book, self.spec
        if book is None:
            return []
        rows, still = zip(labels.tolist(), numbers[:, :NUMBERS].cpu(), strict=True), self.ema.coarse is not None
        return [book.ask(label, row, spec.symmetry, spec.height, spec.width, still) for label, row in rows]

    def _masks(self, layouts: list[Layout]) -> Tensor:
        return coverage(layouts, len(self.spec.boxes), self.spec.height, self.spec.width, self.device)

    # ------------------------------------------------------------ drawing

    @torch.no_grad()
    def generate(self, labels: Tensor, latents: Tensor) -> Tensor:
        """As the contract says; the ancestral sampler and DDIM with noise draw the rest from each latent's bits."""
        return self._drawn(labels, latents, self._shown(labels, latents[:, self.pixels :]))

    def _shown(
        self,
        labels: Tensor,
        numbers: Tensor,
        layout: Layout | None = None,
        joined: Callable[[Tensor], Tensor] = lambda parts: parts,
    ) -> Tensor | None:
        """What is shown beside noisy images: coarse pictures, and masks of boxes.

        Args:
            layout: the boxes of all images; None takes those of training images.
            joined: (of several images) -> (of one whose parts these are).
        """
        parts, book, coarse = [], self.ema.book, self.ema.coarse
        if coarse:
            pictures = self._pictures_of_boxes(labels, numbers, layout) if book else coarse.ask(labels, numbers)
            parts.append(self._enlarged(joined(pictures)))
        if book:
            layouts = self._asked(labels, numbers) if layout is None else [layout] * len(labels)
            parts.append(joined(self._masks(layouts)))
        return torch.cat(parts, 1) if parts else None

    def _pictures_of_boxes(self, labels: Tensor, numbers: Tensor, layout: Layout | None) -> Tensor:
        book, coarse, numbers, rest = self.ema.book, self.ema.coarse, *numbers.tensor_split([NUMBERS], 1)
        assert book is not None
        assert isinstance(coarse, TrainingPictures)  # the settings have it so
        if layout is None:
            found = paired.own(coarse, book, labels, numbers)
        else:
            found = paired.nearest(coarse, book, self.spec, labels, layout, torch.special.ndtr(rest[:, 0]))
        return coarse.varied(found, rest)

    @property
    def pictures(self) -> CoarseBook | None:
        """None with boxes, which an image that somebody gives does not tell."""
        return None if self.spec.boxes else self.ema.coarse

    def around(self, labels: Tensor, latents: Tensor, pictures: Tensor) -> Tensor:
        return self._drawn(labels, latents, self._enlarged(pictures))

    @torch.no_grad()
    def arrange(self, labels: Tensor, latents: Tensor, layout: Layout) -> Tensor:
        self.settle()
        labels, latents = labels.to(self.device), latents.to(self.device)
        return self._drawn(labels, latents, self._shown(labels, latents[:, self.pixels :], layout))

    def _drawn(self, labels: Tensor, latents: Tensor, shown: Tensor | None) -> Tensor:
        x = latents[:, : self.pixels].unflatten(1, (self.spec.channels, self.spec.height, self.spec.width))

        @cache  # asked for by few samplers
        def generators() -> list[torch.Generator]:
            return [torch.Generator().manual_seed(seed_of(row)) for row in latents.cpu()]

        def normal() -> Tensor:
            return torch.stack([torch.randn(x.shape[1:], generator=g) for g in generators()]).to(x.device)

        return self._draw(lambda x, t: self._clean(x, t, labels, shown), x, normal)

    def interpolate_latents(self, start: Tensor, end: Tensor, t: float) -> Tensor:
        """As the contract says; the layout stays that of the start, for boxes have no way from one to another."""
        if self.pictures:
            return self.pictures.on_the_way(start, end, t)
        return torch.cat([slerp(start[:, : self.pixels], end[:, : self.pixels], t), start[:, self.pixels :]], 1)

    @property
    def alignment(self) -> int:
        return step(self.settings)

    @torch.no_grad()
    def strip(self, label: int, seed: int, width: int) -> Iterator[Tensor]:
        """Overlapping denoising (the idea of Bar-Tal et al. 2023): at every step, windows half over one another clean
        the strip, and what they say of a column is averaged, each window counting less towards its edges. The windows
        move from step to step, so that no column is at an edge twice. The strip is cut from a ring. Boxes and coarse
        pictures are those of several images of the class, side by side.
        """
        self.eval()
        half = self.spec.width // 2
        ring = half * (-(-width // half) + 2)
        rng = torch.Generator().manual_seed(seed)
        shape = (1, self.spec.channels, self.spec.height, ring)
        tiles = -(-ring // self.spec.width)
        labels = torch.full((tiles,), label, device=self.device)
        numbers = torch.randn(tiles, self.latent_length - self.pixels, generator=rng).to(self.device)
        shown = self._shown(labels, numbers, joined=lambda parts: torch.cat(list(parts), 2)[None])
        shown = shown if shown is None else shown[:, :, :, :ring]

        def normal() -> Tensor:
            return torch.randn(shape, generator=rng).to(self.device)

        image = self._draw(lambda x, t: self._clean_ring(x, t, label, shown), normal(), normal)[0, :, :, :width]
        yield from image.cpu().split(self.spec.width, 2)

    def _draw(self, clean: diffusion.Denoise, x: Tensor, normal: Callable[[], Tensor]) -> Tensor:
        settings = self.settings
        if settings.sampler == "ancestral":
            drawn = diffusion.ancestral(clean, x, self.abar, normal)
        elif settings.sampler == "ddim":
            times = diffusion.even_times(diffusion.STEPS, settings.sampling_steps)
            drawn = diffusion.ddim(clean, x, self.abar, times, settings.eta, normal)
        else:
            times = diffusion.log_snr_times(self.abar, settings.sampling_steps)
            drawn = diffusion.dpm_solver(clean, x, self.abar, times)
        return drawn.clamp(-1, 1)

    def _clean(self, x: Tensor, t: int, labels: Tensor, shown: Tensor | None = None) -> Tensor:
        """x_0 (N, C, H, W) expected behind x_t, within [-1, 1]."""
        times, scale = torch.full_like(labels, t), self.settings.guidance
        with self.autocast():
            if scale == 1 or not has_no_class(self.settings, self.spec):
                predicted = self.ema(beside(x, shown), times, labels)
            else:
                none = torch.full_like(labels, len(self.spec.classes))
                empty = shown if shown is None else torch.zeros_like(shown)
                seen = torch.cat([beside(x, shown), beside(x, empty)])
                given, free = self.ema(seen, times.repeat(2), torch.cat([labels, none])).chunk(2)
                predicted = diffusion.guided(given, free, scale)
        behind = diffusion.PREDICTIONS[self.settings.prediction]
        return behind(x, predicted, self.levels[0][t], self.levels[1][t]).clamp(-1, 1)

    def _clean_ring(self, x: Tensor, t: int, label: int, shown: Tensor | None = None) -> Tensor:
        """x_0 of a ring (1, C, H, ring): the mean of what windows say, weighted by a tent over each."""
        ring, half = x.shape[3], self.spec.width // 2
        within = torch.arange(self.spec.width, device=x.device)
        tent = torch.minimum(within, self.spec.width - 1 - within) + 0.5
        starts = torch.arange(0, ring, half, device=x.device) + int(half * (t * GOLDEN % 1))
        total, weight = torch.zeros_like(x[0]), torch.zeros_like(x[0, 0, 0])
        for some in starts.split(WINDOWS):
            columns = (some[:, None] + within) % ring  # (windows, W)
            windows = x[0][:, :, columns].permute(2, 0, 1, 3)  # (windows, C, H, W)
            theirs = shown if shown is None else shown[0][:, :, columns].permute(2, 0, 1, 3)
            cleaned = self._clean(windows, t, torch.full_like(some, label), theirs) * tent
            total.index_add_(2, columns.flatten(), cleaned.permute(1, 2, 0, 3).flatten(2))
            weight.index_add_(0, columns.flatten(), tent.repeat(len(some)))
        return (total / weight)[None]


class Augmentation(nn.Module):
    """Random geometric transforms of images. The network is told which, so that its samples show none (Karras et al.
    2022, appendix F.2). Each transform is drawn with probability p; what lies outside an image is its mirror image."""

    LENGTH = 6  # numbers that tell the whole transform
    p: Tensor  # buffers: (), (2, 3) and (3, 3)
    units: Tensor
    identity: Tensor

    def __init__(self, p: float, spec: ImageSpec):
        super().__init__()
        self.warp = Warp(spec.height, spec.width)
        units = torch.tensor([[1.0, 1.0, spec.width], [1.0, 1.0, spec.height]])
        for name, value in (("p", torch.tensor(p)), ("units", units), ("identity", torch.eye(3))):
            self.register_buffer(name, value, persistent=False)

    def forward(self, images: Tensor, rng: BatchRng) -> tuple[Tensor, Tensor]:
        """Moved images, and (N, 6): the affine transform less the identity, translations in sides of the image."""
        height, width = images.shape[2:]
        chance = Chance(self.p, rng)
        flip = chance.integer(2)
        turns = chance.integer(4) if height == width else 2 * chance.integer(2)
        x, y = chance.uniform(-0.125, 0.125, columns=2).unbind(1)
        x, y = (x * width).round(), (y * height).round()
        images = blit(images, flip, turns, torch.stack([x, y], 1).long())
        blitted = translation(x, y) @ rotation(turns * (-math.pi / 2)) @ scaling(1.0 - 2 * flip, torch.ones_like(x))
        bent = random_geometry(chance, height, width)
        straight = (bent == self.identity).all((1, 2))[:, None, None, None]
        images = torch.where(straight, images, self.warp(images, bent))
        change = (bent @ blitted - self.identity)[:, :2] / self.units
        return images, change.flatten(1)


def beside(images: Tensor, shown: Tensor | None) -> Tensor:
    """(N, C + D, H, W): the images, and what is shown beside them (N, D, H, W) as further channels."""
    return images if shown is None else torch.cat([images, shown.to(images.dtype)], 1)


def row_numbers(rng: BatchRng) -> Tensor:
    """(n,) of the rows of a part within the batch of all ranks."""
    return torch.arange(rng.total, device=rng.device)[rng.rows]


def seed_of(latent: Tensor) -> int:
    """A seed made of the bits of a latent (D,) float32 on the CPU."""
    digest = hashlib.blake2b(latent.contiguous().numpy().tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
