"""What an update would take on a graphics card that is not here, from its arithmetic: an estimate, no measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

CARD = "H100"
RATE = 2e14  # FLOP a second of convolutions in bf16, a fifth of what the card can; memory traffic has the rest
CALL = 7e-6  # seconds in which the processor starts an operation


@dataclass(frozen=True)
class Work:
    """Of an update."""

    flop: int
    calls: int
    """Operations that compute something."""

    @classmethod
    def of(cls, update: Callable[[], object]) -> Work:
        """Do one, and count."""
        with _Count() as count:
            update()
        return cls(count.flop, count.calls)

    @property
    def seconds(self) -> float:
        """On CARD, in bf16: as its arithmetic or, of small networks, as their starting asks for."""
        return max(self.flop / RATE, self.calls * CALL)


class _Count(TorchDispatchMode):
    """What torch's own `FlopCounterMode` counts, which cannot follow gradients within an update."""

    def __init__(self) -> None:
        super().__init__()
        self.flop, self.calls = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls += not func.is_view
        if formula := flop_registry.get(func.overloadpacket):
            self.flop += formula(*args, **(kwargs or {}), out_val=out)
        return out
