"""Texture losses: VGG19 against torchvision's, the statistics against loops, what the comparison sees and what not."""

import hashlib
import itertools
import math

import numpy as np
import pytest
import torch
from torchvision.models import vgg19

from pipeline.base.weights import WEIGHTS, fetch, verified
from pipeline.models import texture
from pipeline.models.texture import Texture, distance, gram, log_spectrum, moments, pair_weights
from pipeline.settings import UserError

NUMBERS = (0, 2, 5, 7, 10, 12, 14, 16, 19)  # of the convolutions among torchvision's layers
IN, OUT = (3, 64, 64, 128, 128, 256, 256, 256, 256), (64, 64, 128, 128, 256, 256, 256, 256, 512)


def random_weights(seed=0):
    """He et al. 2015: activations keep their size from layer to layer, as in a trained network."""
    rng, weights = torch.Generator().manual_seed(seed), {}
    for number, a, b in zip(NUMBERS, IN, OUT, strict=True):
        weights[f"features.{number}.weight"] = torch.randn(b, a, 3, 3, generator=rng) * math.sqrt(2 / (9 * a))
        weights[f"features.{number}.bias"] = torch.randn(b, generator=rng) / 10
    return weights


@pytest.fixture(scope="module")
def made():
    return Texture(random_weights())


def noise(n=3, channels=1, size=32, seed=1, width=None):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, size, width or size, generator=rng) * 2 - 1


def waves(period, n=4, size=32, seed=3):
    """Diagonal waves of random phase."""
    phase = torch.rand(n, 1, 1, 1, generator=torch.Generator().manual_seed(seed)) * 2 * math.pi
    x = torch.arange(size).float()
    return 0.8 * torch.sin(2 * math.pi * (x[:, None] + x) / period + phase)


# ---------------------------------------------------------------- the network


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 32, 48), (1, 40, 33)])
def test_the_layers_are_torchvisions(made, channels, height, width):
    with torch.device("meta"):  # the classifier's 0.5 GB are not wanted
        theirs = vgg19().features[:21]
    state = {name.removeprefix("features."): tensor for name, tensor in random_weights().items()}
    theirs.load_state_dict(state, assign=True)
    images = noise(2, channels, height, width=width)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    rgb = np.broadcast_to(images.numpy(), (2, 3, height, width)) / 2 + 0.5
    x = torch.from_numpy((rgb - mean[:, None, None]) / deviation[:, None, None]).float()
    expected = []
    for layer, module in enumerate(theirs):
        x = module(x)
        if layer in (1, 6, 11, 20):
            expected.append(x.detach().clone())
    found = made.features(images)
    assert [f.shape[1] for f in found] == [64, 128, 256, 512]
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(f, e, atol=1e-4, rtol=1e-4)


def test_nothing_is_trained_and_nothing_is_saved(made):
    assert list(made.parameters()) == []
    assert made.state_dict() == {}


def test_gradients_reach_the_generated_images_alone(made):
    fake, real = noise(seed=1).requires_grad_(), noise(seed=2).requires_grad_()
    losses = made(fake, real)
    assert list(losses) == ["perceptual", "gram", "fft"]
    for name, loss in losses.items():
        assert loss.shape == ()
        fake.grad = None
        loss.backward(retain_graph=True)
        assert torch.isfinite(fake.grad).all(), name
        assert (fake.grad.flatten(1).norm(dim=1) > 0).all(), name
    assert real.grad is None
    assert not any(buffer.requires_grad for buffer in made.buffers())


def test_the_gradient_is_that_of_differences():
    exact = Texture(random_weights()).double()
    fake, real, labels = noise(3).double().requires_grad_(), noise(3, seed=2).double(), torch.tensor([0, 0, 0])
    direction = noise(3, seed=7).double()
    for name, loss in exact(fake, real, labels).items():
        (gradient,) = torch.autograd.grad(loss, fake, retain_graph=True)
        with torch.no_grad():
            up, down = (exact(fake + h * direction, real, labels)[name] for h in (1e-7, -1e-7))
        numeric = ((up - down) / 2e-7).item()
        assert (gradient * direction).sum().item() == pytest.approx(numeric, rel=1e-3), name


def test_flat_images_have_finite_gradients(made):
    fake = torch.zeros(2, 1, 32, 32, requires_grad=True)
    sum(made(fake, noise(2)).values()).backward()
    assert torch.isfinite(fake.grad).all()


def test_bfloat16_agrees_with_float32(made):
    fake, real = waves(5, 2), noise(2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = made(fake, real)
    for name, loss in made(fake, real).items():
        assert low[name].dtype == torch.float32
        assert low[name].item() == pytest.approx(loss.item(), rel=0.02), name


# ---------------------------------------------------------------- statistics


def test_gram_against_a_loop():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    expected = np.zeros((2, 3, 3))
    for n, i, j, row, col in np.ndindex(2, 3, 3, 4, 5):
        expected[n, i, j] += x[n, i, row, col] * x[n, j, row, col] / (4 * 5)
    np.testing.assert_allclose(gram(torch.from_numpy(x)).reshape(2, 3, 3), expected, atol=1e-14)


def test_moments_by_hand():
    x = torch.tensor([[[[1.0, 3.0]], [[4.0, 4.0]]]], dtype=torch.float64)
    assert moments(x)[0].tolist() == pytest.approx([2, 4, math.sqrt(1 + 1e-5), math.sqrt(1e-5)])


def test_the_spectrum_of_a_wave_is_one_line():
    x = torch.arange(32, dtype=torch.float64)
    image = torch.sin(2 * math.pi * 3 * x / 32).expand(1, 1, 32, 32)
    magnitudes = log_spectrum(image).exp().reshape(32, 17)
    assert magnitudes[0, 3].item() == pytest.approx(math.hypot(32 * 32 / 2 / 32, 1 / 255))
    magnitudes[0, 3] = 1 / 255
    torch.testing.assert_close(magnitudes, torch.full_like(magnitudes, 1 / 255))


def test_white_noise_has_its_deviation_at_every_frequency():
    noise = 0.3 * torch.randn(400, 1, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    power = (2 * log_spectrum(noise)).exp().mean(0)
    assert power.sqrt().mean().item() == pytest.approx(0.3, rel=0.01)


# ---------------------------------------------------------------- the comparison


def test_a_shift_changes_no_spectrum_and_another_period_does(made):
    real = waves(8)
    shifted = torch.roll(real, (5, 11), (2, 3))
    spectra = log_spectrum(real)
    pairs = pair_weights(torch.zeros(4))
    assert abs(distance(log_spectrum(shifted), spectra, pairs).item()) < 1e-6
    assert made(waves(4), real)["fft"].item() > 0.01


def test_no_image_is_compared_with_its_own_number(made):
    """Two textures, in the other order among the real images: position by position nothing fits."""
    real = torch.cat([waves(8, 8), waves(4, 8)])
    losses = made(torch.roll(real, 8, 0), real)
    wrong = made(noise(16), real)
    assert losses["gram"].item() < 0.1 * wrong["gram"].item()
    assert losses["perceptual"].item() < 0.1 * wrong["perceptual"].item()


def test_the_estimate_is_unbiased_and_the_distance_of_means_is_not():
    """Over all batches of 2 from 3 generated and 3 real rows, all equally likely."""
    rng = np.random.default_rng(0)
    fakes, reals = (torch.from_numpy(rng.normal(size=(3, 5)) + shift) for shift in (0.4, 0.0))
    truth = (fakes.mean(0) - reals.mean(0)).square().mean().item()
    pairs, found, naive = pair_weights(torch.zeros(2), torch.float64), [], []
    for i, j, k, m in itertools.product(range(3), repeat=4):
        fake, real = fakes[[i, j]], reals[[k, m]]
        found.append(distance(fake, real, pairs).item())
        naive.append((fake.mean(0) - real.mean(0)).square().mean().item())
    assert np.mean(found) == pytest.approx(truth, rel=1e-12)
    excess = (fakes.var(0, correction=0) + reals.var(0, correction=0)).mean().item() / 2
    assert np.mean(naive) == pytest.approx(truth + excess, rel=1e-12)


def test_pairs_are_of_one_class_and_of_different_rows():
    expected = [[0, 0, 1 / 6, 1 / 6], [0] * 4, [1 / 6, 0, 0, 1 / 6], [1 / 6, 0, 1 / 6, 0]]
    torch.testing.assert_close(pair_weights(torch.tensor([2, 0, 2, 2])), torch.tensor(expected))
    assert pair_weights(torch.tensor([0, 1, 2])).sum() == 0


def test_classes_in_each_others_place_are_seen_with_labels_only(made):
    real = torch.cat([waves(8), waves(4)])
    fake = torch.cat([waves(4, seed=8), waves(8, seed=9)])
    labels = torch.tensor([0] * 4 + [1] * 4)
    together, apart = made(fake, real)["gram"].item(), made(fake, real, labels)["gram"].item()
    assert apart > 0.02
    assert together < apart / 10


def test_the_scale_of_the_features_does_not_matter():
    rng = torch.Generator().manual_seed(0)
    fake, real = torch.randn(4, 9, generator=rng), torch.randn(4, 9, generator=rng)
    pairs = pair_weights(torch.zeros(4))
    scaled = texture.relative(1000 * fake, 1000 * real, pairs)
    torch.testing.assert_close(scaled, texture.relative(fake, real, pairs))


def test_a_single_image_gives_zero(made):
    fake = noise(1).requires_grad_()
    sum(made(fake, noise(1, seed=2)).values()).backward()
    assert (fake.grad == 0).all()


def test_descending_the_gram_loss_makes_noise_into_the_texture(made):
    """One picture, shifted at random, is all that is learned, as by a generator: it cannot arrange its batch."""
    real, rng = waves(8, 8), torch.Generator().manual_seed(0)
    picture = (0.2 * noise(1, seed=4)).requires_grad_()
    optimizer = torch.optim.Adam([picture], 0.05)

    def away():
        with torch.no_grad():
            return sum(
                (gram(f).mean(0) - gram(r).mean(0)).square().sum().item() / gram(r).mean(0).square().sum().item()
                for f, r in zip(made.features(picture), made.features(real), strict=True)
            )

    before = away()
    for _ in range(30):
        shifts = torch.randint(0, 32, (2, 2), generator=rng).tolist()
        fake = torch.cat([torch.roll(picture, shift, (2, 3)) for shift in shifts])
        chosen = torch.randint(0, 8, (2,), generator=rng)
        optimizer.zero_grad()
        made(fake, real[chosen])["gram"].backward()
        optimizer.step()
    assert away() < before / 5


# ---------------------------------------------------------------- the file


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A folder with a small file in VGG19's place: the convolutions that are used, and one that is not."""
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    weights = random_weights(5) | {"classifier.6.weight": torch.zeros(4, 4)}
    torch.save(weights, path, _use_new_zipfile_serialization=False)  # the form of torchvision's file
    made = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
    monkeypatch.setitem(WEIGHTS, "vgg19", WEIGHTS["vgg19"]._replace(url="http://127.0.0.1:1/vgg19", **made))
    return tmp_path


def test_the_file_is_loaded(cache):
    loaded, expected = texture.load(verified("vgg19", cache)), Texture(random_weights(5))
    for found, known in zip(loaded.features(noise()), expected.features(noise()), strict=True):
        torch.testing.assert_close(found, known, atol=0, rtol=0)


def test_a_truncated_or_altered_file_is_refused_by_the_name_of_its_setting(cache):
    path = cache / "vgg19-dcbb9e9d.pth"
    content = path.read_bytes()
    for wrong in (content[:-100], content[:-1] + b"x", b""):
        path.write_bytes(wrong)
        with pytest.raises(UserError, match=r"^texture\.weights: .*altered or damaged"):
            verified("vgg19", cache)


def test_a_missing_file_is_refused_by_the_name_of_its_setting(tmp_path):
    message = r"^texture\.weights: .*vgg19-dcbb9e9d\.pth is missing; put https://download\.pytorch\.org.*texture$"
    with pytest.raises(UserError, match=message):
        verified("vgg19", tmp_path)


def test_a_server_out_of_reach_is_refused_by_the_name_of_its_setting(cache, monkeypatch):
    monkeypatch.setattr("pipeline.base.weights.PAUSE", 0)
    (cache / "vgg19-dcbb9e9d.pth").unlink()
    with pytest.raises(UserError, match=r"^texture\.weights: http://127\.0\.0\.1:1/vgg19"):
        fetch("vgg19", cache)


def test_the_name_carries_the_checksum_as_torchvision_publishes_it():
    from torchvision.models import VGG19_Weights

    published = VGG19_Weights.IMAGENET1K_V1.url
    assert WEIGHTS["vgg19"].url == published
    assert WEIGHTS["vgg19"].sha256.startswith(published.removesuffix(".pth").rsplit("-", 1)[1])
