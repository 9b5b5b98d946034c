"""The layers of the StyleGAN2 generator against explicit formulas."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.models.stylegan2_generator import AdaptiveNorm, Mapping, ModulatedConv
from tests.models.tiny import tiny_settings


def test_demodulation_gives_unit_variance():
    torch.manual_seed(0)
    conv = ModulatedConv(64, 96, 16, 3)
    x, w = torch.randn(4, 64, 24, 24), torch.randn(4, 16) * 3
    out = conv(x, w[:, None])[..., 1:-1, 1:-1]
    torch.testing.assert_close(out.std((1, 2, 3)), torch.ones(4), atol=0.04, rtol=0)


@pytest.mark.parametrize("up", [False, True])
def test_scaled_activations_equal_modulated_weights(up):
    """The paper's formulation: each image has its own kernel, w'' = s w / |s w|; doubling by zeros and the filter."""
    torch.manual_seed(1)
    conv = ModulatedConv(5, 7, 4, 3, up=up).double()
    x, w = torch.randn(3, 5, 6, 6, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    got = conv(x, w[:, None], gain=2.0)
    taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64) / 4
    for i in range(3):
        kernel = conv.conv.weight * conv.affine(w[i : i + 1])[0][:, None, None]
        kernel = 2 * kernel / kernel.square().sum((1, 2, 3), keepdim=True).sqrt()
        image = x[i : i + 1]
        if up:
            spread = torch.zeros(1, 5, 13, 13, dtype=torch.float64)
            spread[:, :, 1::2, 1::2] = image
            # zeros between the pixels, true convolution, filter
            wide = F.conv2d(F.pad(spread, (1, 1, 1, 1)), kernel.flip(2, 3))
            expected = F.conv2d(wide, torch.outer(taps, taps).expand(7, 1, 4, 4), padding=1, groups=7)
        else:
            expected = F.conv2d(image, kernel, padding=1)
        torch.testing.assert_close(got[i : i + 1], expected, atol=1e-6, rtol=1e-6)


def test_mapping_forgets_the_length_of_z_and_tells_classes_apart():
    mapping = Mapping(tiny_settings("stylegan2_ada"), 3)
    z, labels = torch.randn(3, 8), torch.tensor([0, 0, 0])
    torch.testing.assert_close(mapping(z * 7, labels), mapping(z, labels))
    assert (mapping(z, labels) - mapping(z, labels + 1)).abs().mean() > 0.1


def test_each_class_tracks_its_own_mean():
    mapping = Mapping(tiny_settings("stylegan2_ada"), 3)
    means = torch.tensor([[1.0] * 8, [-2.0] * 8])
    for _ in range(3000):
        labels = torch.tensor([0, 1, 1])
        mapping.track(means[labels] + torch.tensor([[0.0], [0.5], [-0.5]]), labels)
    torch.testing.assert_close(mapping.w_average[:2], means, atol=0.01, rtol=0)
    assert mapping.w_average[2].abs().max() == 0


def test_a_style_a_column_equals_one_style_where_all_are_the_same():
    torch.manual_seed(2)
    for up in (False, True):
        conv = ModulatedConv(5, 7, 4, 3, up=up).double()
        x, w = torch.randn(2, 5, 6, 8, dtype=torch.float64), torch.randn(2, 1, 4, dtype=torch.float64)
        columns = w.expand(-1, 16 if up else 8, -1)
        torch.testing.assert_close(conv(x, columns), conv(x, w))


def test_columns_far_from_a_change_of_style_do_not_feel_it():
    torch.manual_seed(3)
    conv = ModulatedConv(5, 7, 4, 3, up=True).double()
    x, w = torch.randn(1, 5, 6, 12, dtype=torch.float64), torch.randn(2, 1, 4, dtype=torch.float64)
    both = torch.cat([w[:1].expand(-1, 12, -1), w[1:].expand(-1, 12, -1)], 1)
    mixed, left, right = conv(x, both), conv(x, w[:1]), conv(x, w[1:])
    torch.testing.assert_close(mixed[..., :10], left[..., :10])
    torch.testing.assert_close(mixed[..., 14:], right[..., 14:])
    assert (mixed[..., 10:14] - left[..., 10:14]).abs().max() > 0.1


def test_adaptive_normalisation_sets_mean_and_deviation():
    """SG1, eq. 1: whatever comes in, a channel's mean and deviation are those of the style."""
    torch.manual_seed(4)
    norm = AdaptiveNorm(5, 4).double()
    w = torch.randn(3, 1, 4, dtype=torch.float64)
    out = norm(torch.randn(3, 5, 16, 16, dtype=torch.float64) * 30 - 7, w)
    torch.testing.assert_close(out.mean((2, 3)), norm.shift(w)[:, 0])
    torch.testing.assert_close(out.std((2, 3), correction=0), norm.scale(w)[:, 0].abs())
    assert norm.scale(torch.zeros(4, dtype=torch.float64)).unique() == 1.0
