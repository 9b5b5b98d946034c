"""The network whose features FID is made of: clean-fid's, the TorchScript Inception-2015-12-05."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.base.device import device
from pipeline.base.weights import place


class Inception:
    """Images to features, after clean-fid's bicubic anti-aliased resizing to 299 pixels.

    The network knows 8 bits and three channels: deeper images are rounded to 8 bits, gray ones repeated. Both are part
    of what FID is.
    """

    def __init__(self, weights: Path):
        """weights: the verified file, which keeps its name."""
        from cleanfid.inception_torchscript import InceptionV3W
        from cleanfid.resize import build_resizer

        self.network = InceptionV3W(str(weights.parent), download=False).to(device())
        self.resize = build_resizer("clean")

    @torch.inference_mode()
    def __call__(self, images: NDArray) -> NDArray[np.float32]:
        """(n, 2048) of images (n, H, W, C) of unsigned integers, which are seen at once."""
        rgb = np.broadcast_to(eight_bits(images), (*images.shape[:3], 3))
        resized = np.stack([self.resize(image) for image in rgb]).transpose(0, 3, 1, 2)
        return self.network(torch.from_numpy(resized).to(device())).float().cpu().numpy()


def inception_output(cache: str | os.PathLike) -> NDArray[np.float32]:
    """(1008, 2048) weights W of Inception's last layer: of features x its logits are W x, in the same pass or after it.

    The layer's bias is left out, as in the Inception score's original code and in NVIDIA's for this file. The file is
    one that was verified in this job.
    """
    network = torch.jit.load(str(place("inception", cache)), map_location="cpu")
    return network.output.weight.detach().numpy()


def eight_bits(images: NDArray) -> NDArray[np.uint8]:
    """Unsigned integers of any depth to 0..255, rounded."""
    if images.dtype == np.uint8:
        return images
    return np.rint(images * (255 / np.iinfo(images.dtype).max)).astype(np.uint8)
