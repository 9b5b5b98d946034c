"""Features of the ensemble of random networks, in batches."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.base.device import device
from pipeline.base.rows import Rows
from pipeline.evaluation.features import PIXELS_A_BATCH, Features, batches
from pipeline.metrics.random_networks import RandomNetworks


def random_features(images: Rows, description: str) -> Features:
    """Features and Gram matrices of images (N, H, W, C) of unsigned integers by the random ensemble, at the images' own
    resolution, depth and channels."""
    _, height, width, channels = images.shape
    networks = RandomNetworks(channels, min(height, width), device())
    vectors, grams = (
        np.empty((len(images), sum(blocks)), np.float32) for blocks in (networks.vector_blocks, networks.gram_blocks)
    )
    start = 0
    with torch.inference_mode():
        for batch in batches(images, description, max(1, PIXELS_A_BATCH // (height * width))):
            unit = torch.from_numpy(batch.astype(np.float32) / np.iinfo(images.dtype).max)
            v, g = networks(unit.permute(0, 3, 1, 2).contiguous().to(device()))
            here = slice(start, start + len(batch))
            vectors[here], grams[here] = v.cpu().numpy(), g.cpu().numpy()
            start += len(batch)
    return Features(vectors, networks.vector_blocks, grams, networks.gram_blocks)
