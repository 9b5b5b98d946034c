"""Coarse pictures: grey values and contrasts of training images on a few places, which tell a network what is where.

A network that draws texture around one has the variety of the training images at that size from the start, and only
what is finer is left to learn. A line thinner than a place is in its contrasts alone: that there is one, and whether it
lies or stands, but neither where in the place nor whether it is dark or bright.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.ada import blit
from pipeline.models.base import slerp
from pipeline.models.flips import MOST_FLIPS, flipped
from pipeline.settings import FEWEST, AroundPictures, ImageSpec, UserError

PLACES = 8  # on an image's shorter side
PARTS = 4  # what a coarse picture says of each place, of each channel of an image
MOVES = 2 + MOST_FLIPS  # standard normal numbers that a coarse picture is moved by
COMPONENTS = 128  # of the pictures of a class, those of the largest variance: of steel 99 % of it
WAVES = 4  # pixels of the smooth noise that is added, on the shorter side
SHIFT = 1 / 8  # of a side: the farthest that a picture is moved along either axis, by whole places
NOISE = 0.05  # its deviation, where black to white is 2
LEAST = 0.01  # deviation of grey values within a place that is taken for none
WEIGHT = 0.3  # deviation of the weights of a coarse picture at each resolution, before training
INSIDE = 0.98  # a coarse picture's values are drawn this far towards black and white: tanh never reaches them


def coarse(images: Tensor, height: int, width: int) -> Tensor:
    """What images (N, C, H, W) in [-1, 1] are like in each of h x w places, (N, PARTS * C, h, w): the means, then how
    much pixels differ there, rows (a line that lies), and columns (a line that stands).

    The latter three are 1 + log10 of the deviation of the pixels, of the means of rows, and of those of columns, so
    that -1 is 0.01 or less, 0 is 0.1, and 1 is the most there can be.

    Args:
        height, width: h and w, which divide H and W.
    """
    places = images.unflatten(3, (width, -1)).unflatten(2, (height, -1))  # (N, C, h, rows, w, columns)
    rows, columns = places.mean(5), places.mean(3)
    variances = [places.var((3, 5), correction=0), rows.var(3, correction=0), columns.var(4, correction=0)]
    return torch.cat([rows.mean(3), *(1 + (v + LEAST**2).log10() / 2 for v in variances)], 1)


def enlarged(pictures: Tensor, size: Iterable[int]) -> Tensor:
    """Coarse pictures (N, C, h, w) at another size (height, width), (N, C, height, width)."""
    return F.interpolate(pictures, tuple(size), mode="bilinear", align_corners=False)


def drawn_around(image: Tensor, pictures: Tensor) -> Tensor:
    """What a network adds (N, C, H, W) to the means of coarse pictures, as images (N, C, H, W) in (-1, 1)."""
    means = pictures[:, : image.shape[1]]
    return torch.tanh(image + enlarged(INSIDE * means, image.shape[2:]).atanh())


class CoarseBook(ABC, nn.Module):
    """What a drawn image's coarse picture is taken from, and how it is moved. Nothing of it is learnt.

    It is in the model's weights as one table, so that nothing but the model is needed to draw. A book that nothing was
    written into gives mid-gray pictures.
    """

    choosing: int  # standard normal numbers that a picture is chosen by, before those that it is moved by
    table: Tensor  # on the CPU; all that the state holds

    def __init__(self, spec: ImageSpec, family: str):
        """Raises UserError where the images cannot be divided into square places, PLACES on the shorter side."""
        super().__init__()
        side, rest = divmod(min(spec.height, spec.width), PLACES)
        if rest or max(spec.height, spec.width) % side:
            raise UserError(
                f"size: {spec.height} x {spec.width} cannot be made by {family} with coarse pictures; the shorter side "
                f"must be a multiple of {PLACES}, the longer one of an {PLACES}th of it"
            )
        self.symmetry, self.classes = spec.symmetry, spec.classes
        self.shape = (PARTS * spec.channels, spec.height // side, spec.width // side)
        self.waves = (self.shape[0], WAVES * self.shape[1] // PLACES, WAVES * self.shape[2] // PLACES)
        self.numbers = self.choosing + MOVES + math.prod(self.waves)
        """Standard normal numbers that a picture is made of."""

    @abstractmethod
    def _table(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """What is kept of the training images' coarse pictures (n, PARTS * C, h, w) and labels (n,)."""

    @abstractmethod
    def _chosen(self, labels: Tensor, numbers: Tensor) -> Tensor:
        """Pictures (N, PARTS * C, h, w) of the classes (N,), by (N, choosing) standard normal numbers."""

    def write(self, images: Iterable[Tensor], labels: Tensor) -> None:
        """Fill the book with what images are like in its places, (n, C, H, W) in parts, and their labels (N,) int64.

        Raises UserError where there are too few.
        """
        self.set_extra_state(self._table(torch.cat([self.seen(part) for part in images]), labels))

    def seen(self, images: Tensor) -> Tensor:
        """Coarse pictures (N, PARTS * C, h, w) of images (N, C, H, W)."""
        return coarse(images, *self.shape[1:])

    def get_extra_state(self) -> Tensor:
        return self.table

    def set_extra_state(self, state: Tensor) -> None:
        self.table = state.detach().to("cpu", torch.float32)

    def ask(self, labels: Tensor, numbers: Tensor) -> Tensor:
        """Coarse pictures (N, PARTS * C, h, w) in [-1, 1] of the classes, under an element of the symmetry's group,
        shifted by up to SHIFT of a side either way, with a little smooth noise. Shifts are of whole places: between
        them a picture would be blurred, which no image's is.

        Args:
            labels: (N,) int64.
            numbers: (N, self.numbers) standard normal.
        """
        choosing, moving = numbers[:, : self.choosing + MOVES].float().split([self.choosing, MOVES], 1)
        chances = torch.special.ndtr(moving)
        flips = chances[:, :MOST_FLIPS, None, None, None].unbind(1)
        pictures = self.turned(self._chosen(labels, choosing), flips).to(numbers)
        most = numbers.new_tensor([round(SHIFT * side) for side in self.shape[:0:-1]])
        shifts = ((2 * most + 1) * chances[:, -2:]).floor().minimum(2 * most) - most
        still = torch.zeros_like(labels)
        return self.varied(blit(pictures, still, still, shifts.long()), numbers)

    @property
    def jumping(self) -> int:
        """How many of the numbers, the last ones, jump in the middle of the way from one image to another."""
        return self.numbers

    def on_the_way(self, start: Tensor, end: Tensor, t: float) -> Tensor:
        """`interpolate_latents` of a family whose latents (N, length) end in the numbers of `ask`."""
        rest = start.shape[1] - self.jumping
        chosen = start if t < 0.5 else end
        return torch.cat([slerp(start[:, :rest], end[:, :rest], t), chosen[:, rest:]], 1)

    def of(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Coarse pictures (N, PARTS * C, h, w) in [-1, 1] of these images (N, C, H, W), with a little smooth noise.

        Args:
            numbers: (N, self.numbers) standard normal.
        """
        return self.varied(self.seen(images), numbers)

    def missed(self, images: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared differences () between what images (N, C, H, W) are like and the coarse pictures that they were
        asked for: of the grey values, and of the contrasts."""
        means, *contrasts = (self.seen(images.float()) - pictures).square().chunk(PARTS, 1)
        return means.mean(), torch.cat(contrasts, 1).mean()

    def turned(self, pictures: Tensor, chances: Sequence[Tensor]) -> Tensor:
        """`flipped` pictures (N, PARTS * C, h, w); where one is transposed, what was its rows' is its columns'."""
        pictures = flipped(pictures, self.symmetry, chances)
        if self.symmetry != "dihedral":
            return pictures
        *others, rows, columns = pictures.chunk(PARTS, 1)
        return torch.where(chances[-1] < 0.5, torch.cat([*others, columns, rows], 1), pictures)

    def varied(self, pictures: Tensor, numbers: Tensor) -> Tensor:
        """Pictures (N, PARTS * C, h, w) with a little smooth noise, within [-1, 1]; `numbers` as of `ask`."""
        waves = numbers[:, self.choosing + MOVES :].unflatten(1, self.waves)
        return (pictures + NOISE * enlarged(waves, self.shape[1:])).clamp(-1, 1)


class TrainingPictures(CoarseBook):
    """The training images' own pictures, all of them."""

    choosing = 1
    pictures: Tensor  # (n + 1, PARTS * C, h, w) class by class, then a mid-gray one; buffers not in the state
    first: Tensor  # (classes,) positions of the first picture of each class among them, and how many it has
    count: Tensor

    def __init__(self, spec: ImageSpec, family: str):
        super().__init__(spec, family)
        for name in ("pictures", "first", "count"):
            self.register_buffer(name, torch.zeros(0), persistent=False)
        self.set_extra_state(torch.zeros(0, 1 + math.prod(self.shape)))

    def _table(self, pictures: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([labels[:, None].to(pictures), pictures.flatten(1)], 1)

    def set_extra_state(self, state: Tensor) -> None:
        super().set_extra_state(state)
        labels, order = self.table[:, 0].long().sort(stable=True)
        count, device = torch.bincount(labels, minlength=len(self.classes)), self.first.device
        self.first = torch.where(count > 0, count.cumsum(0) - count, len(labels)).to(device)
        self.count = count.to(device)
        self.pictures = F.pad(self.table[order, 1:], (0, 0, 0, 1)).unflatten(1, self.shape).to(device)

    def _chosen(self, labels: Tensor, numbers: Tensor) -> Tensor:
        places = (torch.special.ndtr(numbers[:, 0]) * self.count[labels]).long()
        return self.pictures[self.first[labels] + places.minimum((self.count[labels] - 1).clamp(min=0))]

    def of_class(self, label: int) -> Tensor:
        """The pictures (n, PARTS * C, h, w) of a class, in the order in which its images were written."""
        return self.pictures[self.first[label] :][: self.count[label]]


class NormalPictures(CoarseBook):
    """A normal distribution of each class's pictures: their mean, and the components of most of their covariance.

    The picture of an image that is unlike all others of its class is nearly a component, and images of one scene are
    as one image: where all of a class are, the mean is their picture.
    """

    choosing = COMPONENTS
    moments: Tensor  # (classes, 1 + COMPONENTS, PARTS * C * h * w): mean, then components; a buffer not in the state

    def __init__(self, spec: ImageSpec, family: str):
        super().__init__(spec, family)
        self.register_buffer("moments", torch.zeros(0), persistent=False)
        self.set_extra_state(torch.zeros(len(spec.classes), 1 + COMPONENTS, math.prod(self.shape)))

    def _table(self, pictures: Tensor, labels: Tensor) -> Tensor:
        rows, labels, found = pictures.flatten(1).cpu().double(), labels.cpu(), torch.zeros_like(self.table)
        for k, name in enumerate(self.classes):
            own = rows[labels == k]
            if 0 < len(own) < FEWEST:
                raise UserError(
                    f"coarse_pictures_from: distribution: class `{name}` has {len(own)} training images, at least "
                    f"{FEWEST} are needed; of fewer the mean would be like one of them"
                )
            if len(own):
                mean = own.mean(0)
                _, spread, axes = torch.linalg.svd((own - mean) / (len(own) - 1) ** 0.5, full_matrices=False)
                components = (spread[:, None] * axes)[:COMPONENTS]
                found[k, : 1 + len(components)] = torch.cat([mean[None], components])
        return found

    def set_extra_state(self, state: Tensor) -> None:
        super().set_extra_state(state)
        self.moments = self.table.to(self.moments.device)

    def _chosen(self, labels: Tensor, numbers: Tensor) -> Tensor:
        mean, components = self.moments[labels].split([1, COMPONENTS], 1)
        return (mean + numbers[:, None] @ components).unflatten(2, self.shape).squeeze(1)

    @property
    def jumping(self) -> int:
        """Those of its moves: the picture itself goes all the way."""
        return self.numbers - self.choosing


BOOKS: dict[str, type[CoarseBook]] = {"images": TrainingPictures, "distribution": NormalPictures}
"""By the setting `coarse_pictures_from`."""


def coarse_book(spec: ImageSpec, settings: AroundPictures) -> CoarseBook:
    """The book of a model that draws around coarse pictures. Error as of its class."""
    return BOOKS[settings.coarse_pictures_from](spec, settings.family)


class Around(nn.Module):
    """What makes a generator draw around coarse pictures: a book of them, and weights by which they are added to its
    features, one resolution after another."""

    def __init__(self, spec: ImageSpec, settings: AroundPictures, channels: Iterable[int]):
        """Args: `channels` of the features, from the coarsest resolution on."""
        super().__init__()
        self.book = coarse_book(spec, settings)
        sides = [nn.Conv2d(self.book.shape[0], count, 1, bias=False) for count in channels]
        for side in sides:
            nn.init.normal_(side.weight, 0.0, WEIGHT)
        self.sides = nn.ModuleList(sides)

    def forward(self, i: int, features: Tensor, pictures: Tensor) -> Tensor:
        """The features (N, channels[i], H, W), and what there is to be drawn."""
        return features + self.sides[i](enlarged(pictures, features.shape[2:]))
