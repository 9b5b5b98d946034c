"""A step of a detector's training, seen from a device that it must not wait for."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.downstream.classifier import learned, scratch
from pipeline.downstream.classifier.augment import Augmentation
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.fit import CHECK
from pipeline.settings import Detect, ImageSpec
from tests.uploads import META, Uploads

STEPS = 5


@pytest.mark.parametrize(("augmented", "uploads"), [(False, 1), (True, 2)])
def test_a_step_uploads_what_it_shows_and_waits_for_nothing(monkeypatch, augmented, uploads):
    """Rows and views together, the numbers of an augmentation beside them; the loss is not looked at yet."""
    batch = np.arange(8), np.arange(8, dtype=np.uint8)
    monkeypatch.setattr(learned, "_autocast", lambda device: nullcontext())
    monkeypatch.setattr(learned, "Augmentation", lambda seed, device: Augmentation(seed, torch.device("cpu")))
    monkeypatch.setattr(torch.optim, "AdamW", lambda *args, fused, **rest: torch.optim.SGD(args[0], lr=0.1))
    pool = DeviceDataset(
        torch.zeros(8, 16, 16, 1, dtype=torch.uint8, device=META), torch.zeros(8, dtype=torch.int64, device=META), 8
    )
    mix = scratch.TrainingMix(np.arange(0), 0.0, augmented)
    counts = []
    for steps in (0, STEPS):
        monkeypatch.setattr(learned, "presented", lambda *_, steps=steps: (batch for _ in range(steps)))
        with Uploads() as seen:
            settings, spec = Detect(steps=CHECK, batch=8, width=4), ImageSpec(16, 16, 1, ("a", "b"))
            scratch.Scratch().train(settings, spec, pool, mix, 0, lambda steps: None)
        counts.append(seen.count)
    assert counts[1] - counts[0] == uploads * STEPS


@pytest.mark.parametrize(
    ("symmetry", "shown"),
    [
        ("none", [[1, 2, 3, 4]]),
        ("horizontal", [[1, 2, 3, 4], [2, 1, 4, 3]]),
        ("vertical", [[1, 2, 3, 4], [3, 4, 1, 2]]),
        ("both", [[1, 2, 3, 4], [2, 1, 4, 3], [3, 4, 1, 2], [4, 3, 2, 1]]),
        (
            "dihedral",
            [
                [1, 2, 3, 4],
                [2, 1, 4, 3],
                [3, 4, 1, 2],
                [4, 3, 2, 1],
                [1, 3, 2, 4],
                [2, 4, 1, 3],
                [3, 1, 4, 2],
                [4, 2, 3, 1],
            ],
        ),
    ],
)
def test_an_image_is_judged_in_every_way_that_it_may_be_turned(monkeypatch, symmetry, shown):
    """Images of four different pixels, a b over c d, and a network whose logits are 0 and (a - 2 b + 5 d)²."""
    monkeypatch.setattr(learned, "_autocast", lambda device: nullcontext())  # bfloat16 is too coarse
    pixels = torch.tensor([[[1, 2], [3, 4]], [[50, 0], [7, 20]], [[0, 0], [0, 9]]], dtype=torch.uint8)
    pool = DeviceDataset(pixels[..., None], torch.zeros(3, dtype=torch.int64), 3)
    judge = nn.Sequential(Squared(), nn.Linear(1, 2, bias=False))
    judge[1].weight.data = torch.tensor([[0.0], [1.0]])
    seen = learned.TrainedNetwork(judge, 2, symmetry)
    flat = pixels.reshape(3, 4).double().numpy() * 2 / 255 - 1
    views = np.stack([flat[:, np.array(order) - 1] for order in shown])  # (views, images, a b c d)
    logit = (views @ [1, -2, 0, 5]) ** 2
    np.testing.assert_allclose(seen.features(pool)[:, 0], logit.mean(0), rtol=1e-5)
    mean = np.stack([-np.log1p(np.exp(logit)), -np.log1p(np.exp(-logit))], -1).mean(0)
    expected = mean - np.log(np.exp(mean).sum(1, keepdims=True))
    np.testing.assert_allclose(seen.log_probabilities(pool), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(seen.log_probabilities(pool, np.array([2, 0])), expected[[2, 0]], rtol=1e-4, atol=1e-6)


class Squared(nn.Module):
    def forward(self, images):
        return (images.flatten(1) @ torch.tensor([[1.0], [-2.0], [0.0], [5.0]])).square()
