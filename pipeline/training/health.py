"""What tells an unhealthy training from a healthy one. Each check raises `UnhealthyTraining` with what it saw."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FLAT = 0.01  # a spread below this fraction of the real images' is none
SATURATED = 0.99  # share of certain logits that leaves the generator nothing to learn from
WINDOW = 10  # rows of the log, a twentieth of a training, that it must last
YOUNG = 200  # updates before which a generator's images may be identical: many begin so


class UnhealthyTraining(Exception):
    """The training cannot be trusted any more; the message says why."""


def check_scalars(values: dict[str, float]) -> None:
    """Raises UnhealthyTraining where a logged scalar is NaN or infinite."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise UnhealthyTraining(f"{name} is {value}")


def discriminator_saturated(row: dict[str, float]) -> bool:
    """Whether the discriminator was certain of nearly every image over a row of the log."""
    return row.get("saturation", 0.0) >= SATURATED


def check_saturation(rows: list[dict[str, float]]) -> None:
    """Raises UnhealthyTraining where the discriminator has been certain for the last WINDOW rows of the log."""
    if len(rows) >= WINDOW and all(discriminator_saturated(row) for row in rows[-WINDOW:]):
        raise UnhealthyTraining(
            f"the discriminator has won: it has been certain of {SATURATED:.0%} of the images since "
            f"{rows[-WINDOW]['images']} images"
        )


def check_state(state: dict[str, Tensor]) -> None:
    """Raises UnhealthyTraining where a tensor of the training state holds NaN or infinity."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            count = int((~torch.isfinite(tensor)).sum())
            raise UnhealthyTraining(f"{count} of {tensor.numel()} numbers in {name} are not finite")


def check_samples(name: str, samples: Tensor, real: Tensor, updates: int) -> None:
    """Compare generated with real images of one class, both (n, C, H, W) in [-1, 1], after so many updates.

    Both limits are relative to the real images, so that a class of flat or of identical images may be just that.

    Raises:
        UnhealthyTraining: non-finite pixels; constant images (the mean standard deviation inside an image is less than
            FLAT times the real one); identical images (the same for the standard deviation of a pixel from image
            to image; not before YOUNG updates).
    """
    if not torch.isfinite(samples).all():
        raise UnhealthyTraining(f"images of `{name}` have non-finite pixels")
    if _inside(samples) < FLAT * _inside(real):
        raise UnhealthyTraining(f"all images of `{name}` are constant")
    several = len(samples) > 1 and len(real) > 1
    if updates >= YOUNG and several and _between(samples) < FLAT * _between(real):
        raise UnhealthyTraining(f"all images of `{name}` are identical")


def _inside(images: Tensor) -> float:
    return float(images.flatten(1).std(1, correction=0).mean())


def _between(images: Tensor) -> float:
    return float(images.std(0, correction=0).mean())
