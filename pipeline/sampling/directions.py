"""Directions of the style space, each named by what it changes in the images.

They are found without any labels: where a change of the style changes the network's first product the most (SeFa, Shen
& Zhou 2021: eigenvectors of AᵀA, A the weights that styles enter by), and where the styles of a class vary the most
(GANSpace, Härkönen et al. 2020: principal components). What a direction does is then measured: images are moved along
it, and descriptors are taken of them, a classifier's odds of each class among these where there are real images to
learn from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.models.base import StyledModel, latents
from pipeline.sampling.abilities import rendered
from pipeline.sampling.descriptors import described, gray, threshold_of
from pipeline.settings import UserError

COUNT = 4  # directions of each method
STYLES = 2000  # that spreads and components are taken of
IMAGES = 8  # that are moved along each direction
UNMOVED = 48  # that the spread of a descriptor is taken of
STEPS = (-2.0, -1.0, 1.0, 2.0)  # standard deviations that they are moved by
FOUND = 2 * COUNT
IMAGES_DRAWN = UNMOVED + FOUND * IMAGES * len(STEPS)  # to find and name them
LEAST = 0.5  # correlation from which a descriptor names a direction, if a step changes it by
LEAST_EFFECT = 0.2  # standard deviations of unmoved images at least: what moves steadily may hardly move
ROUNDING = 1e-6  # a descriptor that varies by less does not vary
UNNAMED = "unnamed"

Odds = Callable[[Tensor], dict[str, NDArray]]


@dataclass(frozen=True)
class Direction:
    """A direction and what it changes."""

    name: str
    """The descriptor that it changes the most; with a number behind it from the second of these on."""
    method: str
    number: int
    """Among those of the method, from 1."""
    vector: Tensor
    """(width,) one standard deviation of the styles along it, towards more of the descriptor."""
    correlations: dict[str, float]
    """Of the step with each descriptor, images apart from their own mean."""
    effects: dict[str, float]
    """Change of each descriptor over one step, in standard deviations of unmoved images."""

    @property
    def descriptor(self) -> str:
        return self.name.rstrip("0123456789").rstrip("_")

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        numbers = {key: {k: round(v, 4) for k, v in getattr(self, key).items()} for key in ("correlations", "effects")}
        return {"name": self.name, "method": self.method, "number": self.number} | numbers


@torch.no_grad()
def find(model: StyledModel, batch: int = 32, odds: Odds | None = None) -> list[Direction]:
    """The directions of a model, those that change the most of their descriptor first. The same model has the same.

    Args:
        batch: images that are drawn at once.
        odds: further descriptors of images (N, C, H, W) in [-1, 1], a classifier's (`class_odds`).
    """
    model.settle()
    seeds = torch.arange(STYLES)
    labels = (seeds % len(model.spec.classes)).to(model.device)
    z = latents(seeds, model.latent_length).to(model.device)
    own = _apart(
        torch.cat([model.styles(*pair)[:, 0] for pair in zip(labels.split(512), z.split(512), strict=True)]), labels
    )
    found = [("SeFa", i, v) for i, v in enumerate(_most(model.style_matrix()), 1)]
    found += [("GANSpace", i, v) for i, v in enumerate(_most(own), 1)]
    plain = rendered(model, model.styles(labels[:UNMOVED], z[:UNMOVED]), z[:UNMOVED], batch)
    threshold = threshold_of(gray(plain.numpy()))

    def described_by_all(images: Tensor) -> dict[str, NDArray]:
        return described(gray(images.numpy()), threshold) | (odds(images) if odds else {})

    spread = {name: float(values.std()) for name, values in described_by_all(plain).items()}
    measured = []
    for method, number, unit in found:
        vector = unit * (own @ unit).std()
        values = described_by_all(_along(model, vector, labels[:IMAGES], z[:IMAGES], batch))
        by_step = {name: column.reshape(len(STEPS), IMAGES).T for name, column in values.items()}
        measured.append(_named(method, number, vector, by_step, spread))
    measured.sort(key=lambda d: -abs(d.effects[d.name]) if d.name in d.effects else 0.0)
    return _numbered(measured)


def combined(directions: list[Direction], steps: dict[str, float], setting: str) -> Tensor:
    """(width,) what to add to the styles for so many standard deviations along directions of a model by their names.

    Raises:
        UserError: a name that none of them has; begins with the setting.
    """
    known = {direction.name: direction.vector for direction in directions}
    for name in steps:
        if name not in known:
            raise UserError(f"{setting}: no direction of the model is `{name}`; it has {', '.join(known)}")
    return torch.stack([known[name] * size for name, size in steps.items()]).sum(0)


def along(model: StyledModel, direction: Direction, label: int, seed: int, steps: list[float], batch: int) -> Tensor:
    """Images (len(steps), C, H, W) float32 in [-1, 1] on the CPU: one seed moved along a direction."""
    z = latents(torch.tensor([seed]), model.latent_length).to(model.device)
    with torch.no_grad():
        styles = model.styles(torch.tensor([label], device=model.device), z)
        sizes = torch.tensor(steps, device=model.device)[:, None, None]
        return rendered(model, styles + sizes * direction.vector, z.expand(len(steps), -1), batch)


def _apart(styles: Tensor, labels: Tensor) -> Tensor:
    """(N, width) of each style less the mean of its class."""
    return torch.cat([styles[labels == k] - styles[labels == k].mean(0) for k in labels.unique()])


def _most(rows: Tensor) -> list[Tensor]:
    """Unit vectors along which rows (n, width) are longest, at most COUNT; each towards its largest entry."""
    values, vectors = torch.linalg.eigh(rows.double().mT @ rows.double())
    most = vectors[:, values.argsort(descending=True)[:COUNT]].mT
    signs = most.gather(1, most.abs().argmax(1, keepdim=True)).sign()
    return list((most * signs).to(rows.dtype))


def _along(model: StyledModel, vector: Tensor, labels: Tensor, z: Tensor, batch: int) -> Tensor:
    """Images moved by each of the STEPS, (steps · images, C, H, W)."""
    styles = model.styles(labels, z)
    return torch.cat([rendered(model, styles + step * vector, z, batch) for step in STEPS])


def _named(method: str, number: int, vector: Tensor, values: dict[str, NDArray], spread: dict[str, float]) -> Direction:
    """values: (images, steps) of each descriptor."""
    steps = np.array(STEPS)
    correlations, effects = {}, {}
    for name, found in values.items():
        own = found - found.mean(axis=1, keepdims=True)
        slope = float((own @ steps).mean() / (steps @ steps))
        size = np.sqrt(np.square(own).mean() * np.square(steps).mean())
        correlations[name] = float((own @ steps).mean() / len(steps) / size) if size > 0 else 0.0
        effects[name] = slope / spread[name] if spread[name] > ROUNDING else 0.0
    moved = [name for name, r in correlations.items() if abs(r) >= LEAST and abs(effects[name]) >= LEAST_EFFECT]
    if not moved:
        return Direction(UNNAMED, method, number, vector, correlations, effects)
    name = max(moved, key=lambda name: abs(effects[name]))
    sign = 1 if effects[name] > 0 else -1
    turned = [{key: sign * value for key, value in of.items()} for of in (correlations, effects)]
    return Direction(name, method, number, vector * sign, *turned)


def _numbered(directions: list[Direction]) -> list[Direction]:
    """No name twice: the first keeps its own."""
    seen: dict[str, int] = {}
    found = []
    for direction in directions:
        count = seen[direction.name] = seen.get(direction.name, 0) + 1
        found.append(replace(direction, name=direction.name if count == 1 else f"{direction.name}_{count}"))
    return found
