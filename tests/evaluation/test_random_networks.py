"""What the random networks see, against scipy."""

import hashlib

import numpy as np
import pytest
import torch
from scipy import signal

from pipeline.base.inception import eight_bits
from pipeline.evaluation.random_features import random_features
from pipeline.metrics.random_networks import RandomNetworks
from tests.evaluation.conftest import blobs, label_list


def vectors(images):
    return random_features(images, "test").vectors.astype(np.float64)


def test_random_networks_are_what_they_say():
    """One colour image through scipy's correlation, layer by layer."""
    image = np.random.default_rng(0).random((3, 29, 40)).astype(np.float32)
    networks = RandomNetworks(3, 29, torch.device("cpu"))
    got_vectors, got_grams = (t[0].numpy() for t in networks(torch.from_numpy(image)[None]))
    means, grams = [[] for _ in networks.widths], []
    for filters in networks.weights:
        hidden = image.astype(np.float64)
        for layer, bank in enumerate(filters):
            response = [sum(signal.correlate2d(h, k, "valid") for h, k in zip(hidden, f, strict=True)) for f in bank]
            response = np.maximum(response, 0)
            means[layer] += [np.sqrt(r.mean()) for r in response]
            flat = response.reshape(len(response), -1)
            gram = flat @ flat.T / flat.shape[1]
            grams += [
                g * (1 if i == j else np.sqrt(2)) for i, row in enumerate(gram) for j, g in enumerate(row) if j >= i
            ]
            _, h, w = response.shape
            hidden = response[:, : h // 2 * 2, : w // 2 * 2].reshape(-1, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
    assert len(networks.widths) == 2  # 27 and 11 pixels; a third layer would have 3
    assert got_vectors[3 * 16 :] == pytest.approx(np.concatenate(means), rel=1e-4, abs=1e-6)
    assert got_grams == pytest.approx(grams, rel=1e-4, abs=1e-7)
    assert (sum(networks.vector_blocks), sum(networks.gram_blocks)) == (len(got_vectors), len(got_grams))


def test_features_do_not_depend_on_the_machine_or_the_day():
    found = vectors(np.arange(32 * 32, dtype=np.uint16).reshape(1, 32, 32, 1) * 64)[0]
    # mean gray value of the first three 8×8 squares
    assert found[:3] == pytest.approx((115.5 + 8 * np.arange(3)) * 64 / 65_535, rel=1e-6)
    assert (
        hashlib.sha256(RandomNetworks(1, 64, torch.device("cpu")).weights[3][2].numpy().tobytes()).hexdigest()[:8]
        == "ccf1bbee"
    )


def test_contrast_scales_the_responses_and_brightness_leaves_them():
    images = blobs(label_list(3), 0, dtype="uint16") // 2
    base, halved, brighter = (vectors(x) for x in (images, images // 2, images + 16_000))
    assert halved[:, 16:] == pytest.approx(base[:, 16:] / np.sqrt(2), rel=2e-3)
    assert brighter[:, 16:] == pytest.approx(base[:, 16:], rel=1e-3)
    assert brighter[:, :16] - base[:, :16] == pytest.approx(np.full((3, 16), 16_000 / 65_535), rel=1e-4)


def test_sixteen_bits_are_not_squashed_to_eight():
    images = blobs(label_list(3), 0)
    deep = images.astype(np.uint16) * 257
    assert vectors(deep) == pytest.approx(vectors(images), rel=1e-5)
    fine = (117 * 257 + (deep.astype(int) - 32_768) // 500).astype(np.uint16)  # less than one level of 8 bits
    assert vectors(eight_bits(fine))[:, 16:].max() < 1e-3
    assert vectors(fine)[:, 16:].min() > 2e-3
