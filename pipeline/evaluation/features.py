"""What images look like to a network: feature vectors and Gram matrices, computed once for each image set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.data.imageset import ImageSet
from pipeline.evaluation import metrics
from pipeline.job import progress, say
from pipeline.settings import UserError
from pipeline.weights import verified

NETWORKS = 4  # of the random ensemble
CHANNELS = (8, 16, 16, 16, 16, 16)  # of its layers; a layer is left out where the image would be smaller than 8 pixels
GRID = 4  # brightness is averaged over GRID × GRID parts of the image
PIXELS_A_BATCH = 1 << 18


class Features(NamedTuple):
    """Of n images: `vectors` (n, d) float32; `grams` (n, g) float32, g = 0 where an extractor has none; the number of
    columns of each of their blocks (layers)."""

    vectors: NDArray[np.float32]
    vector_blocks: tuple[int, ...]
    grams: NDArray[np.float32]
    gram_blocks: tuple[int, ...]

    def rows(self, rows: NDArray[np.int64]) -> Features:
        return self._replace(vectors=self.vectors[rows], grams=self.grams[rows])


class Extractor(NamedTuple):
    """`version` names everything the features depend on but the images; `function` is (images, description) -> Features
    with images (n, H, W, C) of unsigned integers."""

    version: str
    function: Callable[[NDArray, str], Features]


# ---------------------------------------------------------------- random networks


class RandomNetworks:
    """An ensemble of convolutional networks with fixed random weights (the idea of Naeem et al. 2020, section 4.2).

    Each network is a stack of 3×3 convolutions without padding, ReLU and 2×2 averaging. Filters sum to zero over their
    inputs and have no bias, so responses do not depend on the brightness and are proportional to the contrast: a 16-bit
    image needs no squashing to 8 bits, and deep layers still see what differs between images. The features are the
    square root (it evens out the spread of weak and strong textures) of the mean response of every channel of every
    layer, from single pixels to about a quarter of the image, and the brightness of GRID × GRID parts of the image.
    Gram matrices are those of each layer of each network (Gatys et al. 2015).
    """

    def __init__(self, channels: int, size: int, device: torch.device):
        self.widths = [c for depth, c in enumerate(CHANNELS) if _side(size, depth) >= 8]
        rng = np.random.Generator(np.random.PCG64(20_200_219))
        self.weights = []
        for _ in range(NETWORKS):
            inputs = [channels, *self.widths[:-1]]
            shapes = [(o, i, 3, 3) for o, i in zip(self.widths, inputs, strict=True)]
            self.weights.append([_filters(rng.standard_normal(shape)).to(device) for shape in shapes])
        self.vector_blocks = (channels * GRID**2, *(w * NETWORKS for w in self.widths))
        self.gram_blocks = tuple(w * (w + 1) // 2 for w in self.widths) * NETWORKS

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (n, d) and Gram matrices (n, g) of images (n, C, H, W) in [0, 1]."""
        means, grams = [], []
        for weights in self.weights:
            hidden = images
            for weight in weights:
                hidden = functional.conv2d(hidden, weight).relu_()
                means.append(hidden.mean(dim=(2, 3)).sqrt())
                flat = hidden.flatten(2)
                grams.append(upper_triangle(flat @ flat.mT / flat.shape[2]))
                hidden = functional.avg_pool2d(hidden, 2)
        depth = len(self.widths)
        layers = [torch.cat(means[layer::depth], dim=1) for layer in range(depth)]
        brightness = functional.adaptive_avg_pool2d(images, GRID).flatten(1)
        return torch.cat([brightness, *layers], dim=1), torch.cat(grams, dim=1)


def _side(size: int, depth: int) -> int:
    """Side of the response of a layer."""
    for _ in range(depth):
        size = (size - 2) // 2
    return size - 2


def _filters(noise: NDArray) -> Tensor:
    """Filters (out, in, 3, 3) that sum to zero and keep the variance through a ReLU (He et al. 2015)."""
    noise = noise - noise.mean(axis=(1, 2, 3), keepdims=True)
    noise *= np.sqrt(2) / np.sqrt(np.square(noise).sum(axis=(1, 2, 3), keepdims=True))
    return torch.from_numpy(noise.astype(np.float32))


def upper_triangle(matrices: Tensor) -> Tensor:
    """(..., c, c) symmetric to (..., c (c + 1) / 2), off-diagonals times √2, which keeps the norm."""
    row, column = torch.triu_indices(*matrices.shape[-2:], device=matrices.device)
    factor = torch.where(row == column, 1.0, 2**0.5)
    return matrices[..., row, column] * factor


def random_features(images: NDArray, description: str) -> Features:
    """Features of the random ensemble, at the images' own resolution, depth and channels."""
    device = _device()
    _, height, width, channels = images.shape
    networks = RandomNetworks(channels, min(height, width), device)
    vectors, grams = [], []
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
        for batch in batches(images, description, max(1, PIXELS_A_BATCH // (height * width))):
            unit = torch.from_numpy(batch.astype(np.float32) / np.iinfo(images.dtype).max)
            v, g = networks(unit.permute(0, 3, 1, 2).contiguous().to(device))
            vectors.append(v.cpu().numpy())
            grams.append(g.cpu().numpy())
    return Features(np.concatenate(vectors), networks.vector_blocks, np.concatenate(grams), networks.gram_blocks)


# ---------------------------------------------------------------- Inception


def inception_features(images: NDArray, description: str, weights: Path) -> Features:
    """clean-fid's features: bicubic anti-aliased resizing to 299 pixels, then the TorchScript Inception-2015-12-05.

    The network knows 8 bits and three channels: deeper images are rounded to 8 bits, gray ones repeated. Both are
    part of what FID is.

    Args:
        images: (n, H, W, C) unsigned integers.
        weights: the verified file, which keeps its name.
    """
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    device = _device()
    network = InceptionV3W(str(weights.parent), download=False).to(device)
    resize = build_resizer("clean")
    vectors = []
    with torch.inference_mode():
        for batch in batches(images, description, 32):
            rgb = np.broadcast_to(eight_bits(batch), (*batch.shape[:3], 3))
            resized = np.stack([resize(image) for image in rgb]).transpose(0, 3, 1, 2)
            vectors.append(network(torch.from_numpy(resized).to(device)).float().cpu().numpy())
    joined = np.concatenate(vectors)
    return Features(joined, (joined.shape[1],), np.zeros((len(joined), 0), np.float32), ())


def inception_output(cache: str | os.PathLike) -> NDArray[np.float32]:
    """(1008, 2048) weights W of Inception's last layer: of features x its logits are W x, in the same pass or after it.

    The layer's bias is left out, as in the Inception score's original code and in NVIDIA's for this file.

    Raises:
        UserError: missing or altered weights.
    """
    network = torch.jit.load(str(verified("inception", cache)), map_location="cpu")
    return network.output.weight.detach().numpy()


def eight_bits(images: NDArray) -> NDArray[np.uint8]:
    """Unsigned integers of any depth to 0..255, rounded."""
    if images.dtype == np.uint8:
        return images
    return np.rint(images * (255 / np.iinfo(images.dtype).max)).astype(np.uint8)


# ---------------------------------------------------------------- spectra, kept in the same way


def spectra(images: NDArray, description: str) -> Features:
    """(n, b) radial power spectra of images in [0, 1], mean over channels, in decibel above their quantisation."""
    top = np.iinfo(images.dtype).max
    parts = batches(images, description, max(1, PIXELS_A_BATCH // images[0].size))
    power = np.concatenate([metrics.radial_psd(batch.mean(axis=3) / top)[1] for batch in parts])
    vectors = metrics.decibel(power, 1 / top).astype(np.float32)
    return Features(vectors, (vectors.shape[1],), np.zeros((len(vectors), 0), np.float32), ())


# ---------------------------------------------------------------- registry and cache


def _inception(cache: str | os.PathLike) -> Extractor:
    weights = verified("inception", cache)
    return Extractor("1", lambda images, text: inception_features(images, text, weights))


# Each takes the folder of downloaded weights; raises UserError where it needs some that are missing or altered.
EXTRACTORS: dict[str, Callable[[str | os.PathLike], Extractor]] = {
    "random": lambda cache: Extractor("1", random_features),
    "inception": _inception,
    "psd": lambda cache: Extractor("1", spectra),
}


def extract(images: NDArray, extractor: str, cache: str | os.PathLike, what: str) -> Features:
    """Features of images (n, H, W, C) that belong to no image set on disk.

    Raises:
        UserError: a feature is not finite; missing or altered weights.
    """
    return computed(images, extractor, EXTRACTORS[extractor](cache), what)


def computed(images: NDArray, name: str, extractor: Extractor, what: str) -> Features:
    """As `extract`, by an extractor that is in no registry because it depends on the data set."""
    found = extractor.function(images, f"{name} features, {what}")
    bad = ~np.isfinite(found.vectors).all(axis=1) | ~np.isfinite(found.grams).all(axis=1)
    if bad.any():
        raise UserError(f"{what}: {bad.sum()} of {len(bad)} images have {name} features that are not finite")
    return found


def features(images: ImageSet, extractor: str, cache: str | os.PathLike) -> Features:
    """Features of every image of a set, from `features-{extractor}.npz` in its folder where that fits the images.

    A file that is damaged, or belongs to other images or another version of the extractor, is made anew.

    Raises:
        UserError: as `extract`.
    """
    return kept(images, extractor, EXTRACTORS[extractor](cache))


def kept(images: ImageSet, name: str, extractor: Extractor) -> Features:
    """As `features`, by an extractor that is in no registry because it depends on the data set."""
    path = images.path / f"features-{name}.npz"
    key = f"{name} {extractor.version} {images.meta['data_hash']}"
    known = _read(path, key, len(images))
    if known is not None:
        return known
    found = computed(images.images, name, extractor, str(images.path))
    _write(path, key, found)
    return found


def _read(path: Path, key: str, n: int) -> Features | None:
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            blocks = [tuple(int(b) for b in file[name]) for name in ("vector_blocks", "gram_blocks")]
            found = Features(file["vectors"], blocks[0], file["grams"], blocks[1])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        say(f"{path}: damaged ({error}), computing it anew")
        return None
    whole = found.vectors.shape == (n, sum(found.vector_blocks)) and found.grams.shape == (n, sum(found.gram_blocks))
    return found if whole else None


def _write(path: Path, key: str, found: Features) -> None:
    part = path.with_name(f".{path.stem}.{os.getpid()}.npz")  # two jobs may write at once, each the same
    try:
        np.savez(part, key=np.array(key), **found._asdict())
        os.replace(part, path)
    except OSError as error:
        say(f"{path}: not kept ({error.strerror})")
        part.unlink(missing_ok=True)


def batches(images: NDArray, description: str, size: int) -> Iterator[NDArray]:
    with progress(description, len(images)) as bar:
        for start in range(0, len(images), size):
            batch = np.asarray(images[start : start + size])
            yield batch
            bar.update(len(batch))


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
