"""DDPM that is shown coarse pictures: whose they are, what is dropped with them, strips, and that they go along."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.models import build
from pipeline.models.base import latents
from pipeline.models.batch import Batch
from pipeline.models.coarse import NOISE, PARTS, PLACES
from pipeline.settings import model_settings
from tests.models.test_ddpm_boxes import spied
from tests.models.tiny import batch, spec, tiny_settings

GREYS = (-0.8, 0.0, 0.7)  # of the one training image of each class


def drawing(classes=3, **changes):
    """A model whose averaged network says something; the training image of a class is flat and of its grey."""
    torch.manual_seed(0)
    model = build(tiny_settings("ddpm", coarse_pictures=True, sampling_steps=4, **changes), spec(classes=classes))
    for parameter in model.ema.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.2)
    images = torch.tensor(GREYS[:classes])[:, None, None, None].expand(-1, 1, 16, 16)
    model.keep_images(iter([images]), torch.arange(classes))
    return model.eval()


def test_an_image_is_drawn_around_a_picture_of_its_class():
    model, labels = drawing(), torch.tensor([2, 0, 1, 2])
    seen = spied(model, "ema")
    model.sample(labels, torch.arange(4))
    for given, _ in seen:
        assert given.shape == (4, 1 + PARTS, 16, 16)
        torch.testing.assert_close(given[:, 1].mean((1, 2)), torch.tensor(GREYS)[labels], atol=3 * NOISE, rtol=0)
        assert torch.equal(given[:, 1:], seen[0][0][:, 1:])  # at every step
    assert not torch.equal(seen[0][0][0, 1:], seen[0][0][3, 1:])  # its noise is another


def test_the_network_learns_with_the_pictures_of_the_images_and_class_and_picture_are_dropped_together():
    model = drawing(label_dropout=0.5)
    seen = spied(model, "network")
    images, labels = batch(model.spec, 300)
    model._loss(next(Batch(images, labels, 0).microbatches()))
    given, told = seen[0]
    dropped = told == 3
    assert 100 < dropped.sum() < 200
    assert given[dropped, 1:].abs().max() == 0
    means = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    apart = given[~dropped, 1:2] - means[~dropped]
    assert 0.5 * NOISE < apart.std() < 1.5 * NOISE
    assert torch.equal(told[~dropped], labels[~dropped])


def test_an_image_that_is_moved_comes_with_the_picture_of_what_it_became():
    model, images = drawing(augment=0.9, label_dropout=0.0), torch.zeros(100, 1, 16, 16)
    images[:, :, :8] = 0.9
    seen = spied(model, "network")
    model._loss(next(Batch(images, torch.zeros(100, dtype=torch.int64), 0).microbatches()))
    pictures = seen[0][0][:, 1]
    still = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="bilinear", align_corners=False)[:, 0]
    assert ((pictures - still).abs().amax((1, 2)) > 0.5).sum() > 50


def test_guidance_begins_at_no_picture_for_a_single_class_too():
    x, labels = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) / 8, torch.zeros(2).long()
    picture = torch.full((2, PARTS, 16, 16), 0.5)
    clean = {scale: drawing(1, guidance=scale)._clean(x, 300, labels, picture) for scale in (0.0, 1.0)}
    nothing = drawing(1)._clean(x, 300, torch.ones(2).long(), torch.zeros_like(picture))
    torch.testing.assert_close(clean[0.0], nothing)
    assert (clean[1.0] - clean[0.0]).abs().mean() > 1e-3


def test_held_out_images_are_looked_at_with_their_own_pictures():
    model = drawing()
    seen = spied(model, "ema")
    images, labels = batch(model.spec, 8)
    model.validation_losses(next(Batch(images, labels, 0).microbatches()))
    means = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    for given, _ in seen:
        assert (given[:, 1:2] - means).std() < 1.5 * NOISE


def test_the_picture_changes_at_the_middle_of_the_way():
    model, labels = drawing(), torch.tensor([1])
    start, end = (latents(torch.tensor([seed]), model.latent_length) for seed in (1, 2))
    seen = spied(model, "ema")
    shown = []
    for t in (0.0, 0.49, 0.5, 1.0):
        seen.clear()
        model.generate(labels, model.interpolate_latents(start, end, t))
        shown.append(seen[0][0][:, 1:])
    assert torch.equal(shown[0], shown[1])
    assert torch.equal(shown[2], shown[3])
    assert not torch.equal(shown[1], shown[2])


def test_a_strip_has_pictures_side_by_side():
    model = drawing()
    columns = []
    model._clean_ring = lambda x, t, label, shown: columns.append(shown) or x
    width = 100
    strip = torch.cat(list(model.strip(2, 0, width)), 2)
    assert strip.shape == (1, 16, width)
    assert columns[0].shape[1:3] == (PARTS, 16)
    assert columns[0].shape[3] >= width
    torch.testing.assert_close(columns[0][0, 0].mean(), torch.tensor(GREYS[2]), atol=NOISE, rtol=0)
    steps = columns[0][0, 0].diff(dim=1).abs().max()  # from one picture to the next as within one
    assert steps < 4 * NOISE


def test_the_pictures_go_with_the_averaged_weights():
    model, other = drawing(), build(tiny_settings("ddpm", coarse_pictures=True, sampling_steps=4), spec())
    other.load_average(model.ema.state_dict())
    labels, seeds = torch.tensor([0, 1, 2]), torch.arange(3)
    assert torch.equal(other.sample(labels, seeds), model.sample(labels, seeds))


def test_settings_say_what_of_real_images_is_kept_and_refuse_boxes_beside():
    assert f"{PLACES} x {PLACES}" in tiny_settings("ddpm", coarse_pictures=True).real_pixels
    assert tiny_settings("ddpm").real_pixels == ""
    assert "coarse_pictures" not in tiny_settings("ddpm").model_dump()
    assert list(tiny_settings("ddpm", coarse_pictures=True).model_dump())[-1] == "coarse_pictures"  # moved: all anew
    with pytest.raises(ValueError, match="cannot be had with boxes"):
        model_settings({"family": "ddpm", "boxes": True, "coarse_pictures": True})
