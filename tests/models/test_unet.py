"""The U-Net: its embedding, its attention and its memory against explicit formulas."""

import math

import pytest
import torch

from pipeline.models.unet import Attention, Residual, UNet, normalisation, sinusoids
from pipeline.settings import ImageSpec, UserError
from tests.models.tiny import spec, tiny_settings


def tiny(of=None, conditions=0, **changes):
    """A network whose silent layers speak, without dropout."""
    torch.manual_seed(0)
    network = UNet(tiny_settings("ddpm", **{"dropout": 0.0} | changes), of or spec(), conditions)
    for parameter in network.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_times_are_told_by_sinusoids():
    table = sinusoids(torch.tensor([0, 7]), 6)
    rates = [1.0, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3)]
    assert table[0].tolist() == [1, 1, 1, 0, 0, 0]
    expected = [math.cos(7 * r) for r in rates] + [math.sin(7 * r) for r in rates]
    torch.testing.assert_close(table[1], torch.tensor(expected))


def test_attention_is_that_of_its_formula():
    torch.manual_seed(0)
    layer = Attention(8, heads=2).double()
    torch.nn.init.normal_(layer.out.weight)
    x = torch.randn(3, 8, 2, 5, dtype=torch.float64)
    flat = layer.norm(x).flatten(2)  # (N, C, pixels)
    q, k, v = (torch.einsum("oi,nip->nop", w, flat) + b[:, None] for w, b in parts(layer.qkv))
    heads = []
    for rows in (slice(0, 4), slice(4, 8)):
        scores = (q[:, rows].mT @ k[:, rows] / math.sqrt(4)).softmax(2)
        heads.append(v[:, rows] @ scores.mT)
    expected = x + torch.einsum("oi,nip->nop", layer.out.weight[:, :, 0, 0], torch.cat(heads, 1)).reshape(x.shape)
    torch.testing.assert_close(layer(x), expected)


def parts(qkv):
    return zip(qkv.weight[:, :, 0, 0].chunk(3), qkv.bias.chunk(3), strict=True)


def test_the_embedding_scales_and_shifts_a_residual_block():
    """With a second convolution that changes nothing, block(x) - x = silu(norm · (1 + scale) + shift)."""
    torch.manual_seed(0)
    block = Residual(8, 8, 3, 0.0).double()
    torch.nn.init.dirac_(block.second[2].weight)
    x, embedding = torch.randn(2, 8, 4, 6, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    scale, shift = block.condition(embedding)[:, :, None, None].split(8, 1)
    hidden = block.first[2](torch.nn.functional.silu(block.first[0](x)))
    expected = torch.nn.functional.silu(block.norm(hidden) * (1 + scale) + shift)
    torch.testing.assert_close(block(x, embedding) - x, expected)


def test_groups_have_at_least_four_channels():
    assert [normalisation(c).num_groups for c in (2, 8, 12, 20, 64, 128, 192, 512)] == [1, 2, 3, 5, 16, 32, 32, 32]


def test_an_untrained_network_predicts_nothing():
    torch.manual_seed(0)
    network = UNet(tiny_settings("ddpm"), spec())
    assert network(torch.randn(2, 1, 16, 16), torch.tensor([1, 1000]), torch.tensor([0, 3])).abs().max() == 0


@pytest.mark.parametrize("of", [ImageSpec(16, 40, 3, ("a",)), ImageSpec(48, 18, 1, ("a", "b"))])
def test_any_size_that_can_be_halved(of):
    network = tiny(of)
    x = torch.randn(2, of.channels, of.height, of.width)
    assert network(x, torch.tensor([3, 900]), torch.tensor([0, 0])).shape == x.shape


def test_time_class_no_class_and_conditions_matter():
    network = tiny(conditions=2)
    x, t = torch.randn(1, 1, 16, 16), torch.tensor([300])
    zero, ones = torch.zeros(1, 2), torch.ones(1, 2)
    base = network(x, t, torch.tensor([0]))
    torch.testing.assert_close(network(x, t, torch.tensor([0]), zero), base)
    for other in (
        network(x, t + 100, torch.tensor([0])),
        network(x, t, torch.tensor([1])),
        network(x, t, torch.tensor([3])),  # no class
        network(x, t, torch.tensor([0]), ones),
    ):
        assert (other - base).abs().mean() > 1e-3


def test_checkpointed_activations_change_no_gradient():
    """With dropout: what is computed again must drop the same activations."""
    gradients = []
    for checkpointing in (False, True):
        network = tiny(checkpoint_activations=checkpointing, dropout=0.3)
        torch.manual_seed(1)
        x = torch.randn(2, 1, 16, 16)
        network(x, torch.tensor([5, 500]), torch.tensor([0, 1])).square().mean().backward()
        gradients.append([p.grad for p in network.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)


def test_attention_is_where_it_was_asked_for():
    def places(network):
        return [[isinstance(b.attention, Attention) for b in level] for level in network.down]

    assert places(tiny(spec(32), attention=[16])) == [[False], [True]]
    assert places(tiny(ImageSpec(64, 32, 1, ("a",)), attention=[32], blocks=2)) == [[True, True], [False, False]]


def test_a_patch_is_one_place_whose_pixels_are_its_channels():
    network = tiny(ImageSpec(24, 16, 1, ("a",)), patch=2, multipliers=[1, 1])
    seen = []
    network.image.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        network.head[2].weight.zero_()
        network.head[2].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        image = torch.randn(1, 1, 24, 16)
        drawn = network(image, torch.tensor([5]), torch.tensor([0]))
    assert torch.equal(drawn[0, 0], torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(12, 8))
    assert seen[0].shape == (1, 4, 12, 8)
    assert torch.equal(seen[0][0, :, 3, 5], image[0, 0, 6:8, 10:12].flatten())


def test_attention_is_by_the_sides_of_places():
    network = tiny(spec(32), patch=2, attention=[8])
    assert [isinstance(level[0].attention, Attention) for level in network.down] == [False, True]


def test_impossible_networks_are_refused_by_name():
    with pytest.raises(UserError, match=r"18 x 32 .*ddpm with 2 multipliers and a patch of 2; .*multiples of 4 from"):
        tiny(ImageSpec(18, 32, 1, ("a",)), patch=2, multipliers=[1, 1])
    with pytest.raises(UserError, match=r"size: 36 x 32 .*ddpm with 4 multipliers.* multiples of 8 from 16 to 1024"):
        tiny(ImageSpec(36, 32, 1, ("a",)), multipliers=[1, 1, 1, 1])
    with pytest.raises(UserError, match="heads: 3 does not divide the 16 channels"):
        tiny(heads=3)
