"""DDPM that is shown boxes: what it is asked for, what is dropped, what moves together."""

import pytest
import torch

from pipeline.models import build
from pipeline.models.base import latents
from pipeline.models.batch import Batch, BatchRng, MicroBatch
from pipeline.models.layouts import coverage
from tests.models.test_layouts import EMPTY, layout
from tests.models.tiny import batch, spec, tiny_settings

KINDS = ("scratch", "pore")
LAYOUTS = [layout((0, 1, 2, 5, 4.5)), layout((1, 8, 0, 16, 3), (0, 3, 9, 7, 12.25)), EMPTY]


def boxed(classes=3, seed=0, **changes):
    """A model whose averaged network says something; class i has layout i."""
    torch.manual_seed(seed)
    of = spec(classes=classes)._replace(boxes=KINDS, symmetry="dihedral")
    model = build(tiny_settings("ddpm", boxes=True, sampling_steps=4, **changes), of)
    for parameter in model.ema.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.2)
    model.set_layouts(list(range(classes)), LAYOUTS[:classes])
    return model.eval()


def masks_of(layouts):
    return coverage(layouts, len(KINDS), 16, 16)


def shown(model, n=4, seed=0):
    images, labels = batch(model.spec, n)
    return Batch(images, labels, seed, masks=masks_of([LAYOUTS[k] for k in labels]))


def spied(model, network):
    """What a network of the model is shown: a list of (image with masks, labels)."""
    seen = []
    getattr(model, network).register_forward_hook(lambda module, given, out: seen.append((given[0], given[2])))
    return seen


def test_boxes_are_what_the_network_was_shown():
    model, labels, seeds = boxed(), torch.tensor([0, 1, 2, 1]), torch.tensor([3, 4, 5, 2**40])
    seen = spied(model, "ema")
    model.sample(labels, seeds)
    asked = model.boxes(labels, seeds)
    for images, _ in seen:
        assert torch.equal(images[:, 1:], masks_of(asked))
    assert [len(a.boxes) for a in asked] == [1, 2, 0, 2]
    assert not torch.equal(asked[1].boxes, asked[3].boxes)


def test_boxes_that_somebody_asks_for_are_shown_in_every_image():
    model, labels = boxed(), torch.tensor([0, 1, 2])
    z = latents(torch.tensor([3, 4, 5]), model.latent_length)
    plain, wanted = model.draw(labels, z), layout((1, 3, 2, 9, 7.5))
    seen = spied(model, "ema")
    drawn = model.arrange(labels, z, wanted)
    assert all(torch.equal(images[:, 1:], masks_of([wanted] * 3)) for images, _ in seen)
    assert (drawn - plain).abs().max() > 0.01
    own = model.boxes(labels, torch.tensor([3, 4, 5]))[1]
    torch.testing.assert_close(model.arrange(labels[1:2], z[1:2], own), plain[1:2], rtol=0, atol=1e-4)
    model.arrange(labels, z, EMPTY)
    assert seen[-1][0][:, 1:].max() == 0


def test_image_and_boxes_depend_on_their_own_seed_and_label_alone():
    model, labels, seeds = boxed(), torch.tensor([1, 0, 2, 1]), torch.tensor([9, 7, 7, 1])
    together, boxes = model.sample(labels, seeds), model.boxes(labels, seeds)
    for i in range(4):
        rows = slice(i, i + 1)
        torch.testing.assert_close(model.sample(labels[rows], seeds[rows])[0], together[i], rtol=0, atol=1e-5)
        assert torch.equal(model.boxes(labels[rows], seeds[rows])[0].boxes, boxes[i].boxes)


def test_other_boxes_make_another_image():
    model = boxed()
    z = latents(torch.tensor([1]), model.latent_length)
    other = z.clone()
    other[:, model.pixels :] = -z[:, model.pixels :]
    label = torch.tensor([1])
    assert (model.generate(label, z) - model.generate(label, other)).abs().mean() > 1e-3


def test_the_layout_of_the_start_is_kept_on_the_way():
    model, labels = boxed(), torch.tensor([1])
    start, end = (latents(torch.tensor([seed]), model.latent_length) for seed in (1, 2))
    seen = spied(model, "ema")
    for t in (0.0, 0.5, 1.0):
        model.generate(labels, model.interpolate_latents(start, end, t))
    assert all(torch.equal(images[:, 1:], seen[0][0][:, 1:]) for images, _ in seen)
    torch.testing.assert_close(model.interpolate_latents(start, end, 1.0)[:, : model.pixels], end[:, : model.pixels])


def test_class_and_boxes_are_dropped_together():
    """Where the class is none, so are the boxes; of an image with its class, nothing of its mask is lost."""
    model = boxed(label_dropout=0.5)
    seen = spied(model, "network")
    given = shown(model, 300)
    model._loss(next(given.microbatches()))
    (images, labels), masks = seen[0], given.masks
    dropped = labels == 3
    assert 100 < dropped.sum() < 200
    assert images[dropped, 1:].abs().max() == 0
    assert torch.equal(images[~dropped, 1:], masks[~dropped])
    assert torch.equal(labels[~dropped], given.labels[~dropped])


@pytest.mark.parametrize("classes", [1, 3])
def test_guidance_goes_from_nothing_asked_through_class_and_boxes_and_beyond(classes):
    x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) / 8
    labels, t = torch.zeros(2, dtype=torch.int64), 300
    asked = masks_of([LAYOUTS[0], LAYOUTS[1]])
    clean = {scale: boxed(classes, guidance=scale)._clean(x, t, labels, asked) for scale in (0.0, 1.0, 1.5)}
    nothing = boxed(classes)._clean(x, t, torch.full_like(labels, classes), torch.zeros_like(asked))
    torch.testing.assert_close(clean[0.0], nothing)
    inside = torch.stack([c.abs() < 1 for c in clean.values()]).all(0)
    assert inside.float().mean() > 0.6
    expected = clean[0.0] + 1.5 * (clean[1.0] - clean[0.0])
    torch.testing.assert_close(clean[1.5][inside], expected[inside], atol=1e-5, rtol=0)
    assert (clean[1.0] - clean[0.0]).abs().mean() > 1e-3


def test_augmentation_moves_masks_as_it_moves_images():
    """Images that are their own mask stay so, but for what resampling adds beyond [0, 1]."""
    model = boxed(augment=0.6)
    seen = []
    model._errors = lambda network, images, t, labels, draws, masks, conditions: (
        seen.append((images, masks, conditions)) or torch.zeros(len(t))
    )
    model.settings = model.settings.model_copy(update={"label_dropout": 0.0})
    masks = masks_of([LAYOUTS[0]] * 200)
    model._loss(next(Batch(masks[:, :1] * 2 - 1, torch.zeros(200, dtype=torch.int64), 0, masks=masks).microbatches()))
    images, moved, conditions = seen[0]
    assert conditions.abs().amax(1).gt(0).sum() > 100
    assert (moved[:, :1] - masks[:, :1]).abs().amax((1, 2, 3)).gt(0.5).sum() > 100
    torch.testing.assert_close(moved[:, :1], (images / 2 + 0.5).clamp(0, 1), atol=1e-4, rtol=0)


def test_state_restores_the_next_updates_and_the_layouts_bit_by_bit():
    model, restored = boxed(), boxed(seed=9)
    restored.set_layouts([], [])
    for i in range(3):
        model.update(shown(model, seed=i))
    restored.load_state({name: tensor.clone() for name, tensor in model.state().items()})
    for each in (model, restored):
        torch.manual_seed(0)
        each.update(shown(each, seed=7))
    ours, theirs = model.state(), restored.state()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert model.network.image.weight.grad[:, 1:].abs().sum() > 0
    for a, b in zip(
        model.boxes(torch.tensor([0, 1]), torch.tensor([5, 6])),
        restored.boxes(torch.tensor([0, 1]), torch.tensor([5, 6])),
        strict=True,
    ):
        assert torch.equal(a.boxes, b.boxes)


def test_an_update_in_parts_is_the_same_update():
    whole, parts = boxed(dropout=0.0), boxed(dropout=0.0)
    one, two = shown(whole, 6), shown(parts, 6)
    two.part = 2
    torch.testing.assert_close(parts.update(two), whole.update(one), rtol=1e-4, atol=1e-5)


def test_the_held_out_loss_is_of_the_images_with_their_own_boxes():
    model = boxed()
    given = shown(model, 6)
    draws = BatchRng(0, 6, slice(0, 6), torch.device("cpu"))
    with_boxes = model.validation_losses(MicroBatch(given.images, given.labels, draws, 1.0, given.masks))[
        "loss/held_out"
    ]
    draws = BatchRng(0, 6, slice(0, 6), torch.device("cpu"))
    other = model.validation_losses(MicroBatch(given.images, given.labels, draws, 1.0, given.masks.flip(0)))[
        "loss/held_out"
    ]
    assert with_boxes != other


def test_strips_have_the_layouts_of_images_side_by_side():
    """A network that draws its masks draws a strip of whole layouts, not of cut windows."""
    model = boxed(sampler="ddim")
    model._clean = lambda x, t, labels, masks: masks[:, :1] * 2 - 1
    strip = torch.cat(list(model.strip(1, 3, 75)), 2)
    assert strip.shape == (1, 16, 75)
    rng = torch.Generator().manual_seed(3)
    ring = 8 * (-(-75 // 8) + 2)
    asked = [model.ema.book.ask(1, row, "dihedral", 16, 16) for row in torch.randn(-(-ring // 16), 6, generator=rng)]
    expected = torch.cat(list(masks_of(asked)), 2)[:1, :, :75] * 2 - 1
    torch.testing.assert_close(strip, expected, atol=1e-5, rtol=0)


def test_a_model_without_boxes_has_nothing_of_them():
    model = build(tiny_settings("ddpm"), spec())
    assert model.latent_length == 256
    assert not [name for name in model.state() if "book" in name or "extra" in name.removeprefix("model._extra_state")]
    assert model.network.image.weight.shape[1] == 1
    assert "boxes" not in tiny_settings("ddpm").model_dump()
    assert "boxes" not in spec().described()
