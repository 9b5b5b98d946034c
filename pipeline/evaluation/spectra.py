"""Power spectra of images."""

from __future__ import annotations

import math

import numpy as np

from pipeline.base.rows import Rows
from pipeline.evaluation.features import PIXELS_A_BATCH, Features, batches, without_grams
from pipeline.metrics import image_similarity


def spectra(images: Rows, description: str) -> Features:
    """(n, b) radial power spectra of images in [0, 1], mean over channels, in decibel above their quantisation."""
    top = np.iinfo(images.dtype).max
    parts = batches(images, description, max(1, PIXELS_A_BATCH // math.prod(images.shape[1:])))
    power = np.concatenate([image_similarity.radial_psd(batch.mean(axis=3) / top)[1] for batch in parts])
    return without_grams(image_similarity.decibel(power, 1 / top).astype(np.float32))
