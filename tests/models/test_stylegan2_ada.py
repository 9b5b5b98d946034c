"""The training of StyleGAN2-ADA beyond the contract: its phases, and its gradients against float64."""

import hashlib

import pytest
import torch

from pipeline.base.weights import WEIGHTS
from pipeline.models import build, losses, texture
from pipeline.models.base import latents
from pipeline.models.batch import Batch, BatchRng, MicroBatch
from pipeline.models.stylegan2_ada import lazy_adam
from pipeline.models.stylegan2_discriminator import Discriminator
from pipeline.models.stylegan2_generator import HALF_RESOLUTIONS, Generator
from pipeline.settings import ImageSpec, StyleGAN2ADASettings, Texture, UserError
from tests.models.test_texture import random_weights
from tests.models.tiny import batch, spec, tiny_settings


def tiny(of=None, amp=None, **changes):
    torch.manual_seed(0)
    return build(tiny_settings("stylegan2_ada", **changes), of or spec(), amp)


def updates(model, count):
    images, labels = batch(model.spec)
    return [model.update(Batch(images, labels, seed)) for seed in range(count)]


def whole(model, seed=0, dtype=torch.float32):
    """The one part of a batch."""
    images, labels = batch(model.spec)
    return next(Batch(images.to(dtype), labels, seed).microbatches())


def rows(n, seed=0):
    """A part of n images of class 0."""
    draws = BatchRng(seed, n, slice(None), torch.device("cpu"))
    return MicroBatch(torch.zeros(n, 1, 16, 16), torch.zeros(n, dtype=torch.int64), draws, 1.0)


class DoubleDraws(BatchRng):
    """The same numbers, in float64."""

    def normal(self, *shape):
        return super().normal(*shape).double()

    def uniform(self, *shape):
        return super().uniform(*shape).double()


def double(model, seed=0):
    """The one part of a batch in float64, for a model in float64."""
    part = whole(model, seed, torch.float64)
    draws = DoubleDraws(seed, len(part), slice(None), part.images.device)
    return MicroBatch(part.images, part.labels, draws, part.weight)


def gradients(model, name, loss, part):
    """Of the loss at the weights of an optimiser, by number; None where there is none."""
    chosen = [p for group in model.optimizers[name].param_groups for p in group["params"]]
    for parameter in model.parameters():
        parameter.requires_grad_(any(parameter is p for p in chosen))
    return torch.autograd.grad(loss(part)[0], chosen, allow_unused=True)


def test_truncation_draws_towards_the_mean_of_the_class():
    model = tiny()
    model.ema.mapping.w_average.normal_()
    labels, z = torch.tensor([2, 2]), latents(torch.tensor([1, 2]), model.latent_length)
    styles = model.styles(labels, z, truncation=0.0)
    mean = model.ema.mapping.w_average[2]
    torch.testing.assert_close(styles, mean.expand(2, model.ema.synthesis.layers, -1))
    one, other = model.render(styles, z)
    assert (one - other).abs().max() < 1e-6  # only noise would differ, and its strength is still 0
    half, full = (model.styles(labels, z, truncation) for truncation in (0.5, 1.0))
    torch.testing.assert_close(half, (full + mean) / 2)
    assert torch.equal(model.render(full, z), model.generate(labels, z))


def test_noise_comes_from_the_seed():
    model = tiny()
    for name, parameter in model.ema.named_parameters():
        if name.endswith("strength"):
            parameter.data.fill_(0.5)
    model.ema.mapping.w_average.normal_()
    labels, z = torch.tensor([0, 0]), latents(torch.tensor([1, 2]), model.latent_length)
    styles = model.styles(labels, z, truncation=0.0)
    one, other = model.render(styles, z)
    assert (one - other).abs().mean() > 0.01
    torch.testing.assert_close(model.render(styles[:1], z[1:])[0], other)


@pytest.mark.parametrize("modulation", ["weights", "adain"])
def test_noise_enters_no_finer_than_asked(modulation):
    """At 16 pixels and noise up to 8: 4 · 4 + 2 · 8 · 8 numbers an image, all of which change it."""
    model = tiny(noise_resolution=8, noise_strength=0.5, modulation=modulation)
    strengths = [name for name, _ in model.ema.synthesis.named_parameters() if name.endswith("strength")]
    assert strengths == ["first.strength", "blocks.0.up.strength", "blocks.0.same.strength"]
    assert model.ema.synthesis.noise_length == 16 + 2 * 64
    ws, noise = torch.randn(1, model.ema.synthesis.layers, 8), torch.randn(1, 144, requires_grad=True)
    model.ema.synthesis(ws, model.ema.synthesis.split_noise(noise)).square().sum().backward()
    assert (noise.grad != 0).all()


def test_style_mixing_switches_once_from_one_w_to_another():
    model = tiny(style_mixing=1.0)
    ws = model._mixed(rows(64))
    switches = (ws[:, 1:] != ws[:, :-1]).any(2)
    assert (switches.sum(1) == 1).all()
    assert switches.any(0).all()  # at every layer in some image
    unmixed = tiny(style_mixing=0.0)._mixed(rows(8))
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
    logs = updates(model, 6)
    assert [i for i, log in enumerate(logs) if "r1" in log] == [0, 3]
    assert [i for i, log in enumerate(logs) if "path/penalty" in log] == [0, 2, 4]


def test_terms_of_no_weight_are_left_out():
    model = tiny(r1_gamma=0.0, path_length_weight=0.0, ada_target=0.0)
    log = updates(model, 1)[0]
    assert set(log) == {"loss/G", "loss/D", "logit/real", "logit/fake", "saturation", "gradient/G", "gradient/D"}
    assert model.augmentation is None
    assert not any("augmentation" in name for name in model.state())


def test_default_r1_weight_follows_the_heuristic():
    model = build(StyleGAN2ADASettings(family="stylegan2_ada", channel_base=512), ImageSpec(64, 64, 1, ("a",)))
    assert model.r1_gamma == pytest.approx(2e-4 * 64 * 64 / 32)


@pytest.mark.parametrize(
    ("given", "budget", "images"), [(None, 5000, 500), (None, 25_000_000, 500_000), (64, 5000, 64)]
)
def test_the_augmentation_rises_within_a_tenth_of_the_budget_unless_it_is_said_how_fast(given, budget, images):
    model = tiny(ada_images=given, total_images=budget)
    assert model.augmentation.images == images


def test_a_training_whose_augmentation_comes_from_its_budget_is_not_the_beginning_of_a_longer_one():
    one, said = (StyleGAN2ADASettings(family="stylegan2_ada", ada_images=n) for n in (None, 500))
    assert one.depends_on_budget
    assert not said.depends_on_budget


def test_weights_of_the_penalties():
    """R1 is weighted by γ, the path length penalty by its weight, each by the updates it stands for."""
    model = tiny(r1_gamma=3.0, r1_every=5, path_length_weight=7.0, path_length_every=4)
    loss, scalars = model._r1_loss(whole(model))
    torch.testing.assert_close(loss, 15 * scalars["r1"])
    loss, scalars = model._path_loss(whole(model))
    torch.testing.assert_close(loss, 28 * scalars["path/penalty"])


def test_path_lengths_are_compared_with_their_running_mean():
    """The mean moves by a hundredth of the way; half a batch is measured (SG2, appendix B)."""
    model = tiny(path_length_weight=1.0, path_length_every=1)
    model.path_mean.fill_(50.0)
    images, labels = batch(spec())
    (part,) = Batch(images, labels, 0).microbatches(every=2)
    assert len(part) == 2
    scalars = model._path_loss(part)[1]
    far = (50.0 - scalars["path/length"]).item()  # the lengths differ little beside this
    assert scalars["path/penalty"].sqrt().item() == pytest.approx(far, rel=0.02)
    log = updates(model, 1)[0]
    torch.testing.assert_close(model.path_mean, 0.99 * 50 + 0.01 * log["path/length"])


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


@pytest.mark.parametrize(("name", "phase"), [("D", "_r1_loss"), ("G", "_path_loss")])
@pytest.mark.parametrize("modulation", ["weights", "adain"])
def test_the_penalties_as_trained_against_float64(name, phase, modulation):
    """R1 goes through the augmentation."""
    found = []
    for model, make in ((tiny(modulation=modulation), whole), (tiny(modulation=modulation).double(), double)):
        model.augmentation.p.fill_(0.8)
        model.path_mean.fill_(0.1)
        found.append(gradients(model, name, getattr(model, phase), make(model)))
    assert_near(*found, 1e-3)


def assert_near(found, expected, tolerance):
    """Gradients, each within a share of its largest element."""
    for f, e in zip(found, expected, strict=True):
        assert (f is None) == (e is None)
        if e is not None:
            torch.testing.assert_close(f.double(), e, rtol=0, atol=tolerance * e.abs().max().item() + 1e-9)


@pytest.mark.parametrize(("loss", "penalty"), [("_discriminator_loss", "_r1_loss"), ("_generator_loss", "_path_loss")])
def test_what_is_differentiated_twice_never_meets_the_compiler(loss, penalty, monkeypatch):
    """Compilation is for the two main phases; its gradients are judged in test_compile."""
    monkeypatch.setattr(torch, "compile", lambda module: module)
    model = tiny(compile=True)
    getattr(model, loss)(whole(model))
    assert len(model._compiled) == 2
    model._compiled.clear()
    getattr(model, penalty)(whole(model))
    assert not model._compiled


@pytest.mark.parametrize("modulation", ["weights", "adain"])
@pytest.mark.parametrize("name", ["D", "G"])
def test_recomputed_activations_give_the_same_gradients_from_less_memory(name, modulation):
    found, kept = [], []
    for recompute in (False, True):
        model = tiny(spec(size=64), modulation=modulation, checkpoint_activations=recompute)
        loss = {"D": model._discriminator_loss, "G": model._generator_loss}[name]
        storages = {}

        def keep(x, storages=storages):
            storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            value, part = None, whole(model)
            for parameter in model.parameters():
                parameter.requires_grad_(True)
            value = loss(part)[0]
        kept.append(sum(storages.values()))
        found.append(torch.autograd.grad(value, model.optimizers[name].param_groups[0]["params"]))
    for plain, recomputed in zip(*found, strict=True):
        assert torch.equal(plain, recomputed)
    assert kept[1] < 0.5 * kept[0]


def test_recomputing_is_not_compiled():
    with pytest.raises(UserError, match=r"checkpoint_activations: true .* compile: true"):
        tiny(compile=True, checkpoint_activations=True)


# ---------------------------------------------------------------- precision


def test_half_precision_runs_in_the_four_finest_resolutions_only():
    model = tiny(spec(size=128))
    assert [block.low_precision for block in model.generator.synthesis.blocks] == [False, True, True, True, True]
    assert [block.low_precision for block in model.discriminator.blocks] == [True, True, True, True, False]
    dtypes = {}
    for i, block in enumerate(model.generator.synthesis.blocks):
        block.same.register_forward_hook(lambda _m, _a, out, i=i: dtypes.__setitem__(i, out.dtype))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        ws = torch.randn(1, model.generator.synthesis.layers, 8)
        image = model.generator.synthesis(ws, model._noise(rows(1).rng))
    assert dtypes == {0: torch.float32} | dict.fromkeys(range(1, 5), torch.bfloat16)
    assert image.dtype == torch.float32


def test_float16_trains_with_scaled_losses_and_single_precision_penalties():
    model = tiny(spec(size=32), amp=torch.float16)
    before = [p.detach().clone() for p in model.parameters()]
    seen = []
    model.discriminator.blocks[0].same.register_forward_hook(lambda _m, _a, out: seen.append(out.dtype))
    logs = updates(model, 3)
    assert model.scaler.is_enabled()
    assert seen[:3] == [torch.float16, torch.float32, torch.float16]  # real and fake, R1, generator
    assert all(torch.isfinite(value) for log in logs for value in log.values())
    assert not any(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True) if p.numel() > 1)
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_activations_of_float16_are_bounded():
    """Biases of 60 000, near the end of float16 at 65 504, do not reach the images or the logits as infinities."""
    model = tiny(spec(size=32))
    layers = [
        layer for block in model.generator.synthesis.blocks[-HALF_RESOLUTIONS:] for layer in (block.up, block.same)
    ] + [block.same for block in model.discriminator.blocks[:HALF_RESOLUTIONS]]
    with torch.no_grad():
        for layer in layers:
            layer.bias.fill_(40_000.0)
    bounds = []
    for block in model.generator.synthesis.blocks:
        block.same.register_forward_hook(lambda _m, _a, out: bounds.append(out.abs().max().item()))
    for block in model.discriminator.blocks:
        block.down.register_forward_pre_hook(lambda _m, args: bounds.append(args[0].abs().max().item()))
    with torch.autocast("cpu", torch.float16), torch.no_grad():
        draws = rows(2).rng
        image = model.generator.synthesis(draws.normal(model.generator.synthesis.layers, 8), model._noise(draws))
        logits = model.discriminator(image, torch.tensor([0, 1]))
    assert bounds == [256.0] * 6
    assert torch.isfinite(image).all()
    assert torch.isfinite(logits).all()


# ---------------------------------------------------------------- texture, shapes, sizes


class Fixed(torch.nn.Module):
    """Texture losses that are known: the mean image, and two numbers."""

    def forward(self, fake, real, labels):
        assert fake.shape == real.shape
        return {"perceptual": fake.mean(), "gram": fake.new_tensor(2.0), "fft": fake.new_tensor(3.0)}


def test_texture_losses_are_added_by_weight():
    weights = Texture(perceptual=0.5, gram=10.0, fft=0.0)
    model, plain = tiny(texture=weights), tiny()
    model.texture = Fixed()
    loss, scalars = model._generator_loss(whole(model))
    torch.testing.assert_close(loss, scalars["loss/G"] + 0.5 * scalars["texture/perceptual"] + 20.0)
    assert scalars["texture/fft"] == 3.0
    torch.testing.assert_close(scalars["loss/G"], plain._generator_loss(whole(plain))[0])


def test_texture_losses_read_verified_weights_at_the_first_update(tmp_path, monkeypatch):
    file = tmp_path / WEIGHTS["vgg19"].file
    torch.save(random_weights(), file)
    model = tiny(spec(size=32), texture=Texture(weights=str(tmp_path)))
    images, labels = batch(model.spec)
    with pytest.raises(UserError, match=r"texture.weights: .* is altered or damaged"):
        model.update(Batch(images, labels, 0))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHTS, "vgg19", WEIGHTS["vgg19"]._replace(sha256=digest, size=file.stat().st_size))
    log = model.update(Batch(images, labels, 0))
    assert {"texture/perceptual", "texture/gram", "texture/fft"} <= set(log)
    assert not [name for name in model.state() if "texture" in name]


def test_images_are_drawn_without_the_texture_losses(tmp_path):
    """A model of these settings is built, sampled and saved as one without; what compares is no part of it."""
    model, plain = tiny(texture=Texture(weights=str(tmp_path))), tiny()
    with pytest.raises(UserError, match=r"texture.weights: .* is missing"):
        model._generator_loss(whole(model))
    model.texture = texture.Texture(random_weights())
    assert model.state().keys() == plain.state().keys()
    labels, seeds = torch.tensor([0, 1]), torch.tensor([3, 4])
    assert torch.equal(model.sample(labels, seeds), plain.sample(labels, seeds))


@pytest.mark.parametrize(("height", "width"), [(16, 48), (64, 16)])
@pytest.mark.parametrize("modulation", ["weights", "adain"])
def test_images_need_not_be_square(height, width, modulation):
    model = tiny(ImageSpec(height, width, 3, ("a", "b")), modulation=modulation, style_mixing=0.5)
    model.augmentation.p.fill_(1.0)
    assert all(torch.isfinite(v) for log in updates(model, 2) for v in log.values())
    images = model.sample(torch.tensor([0, 1]), torch.tensor([1, 2]))
    assert images.shape == (2, 3, height, width)
    coarse = (height // (min(height, width) // 4), width // (min(height, width) // 4))
    assert model.generator.synthesis.constant.shape[1:] == coarse
    assert model.r1_gamma == pytest.approx(2e-4 * height * width / 4)


def count(size, channels=1, classes=6, **settings):
    of = ImageSpec(size, size, channels, tuple("abcdefgh"[:classes]))
    with torch.device("meta"):
        s = StyleGAN2ADASettings(family="stylegan2_ada", **settings)
        return tuple(sum(p.numel() for p in net(s, of).parameters()) for net in (Generator, Discriminator))


def test_parameters_of_the_presets():
    """As docs/families/stylegan2_ada.md states them."""
    small = {"channel_base": 6144, "channel_max": 384, "discriminator_channel_max": 184}
    assert count(128, **small) == (11_008_065, 3_209_464)
    assert count(128) == (23_209_617, 24_672_640)
    assert count(256) == (23_451_732, 24_791_488)
    assert count(512, channel_base=32768, mapping_layers=8) == (30_535_767, 31_349_184)


def test_published_parameter_counts():
    """Unconditional FFHQ networks of the paper: 30.0 and 28.9 million at 256 to 1024 pixels (SG2, section 5).

    One class adds a row of each embedding, its mapping, and the half of the first layer that reads it.
    """
    generator, discriminator = count(1024, channels=3, classes=1, channel_base=32768, mapping_layers=8)
    embedding = 512 + 512 * 512
    assert generator - embedding == pytest.approx(30.37e6, rel=0.005)
    assert discriminator - (512 + 8 * (512 * 512 + 512) + 512 * 511) == pytest.approx(29.01e6, rel=0.005)
