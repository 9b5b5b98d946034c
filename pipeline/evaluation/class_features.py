"""Features of a classifier that learned the real training classes: what tells the classes of this data set apart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from pipeline.base.device import device, reproducible
from pipeline.base.files import sha256, write_whole
from pipeline.base.job import progress, say
from pipeline.base.pixels import normalised, stored
from pipeline.base.rows import Rows
from pipeline.data.image_set import ImageSet
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.resnet import body, resnet18
from pipeline.downstream.classifier.scratch import Scratch
from pipeline.downstream.schedule import TrainingMix
from pipeline.evaluation.context import SHOWN
from pipeline.evaluation.features import PIXELS_A_BATCH, Extractor, Features, batches, without_grams
from pipeline.settings import Detect, Evaluate, ImageSpec, UserError


class Recipe(TypedDict):
    """Settings of the classifier."""

    batch: int
    learning_rate: float
    weight_decay: float
    width: int


VERSION = 1  # raised when a classifier of the same recipe would see something else
LEAST, LEAST_IN_ALL = 10, 150  # training images, of each class and together
SETTLED = 1024  # of them that the normalisation is measured on
SEEN = 3  # times a training image is looked at on average, at most; see `extractor`
RECIPE: Recipe = {"batch": 16, "learning_rate": 3e-3, "weight_decay": 1e-2, "width": 8}
PLAIN = TrainingMix(np.arange(0), 0.0)  # the real images as they are
PIXELS = 1 << 16  # of an image as the classifier sees it; larger ones are shrunk


def notes(settings: Evaluate, real: ImageSet) -> list[str]:
    """Why there is no such extractor for an image set, where it is wanted."""
    if not settings.class_feature_steps:
        return []
    counts = real.metadata["label"].iloc[real.rows("train")].value_counts()
    counts = {name: int(counts.get(name, 0)) for name in real.meta["classes"]}
    if len(counts) < 2:
        lack = "they need two classes, there is one"
    elif min(counts.values()) < LEAST:
        few = [f"{name} has {n}" for name, n in counts.items() if n < LEAST]
        more = f", and {len(few) - SHOWN} more have too few" if len(few) > SHOWN else ""
        lack = f"they need {LEAST} training images of each class; {', '.join(few[:SHOWN])}{more}"
    elif sum(counts.values()) < LEAST_IN_ALL:
        lack = f"they need {LEAST_IN_ALL} training images, there are {sum(counts.values())}"
    else:
        return []
    return [f"features of the real classes: left out, {lack}"]


def extractor(settings: Evaluate, real: ImageSet) -> Extractor | None:
    """What a narrow ResNet-18 sees before it names a class (its last average pooling, 64 numbers), after
    `settings.class_feature_steps` steps of AdamW on the real training images. The weights are kept beside these, in
    `classifier.safetensors`: learned by the first job that looks at the set, loaded by the others. Damaged ones, or
    those of other images, are learned anew.

    All other images are compared with the ones that it learned from. Once it knows these by heart, they lie apart from
    every new image, a perfect generator's and the floor's included, and only copies seem right. So it stops long
    before. On steel (six classes, 32 pixels, no flips), in its features and in those of a classifier of other images,
    the density of new images about 300 that it looked at 3 times each is 0.99 and 1.05, precision 0.979 and 0.985,
    Fréchet and kernel distance are equal within their errors; about 120 images that it looked at 12 times, the density
    is 0.72 and 1.04, the Fréchet distance 3.5 and 2.1. Hence SEEN, and LEAST images to learn from.

    Returns:
        The extractor, on the device where it looks; None where `settings.class_feature_steps` is 0, or where there are
        too few images (see `notes`).

    Raises:
        UserError: the training diverged.
    """
    if not settings.class_feature_steps or notes(settings, real):
        return None
    path, recipe = real.path / "classifier.safetensors", _recipe(settings, real)
    weights = _read(path, recipe)
    if weights is None:
        weights = _learned(settings, real)
        _write(path, recipe, weights)
    network = resnet18(_shrunk_spec(real.spec), RECIPE["width"])
    network.load_state_dict(weights)
    # Normalisation as a part of the convolutions: three quarters of the time, numbers 1e-6 apart.
    seen = fuse(body(network.eval())).to(device()).to(memory_format=torch.channels_last)
    return Extractor(f"{VERSION} {_digest(weights)}", lambda images, text: _features(images, text, seen))


def _features(images: Rows, description: str, network: nn.Module) -> Features:
    vectors, size = [], max(1, PIXELS_A_BATCH // (images.shape[1] * images.shape[2]))
    with torch.inference_mode():
        for batch in batches(images, description, size):
            unit = normalised(stored(_shrunk(batch)).to(device()))
            vectors.append(network(unit).cpu().numpy())
    return without_grams(np.concatenate(vectors))


# ---------------------------------------------------------------- learning


def _learned(settings: Evaluate, real: ImageSet) -> dict[str, Tensor]:
    """Weights of the whole classifier, on the CPU."""
    pool = _pool(real, real.rows("train"))
    name = f"classifier of the real classes, {real.path}"
    recipe = Detect(steps=_steps(settings, real), **RECIPE)
    with reproducible(), progress(name, recipe.steps, "step") as bar:
        try:
            trained = Scratch().train(recipe, _shrunk_spec(real.spec), pool, PLAIN, settings.seed, bar.update)
        except FloatingPointError as error:
            steps = settings.class_feature_steps
            raise UserError(f"evaluate.class_feature_steps: {steps}, {error}; 0 leaves the classifier out") from error
    _settle(trained.network, pool)
    held = real.rows("test") if len(real.rows("test")) else real.rows("val")
    if len(held):
        said = trained.log_probabilities(_pool(real, held))
        right = said.argmax(1) == real.labels[held]
        say(f"{name}: names the class of {right.mean():.0%} of {len(held)} held-out images")
    return {name: tensor.cpu().contiguous() for name, tensor in trained.network.state_dict().items()}


@torch.no_grad()
def _settle(network: nn.Module, pool: DeviceDataset) -> None:
    """Let the normalisation layers know the training images as the last weights see them: after few steps, what they
    remember of the steps before is far off (Wu & Johnson 2021, section 3)."""
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over batches
    network.train()
    order = np.random.default_rng(0).permutation(len(pool))[:SETTLED]
    for rows in np.array_split(order, max(1, len(order) // 64)):
        network(pool.images(torch.from_numpy(rows).to(pool.labels.device)))
    network.eval()


def _steps(settings: Evaluate, real: ImageSet) -> int:
    return min(settings.class_feature_steps, SEEN * len(real.rows("train")) // RECIPE["batch"])


def _pool(real: ImageSet, rows: NDArray[np.int64]) -> DeviceDataset:
    images = [_shrunk(real.images[part]) for part in np.array_split(rows, -(-len(rows) // 64))]
    labels = torch.from_numpy(real.labels[rows])
    return DeviceDataset(stored(np.concatenate(images)).to(device()), labels.to(device()), len(rows))


def _shrunk(images: NDArray) -> NDArray:
    """(n, H, W, C) with the mean of factor × factor pixels in the place of one; the depth stays."""
    n, height, width, channels = images.shape
    factor = _factor(height, width)
    if factor == 1:
        return np.array(images)  # torch wants arrays it may write to
    height, width = height // factor, width // factor
    parts = images[:, : height * factor, : width * factor].reshape(n, height, factor, width, factor, channels)
    return np.rint(parts.mean(axis=(2, 4))).astype(images.dtype)


def _shrunk_spec(spec: ImageSpec) -> ImageSpec:
    factor = _factor(spec.height, spec.width)
    return spec._replace(height=spec.height // factor, width=spec.width // factor)


def _factor(height: int, width: int) -> int:
    """The smallest whole one that leaves at most PIXELS; a side keeps at least one pixel."""
    return min(int(np.ceil(np.sqrt(height * width / PIXELS))), height, width)


# ---------------------------------------------------------------- kept beside the real set


def _recipe(settings: Evaluate, real: ImageSet) -> dict[str, Any]:
    """All that the classifier depends on, as JSON gives it back."""
    spec = _shrunk_spec(real.spec)
    return {
        "version": VERSION,
        "images": real.digest,
        "metadata": sha256(real.path / "metadata.csv"),
        "spec": [spec.height, spec.width, spec.channels, list(spec.classes), spec.symmetry],
        "settings": RECIPE | {"steps": _steps(settings, real), "seed": settings.seed},
    }


def _read(path: Path, recipe: dict[str, Any]) -> dict[str, Tensor] | None:
    """The weights of that recipe; None where there are none, or they are damaged or altered."""
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {}).get("pyrite", "{}"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        say(f"{path}: damaged ({error}), the classifier is trained anew")
        return None
    digest = known.pop("sha256", None)
    if known != recipe:
        return None  # of other images or settings
    if digest != _digest(weights):
        say(f"{path}: altered since it was written, the classifier is trained anew")
        return None
    return weights


def _write(path: Path, recipe: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Whole or not at all; a folder that cannot be written costs a training each time, never the numbers."""
    meta = {"pyrite": json.dumps(recipe | {"sha256": _digest(weights)})}
    try:
        write_whole(path, safetensors.torch.save(weights, meta))
    except OSError as error:
        say(f"{path}: not kept ({error.strerror})")


def _digest(weights: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].numpy().tobytes())
    return digest.hexdigest()
