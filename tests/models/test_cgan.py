"""The class-conditional GAN beyond the contract."""

import pytest
import torch

from pipeline.models import build
from pipeline.models.cgan import Discriminator, widths
from pipeline.settings import CGAN, ImageSpec
from tests.models.tiny import spec, tiny_settings


def test_parameters_at_the_default_settings():
    model = build(CGAN(family="cgan"), ImageSpec(128, 128, 1, tuple("abcdef")))
    count = {name: sum(p.numel() for p in getattr(model, name).parameters()) for name in ("generator", "discriminator")}
    assert count["generator"] == pytest.approx(9.10e6, rel=0.001)
    assert count["discriminator"] == pytest.approx(2.737e6, rel=0.001)


def test_widths_double_up_to_512():
    assert widths(48, 5) == [48, 96, 192, 384, 512, 512]
    assert widths(600, 2) == [600, 600, 600]


def test_class_term_of_the_projection():
    """Logits of one image under two classes differ by (v_a - v_b) · φ; the rest of the logit is the same."""
    torch.manual_seed(0)
    net = Discriminator(tiny_settings("cgan", spectral_norm=False), spec())
    image = torch.randn(1, 1, 16, 16)
    logits = torch.stack([net(image, torch.tensor([k])) for k in range(3)])
    with torch.no_grad():
        net.embedding.weight.zero_()
        plain = net(image, torch.tensor([0]))
        net.embedding.weight.fill_(1.0)
        sum_of_features = net(image, torch.tensor([0])) - plain
    assert logits.std() > 1e-4
    assert sum_of_features.abs() > 1e-4


def test_spectral_norm_bounds_the_slope():
    """A 1-Lipschitz chain: moving an image by d moves the summed features of 16 pixels by little; without the
    normalisation, weights ten times larger move them a thousand times more."""
    logits = {}
    for normed in (True, False):
        torch.manual_seed(0)
        net = Discriminator(tiny_settings("cgan", spectral_norm=normed), spec()).eval()
        with torch.no_grad():
            for name, p in net.named_parameters():
                if "weight" in name:
                    p.mul_(10.0)
        x = torch.randn(4, 1, 16, 16)
        y = torch.zeros(4, dtype=torch.int64)
        logits[normed] = (net(x, y) - net(-x, y)).abs().mean().item()
    assert logits[False] > 100 * logits[True]
