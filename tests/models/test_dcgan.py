"""DCGAN beyond the contract: the paper's layers, its losses against torch's, and D(G(z)) before and after."""

import itertools

import pytest
import torch
from torch import nn

from pipeline.models import build
from pipeline.models.batch import Batch
from pipeline.settings import DCGANSettings, ImageSpec
from tests.models.tiny import batch, spec, tiny_settings


def tiny(of=None, **changes):
    torch.manual_seed(0)
    return build(tiny_settings("dcgan", **changes), of or spec())


def shapes(network, *inputs):
    """Channels, height and width after each convolution or dense layer, in the order of the calls."""
    found = []
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _layer, _inputs, out: found.append(tuple(out.shape[1:])))
    with torch.no_grad():
        network(*inputs)
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_layers_at_the_default_settings(channels):
    model = build(DCGANSettings(family="dcgan"), ImageSpec(128, 128, channels, ("good",)))
    label = torch.zeros(1, dtype=torch.int64)
    dense, *rest = shapes(model.generator, torch.randn(1, 100), label)
    assert dense == (512 * 4 * 4,)
    assert rest == [(256, 8, 8), (128, 16, 16), (64, 32, 32), (32, 64, 64), (channels, 128, 128)]
    assert shapes(model.discriminator, torch.zeros(1, channels, 128, 128), label) == [
        *((32, 64, 64), (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)),
        (1, 1, 1),
    ]


def test_parameters_at_the_default_settings():
    """Counted from the layers above; normalised ones have no bias, normalisations two numbers a channel."""
    model = build(DCGANSettings(family="dcgan"), ImageSpec(128, 128, 1, ("good",)))
    widths = [512, 256, 128, 64, 32, 1]
    convolutions = sum(16 * a * b for a, b in itertools.pairwise(widths)) + 1
    generator = 100 * 512 * 16 + convolutions + 2 * sum(widths[:-1])
    discriminator = convolutions - 1 + 32 + 2 * (512 + 256 + 128 + 64) + 512 * 16 + 1
    assert generator == sum(p.numel() for p in model.generator.parameters()) == 3_606_977
    assert discriminator == sum(p.numel() for p in model.discriminator.parameters()) == 2_795_937


@pytest.mark.parametrize("size", [32, 512])
def test_other_sizes_begin_at_the_same_channels(size):
    model = build(DCGANSettings(family="dcgan"), ImageSpec(size, size, 1, ("good",)))
    assert model.generator.start == (512, 4, 4)
    assert len(model.generator.norms) == {32: 3, 512: 7}[size]


def test_initial_weights():
    torch.manual_seed(0)
    model = build(DCGANSettings(family="dcgan"), ImageSpec(32, 32, 1, ("good",)))
    for name, p in model.named_parameters():
        if name.startswith("ema"):
            continue
        if name.endswith("scale"):
            assert p.mean().item() == pytest.approx(1, abs=0.006), name
            assert p.std().item() == pytest.approx(0.02, rel=0.2), name
        elif name.endswith("weight"):
            assert p.mean().abs() < 0.02 * 4 / p.numel() ** 0.5, name
            assert p.std().item() == pytest.approx(0.02, rel=0.1), name
        else:
            assert p.abs().max() == 0, name


def reference(channels):
    """The networks of the paper for 16-pixel gray images, of torch's own layers only."""
    c = channels
    generator = nn.Sequential(
        *(nn.ConvTranspose2d(8, c, 4, 1, 0, bias=False), nn.BatchNorm2d(c), nn.ReLU()),
        *(nn.ConvTranspose2d(c, c // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(c // 2), nn.ReLU()),
        *(nn.ConvTranspose2d(c // 2, 1, 4, 2, 1), nn.Tanh()),
    )
    discriminator = nn.Sequential(
        *(nn.Conv2d(1, c // 2, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(c // 2, c, 4, 2, 1, bias=False), nn.BatchNorm2d(c), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(c, 1, 4, 1, 0), nn.Sigmoid()),
    )
    return generator, discriminator


def test_networks_and_losses_are_those_of_plain_layers():
    """D sees the real and the generated images in batches of their own, each normalised by itself."""
    of = spec(classes=1)
    model, (generator, discriminator) = tiny(of), reference(32)
    weights = dict(model.generator.named_parameters())
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, 0.3)  # larger than at the start, so that a wrong layer shows
        generator[0].weight.copy_(weights["dense.weight"].T.unflatten(1, (32, 4, 4)))
        for name, place in {"norms.0": 1, "ups.0": 3, "norms.1": 4, "image": 6}.items():
            copy(model.generator.get_submodule(name), generator[place])
        for name, place in {"first": 0, "downs.0": 2, "norms.0": 3, "last": 5}.items():
            copy(model.discriminator.get_submodule(name), discriminator[place])
    images, labels = batch(of)
    z = next(iter(Batch(images, labels, 5).microbatches())).rng.normal(8)
    fake = generator(z[:, :, None, None])
    torch.testing.assert_close(model.generator(z, labels), fake)

    bce = nn.BCELoss()
    on_real, on_fake = discriminator(images).flatten(), discriminator(fake).flatten()
    model.lr_scale = 0.0  # both steps see these weights
    log = model.update(Batch(images, labels, 5))
    expected = {
        "loss/G": bce(on_fake, torch.ones(4)),
        "loss/D": bce(on_real, torch.ones(4)) + bce(on_fake, torch.zeros(4)),
        "D(x)": on_real.mean(),
        "D(G(z))/before": on_fake.mean(),
        "D(G(z))/after": on_fake.mean(),
    }
    torch.testing.assert_close({name: log[name] for name in expected}, {k: v.detach() for k, v in expected.items()})


def copy(ours, theirs):
    """The numbers of a layer of ours to the layer of torch that does the same."""
    if isinstance(theirs, nn.BatchNorm2d):
        theirs.weight.copy_(ours.scale)
        theirs.bias.copy_(ours.shift)
    else:
        theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("changes", [{}, {"input_noise": 0.3, "discriminator_steps": 2}, {"batch_per_device": 2}])
def test_before_and_after_the_generators_step(changes):
    """Of one discriminator and the same latents and noise: what is before equals what is after a step of length 0, and
    a small step downhill makes the images more convincing."""
    images, labels = batch(spec())
    step = changes.get("batch_per_device")
    gains = []
    for rate in (0.0, 1e-4, 2e-4):
        model = tiny(**changes)
        model.update(Batch(images, labels, 0, step))
        model.optimizers["G"].param_groups[0]["initial_lr"] = rate
        log = model.update(Batch(images, labels, 1, step))
        gains.append((log["D(G(z))/after"] - log["D(G(z))/before"]).item())
    assert gains[0] == 0
    assert 0 < gains[1] < gains[2]


def test_discriminator_steps():
    model = tiny(discriminator_steps=3)
    seen = []
    model.generator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.update(Batch(*batch(spec()), 0))
    counts = {name: int(o.state[o.param_groups[0]["params"][0]]["step"]) for name, o in model.optimizers.items()}
    assert counts == {"G": 1, "D": 3}
    assert torch.equal(seen[0], seen[1])  # the first step sees what the generator was trained with
    assert not torch.equal(seen[1], seen[2])
    assert not torch.equal(seen[2], seen[3])


def test_clip_bounds_the_gradient_of_both_networks():
    model = tiny(clip=0.01)
    log = model.update(Batch(*batch(spec()), 0))
    for name, network in (("G", model.generator), ("D", model.discriminator)):
        assert log[f"gradient/{name}"] > 0.02  # the norm before it was cut
        assert nn.utils.get_total_norm([p.grad for p in network.parameters()]).item() == pytest.approx(0.01, rel=1e-3)


def test_noise_reaches_real_and_generated_images_alike():
    model = tiny(input_noise=0.5)
    images, labels = batch(spec())
    seen = []
    model.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.update(Batch(images, labels, 0))
    before, after, real = seen
    noise = real - images
    assert noise.std().item() == pytest.approx(0.5, rel=0.1)
    assert before.std() > 0.4  # images of the first weights are flat gray
    assert not torch.isclose(noise, after, atol=0.05).all()


def test_a_discriminator_of_its_own_size():
    model = tiny(discriminator_channels=8)
    assert model.discriminator.last.in_channels == 8
    assert model.generator.start[0] == 32


def test_one_class_is_no_input():
    model = tiny(spec(classes=1))
    assert model.generator.dense.in_features == 8
    assert model.discriminator.first.in_channels == 1
    assert tiny(spec(classes=3)).generator.dense.in_features == 11
    assert tiny(spec(channels=3, classes=3)).discriminator.first.in_channels == 6
