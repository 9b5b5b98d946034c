"""The averaged copy."""

import pytest
import torch
from torch import nn

from pipeline.models import ema
from pipeline.models.layers import BatchNorm


def test_half_life_is_in_images():
    keep = ema.decay(batch=50, seen=10**9, half_life=200.0, rampup=0.05)
    assert keep**4 == pytest.approx(0.5)


def test_ramp_up_shortens_the_half_life():
    assert ema.decay(batch=10, seen=100, half_life=10_000.0, rampup=0.1) == pytest.approx(0.5)
    assert ema.decay(batch=10, seen=100, half_life=10_000.0, rampup=0.0) == 0


def test_parameters_are_averaged_and_buffers_copied_but_for_batch_statistics():
    module = nn.Sequential(nn.BatchNorm1d(2), BatchNorm(2))
    average = ema.averaged_copy(module)
    nn.init.constant_(module[0].weight, 5.0)
    module[0].running_mean.fill_(3.0)
    module[0].num_batches_tracked.fill_(7)
    module[1].mean.fill_(3.0)
    ema.update(average, module, 0.75)
    torch.testing.assert_close(average[0].weight, torch.full((2,), 2.0))  # 0.75 · 1 + 0.25 · 5
    assert average[0].running_mean.tolist() == [3.0, 3.0]
    assert average[0].num_batches_tracked == 7
    assert average[1].mean.tolist() == [0.0, 0.0]
    assert not average.training
    assert not any(p.requires_grad for p in average.parameters())


def test_statistics_are_those_of_all_passes_together_and_forget_what_was_there():
    """Of three passes with means of their own: mean and population variance of their union, whatever came before."""
    norm = BatchNorm(2).eval()
    norm.mean.fill_(99.0)
    images = torch.randn(3, 8, 2, 5, 5, dtype=torch.float64) + torch.tensor([0.0, 1.0, 5.0]).view(3, 1, 1, 1, 1)
    ema.measure([norm], (norm(x.float()) for x in images))
    count = 8 * 5 * 5
    every = images.transpose(1, 2).transpose(0, 1).flatten(1)
    within = images.var((1, 3, 4)).mean(0)  # torch's batch normalisation keeps the unbiased estimate
    torch.testing.assert_close(norm.mean.double(), every.mean(1), rtol=0, atol=1e-5)
    torch.testing.assert_close(norm.variance.double(), every.var(1, correction=0) + within / count, rtol=1e-5, atol=0)
    assert (norm.momentum, norm.training) == (0.1, False)
