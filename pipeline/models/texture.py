"""Texture losses: generated and real images drawn together by statistics that do not know where in an image things are.

The images of a batch are unpaired: image i was generated, photograph i is of another place. A loss on the difference of
the two, pixel by pixel or feature by feature, has its least expected value at the mean photograph, which is a blur. So
every image is first reduced to numbers that have no position, and then not even these are compared image by image:

- `perceptual`: mean and deviation over the positions of each channel of four layers of VGG19 (Huang & Belongie 2017,
  eq. 5, use the same two for a style);
- `gram`: the Gram matrices of the same layers, which say what patterns occur together (Gatys et al. 2015, eq. 3);
- `fft`: the logarithm of the magnitude spectrum, which says what periods and directions occur.

For each, the loss estimates |E fake - E real|², the squared distance between what the generator makes on average and
what is real on average, within each class. See `distance` for how, and docs/families/texture-losses.md for when to use
it. A batch that is taken in parts, or by several ranks, is compared part by part; the estimate has the same mean for
parts of any size, and only scatters more for small ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.layers import precision

# The convolutions of VGG19 (Simonyan & Zisserman 2015, table 1, E) as far as conv4_1, by block, with torchvision's
# numbers, which count the ReLUs and poolings between them.
BLOCKS = ((0, 2), (5, 7), (10, 12, 14, 16), (19,))
MEAN = (0.485, 0.456, 0.406)  # of ImageNet's red, green and blue in [0, 1], and their deviation, which torchvision's
DEVIATION = (0.229, 0.224, 0.225)  # networks expect to be taken out
FLOOR = 1 / 255  # half a gray level of 8 bits where images span [-1, 1]


class Texture(nn.Module):
    """VGG19 up to relu4_1, and the three losses.

    Holds no parameters and adds nothing to a state: its weights are buffers that are not kept, so that a model which
    uses it is saved, counted and drawn from as one that does not.

    Args:
        weights: by torchvision's names (`features.0.weight`, `features.0.bias`, ...); others are left out.

    Raises:
        KeyError: a convolution is missing.
    """

    mean: Tensor  # (3, 1, 1) buffers
    deviation: Tensor

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        for number in sum(BLOCKS, ()):
            for what in ("weight", "bias"):
                kept = weights[f"features.{number}.{what}"].detach().clone()
                self.register_buffer(f"{what}{number}", kept, persistent=False)
        for name, value in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(value)[:, None, None], persistent=False)

    def forward(self, fake: Tensor, real: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """The three losses, each () float32; 0, without a gradient, where no class has two images.

        Under autocast the convolutions are in low precision; what is made of their results is not.

        Args:
            fake: (N, C, H, W) in [-1, 1], C of 1 or 3, H and W at least 32; not augmented.
            real: the same shape; takes no gradient.
            labels: (N,) int64, the classes of both fake[i] and real[i]; None compares all with all.
        """
        fake, real = fake.to(self.mean.dtype), real.detach().to(self.mean.dtype)
        pairs = pair_weights(fake.new_zeros(len(fake)) if labels is None else labels, fake.dtype)
        with torch.no_grad():
            real_layers = self.features(real)
        fake_layers = self.features(fake)
        with precision(fake):
            layers = [(f.to(fake.dtype), r.to(fake.dtype)) for f, r in zip(fake_layers, real_layers, strict=True)]
            losses = {
                "perceptual": [relative(moments(f), moments(r), pairs) for f, r in layers],
                "gram": [relative(gram(f), gram(r), pairs) / 4 for f, r in layers],  # Gatys et al. 2015, eq. 4
                "fft": [distance(log_spectrum(fake), log_spectrum(real), pairs)],
            }
        return {name: torch.stack(values).mean() for name, values in losses.items()}

    def features(self, images: Tensor) -> list[Tensor]:
        """relu1_1, relu2_1, relu3_1 and relu4_1 of (N, C, H, W) in [-1, 1]: (N, 64 · 2^k, H / 2^k, W / 2^k)."""
        x = ((images + 1) / 2).expand(-1, 3, -1, -1)
        x = (x - self.mean) / self.deviation
        found: list[Tensor] = []
        for block in BLOCKS:
            x = self._convolve(F.max_pool2d(x, 2) if found else x, block[0])
            found.append(x)
            for number in block[1:]:
                x = self._convolve(x, number)
        return found

    def _convolve(self, x: Tensor, number: int) -> Tensor:
        weight, bias = self.get_buffer(f"weight{number}"), self.get_buffer(f"bias{number}")
        return F.relu(F.conv2d(x, weight, bias, padding=1))


def load(file: Path) -> Texture:
    """The losses with torchvision's VGG19.

    Args:
        file: as `pipeline.base.weights.verified("vgg19", folder)` gives it. It is a pickle, read for its tensors alone.
    """
    return Texture(torch.load(file, map_location="cpu", weights_only=True))


# ---------------------------------------------------------------- what an image is reduced to


def moments(x: Tensor) -> Tensor:
    """(N, 2C) means and deviations over the positions of (N, C, H, W)."""
    flat = x.flatten(2)
    variance = flat.var(2, correction=0)
    return torch.cat([flat.mean(2), (variance + 1e-5).sqrt()], 1)  # no infinite slope at dead channels


def gram(x: Tensor) -> Tensor:
    """(N, C²) mean over the positions of the products of any two channels of (N, C, H, W): Gatys et al. 2015, eq. 3,
    over the number of positions, by which their eq. 4 divides."""
    flat = x.flatten(2)
    return (flat @ flat.mT / flat.shape[2]).flatten(1)


def log_spectrum(images: Tensor) -> Tensor:
    """(N, C · H · (W // 2 + 1)) natural logarithm of the magnitudes of the discrete Fourier transform.

    An image that is shifted, what leaves it on one side coming in on the other, keeps its spectrum. The transform is
    scaled so that white noise has its own deviation as magnitude at every frequency. Below half a gray level
    magnitudes count as that, for what is there in photographs is the rounding of their gray values.
    """
    found = torch.fft.rfft2(images, norm="ortho")
    power = found.real.square() + found.imag.square()
    return (power + FLOOR**2).log().flatten(1) / 2


# ---------------------------------------------------------------- how two sets of images are compared


def pair_weights(labels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """(N, N) weights of pairs of rows, of sum 1: positive for two different rows of one class, else 0; all 0 without
    such pairs.

    A class weighs as much as it has rows; a class of one row weighs nothing.
    """
    same = (labels[:, None] == labels).to(dtype).fill_diagonal_(0)
    partners = same.sum(1, keepdim=True)
    return same / partners.clamp(min=1) / (partners > 0).sum().clamp(min=1)


def distance(fake: Tensor, real: Tensor, pairs: Tensor) -> Tensor:
    """() Unbiased estimate of |E fake - E real|² / D, the mean over classes, from rows (N, D).

    The squared difference of two batch means is too large by the variance within the batches over N: as a loss it
    would press the generator to make all images alike, the more so the smaller the batch. That excess is the products
    of a row's difference with itself; products of *different* rows' differences are without it. This is the unbiased
    estimate of the squared maximum mean discrepancy with a linear kernel (Gretton et al. 2012, eq. 4): it scatters
    about 0, on both sides, where the means agree. No row is compared with the row of its number, only with averages:
    the order of `real` within a class matters nothing to the mean of the estimate.
    """
    difference = fake - real
    return ((difference @ difference.mT) * pairs).sum() / difference.shape[1]


def relative(fake: Tensor, real: Tensor, pairs: Tensor) -> Tensor:
    """() `distance` over the mean square of `real`: a squared relative error, so that a layer counts the same whatever
    the scale of its features. (Gatys et al. 2015 rescale the network for this, so that every channel is 1 on average.)
    """
    return distance(fake, real, pairs) / real.square().mean()
