"""Coarse pictures in the GANs of one latent vector: whose they are, what is asked of images, that they go along."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.models import build, latent_vector_gan
from pipeline.models.base import latents
from pipeline.models.batch import Batch
from pipeline.models.coarse import PLACES
from tests.models.tiny import batch, rng, spec, tiny_settings

GREYS = (-0.8, 0.0, 0.7)  # of the one training image of each class

pytestmark = pytest.mark.parametrize("family", ["dcgan", "cgan", "wgan_gp"])


def made(family, seed=0, channels=1, amp=None, **changes):
    """A model whose training image of a class is flat and of its grey."""
    torch.manual_seed(seed)
    model = build(tiny_settings(family, coarse_pictures=True, **changes), spec(channels=channels), amp)
    images = torch.tensor(GREYS)[:, None, None, None].expand(-1, channels, 16, 16)
    model.keep_images(iter([images]), torch.arange(3))
    return model


def train(model, updates, images=None):
    usual, labels = batch(model.spec, 8)
    images, logs = usual if images is None else images, []
    for i in range(updates):
        torch.manual_seed(i)
        logs.append(model.update(Batch(images, labels, i)))
    return logs


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_drawn_around_a_picture_of_its_class(family, channels):
    """What a new network adds of its own is the same for all classes, but for their normalisations."""
    images = made(family, channels=channels).sample(torch.arange(3).repeat_interleave(20), torch.arange(60))
    assert images.shape == (60, channels, 16, 16)
    dark, middle, bright = images.unflatten(0, (3, 20)).mean((1, 2, 3, 4))
    assert dark < middle < bright
    assert bright - dark > 0.3


def test_fakes_are_drawn_around_the_pictures_of_the_real_images(family, monkeypatch):
    model, given = made(family), []
    book, images = model.generator.around.book, batch(spec(), 8)[0]
    of = book.of
    monkeypatch.setattr(book, "of", lambda *args: given.append(args[0]) or of(*args))
    train(model, 1)
    assert len(given) >= 2  # a step of each network
    assert all(torch.equal(seen, images) for seen in given)
    assert model.generator.around.book.table.shape == model.ema.around.book.table.shape == (3, 1 + 4 * PLACES**2)


def test_what_images_miss_of_their_pictures_is_learnt(family):
    """Of smooth images, each bright at another place."""
    model = made(family)
    before = {name: p.detach().clone() for name, p in model.generator.named_parameters()}
    images = F.interpolate(torch.rand(8, 1, 3, 3, generator=rng()) * 2 - 1, (16, 16), mode="bilinear")
    logs = train(model, 100, images)
    assert [name for name, p in model.generator.named_parameters() if torch.equal(p, before[name])] == []
    assert torch.stack([log["loss/layout"] for log in logs[-10:]]).mean() < 0.6 * logs[0]["loss/layout"]


def test_the_generator_is_corrected_for_what_its_images_miss(family, monkeypatch):
    """By both parts: with the weight of either at 0 an update ends elsewhere."""
    ends = []
    for weights in ({}, {"LAYOUT": 0.0}, {"CONTRAST": 0.0}):
        with monkeypatch.context() as patched:
            for name, value in weights.items():
                patched.setattr(latent_vector_gan, name, value)
            model = made(family)
            train(model, 1)
        ends.append(torch.cat([p.detach().flatten() for p in model.generator.parameters()]))
    whole, *others = ends
    assert all((whole != other).float().mean() > 0.01 for other in others)


def test_half_precision_trains(family):
    model = made(family, amp=torch.bfloat16)
    assert all(torch.isfinite(value) for log in train(model, 3) for value in log.values())
    assert torch.isfinite(model.sample(torch.arange(3), torch.arange(3))).all()


def test_the_pictures_go_with_the_averaged_weights_and_with_the_state(family):
    model = made(family)
    train(model, 2)
    labels, seeds = torch.tensor([0, 1, 2]), torch.arange(3)
    drawn = model.sample(labels, seeds)
    weights = {name: value.clone() for name, value in model.ema.state_dict().items()}
    state = {name: value.clone().contiguous() for name, value in model.state().items()}
    settings = tiny_settings(family, coarse_pictures=True)
    loaded, restored = build(settings, spec()), build(settings, spec())
    loaded.load_average(weights)
    restored.load_state(state)
    assert torch.equal(loaded.sample(labels, seeds), drawn)
    train(model, 1)
    train(restored, 1)
    assert all(torch.equal(value, restored.state()[name]) for name, value in model.state().items())


def test_the_picture_changes_at_the_middle_of_the_way(family):
    model = made(family)
    start, end = (latents(torch.tensor([seed]), model.latent_length) for seed in (1, 2))
    numbers = model.ema.around.book.numbers
    for t, chosen in ((0.0, start), (0.49, start), (0.5, end), (1.0, end)):
        assert torch.equal(model.interpolate_latents(start, end, t)[:, -numbers:], chosen[:, -numbers:])


def test_settings_say_what_of_real_images_is_kept(family):
    assert f"{PLACES} x {PLACES}" in tiny_settings(family, coarse_pictures=True).real_pixels
    assert tiny_settings(family).real_pixels == ""
    assert "coarse_pictures" not in tiny_settings(family).model_dump()
