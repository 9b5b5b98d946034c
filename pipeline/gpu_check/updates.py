"""One update on the device against the same update on the CPU in float32: same weights, images and random numbers."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import lru_cache
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import pipeline.models.batch
from pipeline.base.device import full_precision
from pipeline.gpu_check.rows import Finding
from pipeline.gpu_check.subjects import PRECISIONS, built, narrow, noise
from pipeline.models.batch import Batch, BatchRng

CPU = torch.device("cpu")
# Of the error of a gradient. Sound ones have at most 0.31 in bf16 and 0.11 in fp16, whose mantissa is TF32's.
LIMITS = {"fp32": 1e-3, "tf32": 0.2, "fp16": 0.2, "bf16": 0.5}
# The gradient of the path length is second order: 7 bits of its convolutions leave errors of 0.4 to 0.85, as large as a
# gradient that is missing. In the other precisions it is compared.
WITHOUT = {("stylegan2_ada", "bf16"): {"path_length_weight": 0.0}}
SCALES = (2.0**16, 2.0**8, 1.0)  # of losses in fp16; the first may overflow, which a training mends by itself
SMALL = 0.1  # of the whole gradient: errors of parameters with less than that weigh less

Gradients = list[list[Tensor | None]]  # of each step of an optimiser, of each of its parameters


class CpuRng:
    """Random numbers as `BatchRng` gives them on the CPU, used on another device."""

    def __init__(self, seed: int, total: int, rows: slice, device: torch.device):
        self.total, self.rows, self.device = total, rows, torch.device(device)
        self.rng = BatchRng(seed, total, rows, CPU)

    def normal(self, *shape: int) -> Tensor:
        return self.rng.normal(*shape).to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        return self.rng.uniform(*shape).to(self.device)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        return self.rng.integers(low, high, *shape).to(self.device)


def check(family: str, size: int, device: torch.device, precision: str, compiled: bool = False) -> Finding:
    """The worst error of a gradient of one update.

    Args:
        precision: one of PRECISIONS; `fp32` is without TF32.
    """
    changes = WITHOUT.get((family, precision), {})
    expected = reference(family, size, **changes)
    scales = SCALES if precision == "fp16" else SCALES[-1:]
    for scale in scales:
        # Not around a compiler: it asks for the precision in a way that this setting does not allow.
        whole = full_precision() if precision == "fp32" and not compiled else nullcontext()
        with whole:
            found = gradients(family, size, device, PRECISIONS[precision], scale, compile=compiled, **changes)
        error = apart(found, expected)
        if math.isfinite(error):
            break
    said = {"error": error} | ({"loss_scale": scale} if precision == "fp16" else {}) | changes
    return Finding(said, error <= LIMITS[precision], f"error ≤ {LIMITS[precision]}")


@lru_cache(maxsize=2)
def reference(family: str, size: int, **changes: Any) -> Gradients:
    with full_precision():
        return gradients(family, size, CPU, **changes)


def gradients(
    family: str,
    size: int,
    device: torch.device,
    amp: torch.dtype | None = None,
    scale: float = 1.0,
    **changes: Any,
) -> Gradients:
    """Of every step of an update, on the CPU, as its optimiser sees them; no step moves a weight.

    Args:
        scale: of the losses, in fp16 alone.
        changes: settings of the family beside those of `subjects.narrow`.
    """
    model = built(narrow(family, **changes), size, device, amp)
    model.lr_scale = 0.0
    if model.scaler.is_enabled():
        model.scaler.load_state_dict(model.scaler.state_dict() | {"scale": scale})
    found: Gradients = []

    def keep(optimizer: torch.optim.Optimizer, *_) -> None:
        unscale = getattr(optimizer, "grad_scale", None)  # what a fused optimiser will divide by itself
        divisor = 1.0 if unscale is None else float(unscale)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        found.append([None if p.grad is None else p.grad.detach().float().cpu() / divisor for p in parameters])

    for optimizer in model.optimizers.values():
        optimizer.register_step_pre_hook(keep)
    with mock.patch.object(pipeline.models.batch, "BatchRng", CpuRng):
        model.update(Batch(*noise(4, size, device), seed=1))
    return found


def apart(found: Gradients, expected: Gradients) -> float:
    """The largest ‖a - b‖ / (‖b‖ + SMALL ‖all b of the step‖) of any parameter; NaN or infinite where a gradient is,
    infinite where a step or a gradient is missing."""
    if len(found) != len(expected):
        return math.inf
    errors = []
    for ours, theirs in zip(found, expected, strict=True):
        whole = torch.stack([b.norm() for b in theirs if b is not None]).norm()
        for a, b in zip(ours, theirs, strict=True):
            if (a is None) != (b is None):
                return math.inf
            if a is not None and b is not None:
                errors.append((a - b).norm() / (b.norm() + SMALL * whole))
    return float(torch.stack(errors).max())  # NaN where one is
