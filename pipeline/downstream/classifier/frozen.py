"""A frozen backbone: EfficientNet-Lite0 as ImageNet left it, and a logistic head that learns from its features."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from pipeline.base import imagenet
from pipeline.base.rows import blocks
from pipeline.data.image_set import ImageSet
from pipeline.downstream.classifier import device_dataset
from pipeline.downstream.classifier.augment import Augmentation
from pipeline.downstream.classifier.backbone import Backbone
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.schedule import TrainingMix, orientations
from pipeline.settings import Detect, ImageSpec

PENALTY = 0.3  # scikit-learn's C for features of unit variance, the weights of all images adding up to the real ones
ITERATIONS = 1000
AUGMENTED = 8  # views of a training image that are kept; a repetition sees half of them
LEAST_AUGMENTED = 2
LOOKS = 10_000  # views of the training images of a set, of each kind, beyond which fewer views of each are kept
QUIET = 0.1  # of the median deviation of all features, which none is taken to have less than
UNSEEN = -30.0  # log probability of a class that a head has seen no image of
VIEWS = 3000  # seed of the augmented views


@dataclass(frozen=True)
class Views:
    """Features (n, views, d) float32 of n images: turned as their symmetry allows, and with classical augmentation."""

    turned: NDArray[np.float32]
    augmented: NDArray[np.float32]


@dataclass(frozen=True)
class FeatureSet:
    """Features of labelled images, the first `n_real` real ones."""

    views: Views
    labels: Tensor
    n_real: int

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Head:
    """Logits `(x - middle) / scale @ weights + bias` of features x."""

    middle: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def log_probabilities(self, pool: FeatureSet, rows: np.ndarray | None = None) -> np.ndarray:
        """(n, K) as of `Classifier`: the mean over all the ways an image may be turned, renormalised."""
        logits = self._seen(pool, rows) @ self.weights + self.bias
        return log_softmax(log_softmax(logits, axis=2).mean(axis=1), axis=1)

    def features(self, pool: FeatureSet, rows: np.ndarray | None = None) -> np.ndarray:
        """(n, d) as of `Classifier`: the mean over all the ways an image may be turned."""
        return self._seen(pool, rows).mean(axis=1)

    def _seen(self, pool: FeatureSet, rows: np.ndarray | None) -> NDArray[np.float64]:
        turned = pool.views.turned if rows is None else pool.views.turned[rows]
        return (turned - self.middle) / self.scale


@dataclass
class Frozen(Backbone):
    """Features of EfficientNet-Lite0, computed once for each image set, and a logistic head."""

    name = "frozen"

    _known: dict[tuple, FeatureSet] = field(default_factory=dict)
    """Of a job's image sets, which many arms share, by what they hold and how they were looked at."""

    def training(self, real: ImageSet, synthetic: Sequence[ImageSet], device: torch.device) -> FeatureSet:
        parts = [self._looked(real, "train", real.spec, lambda: device_dataset.training(real, [], device), True)]
        parts += [
            self._looked(one, "train", real.spec, partial(device_dataset.added, real, one, device), True)
            for one in synthetic
        ]
        views = [part.views for part in parts]
        # A synthetic set may have more images, and fewer views of each.
        turned, augmented = (min(getattr(of, kind).shape[1] for of in views) for kind in ("turned", "augmented"))
        joined = Views(
            np.concatenate([of.turned[:, :turned] for of in views]),
            np.concatenate([of.augmented[:, :augmented] for of in views]),
        )
        return FeatureSet(joined, torch.cat([of.labels for of in parts]), len(parts[0]))

    def of_split(self, real: ImageSet, split: str, device: torch.device) -> FeatureSet | None:
        if not len(real.rows(split)):
            return None

        def load() -> DeviceDataset:
            found = device_dataset.of_split(real, split, device)
            assert found is not None  # it has rows
            return found

        return self._looked(real, split, real.spec, load, False)

    def steps(self, settings: Detect) -> int:
        return 1

    def varies(self, pool: FeatureSet, mix: TrainingMix) -> bool:
        """With augmented views, and where only a part of the added images is seen."""
        return mix.augmented or bool(np.any(np.bincount(pool.labels.numpy()[mix.extra], minlength=1) > 1))

    def train(
        self,
        settings: Detect,
        spec: ImageSpec,
        pool: FeatureSet,
        mix: TrainingMix,
        seed: int,
        tick: Callable[[int], object],
    ) -> Head:
        """A multinomial logistic regression on all turned views of the real images and of a random half of each class's
        added ones; where the mix says so with a random half of the augmented views.

        The spread of random halves is that of fresh draws of as many images from the generator: 1/(n/2) of the variance
        of one, times the half that a draw without replacement leaves. Whatever is added, the weights of all images add
        up to the number of real ones, so that no arm is penalised less than another.
        """
        views, added = (np.random.default_rng([seed, stream]) for stream in range(2))
        labels = pool.labels.numpy()
        rows, weights = _weighted(labels, pool.n_real, mix, _half(added, mix.extra, labels[mix.extra]))
        seen = pool.views.turned[rows]
        if mix.augmented:
            kept = pool.views.augmented.shape[1]
            chosen = np.argsort(views.random((len(pool.labels), kept)), axis=1)[rows, : kept // 2]
            seen = np.concatenate([seen, pool.views.augmented[rows[:, None], chosen]], axis=1)
        head = _fit(seen, labels[rows], weights, len(spec.classes))
        tick(1)
        return head

    def _looked(
        self, holder: ImageSet, split: str, spec: ImageSpec, load: Callable[[], DeviceDataset], trains: bool
    ) -> FeatureSet:
        """`load` reads the images, where these have not been looked at."""
        key = (holder.path, holder.meta["data_hash"], holder.rows(split).tobytes(), spec.symmetry, trains)
        if key not in self._known:
            of = load()
            self._known[key] = FeatureSet(_views(of, spec, trains), of.labels.cpu(), of.n_real)
        return self._known[key]


def plain_head(spec: ImageSpec, pool: DeviceDataset, mix: TrainingMix) -> Head:
    """The head that has seen all images of a mix as they are, turned: nothing in it is chance."""
    rows, weights = _weighted(pool.labels.cpu().numpy(), pool.n_real, mix, mix.extra)
    seen = DeviceDataset(pool.stored[rows], pool.labels[rows], len(rows))
    features = _turned(_network(spec, seen), seen, orientations(spec.symmetry))
    return _fit(features, seen.labels.cpu().numpy(), weights, len(spec.classes))


def _weighted(
    labels: np.ndarray, n_real: int, mix: TrainingMix, extra: np.ndarray
) -> tuple[np.ndarray, NDArray[np.float64]]:
    """Rows of the real images, where the mix has them, and the added ones, and their weights: together `n_real`."""
    real = np.arange(0 if np.isinf(mix.ratio) else n_real)
    share = len(extra) and (1.0 if np.isinf(mix.ratio) else mix.ratio / (1 + mix.ratio))
    parts = ((real, 1 - share), (extra, share))
    weights = [_weights(labels[rows], part * n_real, mix.balanced) for rows, part in parts]
    return np.concatenate([real, extra]), np.concatenate(weights)


def _weights(labels: np.ndarray, total: float, balanced: bool) -> np.ndarray:
    """(n,) weights that add up to `total`, equal for all images or, balanced, for all classes together."""
    counts = np.bincount(labels)
    weights = 1 / counts[labels] if balanced else np.ones(len(labels))
    return weights * (total / weights.sum()) if len(labels) else weights


def _half(rng: np.random.Generator, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Half of the rows of each class, rounded up."""
    parts = [rng.permutation(rows[labels == k]) for k in np.unique(labels)]
    return np.concatenate([part[: -(-len(part) // 2)] for part in parts]) if parts else rows


def _fit(seen: NDArray, labels: np.ndarray, weights: np.ndarray, classes: int) -> Head:
    """Args: `seen` (n, views, d), `labels` (n,), `weights` (n,) of an image, all its views together."""
    _, views, d = seen.shape
    rows, each = seen.reshape(-1, d), np.repeat(weights / views, views)
    middle = np.average(rows, axis=0, weights=each)
    scale = np.sqrt(np.average((rows - middle) ** 2, axis=0, weights=each))
    scale = not_quiet(scale)
    found, bias = np.zeros((d, classes)), np.full(classes, UNSEEN)
    known = np.unique(labels)
    bias[known] = 0.0
    if len(known) > 1:
        model = LogisticRegression(C=PENALTY, max_iter=ITERATIONS)
        with warnings.catch_warnings():  # near enough
            warnings.simplefilter("ignore", ConvergenceWarning)
            # In single precision: twice as fast, and the log probabilities differ by 1e-5.
            model.fit(((rows - middle) / scale).astype(np.float32), np.repeat(labels, views), sample_weight=each)
        one_sided = len(known) == 2  # scikit-learn's logit of the second class
        found[:, known[1:] if one_sided else known] = model.coef_.T
        bias[known[1:] if one_sided else known] = model.intercept_
    return Head(middle, scale, found, bias)


def not_quiet(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """(d,) deviations of features to divide them by: none is less than QUIET of their median, nor 0."""
    return np.maximum(deviations, max(QUIET * float(np.median(deviations)), float(np.finfo(np.float32).eps)))


def _views(of: DeviceDataset, spec: ImageSpec, trains: bool) -> Views:
    network, turns = _network(spec, of), orientations(spec.symmetry)
    affordable = LOOKS // max(len(of), 1)
    turned = _turned(network, of, turns[: max(1, affordable)] if trains else turns)
    augmented = []
    for view in range(min(AUGMENTED, max(LEAST_AUGMENTED, affordable)) if trains else 0):
        drawn = np.random.default_rng([VIEWS, view]).choice(turns, len(of))
        augmented.append(_look(network, of, drawn, Augmentation(VIEWS + view, of.device)))
    return Views(turned, np.stack(augmented, axis=1) if augmented else turned[:, :0])


def _network(spec: ImageSpec, of: DeviceDataset) -> imagenet.EfficientNetLite0:
    return imagenet.EfficientNetLite0(imagenet.load(), spec.channels).to(of.device)


def _turned(network: imagenet.EfficientNetLite0, of: DeviceDataset, turns: np.ndarray) -> NDArray[np.float32]:
    """(n, turns, d)."""
    return np.stack([_look(network, of, np.full(len(of), turn)) for turn in turns], axis=1)


@torch.inference_mode()
def _look(
    network: imagenet.EfficientNetLite0,
    of: DeviceDataset,
    turns: np.ndarray,
    augment: Callable[[Tensor], Tensor] = lambda images: images,
) -> NDArray[np.float32]:
    """(n, d) of every image in its orientation."""
    height, width = imagenet.seen_at(*of.stored.shape[1:3])
    size = max(1, imagenet.PIXELS_A_BATCH // (height * width))
    parts = blocks(np.arange(len(of)), size)
    looked = [imagenet.texture(network, augment(of.turned(of.at(part, turns[part])))) for part in parts]
    return torch.cat(looked).float().cpu().numpy()
