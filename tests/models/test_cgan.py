"""The class-conditional GAN beyond the contract."""

import pytest
import torch
from torch.nn.utils import parametrize

from pipeline.models import build
from pipeline.models.batch import Batch
from pipeline.models.cgan import Discriminator, Generator, widths
from pipeline.models.latent_vector_gan import Fake
from pipeline.settings import CGANSettings, ImageSpec
from tests.models.tiny import batch, spec, tiny_settings


def test_parameters_at_the_default_settings():
    model = build(CGANSettings(family="cgan"), ImageSpec(128, 128, 1, tuple("abcdef")))
    count = {name: sum(p.numel() for p in getattr(model, name).parameters()) for name in ("generator", "discriminator")}
    assert count == {"generator": 9_095_073, "discriminator": 2_737_120}


def test_widths_double_up_to_512():
    assert widths(48, 5) == [48, 96, 192, 384, 512, 512]
    assert widths(600, 2) == [600, 600, 600]


def test_class_term_of_the_projection():
    """A logit is ψ(φ) + v_class · φ (Miyato & Koyama 2018, eq. 4), with φ of the image alone."""
    torch.manual_seed(0)
    net = Discriminator(tiny_settings("cgan", spectral_norm=False), spec())
    features = []
    net.linear.register_forward_hook(lambda _layer, inputs, _out: features.append(inputs[0]))
    image = torch.randn(1, 1, 16, 16)
    logits = [net(image, torch.tensor([k])).logits for k in range(3)]
    phi = features[0]
    assert all(torch.equal(f, phi) for f in features)
    expected = phi @ net.linear.weight[0] + net.linear.bias + phi @ net.embedding.weight.T
    torch.testing.assert_close(torch.stack(logits, 1), expected)
    assert expected.std() > 0.1


def test_without_spectral_norm_weights_are_as_they_are():
    names = dict(Discriminator(tiny_settings("cgan", spectral_norm=False), spec()).named_parameters())
    assert not any("original" in name for name in names)
    assert "downs.0.weight" in names
    normed = Discriminator(tiny_settings("cgan"), spec())
    layers = [m for m in normed.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear | torch.nn.Embedding)]
    assert all(parametrize.is_parametrized(m, "weight") for m in layers)


def test_class_enters_the_generator_through_the_normalisations_alone():
    """With equal scales and shifts in all classes, the class changes nothing."""
    torch.manual_seed(0)
    net = Generator(tiny_settings("cgan"), spec()).eval()
    z = torch.randn(1, 8)
    assert torch.equal(net(z, torch.tensor([0])), net(z, torch.tensor([2])))
    with torch.no_grad():
        net.norms[0].scale.weight[2] *= 2
    assert (net(z, torch.tensor([0])) - net(z, torch.tensor([2]))).abs().max() > 1e-3


def test_hinge_losses_and_saturation_of_an_update():
    """Against the formulas, at weights that do not move."""
    torch.manual_seed(0)
    model = build(tiny_settings("cgan", spectral_norm=False), spec())
    model.lr_scale = 0.0
    images, labels = batch(spec())
    judged = []
    model.discriminator.register_forward_hook(lambda _net, _inputs, out: judged.append(out.logits.detach()))
    with torch.no_grad():
        model.discriminator.linear.weight.mul_(3)
    log = model.update(Batch(images, labels, 0))
    real, fake, fooled = judged
    assert log["loss/D"].item() == pytest.approx(((1 - real).clamp(min=0) + (1 + fake).clamp(min=0)).mean().item())
    assert log["loss/G"].item() == pytest.approx(-fooled.mean().item())
    assert log["saturation"].item() == ((real > 1) & (fake < -1)).float().mean().item()


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
        logits[normed] = (net(x, y).logits - net(-x, y).logits).abs().mean().item()
    assert logits[False] > 100 * logits[True]


def test_augmented_images_alone_reach_the_discriminator_and_a_pair_is_changed_alike(monkeypatch):
    """Without the setting they are the batch's own."""
    for augment in (False, True):
        torch.manual_seed(0)
        model, seen = build(tiny_settings("cgan", augment=augment), spec(16)), []
        images, labels = batch(model.spec)
        monkeypatch.setattr(model, "_fake", lambda part: Fake(part.images, None))  # as if it drew the real ones
        model.discriminator.register_forward_hook(lambda _net, inputs, _out, to=seen: to.append(inputs[0]))
        model.optimizer_step("D", model._discriminator_loss, Batch(images, labels, 0))
        real, fake = seen
        assert torch.equal(real, fake)
        assert torch.equal(real, images) is not augment


def test_gradients_reach_the_generator_through_the_augmentation():
    model = build(tiny_settings("cgan", augment=True), spec(16))
    before = [p.detach().clone() for p in model.generator.parameters()]
    model.update(Batch(*batch(model.spec), 0))
    assert not any(torch.equal(a, b) for a, b in zip(before, model.generator.parameters(), strict=True))


def test_the_class_loss_is_that_of_the_class_terms_and_counts_real_images_for_one_and_fakes_for_the_other():
    torch.manual_seed(0)
    plain = {"spectral_norm": False, "class_weight": 0.5}
    model = build(tiny_settings("cgan", **plain), spec())
    model.lr_scale = 0.0
    images, labels = batch(spec())
    judged = []
    model.discriminator.register_forward_hook(lambda _net, _inputs, out: judged.append(out.features.detach()))
    log = model.update(Batch(images, labels, 0))
    terms = model.discriminator.embedding.weight.detach()
    for name, features in (("loss/D/class", judged[0]), ("loss/G/class", judged[2])):
        chances = (features @ terms.T).softmax(1)
        expected = -chances[torch.arange(len(labels)), labels].log().mean()
        assert log[name].item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_class_loss_alone_teaches_the_discriminator_the_classes():
    """Of images that are dark, gray or bright by their class: without the loss the class terms say nothing of it."""
    right = {}
    labels = torch.arange(24) % 3
    images = (labels - 1.0)[:, None, None, None].expand(-1, 1, 16, 16).contiguous() * 0.8
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        model = build(tiny_settings("cgan", class_weight=weight, discriminator_lr=1e-3), spec())
        for _ in range(20):
            model.optimizer_step("D", model._discriminator_loss, Batch(images, labels, 0))
        judged = model.discriminator.eval()(images, labels)
        terms = judged.features @ model.discriminator.embedding.weight.T
        right[weight] = (terms.argmax(1) == labels).float().mean().item()
    assert right[1.0] == 1
    assert right[0.0] < 1


def test_noise_enters_at_every_resolution_and_is_part_of_the_latent():
    torch.manual_seed(0)
    net = Generator(tiny_settings("cgan", noise_strength=0.5), spec()).eval()
    z_dim = net.lengths[0]
    assert net.lengths[1:] == [8 * 8, 16 * 16]
    latents, label = torch.randn(1, sum(net.lengths)), torch.tensor([0])
    drawn = net(latents, label)
    for first, length in ((z_dim, 64), (z_dim + 64, 256)):
        other = latents.clone()
        other[:, first : first + length] = torch.randn(1, length)
        assert (net(other, label) - drawn).abs().max() > 1e-3
    assert Generator(tiny_settings("cgan"), spec()).lengths == [z_dim]
