"""The features that FID is made of, where Inception's weights are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.base.inception import Inception
from pipeline.base.rows import Rows
from pipeline.base.weights import fetch, in_cache, verified
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


def inception_features(images: Rows, description: str, weights: Path) -> Features:
    """Of images (n, H, W, C) of unsigned integers, by the verified file of weights."""
    network = Inception(weights)
    return without_grams(np.concatenate([network(batch) for batch in batches(images, description, 32)]))
