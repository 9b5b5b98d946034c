"""The training loop of detectors that learn their weights, whatever they detect."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.settings import UserError

CHECK = 50  # steps between looks at the loss; each makes an accelerator wait


class Descent(Protocol):
    """The settings of a training."""

    steps: int
    learning_rate: float
    weight_decay: float


def fit(
    network: nn.Module,
    settings: Descent,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    loss: Callable[[np.ndarray, np.ndarray], Tensor],
    tick: Callable[[int], object],
    warm: float = 0.0,
    steepest: float = math.inf,
) -> None:
    """AdamW steps on the loss of each batch, at a rate that falls to zero in half a cosine.

    Args:
        network: on the device where it trains, in training mode; left in evaluation mode.
        settings: `learning_rate` is the peak.
        batches: of `settings.steps` steps, rows (B,) and orientations (B,) as `schedule.presented` gives them.
        loss: of a batch, () and differentiable.
        tick: called with a number of steps whenever that many more are done.
        warm: part of the steps, in [0, 1], over which the rate rises.
        steepest: norm that a gradient is shortened to.

    Raises:
        FloatingPointError: the loss was not finite.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, settings.steps, warm))
    ticked = 0
    for step, (rows, orientations) in enumerate(batches, 1):
        found = loss(rows, orientations)
        optimizer.zero_grad()
        found.backward()
        if math.isfinite(steepest):
            torch.nn.utils.clip_grad_norm_(network.parameters(), steepest)
        optimizer.step()
        schedule.step()
        if step % CHECK == 0 or step == settings.steps:
            if not torch.isfinite(found):
                raise FloatingPointError(f"the loss was not finite at step {step}")
            tick(step - ticked)
            ticked = step
    network.eval()


def rate(step: int, steps: int, warm: float) -> float:
    """The learning rate of a step over its peak: up in a line, then half a cosine down to 0 after the last."""
    rising = (step + 1) / (warm * steps) if warm else 1.0
    return min(1.0, rising) * 0.5 * (1 + math.cos(math.pi * step / steps))


def diverged(section: str, rate: float, error: FloatingPointError) -> UserError:
    """What a user is told of a training that `fit` gave up; `section`: of the configuration, where its rate is set."""
    return UserError(f"{section}.learning_rate: {rate:g}, {error}; lower it")
