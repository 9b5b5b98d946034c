"""StyleGAN2-ADA beyond the contract: its layers against explicit formulas, its penalties against float64."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.models import build, losses
from pipeline.models.stylegan2_ada import Mapping, ModulatedConv, lazy_adam
from pipeline.settings import ImageSpec, StyleGAN2ADA
from tests.models.tiny import batch, rng, spec, tiny_settings


def tiny(of=None, **changes):
    torch.manual_seed(0)
    return build(tiny_settings("stylegan2_ada", **changes), of or spec())


# ---------------------------------------------------------------- layers


def test_demodulation_gives_unit_variance():
    torch.manual_seed(0)
    conv = ModulatedConv(64, 96, 16, 3)
    x, w = torch.randn(4, 64, 24, 24), torch.randn(4, 16) * 3
    out = conv(x, w)[..., 1:-1, 1:-1]
    torch.testing.assert_close(out.std((1, 2, 3)), torch.ones(4), atol=0.04, rtol=0)


@pytest.mark.parametrize("up", [False, True])
def test_scaled_activations_equal_modulated_weights(up):
    """The paper's formulation: each image has its own kernel, w'' = s w / |s w|; doubling by zeros and the filter."""
    torch.manual_seed(1)
    conv = ModulatedConv(5, 7, 4, 3, up=up).double()
    x, w = torch.randn(3, 5, 6, 6, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    got = conv(x, w, gain=2.0)
    taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64) / 4
    for i in range(3):
        kernel = conv.weight * conv.affine(w[i : i + 1])[0][:, None, None]
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


def test_truncation_draws_towards_the_mean_of_the_class():
    model = tiny()
    model.ema.mapping.w_average.normal_()
    labels = torch.tensor([2, 2])
    one, other = model.sample(labels, torch.tensor([1, 2]), truncation=0.0)
    w = model.ema.mapping(torch.randn(2, 8), labels, truncation=0.0)
    torch.testing.assert_close(w, model.ema.mapping.w_average[labels])
    assert (one - other).abs().max() < 1e-6  # only noise would differ, and its strength is still 0
    half = model.ema.mapping(torch.ones(1, 8), labels[:1], truncation=0.5)
    full = model.ema.mapping(torch.ones(1, 8), labels[:1])
    torch.testing.assert_close(half, (full + model.ema.mapping.w_average[2]) / 2)


def test_noise_comes_from_the_seed():
    model = tiny()
    for name, parameter in model.ema.named_parameters():
        if name.endswith("strength"):
            parameter.data.fill_(0.5)
    model.ema.mapping.w_average.normal_()
    labels = torch.tensor([0, 0])
    one, other = model.sample(labels, torch.tensor([1, 2]), truncation=0.0)
    assert (one - other).abs().mean() > 0.01
    torch.testing.assert_close(model.sample(labels[:1], torch.tensor([2]), truncation=0.0)[0], other)


def test_style_mixing_switches_once_from_one_w_to_another():
    model = tiny(style_mixing=1.0)
    ws = model._mixed(torch.zeros(64, dtype=torch.int64), rng())
    switches = (ws[:, 1:] != ws[:, :-1]).any(2)
    assert (switches.sum(1) == 1).all()
    assert switches.any(0).all()  # at every layer in some image
    unmixed = tiny(style_mixing=0.0)._mixed(torch.zeros(8, dtype=torch.int64), rng())
    assert (unmixed == unmixed[:, :1]).all()


def test_discriminator_sees_a_collapsed_batch():
    """Minibatch statistics: an image beside copies of itself is judged differently than beside others."""
    net = tiny().discriminator
    images, _ = batch(spec())
    labels = torch.zeros(4, dtype=torch.int64)
    assert (net(images, labels)[0] - net(images[:1].repeat(4, 1, 1, 1), labels)[0]).abs() > 1e-3


# ---------------------------------------------------------------- training


def test_lazy_regularisation_corrects_adam():
    group = lazy_adam([torch.nn.Parameter(torch.zeros(1))], 0.0025, 4).param_groups[0]
    assert group["lr"] == pytest.approx(0.002)
    assert group["betas"] == (0.0, pytest.approx(0.99**0.8))
    group = lazy_adam([torch.nn.Parameter(torch.zeros(1))], 0.0025, 0).param_groups[0]
    assert (group["lr"], group["betas"]) == (0.0025, (0.0, 0.99))


def test_penalties_are_lazy():
    model = tiny(r1_every=3, path_length_every=2)
    images, labels = batch(spec())
    logs = [model.train_step(images, labels, rng(i)) for i in range(6)]
    assert [i for i, log in enumerate(logs) if "r1" in log] == [0, 3]
    assert [i for i, log in enumerate(logs) if "path/penalty" in log] == [0, 2, 4]


def test_terms_of_no_weight_are_left_out():
    model = tiny(r1_gamma=0.0, path_length_weight=0.0, ada_target=0.0)
    images, labels = batch(spec())
    log = model.train_step(images, labels, rng())
    assert set(log) == {"loss/G", "loss/D", "logit/real", "logit/fake"}
    assert model.augmentation is None
    assert not any("augmentation" in name for name in model.state())


def test_default_r1_weight_follows_the_heuristic():
    model = build(StyleGAN2ADA(family="stylegan2_ada", channel_base=512), ImageSpec(64, 64, 1, ("a",)))
    assert model.r1_gamma == pytest.approx(2e-4 * 64 * 64 / 32)


def numeric_slope(function, parameter, direction, step=1e-6):
    with torch.no_grad():
        parameter.add_(step * direction)
    high = function()
    with torch.no_grad():
        parameter.sub_(2 * step * direction)
    low = function()
    with torch.no_grad():
        parameter.add_(step * direction)
    return (high - low) / (2 * step)


def check_slopes(function, parameters, fast):
    """Gradients in float64 against finite differences, and `fast` (the float32 gradients) against both."""
    slopes = torch.autograd.grad(function(), parameters, allow_unused=True)
    torch.manual_seed(2)
    for parameter, slope, single in zip(parameters, slopes, fast, strict=True):
        if slope is None:
            assert single is None
            continue
        direction = torch.randn_like(parameter)
        numeric = numeric_slope(function, parameter, direction)
        torch.testing.assert_close((slope * direction).sum(), numeric, rtol=1e-4, atol=1e-8)
        scale = slope.abs().max().item()
        torch.testing.assert_close(single.double(), slope, rtol=1e-3, atol=1e-3 * scale + 1e-9)


def test_r1_of_the_discriminator_against_float64():
    images, labels = batch(spec())
    nets = [tiny().discriminator for _ in range(2)]
    nets[1].double()

    def penalty(net, x):
        x = x.clone().requires_grad_()
        return losses.r1_penalty(x, net(x, labels)).mean()

    fast = torch.autograd.grad(penalty(nets[0], images), list(nets[0].parameters()), allow_unused=True)
    check_slopes(lambda: penalty(nets[1], images.double()), list(nets[1].parameters()), fast)


def test_path_length_of_the_generator_against_float64():
    nets = [tiny().generator.synthesis for _ in range(2)]
    nets[1].double()
    torch.manual_seed(1)
    ws, noise = torch.randn(2, nets[0].layers, 8), torch.randn(2, nets[0].noise_length)
    y = torch.randn(2, 1, 16, 16)

    def penalty(net, dtype):
        w = ws.to(dtype).requires_grad_()
        images = net(w, net.split_noise(noise.to(dtype)))
        return (losses.path_lengths(images, w, y.to(dtype)) - 0.1).square().mean()

    fast = torch.autograd.grad(penalty(nets[0], torch.float32), list(nets[0].parameters()), allow_unused=True)
    check_slopes(lambda: penalty(nets[1], torch.float64), list(nets[1].parameters()), fast)


def test_half_precision_runs_in_the_four_finest_resolutions_only():
    model = tiny(spec(size=128))
    assert [block.low_precision for block in model.generator.synthesis.blocks] == [False, True, True, True, True]
    assert [block.low_precision for block in model.discriminator.blocks] == [True, True, True, True, False]
    dtypes = {}
    for i, block in enumerate(model.generator.synthesis.blocks):
        block.same.register_forward_hook(lambda _m, _a, out, i=i: dtypes.__setitem__(i, out.dtype))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        ws = torch.randn(1, model.generator.synthesis.layers, 8)
        image = model.generator.synthesis(ws, model._noise(1, rng()))
    assert dtypes == {0: torch.float32} | dict.fromkeys(range(1, 5), torch.bfloat16)
    assert image.dtype == torch.float32
