"""The averaged copy."""

import pytest
import torch
from torch import nn

from pipeline.models import ema


def test_half_life_is_in_images():
    keep = ema.decay(batch=50, seen=10**9, half_life=200.0, rampup=0.05)
    assert keep**4 == pytest.approx(0.5)


def test_ramp_up_shortens_the_half_life():
    assert ema.decay(batch=10, seen=100, half_life=10_000.0, rampup=0.1) == pytest.approx(0.5)
    assert ema.decay(batch=10, seen=100, half_life=10_000.0, rampup=0.0) == 0


def test_parameters_are_averaged_and_buffers_copied():
    module = nn.BatchNorm1d(2)
    average = ema.averaged_copy(module)
    nn.init.constant_(module.weight, 5.0)
    module.running_mean.fill_(3.0)
    module.num_batches_tracked.fill_(7)
    ema.update(average, module, 0.75)
    torch.testing.assert_close(average.weight, torch.full((2,), 2.0))  # 0.75 · 1 + 0.25 · 5
    assert average.running_mean.tolist() == [3.0, 3.0]
    assert average.num_batches_tracked == 7
    assert not average.training
    assert not any(p.requires_grad for p in average.parameters())
