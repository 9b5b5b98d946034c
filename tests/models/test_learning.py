"""Every family learns a known distribution: stripes in the direction of their class, at a random phase."""

import pytest
import torch
from tiny import rng, stripe_power, stripes

from pipeline import models
from pipeline.settings import FAMILY_SETTINGS, ImageSpec

SIZE = 32
BUDGET = {
    "cgan": {"total_images": 6000, "generator_channels": 16, "discriminator_channels": 32},
    "stylegan2_ada": {"total_images": 6000, "channel_base": 512, "channel_max": 64, "z_dim": 32, "w_dim": 64},
}


def test_the_measure_itself():
    labels = torch.arange(64) % 4
    torch.testing.assert_close(stripe_power(stripes(labels, SIZE, rng()), labels), torch.ones(64))
    noise = stripe_power(torch.randn(64, 1, SIZE, SIZE, generator=rng()), labels).mean().item()
    assert noise == pytest.approx(2 / 1023, rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("family", models.FAMILIES)
def test_learns_stripes(family):
    """At least 80 % of the variance is in the wave of the class asked for, and the phases differ."""
    torch.manual_seed(0)
    settings = FAMILY_SETTINGS[family](family=family, ema_rampup=0.1, **BUDGET[family])
    model = models.build(settings, ImageSpec(SIZE, SIZE, 1, tuple("abcd")))
    model = model.to(memory_format=torch.channels_last)
    generator = rng(1)
    for _ in range(settings.total_images // settings.batch):
        labels = torch.randint(4, (settings.batch,), generator=generator)
        model.train_step(stripes(labels, SIZE, generator), labels, generator)
    labels = torch.arange(64) % 4
    images = model.sample(labels, torch.arange(64))
    power = stripe_power(images, labels).view(16, 4).mean(0)
    assert power.min() > 0.8, power
    for k in range(4):  # 16 random phases cancel out; a collapsed class does not
        assert images[labels == k].mean(0).std() < 0.6 * images[labels == k].std()
