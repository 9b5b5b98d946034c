"""What the training loop and the sampler may expect of every registered family."""

import pytest
import torch
from torch import nn

from pipeline import models
from pipeline.models import ema
from pipeline.models.batch import Batch
from pipeline.settings import FAMILY_SETTINGS, UNTRAINED, ImageSpec, UserError
from tests.models.tiny import batch, spec, tiny_settings

# Families in which the images of a batch see one another.
BATCH_STATISTICS = {"dcgan", "cgan", "stylegan2_ada", "projected_gan"}

pytestmark = pytest.mark.parametrize("family", models.FAMILIES)


@pytest.fixture(autouse=True)
def few_measured(monkeypatch):
    """Statistics of an averaged network are measured on a few images: what they must be is told by one test alone."""
    monkeypatch.setattr(ema, "MEASURED", 8)


def make(family, of=None, seed=0, amp=None, **changes):
    torch.manual_seed(seed)
    model = models.build(tiny_settings(family, **changes), of or spec(), amp)
    return model.to(memory_format=torch.channels_last)


def train(model, steps, seed=1):
    images, labels = batch(model.spec)
    logs = []
    for i in range(100 * seed, 100 * seed + steps):
        torch.manual_seed(i)  # as the loop does, for what draws from the global generator
        logs.append(model.update(Batch(images, labels, i)))
    return logs


def test_registered_under_its_settings_name(family):
    assert set(models.FAMILIES) == set(FAMILY_SETTINGS) - set(UNTRAINED)
    assert isinstance(make(family), models.FAMILIES[family])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [1, 3])
def test_updates_move_every_parameter_and_samples_are_images(family, channels, classes):
    of = spec(channels=channels, classes=classes)
    model = make(family, of)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    logs = train(model, 6)
    unmoved = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert unmoved == []
    adversarial = {"loss/G", "loss/D", "logit/real", "logit/fake"}
    for log in logs:
        assert (adversarial if "D" in model.optimizers else {"loss/denoising"}) <= set(log)
        for name, value in log.items():
            assert value.shape == (), name
            assert not value.requires_grad, name
            assert torch.isfinite(value), name
    labels = torch.arange(5) % classes
    images = model.sample(labels, torch.arange(5))
    assert images.shape == (5, channels, 16, 16)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert images.std(0).mean() > 1e-3  # seeds differ
    if classes > 1:
        same_seed = model.sample(torch.arange(classes), torch.zeros(classes, dtype=torch.int64))
        assert same_seed.std(0).mean() > 1e-4  # labels differ


def test_an_update_logs_copies(family):
    model = make(family, ada_images=10) if family == "stylegan2_ada" else make(family)
    first = train(model, 1)[0]
    kept = {name: value.clone() for name, value in first.items()}
    train(model, 8)
    assert all(torch.equal(first[name], kept[name]) for name in kept)


def test_image_depends_on_its_own_seed_and_label_alone(family):
    model = make(family)
    train(model, 3)
    model.train()  # as an update leaves it
    labels, seeds = torch.tensor([2, 0, 1, 0]), torch.tensor([11, 7, 7, 2**40])
    together = model.sample(labels, seeds)
    for i in range(4):
        alone = model.sample(labels[i : i + 1], seeds[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=1e-5)
    assert torch.equal(together, model.sample(labels, seeds))


def test_batch_statistics_are_those_of_what_the_averaged_network_draws(family, monkeypatch):
    """Far from its start, the live network's statistics are not those of the average, which moves slowly. What comes
    out of a normalisation over fresh images has mean 0 and variance 1, whatever the shares of the classes."""
    monkeypatch.undo()  # of as many images as a training's
    model = make(family, spec(classes=2), batch=32, ema_half_life_images=200, ema_rampup=1.0)
    assert not [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    model.keep_labels(torch.tensor([0, 1, 1, 1, 1, 1, 1, 1]))
    train(model, 3)
    model.sample(torch.tensor([0]), torch.tensor([0]))
    norms, seen = ema.normalisations(model.ema), []
    for norm in norms:
        norm.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    if not norms:
        return
    model.sample(torch.arange(1024).remainder(8).clamp(max=1), torch.arange(5000, 6024))
    for output in seen:
        torch.testing.assert_close(output.mean((0, 2, 3)), torch.zeros(output.shape[1]), rtol=0, atol=0.15)
        torch.testing.assert_close(output.var((0, 2, 3)), torch.ones(output.shape[1]), rtol=0, atol=0.2)


def test_statistics_are_measured_once_after_an_update(family, monkeypatch):
    """However often is drawn; anew after another update, and by who goes on from a state, with the same result."""
    counted, measure = [], ema.measure
    monkeypatch.setattr(ema, "measure", lambda *args: counted.append(measure(*args)))
    model, again = make(family), make(family, seed=9)
    once = bool(ema.normalisations(model.ema))
    for update in (1, 2):
        train(model, 1)
        for _ in range(2):
            drawn = model.sample(torch.tensor([1]), torch.tensor([3]))
        assert len(counted) == update * once
    again.load_state({name: tensor.clone() for name, tensor in model.state().items()})
    assert torch.equal(again.sample(torch.tensor([1]), torch.tensor([3])), drawn)
    assert len(counted) == 3 * once


def test_statistics_of_a_trained_model_stay_what_was_saved(family):
    """Not measured anew by whoever loads the weights, on another machine or in another precision."""
    model = make(family)
    train(model, 2)
    model.settle()
    weights = {name: value.clone() for name, value in model.ema.state_dict().items()}
    drawn = model.sample(torch.tensor([1]), torch.tensor([3]))
    loaded = make(family, seed=5, batch=16)
    loaded.load_average(weights)
    assert torch.equal(loaded.sample(torch.tensor([1]), torch.tensor([3])), drawn)
    assert all(torch.equal(value, weights[name]) for name, value in loaded.ema.state_dict().items())


def test_state_restores_the_next_updates_bit_by_bit(family):
    model = make(family)
    train(model, 5)
    saved = {name: tensor.clone().contiguous() for name, tensor in model.state().items()}
    assert all(isinstance(v, torch.Tensor) for v in saved.values())
    restored = make(family, seed=99)
    restored.load_state(saved)
    logs, again = train(model, 5, seed=3), train(restored, 5, seed=3)
    assert [log.keys() for log in logs] == [log.keys() for log in again]
    for a, b in zip(logs, again, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)
    ours, theirs = model.state(), restored.state()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_same_seeds_same_training(family):
    one, two = make(family), make(family)
    train(one, 3)
    train(two, 3)
    assert all(torch.equal(v, two.state()[k]) for k, v in one.state().items())


def test_half_precision_trains_and_draws_nearly_the_same(family):
    half, full = make(family, amp=torch.bfloat16), make(family)
    labels, seeds = torch.tensor([0, 1, 2, 0]), torch.arange(4)
    torch.testing.assert_close(half.sample(labels, seeds), full.sample(labels, seeds))
    a, b = train(half, 1)[0], train(full, 1)[0]
    assert all(torch.isfinite(v) for v in a.values())
    for name in (name for name in b if name.startswith("loss/")):
        assert abs(a[name] - b[name]) < 0.05, name
    train(half, 4)
    assert torch.isfinite(half.sample(labels, seeds)).all()
    assert all(p.dtype == torch.float32 for p in half.parameters())


def test_float16_trains_with_scaled_losses(family):
    model = make(family, amp=torch.float16)
    before = {name: p.detach().clone() for name, p in model.named_parameters() if not name.startswith("ema.")}
    for log in train(model, 3):
        assert all(torch.isfinite(v) for v in log.values())
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert sum(not torch.equal(p, before[name]) for name, p in model.named_parameters() if name in before) > 3
    assert "scaler.scale" in model.state()


# As narrow as an update of 128 x 256 pixels in a fraction of a second takes.
LARGE = {
    "dcgan": {"channels": 8},
    "wgan_gp": {"channels": 8, "critic_steps": 1},
    "cgan": {"generator_channels": 1, "discriminator_channels": 1},
    "stylegan2_ada": {"channel_max": 4},
    "projected_gan": {"generator_channels": 4, "most_channels": 8, "discriminator_channels": 8},
    "ddpm": {"channels": 4, "multipliers": [1] * 5, "heads": 1, "sampling_steps": 2},
}


@pytest.mark.parametrize(("height", "width", "amp"), [(128, 128, torch.bfloat16), (128, 256, torch.float16)])
def test_half_precision_at_sizes_of_real_data(family, height, width, amp):
    """Networks have more resolutions than run in half precision: an update, a look, images and a restored state."""
    of = ImageSpec(height, width, 1, ("a", "b"))
    model, restored = (make(family, of, seed, amp, batch=2, **LARGE[family]) for seed in (0, 1))
    images, labels = batch(of, 2)
    assert all(torch.isfinite(value) for value in model.update(Batch(images, labels, 0)).values())
    (part,) = Batch(images, labels, 1).microbatches()
    with torch.no_grad():
        assert all(torch.isfinite(value) for value in model.validation_losses(part).values())
    restored.load_state({name: value.clone() for name, value in model.state().items()})
    drawn = model.sample(labels, torch.tensor([3, 4]))
    assert drawn.shape == (2, 1, height, width)
    assert torch.isfinite(drawn).all()
    assert torch.equal(drawn, restored.sample(labels, torch.tensor([3, 4])))


def test_an_update_in_parts_is_the_same_update(family):
    """Rows that do not see one another: the gradients of halves add up to those of the whole. Batch statistics (of
    normalisation, or of the minibatch deviation) are those of a part; there the update is only a possible one."""
    images, labels = batch(spec())
    whole, parts = make(family), make(family)
    log, other = whole.update(Batch(images, labels, 7)), parts.update(Batch(images, labels, 7, part=2))
    assert log.keys() == other.keys()
    assert all(torch.isfinite(v) for v in other.values())
    if family in BATCH_STATISTICS:
        return
    torch.testing.assert_close(other, log, rtol=1e-4, atol=1e-5)
    for (name, p), q in zip(whole.named_parameters(), parts.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None), name
        if p.grad is not None:
            torch.testing.assert_close(q.grad, p.grad, rtol=1e-4, atol=1e-5 * max(1, p.grad.abs().max().item()))


@pytest.mark.parametrize(("height", "width"), [(32, 64), (48, 16)])
def test_images_need_not_be_square(family, height, width):
    of = ImageSpec(height, width, 1, ("a", "b"))
    model = make(family, of)
    assert all(torch.isfinite(v) for v in train(model, 1)[0].values())
    assert model.sample(torch.tensor([0, 1]), torch.tensor([3, 4])).shape == (2, 1, height, width)


def test_no_operation_over_many_tensors_is_asked_of_a_device_without(family, monkeypatch):
    """As Apple's MPS, which has none of torch's; where they are not asked for, torch does without."""
    monkeypatch.setattr(torch.utils._foreach_utils, "_device_has_foreach_support", lambda device: False)
    assert all(torch.isfinite(value) for value in train(make(family), 1)[0].values())


def test_optimisers_are_fused_where_each_device_that_we_choose_can(family):
    if any(optimizer.defaults["fused"] for optimizer in make(family).optimizers.values()):
        assert {"cpu", "cuda", "mps"} <= set(torch.utils._foreach_utils._get_fused_kernels_supported_devices())


def test_averaged_weights_lag_behind(family):
    model = make(family, ema_half_life_images=4.0, ema_rampup=1.0)
    names = model.ema.state_dict().keys()
    (live,) = (child for child in model.children() if child is not model.ema and child.state_dict().keys() == names)
    start = [p.clone() for p in model.ema.parameters()]
    train(model, 1)  # four images, one half-life
    for average, first, last in zip(model.ema.parameters(), start, live.parameters(), strict=True):
        torch.testing.assert_close(average, (first + last) / 2)


def test_impossible_sizes_are_refused_by_name(family):
    for height, width in ((33, 33), (4, 4), (2048, 2048)):
        with pytest.raises(UserError, match=rf"size: {height} x {width} cannot be made by {family}.* 16 to 1024"):
            models.build(tiny_settings(family), ImageSpec(height, width, 1, ("a",)))
