"""How unlike two images look to people: LPIPS (Zhang et al. 2018), version 0.1 on AlexNet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.base.device import full_precision
from pipeline.base.weights import fetch, in_cache, verified

NEEDED = ("alexnet", "lpips")  # of `pipeline.base.weights`
# AlexNet's convolutions with torchvision's numbers, each with its stride and padding; POOLED ones follow a pooling.
CONVOLUTIONS = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}
POOLED = (3, 6)
MEAN = (0.485, 0.456, 0.406)  # of ImageNet's red, green and blue in [0, 1], and their deviation, which torchvision's
DEVIATION = (0.229, 0.224, 0.225)  # networks expect to be taken out
SMALLEST = 31  # pixels a side that the poolings leave something of
BATCH = 32


class Lpips(nn.Module):
    """Distance of two images by the responses of AlexNet's five convolutions.

    Args:
        alexnet: by torchvision's names (`features.0.weight`, `features.0.bias`, ...); others are left out.
        linear: weight of each channel, by the authors' names (`lin0.model.1.weight`, ...).

    Raises:
        KeyError: a layer is missing.
    """

    mean: Tensor  # (3, 1, 1) buffers
    deviation: Tensor

    def __init__(self, alexnet: dict[str, Tensor], linear: dict[str, Tensor]):
        super().__init__()
        for layer, number in enumerate(CONVOLUTIONS):
            for what in ("weight", "bias"):
                self.register_buffer(f"{what}{number}", alexnet[f"features.{number}.{what}"])
            self.register_buffer(f"linear{number}", linear[f"lin{layer}.model.1.weight"])
        for name, value in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(value)[:, None, None])

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(N,) distances of images (N, 3, H, W) in [0, 1], H and W at least SMALLEST; 0 for equal ones."""
        layers = zip(CONVOLUTIONS, self._responses(a), self._responses(b), strict=True)
        # Zhang et al. 2018, eq. 1: squared differences weighted by channel, mean over positions, sum over layers
        parts = [
            F.conv2d((x - y) ** 2, self.get_buffer(f"linear{number}")).mean(dim=(1, 2, 3)) for number, x, y in layers
        ]
        return torch.stack(parts).sum(dim=0)

    def _responses(self, images: Tensor) -> list[Tensor]:
        """Of each convolution, of norm 1 at each position."""
        x, found = (images - self.mean) / self.deviation, []
        for number, (stride, padding) in CONVOLUTIONS.items():
            x = F.max_pool2d(x, 3, 2) if number in POOLED else x
            weight, bias = self.get_buffer(f"weight{number}"), self.get_buffer(f"bias{number}")
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            found.append(x / torch.sqrt(x.square().sum(dim=1, keepdim=True) + 1e-8))
        return found


def network(wanted: Literal["auto", "on", "off"], cache: str | os.PathLike) -> Lpips | None:
    """LPIPS where its weights are wanted and to be had; `on` fetches them.

    Raises:
        UserError: weights are altered, or cannot be fetched.
    """
    if wanted == "on":
        return _load(*(fetch(name, cache) for name in NEEDED))
    if wanted == "auto" and all(in_cache(name, cache) for name in NEEDED):
        return _load(*(verified(name, cache) for name in NEEDED))
    return None


def _load(alexnet: Path, linear: Path) -> Lpips:
    """Both files are pickles, verified, and read for their tensors alone."""
    return Lpips(*(torch.load(file, map_location="cpu", weights_only=True) for file in (alexnet, linear)))


def distances(network: Lpips, a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """(n,) LPIPS of pairs of images (n, H, W, C) in [0, 1], C of 1 or 3; gray is shown as three equal channels."""

    def tensor_of(images: NDArray) -> Tensor:
        rgb = np.broadcast_to(images, (*images.shape[:3], 3)).transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(rgb, np.float32))

    starts = range(0, len(a), BATCH)
    with torch.inference_mode(), full_precision():
        parts = [network(tensor_of(a[i : i + BATCH]), tensor_of(b[i : i + BATCH])) for i in starts]
    return torch.cat(parts).double().numpy()
