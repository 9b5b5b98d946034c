"""A step of a detector's training, seen from a device that it must not wait for."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

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
            scratch.train(Detect(steps=CHECK, batch=8, width=4), ImageSpec(16, 16, 1, ("a", "b")), pool, mix, 0)
        counts.append(seen.count)
    assert counts[1] - counts[0] == uploads * STEPS
