"""DDPM beyond the contract: what it learns to predict, what its images depend on, its augmentation and its strips."""

import math

import pytest
import torch

from pipeline.models import build, ddpm, diffusion
from pipeline.models.base import latents
from pipeline.models.batch import Batch, BatchRng, MicroBatch
from pipeline.models.ddpm import Augmentation, seed_of
from pipeline.settings import ImageSpec, UserError
from tests.models.tiny import batch, spec, tiny_settings

ANY = torch.device("cpu")


def tiny(of=None, **changes):
    """A model whose averaged network says something."""
    torch.manual_seed(0)
    model = build(tiny_settings("ddpm", **changes), of or spec())
    for parameter in model.ema.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def whole(images, labels, seed=0):
    return MicroBatch(images, labels, BatchRng(seed, len(images), slice(0, len(images)), ANY), 1.0)


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_the_loss_of_a_silent_network_is_known(prediction):
    """A network that says 0 errs by the target: ε has variance 1, v of images c has ᾱ + (1 - ᾱ) c²."""
    model = tiny(prediction=prediction, min_snr=None)
    for parameter in model.network.head[2].parameters():
        torch.nn.init.zeros_(parameter)
    images = torch.full((400, 1, 16, 16), 0.5)
    loss, scalars = model._loss(whole(images, torch.zeros(400, dtype=torch.int64)))
    abar = model.abar[1:]
    expected = torch.ones_like(abar) if prediction == "epsilon" else abar + (1 - abar) * 0.25
    torch.testing.assert_close(loss.item(), expected.mean().item(), rtol=0.01, atol=0)
    for i, quarter in enumerate(expected.chunk(4)):
        torch.testing.assert_close(scalars[f"loss/quarter{i + 1}"].item(), quarter.mean().item(), rtol=0.02, atol=0)


def test_every_batch_sees_the_whole_range_of_times():
    model, seen = tiny(), []
    model._errors = lambda network, images, t, *rest: seen.append(t) or torch.zeros(len(t))
    model._loss(whole(torch.zeros(10, 1, 16, 16), torch.zeros(10, dtype=torch.int64)))
    assert (seen[0].sub(1) // 100).tolist() == list(range(10))


def test_one_image_is_learnt_by_heart():
    torch.manual_seed(0)
    model = build(
        tiny_settings("ddpm", dropout=0.0, ema_half_life_images=50.0, learning_rate=1e-2, batch=8), spec(classes=1)
    )
    wave = 0.8 * torch.sin(torch.arange(16) * math.pi / 4)
    images = wave.expand(8, 1, 16, 16).contiguous()
    labels = torch.zeros(8, dtype=torch.int64)
    for i in range(80):
        model.update(Batch(images, labels, i))
    drawn = model.sample(labels[:4], torch.arange(4))
    assert (drawn - images[:4]).square().mean().sqrt() < 0.15


def test_the_held_out_loss_is_the_same_at_every_call_and_in_every_part():
    model = tiny()
    images, labels = batch(spec(), 6)
    one = model.validation_losses(whole(images, labels))["loss/held_out"]
    assert torch.equal(one, model.validation_losses(whole(images, labels))["loss/held_out"])
    parts = [MicroBatch(images[r], labels[r], BatchRng(0, 6, r, ANY), 0.5) for r in (slice(0, 3), slice(3, 6))]
    halves = [model.validation_losses(part)["loss/held_out"] for part in parts]
    torch.testing.assert_close(sum(halves) / 2, one)


# ---------------------------------------------------------------- drawing


@pytest.mark.parametrize("of", [{"sampler": "dpm++"}, {"sampler": "ddim", "eta": 0.7}], ids=["dpm++", "ddim"])
def test_an_image_depends_on_its_own_latent_alone(of):
    model = tiny(**of, sampling_steps=5)
    labels, z = torch.tensor([2, 0, 1]), latents(torch.tensor([4, 5, 6]), model.latent_length)
    together = model.generate(labels, z)
    for i in (2, 0):
        torch.testing.assert_close(model.generate(labels[i : i + 1], z[i : i + 1])[0], together[i], rtol=0, atol=1e-5)
    assert (together[0] - together[1]).abs().mean() > 0.01


def test_noise_of_the_stochastic_samplers_comes_from_the_bits_of_the_latent():
    z = latents(torch.tensor([1]), 256)[0]
    other = z.clone()
    other[200] = torch.nextafter(other[200], torch.tensor(9.0))
    assert seed_of(z) == seed_of(z.clone())
    assert seed_of(z) != seed_of(other)
    assert 0 <= seed_of(z) < 2**63


def test_latents_are_hashed_for_samplers_that_draw_more_noise_alone(monkeypatch):
    hashed = []
    monkeypatch.setattr(ddpm, "seed_of", lambda latent: hashed.append(latent) or 1)
    for of, count in (
        ({"sampler": "dpm++"}, 0),
        ({"sampler": "ddim", "eta": 0.0}, 0),
        ({"sampler": "ddim", "eta": 1.0}, 2),
    ):
        tiny(**of, sampling_steps=3).sample(torch.tensor([0, 1]), torch.tensor([0, 1]))
        assert len(hashed) == count


def test_guidance_moves_images_from_no_class_through_the_class_and_beyond():
    """One step from noise: x_0 = √ᾱ x - √(1 - ᾱ) v, and v is where guidance acts."""
    x, labels, t = torch.randn(2, 1, 16, 16) / 4, torch.tensor([0, 2]), 300
    clean = {scale: tiny(guidance=scale)._clean(x, t, labels) for scale in (0.0, 1.0, 1.5)}
    plain = tiny()
    torch.testing.assert_close(clean[0.0], plain._clean(x, t, torch.tensor([3, 3])))
    torch.testing.assert_close(clean[1.0], plain._clean(x, t, labels))
    inside = torch.stack([c.abs() < 1 for c in clean.values()]).all(0)
    assert inside.float().mean() > 0.9
    expected = clean[0.0] + 1.5 * (clean[1.0] - clean[0.0])
    torch.testing.assert_close(clean[1.5][inside], expected[inside], atol=1e-5, rtol=0)
    assert (clean[1.0] - clean[0.0]).abs().mean() > 1e-3


def test_guidance_without_images_without_class_is_refused():
    with pytest.raises(UserError, match=r"guidance: 2\.0 needs label_dropout above 0"):
        tiny(guidance=2.0, label_dropout=0.0)


@pytest.mark.parametrize(
    ("sampler", "calls"), [({"sampling_steps": 20}, 20), ({"sampler": "ddim", "sampling_steps": 7}, 7)]
)
def test_network_calls_an_image(sampler, calls):
    model, count = tiny(**sampler), []
    model.ema.register_forward_hook(lambda *_: count.append(1))
    model.sample(torch.tensor([0, 1]), torch.tensor([0, 1]))
    assert len(count) == calls


# ---------------------------------------------------------------- augmentation


def test_the_network_is_told_the_transform_of_each_image():
    torch.manual_seed(0)
    of = ImageSpec(16, 24, 1, ("a",))
    images = torch.rand(500, 1, 16, 24) * 2 - 1
    moved, told = Augmentation(0.3, of)(images, BatchRng(0, 500, slice(0, 500), ANY))
    still = (told == 0).all(1)
    assert torch.equal(moved[still], images[still])
    # mirror and half turn (each half of p), shift, scale, rotations (p in all), stretch, shift
    share = (1 - 0.15) ** 2 * (1 - 0.3) ** 5
    assert abs(still.float().mean() - share) < 0.05
    for change, expected in (([-2.0, 0, 0, 0, 0, 0], images.flip(3)), ([0.0, 0, 0, 0, -2, 0], images.flip(2))):
        rows = (told - torch.tensor(change)).abs().sum(1) < 1e-6
        assert rows.any()
        assert torch.equal(moved[rows], expected[rows])


def test_turns_and_moves_are_told_as_the_warp_would_be():
    """A blob where the told transform sends it."""
    size, at = 32, (20.0, 12.0)
    x, y = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="xy")
    blob = torch.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 8).expand(400, 1, size, size)
    moved, told = Augmentation(0.4, spec(32))(blob, BatchRng(0, 400, slice(0, 400), ANY))
    told = told.unflatten(1, (2, 3)) * torch.tensor([1, 1, 32.0])
    place = torch.tensor(at) - 15.5
    expected = place + told[:, :, :2] @ place + told[:, :, 2] + 15.5
    weight = moved[:, 0].clamp(min=0.05) - 0.05
    got = torch.stack([(weight * g).sum((1, 2)) / weight.sum((1, 2)) for g in (x, y)], 1)
    far_from_edges = ((expected > 8) & (expected < 23)).all(1)
    assert far_from_edges.sum() > 100
    distance = (got - expected).norm(dim=1)[far_from_edges]
    assert distance.quantile(0.9) < 0.3  # a mirror image of the blob may look in at the others


def test_translations_are_told_in_sides_of_the_image():
    of = ImageSpec(16, 32, 1, ("a",))
    _, told = Augmentation(0.2, of)(torch.zeros(300, 1, 16, 32), BatchRng(0, 300, slice(0, 300), ANY))
    pure = told[(told[:, [0, 1, 3, 4]] == 0).all(1)]
    assert pure[:, [2, 5]].abs().max() < 0.75
    assert pure[:, 2].std() == pytest.approx(pure[:, 5].std().item(), rel=0.5)


def test_augmented_training_draws_without_telling():
    model = tiny(augment=0.5)
    images, labels = batch(spec())
    for i in range(3):  # the first two wake the silent layers
        model.update(Batch(images, labels, i))
    assert model.network.conditions.weight.grad.abs().sum() > 0
    assert model.sample(labels, torch.arange(4)).shape == images.shape


# ---------------------------------------------------------------- strips


def columns(blocks):
    return torch.cat(list(blocks), 2)


@pytest.mark.parametrize("width", [7, 16, 71])
def test_strips_have_their_width_and_come_back(width):
    model = tiny(sampling_steps=4)
    strip = columns(model.strip(1, 3, width))
    assert strip.shape == (1, 16, width)
    assert strip.abs().max() <= 1
    assert torch.equal(strip, columns(model.strip(1, 3, width)))
    assert (strip - columns(model.strip(1, 4, width))).abs().mean() > 0.01
    assert (strip - columns(model.strip(2, 3, width))).abs().mean() > 1e-4


def test_windows_are_few_at_a_time_and_agree_on_what_all_say():
    """A network that knows only its pixel says the same of a ring as of an image."""
    model, sizes = tiny(), []

    def pixelwise(x, t, labels):
        sizes.append(tuple(x.shape))
        return torch.tanh(2 * x)

    model.ema.forward = pixelwise
    ring = torch.randn(1, 1, 16, 8 * 50)
    for t in (1, 377, 1000):
        cleaned = model._clean_ring(ring, t, 0)
        expected = diffusion.image_of_velocity(ring, torch.tanh(2 * ring), model.levels[0][t], model.levels[1][t])
        torch.testing.assert_close(cleaned, expected.clamp(-1, 1), atol=1e-5, rtol=0)
    assert max(s[0] for s in sizes) == 16
    assert {s[1:] for s in sizes} == {(1, 16, 16)}


def test_seams_of_windows_are_nowhere():
    """A network that darkens the edges of what it sees: over the steps, no column is darker than others."""
    model = tiny(prediction="v", sampling_steps=20)
    edge = torch.linspace(-1, 1, 16).abs().square() / 5
    model.ema.forward = lambda x, t, labels: x * 0 + edge
    strip = columns(model.strip(0, 0, 2048))[0].mean(0)
    by_column = strip.unflatten(0, (-1, 8)).mean(0)
    assert by_column.std() < 0.3 * strip.std()
