"""What all families share beside the update: sizes, learning rates, the way between two latents."""

import math

import pytest
import torch

from pipeline.models import base
from pipeline.settings import DCGANSettings, ImageSpec, UserError


@pytest.mark.parametrize(
    ("height", "width", "grid"),
    [(16, 16, (4, 4, 2)), (128, 128, (4, 4, 5)), (32, 192, (4, 24, 3)), (72, 32, (9, 4, 3)), (1024, 1024, (4, 4, 8))],
)
def test_base_resolution(height, width, grid):
    assert base.base_resolution(ImageSpec(height, width, 1, ("a",)), "f") == grid
    assert (grid[0] << grid[2], grid[1] << grid[2]) == (height, width)


@pytest.mark.parametrize(("height", "width"), [(48, 48), (48, 96), (32, 36), (8, 8), (8, 64), (2048, 2048)])
def test_sizes_without_a_base_resolution(height, width):
    with pytest.raises(UserError, match=f"size: {height} x {width} cannot be made by f; its shorter"):
        base.base_resolution(ImageSpec(height, width, 1, ("a",)), "f")


def test_rates_rise_in_a_line_and_fall_along_half_a_cosine():
    settings = DCGANSettings(family="dcgan", batch=10, total_images=1000, lr_warmup_images=100, lr_schedule="cosine")
    assert base.rate_factor(settings, 0) == pytest.approx(0.1)  # the first update is the end of its first step
    assert base.rate_factor(settings, 40) == pytest.approx(0.5 * (1 + math.cos(0.04 * math.pi)) / 2)
    assert base.rate_factor(settings, 500) == pytest.approx(0.5)
    assert base.rate_factor(settings, 250) == pytest.approx(0.5 + math.sqrt(0.5) / 2)
    assert base.rate_factor(settings, 1200) == pytest.approx(0)
    constant = settings.model_copy(update={"lr_schedule": "none", "lr_warmup_images": 0})
    assert base.rate_factor(constant, 0) == base.rate_factor(constant, 999) == 1


def test_slerp_turns_evenly_and_keeps_the_length_of_normal_vectors():
    start, end = torch.tensor([[3.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 3.0], [4.0, 0.0]])
    third = base.slerp(start, end, 1 / 3)
    expected = [[3 * math.cos(math.pi / 6), 3 * math.sin(math.pi / 6)], [2 + 2 / 3, 0.0]]  # 30 degrees; a straight line
    torch.testing.assert_close(third, torch.tensor(expected))
    torch.testing.assert_close(base.slerp(start, end, 0.0), start)
    torch.testing.assert_close(base.slerp(start, end, 1.0), end)
    a, b = torch.randn(2, 500, 100)
    lengths = base.slerp(a, b, 0.5).norm(dim=1)
    assert lengths.mean().item() == pytest.approx(10, abs=0.1)  # in a line it would be 7.1


def test_latents_of_a_seed_do_not_depend_on_the_others():
    together = base.latents(torch.tensor([5, 2**40, 7]), 6)
    assert torch.equal(base.latents(torch.tensor([7]), 6)[0], together[2])
    assert not torch.isclose(together[0], together[1]).any()
