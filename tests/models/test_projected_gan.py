"""What is special in the projected GAN: its frozen eyes, its one pass of the fakes, its coarse pictures."""

import pytest
import torch

from pipeline import models
from pipeline.models.batch import Batch
from pipeline.models.coarse import PARTS
from pipeline.models.projected_discriminator import SCALES, WIDTHS, Discriminator, Projector, class_deviation
from pipeline.settings import ImageSpec
from tests.models.tiny import batch, spec, tiny_settings


def make(of=None, **changes):
    torch.manual_seed(0)
    return models.build(tiny_settings("projected_gan", **changes), of or spec(32))


def test_features_are_of_each_scale_and_gradients_reach_the_image():
    projector = Projector(ImageSpec(64, 128, 1, ("a",)))
    images = torch.rand(2, 1, 64, 128).requires_grad_()
    features = projector(images)
    assert [tuple(x.shape) for x in features] == [
        (2, c, 64 // s, 128 // s) for c, s in zip(WIDTHS, SCALES, strict=True)
    ]
    for x in features:
        (gradient,) = torch.autograd.grad(x.square().sum(), images, retain_graph=True)
        assert gradient.abs().sum() > 0
    assert list(projector.parameters()) == []


def test_finer_features_know_of_coarser_ones():
    """A change of the coarsest map alone is seen at every scale (mixing across scales goes from coarse to fine)."""
    projector = Projector(spec(64))
    maps = projector._maps(torch.rand(1, 1, 64, 64))
    changed = [*maps[:-1], maps[-1] + 1]
    for a, b in zip(projector._mixed(maps), projector._mixed(changed), strict=True):
        assert not torch.allclose(a, b)


def test_features_are_centred_on_the_images_given():
    projector, images = Projector(spec(64)), torch.rand(16, 1, 64, 64) * 2 - 1
    projector.centre(images)
    for i, found in enumerate(projector._maps(images)):
        scaled = (found - projector.get_buffer(f"mean{i}")) / projector.get_buffer(f"deviation{i}")
        assert scaled.mean((0, 2, 3)).abs().max() < 1e-3
        assert scaled.std() == pytest.approx(1, abs=0.1)


def test_small_images_are_enlarged_for_the_frozen_network():
    projector = Projector(spec(16))
    assert [x.shape[2] for x in projector(torch.rand(1, 1, 16, 16))] == [32, 16, 8, 4]


def test_a_discriminator_ends_in_four_places_a_side_and_knows_the_class():
    discriminator = Discriminator(8, 3, [32, 16, 8, 4]).eval()
    features = [torch.randn(4, c, 128 // s, 64 // s) for c, s in zip(WIDTHS, SCALES, strict=True)]
    one, other = (discriminator(features, torch.full((4,), k)) for k in (0, 1))
    assert [tuple(x.shape) for x in one] == [(4, 8 * 4)] * 4
    assert all(not torch.allclose(a, b) for a, b in zip(one, other, strict=True))


def test_the_deviation_is_that_of_the_class_whatever_the_other_classes():
    x, labels = torch.randn(6, 3, 4, 4), torch.tensor([2, 0, 2, 1, 0, 2])
    found = class_deviation(x, labels, 4)
    assert found.shape == (6, 1, 4, 4)
    for label in (0, 2):
        expected = (x[labels == label].var(0, correction=0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(found[labels == label].unique(), expected[None])
    assert found[3].max() == pytest.approx(1e-4)  # an image alone


def test_the_discriminators_see_the_fakes_that_the_generator_was_corrected_for():
    """One pass of the generator an update, and what the discriminators get are its features."""
    model, passes, given = make(), [], []
    model.projector.register_forward_hook(lambda module, inputs, output: passes.append(output))
    model.discriminator.register_forward_hook(lambda module, inputs, output: given.append(inputs[0]))
    images, labels = batch(model.spec)
    model.update(Batch(images, labels, 0))
    assert len(passes) == 2  # fakes, then real images
    assert all(torch.equal(a, b) for a, b in zip(given[2], passes[0], strict=True))  # of G, of real, of the fakes again
    assert all(torch.equal(a, b) for a, b in zip(given[1], passes[1], strict=True))
    assert not any(x.requires_grad for x in given[2])


def test_an_update_draws_around_the_coarse_pictures_of_its_own_images(monkeypatch):
    model, seen = make(), []
    render = type(model.generator).render

    def noted(self, labels, noise, pictures):
        seen.append(pictures)
        return render(self, labels, noise, pictures)

    monkeypatch.setattr(type(model.generator), "render", noted)
    levels = torch.tensor([-0.6, -0.2, 0.2, 0.6])
    images = levels[:, None, None, None].expand(4, 1, 32, 32)
    model.update(Batch(images, torch.arange(4) % 3, 0))
    assert [round(float(picture[0].mean()), 1) for picture in seen[0]] == pytest.approx(levels.tolist(), abs=0.11)


@pytest.mark.parametrize(("height", "width", "places"), [(32, 64, (8, 16)), (64, 64, (8, 8)), (256, 128, (16, 8))])
def test_the_shorter_side_of_a_coarse_picture_has_eight_places(height, width, places):
    model = make(ImageSpec(height, width, 1, ("a", "b")))
    assert model.generator.book.shape == (PARTS, *places)
    images = torch.rand(2, 1, height, width)
    model.update(Batch(images, torch.tensor([0, 1]), 0))
    assert model.sample(torch.tensor([0]), torch.tensor([0])).shape == (1, 1, height, width)


def test_generator_and_discriminators_have_rates_of_their_own():
    model = make(learning_rate=1e-3, discriminator_lr=1e-4)
    assert {name: of.param_groups[0]["lr"] for name, of in model.optimizers.items()} == {"G": 1e-3, "D": 1e-4}


def test_images_follow_the_coarse_pictures_of_the_class():
    of = ImageSpec(32, 32, 1, ("dark", "bright"))
    model = make(of)
    images = torch.tensor([-0.7, 0.7])[:, None, None, None].expand(2, 1, 32, 32)
    labels = torch.tensor([0, 1])
    model.keep_labels(labels)
    model.keep_images(iter(images.split(1)), labels)
    drawn = model.sample(torch.tensor([0, 0, 1, 1]), torch.arange(4))
    assert (drawn[:2].mean((1, 2, 3)) < -0.3).all()
    assert (drawn[2:].mean((1, 2, 3)) > 0.3).all()
    restored = make(of)
    restored.load_state({name: tensor.clone() for name, tensor in model.state().items()})
    assert torch.equal(restored.sample(labels, labels), model.sample(labels, labels))


def test_another_training_mixes_otherwise():
    one, same = make(), make()
    torch.manual_seed(1)
    other = models.build(tiny_settings("projected_gan"), spec(32))
    assert torch.equal(one.projector.channels0, same.projector.channels0)
    assert not torch.equal(one.projector.channels0, other.projector.channels0)
    assert "model.projector.channels0" in one.state()
    assert not [name for name in one.state() if "projector.network" in name]


def test_a_way_between_two_images_begins_and_ends_at_them():
    model = make()
    start, end = torch.randn(2, model.latent_length), torch.randn(2, model.latent_length)
    torch.testing.assert_close(model.interpolate_latents(start, end, 0.0), start)
    torch.testing.assert_close(model.interpolate_latents(start, end, 1.0), end)


def test_contrasts_are_told_to_the_generator_and_asked_of_it():
    model, other = make(), make(contrast_weight=0)
    labels, noise = torch.zeros(2, dtype=torch.int64), torch.zeros(2, model.generator.length)
    pictures = torch.zeros(2, *model.generator.book.shape)
    pictures[1, 2] = 1  # rows differ
    images = model.generator.eval().render(labels, noise[:, : -model.generator.book.numbers], pictures)
    assert not torch.allclose(images[0], images[1])
    images, labels = batch(model.spec)
    for one in (model, other):
        one.update(Batch(images, labels, 0))
    assert not torch.equal(model.generator.image.weight, other.generator.image.weight)
