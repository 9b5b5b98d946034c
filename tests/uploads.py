"""A device that never answers: what goes there is counted, and what would wait for it raises.

Tensors on `meta` have no values, so reading one (`.item()`, `if`, `nonzero`, a mask as an index) is an error.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

META = torch.device("meta")


class Uploads(TorchDispatchMode):
    """Counts the tensors that go from the CPU to another device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        device = (kwargs or {}).get("device")
        self.count += function is torch.ops.aten._to_copy.default and device not in (None, args[0].device)
        return function(*args, **(kwargs or {}))
