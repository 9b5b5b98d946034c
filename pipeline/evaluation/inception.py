"""The network whose features FID is made of."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.base.device import device
from pipeline.base.weights import fetch, in_cache, place, verified
from pipeline.evaluation.features import Extractor, Features, batches, without_grams
from pipeline.settings import Evaluate


def extractor(settings: Evaluate) -> Extractor | None:
    """None where its weights are not wanted, or not to be had. Reads the whole file of weights: once a job is enough.

    Raises:
        UserError: the weights are altered, or wanted and cannot be fetched.
    """
    here = in_cache("inception", settings.weights)
    if settings.inception == "off" or (settings.inception == "auto" and not here):
        return None
    weights = (verified if here else fetch)("inception", settings.weights)
    return Extractor("1", lambda images, text: inception_features(images, text, weights))


def inception_features(images: NDArray, description: str, weights: Path) -> Features:
    """clean-fid's features: bicubic anti-aliased resizing to 299 pixels, then the TorchScript Inception-2015-12-05.

    The network knows 8 bits and three channels: deeper images are rounded to 8 bits, gray ones repeated. Both are
    part of what FID is.

    Args:
        images: (n, H, W, C) unsigned integers.
        weights: the verified file, which keeps its name.
    """
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    network = InceptionV3W(str(weights.parent), download=False).to(device())
    resize = build_resizer("clean")
    vectors = []
    with torch.inference_mode():
        for batch in batches(images, description, 32):
            rgb = np.broadcast_to(eight_bits(batch), (*batch.shape[:3], 3))
            resized = np.stack([resize(image) for image in rgb]).transpose(0, 3, 1, 2)
            vectors.append(network(torch.from_numpy(resized).to(device())).float().cpu().numpy())
    return without_grams(np.concatenate(vectors))


def inception_output(cache: str | os.PathLike) -> NDArray[np.float32]:
    """(1008, 2048) weights W of Inception's last layer: of features x its logits are W x, in the same pass or after it.

    The layer's bias is left out, as in the Inception score's original code and in NVIDIA's for this file. The file is
    the one that `extractor` verified in this job.
    """
    network = torch.jit.load(str(place("inception", cache)), map_location="cpu")
    return network.output.weight.detach().numpy()


def eight_bits(images: NDArray) -> NDArray[np.uint8]:
    """Unsigned integers of any depth to 0..255, rounded."""
    if images.dtype == np.uint8:
        return images
    return np.rint(images * (255 / np.iinfo(images.dtype).max)).astype(np.uint8)
