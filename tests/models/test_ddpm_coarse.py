"""DDPM that is shown coarse pictures: whose they are, what is dropped with them, strips, and that they go along."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.models import build
from pipeline.models.base import latents
from pipeline.models.batch import Batch
from pipeline.models.coarse import NOISE, PARTS, PLACES
from pipeline.models.layouts import coverage
from pipeline.settings import model_settings
from tests.models.test_ddpm_boxes import spied
from tests.models.test_layouts import layout
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


def test_settings_say_what_of_real_images_is_kept_and_refuse_boxes_beside_a_distribution():
    assert f"{PLACES} x {PLACES}" in tiny_settings("ddpm", coarse_pictures=True).real_pixels
    assert tiny_settings("ddpm").real_pixels == ""
    assert "coarse_pictures" not in tiny_settings("ddpm").model_dump()
    assert list(tiny_settings("ddpm", coarse_pictures=True).model_dump())[-1] == "coarse_pictures"  # moved: all anew
    both = {"family": "ddpm", "boxes": True, "coarse_pictures": True}
    assert model_settings(both).draws_boxes
    with pytest.raises(ValueError, match="boxes: true needs coarse_pictures_from: images"):
        model_settings(both | {"coarse_pictures_from": "distribution"})


# ---------------------------------------------------------------- with boxes


def corner(top, left, kind=0):
    """A box of 4 x 4 places of the 8 x 8, in one of four corners of 16 pixels."""
    return layout((kind, 8 * left, 8 * top, 8 * left + 8, 8 * top + 8))


def marked(symmetry="none", **changes):
    """A model of one class whose training images have a bright corner, and their box there: upper left, lower right,
    and one of another kind upper left, which is dark."""
    torch.manual_seed(0)
    of = spec(classes=1)._replace(boxes=("bright", "dark"), symmetry=symmetry)
    model = build(tiny_settings("ddpm", coarse_pictures=True, boxes=True, sampling_steps=4, **changes), of)
    for parameter in model.ema.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.2)
    images = torch.zeros(3, 1, 16, 16)
    images[0, :, :8, :8] = images[1, :, 8:, 8:] = 0.8
    images[2, :, :8, :8] = -0.8
    model.keep_images(iter([images]), torch.zeros(3, dtype=torch.int64))
    model.set_layouts([0, 0, 0], [corner(0, 0), corner(1, 1), corner(0, 0, 1)])
    return model.eval()


def shown_corners(model, seen):
    """What the network saw: grey values (N, 2, 2) of the corners, and both masks' (N, 2, 2, 2) shares of them."""
    images = seen[0][0]
    assert images.shape[1:] == (1 + PARTS + 2, 16, 16)
    corners = F.avg_pool2d(images, 8)
    return corners[:, 1], corners[:, 1 + PARTS :]


@pytest.mark.parametrize(("symmetry", "corners"), [("none", 2), ("both", 4)])
def test_the_picture_is_that_of_the_image_whose_boxes_are_asked_for(symmetry, corners):
    model, labels, seeds = marked(symmetry), torch.zeros(60, dtype=torch.int64), torch.arange(60)
    seen = spied(model, "ema")
    model.sample(labels, seeds)
    grey, masks = shown_corners(model, seen)
    asked = masks[:, 0] - masks[:, 1]
    assert ((asked.abs() > 0.99).sum((1, 2)) == 1).all()  # not moved
    assert len({int(place) for place in asked.abs().flatten(1).argmax(1)}) == corners
    there = asked.abs() > 0.5
    torch.testing.assert_close(grey[there], 0.8 * asked[there].sign(), rtol=0, atol=0.2)  # enlarged: edges are soft
    assert grey[~there].abs().max() < 0.2
    assert torch.equal(coverage(model.boxes(labels, seeds), 2, 16, 16), seen[0][0][:, 1 + PARTS :])


def test_boxes_that_somebody_asks_for_bring_the_picture_that_is_most_like_them():
    """A smaller bright box in the lower right: the second image's; one of that kind upper right: under a flip."""
    model = marked("both")
    labels, z = torch.zeros(4, dtype=torch.int64), latents(torch.arange(4), model.latent_length)
    for box, place in ((layout((0, 9, 9, 15, 16)), (1, 1)), (layout((0, 8, 0, 16, 7)), (0, 1))):
        seen = spied(model, "ema")
        model.arrange(labels, z, box)
        grey, masks = shown_corners(model, seen)
        assert (masks[:, 0, *place] > 0.5).all()
        assert (grey[:, *place] > 0.6).all()
        assert (grey.flatten(1).sum(1) < 1.2).all()


def test_pictures_and_masks_are_of_the_same_training_image_and_dropped_together():
    model = marked(label_dropout=0.5)
    seen = spied(model, "network")
    images, labels = batch(model.spec, 200)
    masks = torch.rand(200, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    model._loss(next(Batch(images, labels, 0, masks=masks).microbatches()))
    given, told = seen[0]
    dropped = told == 1
    assert 60 < dropped.sum() < 140
    assert given[dropped, 1:].abs().max() == 0
    assert torch.equal(given[~dropped, 1 + PARTS :], masks[~dropped])
    means = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    assert (given[~dropped, 1:2] - means[~dropped]).std() < 1.5 * NOISE


def test_boxes_and_picture_of_the_start_are_kept_on_the_way_and_lie_side_by_side_in_a_strip():
    model, labels = marked("both"), torch.zeros(1, dtype=torch.int64)
    start, end = (latents(torch.tensor([seed]), model.latent_length) for seed in (1, 2))
    seen = spied(model, "ema")
    for t in (0.0, 0.5, 1.0):
        model.generate(labels, model.interpolate_latents(start, end, t))
    assert all(torch.equal(images[:, 1:], seen[0][0][:, 1:]) for images, _ in seen)
    rings = []
    model._clean_ring = lambda x, t, label, shown: rings.append(shown) or x
    assert torch.cat(list(model.strip(0, 0, 64)), 2).shape == (1, 16, 64)
    grey, bright, dark = (rings[0][0, k].abs() for k in (0, PARTS, PARTS + 1))
    assert rings[0].shape[1] == PARTS + 2
    assert grey[(bright + dark) > 0.9].mean() > 0.5 > 0.2 > grey[(bright + dark) == 0].mean()
