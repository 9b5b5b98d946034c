"""Shared layers against cases worked by hand."""

import math

import pytest
import torch
from torch import nn

from pipeline.models import layers


def test_minibatch_std_by_hand():
    """Two groups of two: images 0 and 2 (one class) differ by ±1 in one of two channels, 1 and 3 are equal."""
    x = torch.zeros(4, 2, 1, 2)
    x[0, 0], x[2, 0] = 3.0, 5.0
    out = layers.minibatch_std(x, torch.tensor([7, 2, 7, 2]), group=2)
    assert out.shape == (4, 3, 1, 2)
    torch.testing.assert_close(out[:, :2], x)
    expected = torch.tensor([0.5, 1e-4, 0.5, 1e-4])[:, None, None].expand(4, 1, 2)
    torch.testing.assert_close(out[:, 2], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("n", "groups"), [(8, 2), (6, 2), (2, 1)])
def test_minibatch_std_groups_divide_the_batch(n, groups):
    labels = torch.zeros(n, dtype=torch.int64)
    out = layers.minibatch_std(torch.randn(n, 3, 2, 2), labels)[:, 3, 0, 0]
    assert len(out.unique()) == groups
    assert torch.equal(out, out.sort(stable=True).values) or torch.equal(out, out.sort(descending=True).values)


def test_alone_in_its_group_an_image_has_no_deviation():
    out = layers.minibatch_std(torch.randn(5, 3, 2, 2), torch.arange(5))
    torch.testing.assert_close(out[:, 3], torch.full((5, 2, 2), 1e-4))


def test_normalise_gives_unit_mean_square():
    x = layers.normalise(torch.randn(3, 7, dtype=torch.float64) * 40)
    torch.testing.assert_close(x.square().mean(1), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_equalised_layers_keep_unit_variance(rate):
    torch.manual_seed(0)
    linear = layers.EqualisedLinear(400, 300, rate=rate, gain=2.0)
    assert linear(torch.randn(500, 400)).std().item() == pytest.approx(2.0, rel=0.02)
    conv = layers.EqualisedConv(64, 64, 3)
    assert conv(torch.randn(4, 64, 20, 20))[..., 1:-1, 1:-1].std().item() == pytest.approx(1.0, rel=0.03)


def test_learning_rate_multiplier_scales_the_step():
    """One Adam step moves a raw weight by the rate, so the result moves by the multiplier times as much."""
    moved = []
    for rate in (1.0, 0.01):
        torch.manual_seed(0)
        linear = layers.EqualisedLinear(10, 1, rate=rate)
        x = torch.ones(1, 10)
        before = linear(x).item()
        optimizer = torch.optim.Adam(linear.parameters(), lr=1e-3, betas=(0.0, 0.99))
        linear(x).sum().backward()
        optimizer.step()
        moved.append(before - linear(x).item())
    assert moved[1] / moved[0] == pytest.approx(0.01, rel=1e-2)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 8, 4), nn.Linear(20, 5), nn.Embedding(4, 9)])
def test_spectral_norm_bounds_the_largest_singular_value(layer):
    torch.manual_seed(0)
    with torch.no_grad():
        layer.weight.mul_(7.0)
    normed = layers.spectral_norm(layer)
    for _ in range(300):
        weight = normed.weight
    assert torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item() == pytest.approx(1.0, rel=1e-3)
    normed.eval()
    assert torch.equal(normed.weight, normed.weight)


def test_spectral_norm_gradient_is_orthogonal_to_the_weight():
    """W / σ(W) does not change with the scale of W."""
    torch.manual_seed(0)
    layer = layers.spectral_norm(nn.Linear(6, 4)).eval()
    (layer.weight * torch.randn(4, 6)).sum().backward()
    raw = layer.parametrizations.weight.original
    assert abs((raw.grad * raw).sum().item()) < 1e-6


def test_conditional_batch_norm_scales_by_class():
    norm = layers.ConditionalBatchNorm(2, 2)
    with torch.no_grad():
        norm.scale.weight[0], norm.shift.weight[0] = 3.0, 5.0
    x = torch.randn(400, 2, 4, 4) * 9 + 4
    out = norm(x, torch.arange(2).repeat(200))
    plain = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(out[0::2], plain[0::2] * 3 + 5, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(out[1::2], plain[1::2], atol=1e-4, rtol=1e-4)


def test_activation_is_bounded_in_float16_only():
    """bfloat16 has the range of float32; the bound costs it four passes over the features."""
    x = torch.tensor([1e4, -10.0])
    assert layers.activate(x).tolist() == [1e4, -2.0]
    assert layers.activate(x.bfloat16()).tolist() == [9984.0, -2.0]  # 10 000 in eight bits
    assert layers.activate(x.half()).tolist() == [256.0, -2.0]
    assert math.isclose(layers.SQRT2**2, 2)


def test_channels_are_halved_down_to_eight():
    assert layers.channel_schedule(512, 4) == [512, 256, 128, 64, 32]
    assert layers.channel_schedule(50, 4) == [50, 25, 12, 8, 8]
    assert layers.channel_schedule(5, 2) == [5, 5, 5]


def test_a_class_is_appended_one_hot():
    labels = torch.tensor([2, 0])
    z = layers.with_class(torch.tensor([[7.0], [8.0]]), labels, 3)
    assert z.tolist() == [[7, 0, 0, 1], [8, 1, 0, 0]]
    images = torch.randn(2, 2, 3, 5).contiguous(memory_format=torch.channels_last)
    planes = layers.with_class(images, labels, 3)
    assert planes.shape == (2, 2 + layers.class_channels(3), 3, 5)
    assert torch.equal(planes[:, :2], images)
    assert torch.equal(planes[:, 2:], z[:, 1:, None, None].expand(2, 3, 3, 5))
    assert layers.with_class(images, torch.zeros(2, dtype=torch.int64), 1) is images
    assert layers.class_channels(1) == 0


def scaled_norm():
    """Ours, and torch's with the same numbers, in float64."""
    torch.manual_seed(0)
    ours, theirs = layers.ScaledBatchNorm(3).double(), nn.BatchNorm2d(3).double()
    with torch.no_grad():
        ours.shift.normal_()
        theirs.weight.copy_(ours.scale)
        theirs.bias.copy_(ours.shift)
    return ours, theirs


def test_scaled_batch_norm_is_torchs():
    ours, theirs = scaled_norm()
    for _ in range(3):
        x = torch.randn(5, 3, 4, 6, dtype=torch.float64) * 3 + 2
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.norm.mean, theirs.running_mean)
    torch.testing.assert_close(ours.norm.variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_norm_of_two_ranks_is_that_of_all_their_images(monkeypatch):
    ours, theirs = scaled_norm()
    x = torch.randn(6, 3, 4, 6, dtype=torch.float64) * 3 + 2
    other = torch.stack([x[4:].sum((0, 2, 3)), x[4:].square().sum((0, 2, 3))])
    # Ranks hold equally many images; here the other's four are its two, each twice.
    x = torch.cat([x, x[4:]])
    monkeypatch.setattr(layers.distributed, "count", lambda: 2)
    monkeypatch.setattr(layers.distributed, "add", lambda sums: sums + 2 * other)
    torch.testing.assert_close(ours(x[:4]), theirs(x)[:4], atol=1e-5, rtol=1e-5)  # sums are in float32
    torch.testing.assert_close(ours.norm.variance, theirs.running_var, atol=1e-5, rtol=1e-5)


def test_scaled_batch_norm_begins_as_in_the_paper():
    torch.manual_seed(0)
    norm = layers.ScaledBatchNorm(20_000)
    assert norm.scale.mean().item() == pytest.approx(1, abs=5e-4)
    assert norm.scale.std().item() == pytest.approx(0.02, rel=0.02)
    assert norm.shift.abs().max() == 0
