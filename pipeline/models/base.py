"""The contract between the training loop and a family of generators."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from pipeline.settings import ImageSpec, Training, UserError


class GenerativeModel(ABC, nn.Module):
    """Networks, their averaged copy, their optimisers and one update.

    A family sets in its `__init__`: the networks; `ema`, the module that holds all that `sample` needs; and
    `optimizers`, a dict of torch optimisers by name. Everything an update changes beside weights (ADA probability,
    path-length mean) is a registered buffer, so `state` covers it; the count of updates, which decides on the host what
    an update computes, is in the state too.

    `amp` is the dtype of autocast, or None for float32. All randomness of an update comes from `rng` (a generator on
    the images' device) or, for layers that take none, from the global generator, seeded by the loop before each update.
    """

    ema: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    images_seen: Tensor  # () int64 buffer, advanced by the loop

    def __init__(self, settings: Training, spec: ImageSpec, amp: torch.dtype | None = None):
        super().__init__()
        self.settings, self.spec, self.amp = settings, spec, amp
        self.updates = 0  # advanced by train_step
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))

    @abstractmethod
    def train_step(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """One update of every network and of `ema`.

        Args:
            images: (N, C, H, W) float32 in [-1, 1], channels-last.
            labels: (N,) int64 in [0, len(spec.classes)).
            rng: generator on the images' device.

        Returns:
            Detached scalars to log, by name (`loss/G`, `loss/D`, `ada/p`); a term not computed this time is absent.
        """

    @abstractmethod
    def sample(self, labels: Tensor, seeds: Tensor) -> Tensor:
        """Images of the averaged weights; image i depends on labels[i] and seeds[i] alone.

        Args:
            labels: (N,) int64.
            seeds: (N,) int64, non-negative.

        Returns:
            (N, C, H, W) float32 in [-1, 1].
        """

    @property
    def device(self) -> torch.device:
        return self.images_seen.device

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.amp or torch.float32, enabled=self.amp is not None)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.updates)

    def set_extra_state(self, state: Tensor) -> None:
        self.updates = int(state)

    def state(self) -> dict[str, Tensor]:
        """Everything the next update depends on, as tensors by flat names (safetensors holds nothing else)."""
        flat = {f"model.{name}": tensor for name, tensor in self.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for index, slots in optimizer.state_dict()["state"].items():
                for slot, value in slots.items():
                    flat[f"optimizer.{name}.{index}.{slot}"] = torch.as_tensor(value)
        return flat

    def load_state(self, flat: dict[str, Tensor]) -> None:
        """The inverse of `state`.

        Raises:
            RuntimeError: names or shapes that are not this model's.
        """
        self.load_state_dict({k.removeprefix("model."): v for k, v in flat.items() if k.startswith("model.")})
        for name, optimizer in self.optimizers.items():
            prefix = f"optimizer.{name}."
            slots = {k.removeprefix(prefix): v for k, v in flat.items() if k.startswith(prefix)}
            _load_optimizer(optimizer, slots)


def _load_optimizer(optimizer: torch.optim.Optimizer, slots: dict[str, Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in slots.items():
        index, slot = key.split(".", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:  # fused optimisers read a moment in the memory order of its parameter
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def optimise(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of `loss`."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def require_power_of_two(spec: ImageSpec, family: str, least: int = 16, most: int = 1024) -> None:
    """Raises UserError unless the images are squares whose side is a power of two within the limits."""
    side = spec.height
    if spec.width != side or side & (side - 1) or not least <= side <= most:
        raise UserError(
            f"size: {spec.height} x {spec.width} cannot be made by {family}; it makes squares whose side is a power "
            f"of two from {least} to {most}"
        )


def latents(seeds: Tensor, size: int) -> Tensor:
    """(N, size) float32 standard normal on the CPU; row i depends on seeds[i] alone."""
    rows = [torch.randn(size, generator=torch.Generator().manual_seed(int(s))) for s in seeds]
    return torch.stack(rows)
