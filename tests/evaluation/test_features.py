"""What the random networks see, against scipy; that they rank what is worse; and that nothing is computed twice."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, signal
from torch import nn

from pipeline.evaluation import features, metrics
from pipeline.evaluation.features import RandomNetworks, eight_bits, extract, random_features
from pipeline.settings import UserError
from pipeline.weights import WEIGHTS
from tests.evaluation.conftest import blobs, label_list, write_set


def vectors(images):
    return random_features(images, "test").vectors.astype(np.float64)


# ---------------------------------------------------------------- random networks


def test_random_networks_are_what_they_say():
    """One colour image through scipy's correlation, layer by layer."""
    image = np.random.default_rng(0).random((3, 29, 40)).astype(np.float32)
    networks = RandomNetworks(3, 29, torch.device("cpu"))
    got_vectors, got_grams = (t[0].numpy() for t in networks(torch.from_numpy(image)[None]))
    means, grams = [[] for _ in networks.widths], []
    for filters in networks.weights:
        hidden = image.astype(np.float64)
        for layer, bank in enumerate(filters):
            response = [sum(signal.correlate2d(h, k, "valid") for h, k in zip(hidden, f, strict=True)) for f in bank]
            response = np.maximum(response, 0)
            means[layer] += [np.sqrt(r.mean()) for r in response]
            flat = response.reshape(len(response), -1)
            gram = flat @ flat.T / flat.shape[1]
            grams += [
                g * (1 if i == j else np.sqrt(2)) for i, row in enumerate(gram) for j, g in enumerate(row) if j >= i
            ]
            _, h, w = response.shape
            hidden = response[:, : h // 2 * 2, : w // 2 * 2].reshape(-1, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
    assert len(networks.widths) == 2  # 27 and 11 pixels; a third layer would have 3
    assert got_vectors[3 * 16 :] == pytest.approx(np.concatenate(means), rel=1e-4, abs=1e-6)
    assert got_grams == pytest.approx(grams, rel=1e-4, abs=1e-7)
    assert (sum(networks.vector_blocks), sum(networks.gram_blocks)) == (len(got_vectors), len(got_grams))


def test_features_do_not_depend_on_the_machine_or_the_day():
    found = vectors(np.arange(32 * 32, dtype=np.uint16).reshape(1, 32, 32, 1) * 64)[0]
    # mean gray value of the first three 8×8 squares
    assert found[:3] == pytest.approx((115.5 + 8 * np.arange(3)) * 64 / 65_535, rel=1e-6)
    assert (
        hashlib.sha256(RandomNetworks(1, 64, torch.device("cpu")).weights[3][2].numpy().tobytes()).hexdigest()[:8]
        == "ccf1bbee"
    )


def test_contrast_scales_the_responses_and_brightness_leaves_them():
    images = blobs(label_list(3), 0, dtype="uint16") // 2
    base, halved, brighter = (vectors(x) for x in (images, images // 2, images + 16_000))
    assert halved[:, 16:] == pytest.approx(base[:, 16:] / np.sqrt(2), rel=2e-3)
    assert brighter[:, 16:] == pytest.approx(base[:, 16:], rel=1e-3)
    assert brighter[:, :16] - base[:, :16] == pytest.approx(np.full((3, 16), 16_000 / 65_535), rel=1e-4)


def test_sixteen_bits_are_not_squashed_to_eight():
    images = blobs(label_list(3), 0)
    deep = images.astype(np.uint16) * 257
    assert vectors(deep) == pytest.approx(vectors(images), rel=1e-5)
    fine = (117 * 257 + (deep.astype(int) - 32_768) // 500).astype(np.uint16)  # less than one level of 8 bits
    assert vectors(eight_bits(fine))[:, 16:].max() < 1e-3
    assert vectors(fine)[:, 16:].min() > 2e-3


def scores(sample, reference):
    centre, scale = metrics.block_scale(reference.vectors, reference.vector_blocks)
    x, y = ((f.vectors.astype(np.float64) - centre) / scale for f in (sample, reference))
    grams = metrics.gram_distance(sample.grams, reference.grams, reference.gram_blocks)
    return metrics.frechet(x, y), metrics.kid(x, y), grams


def assert_each_worse(sets, reference):
    values = np.array([scores(random_features(s, "test"), random_features(reference, "test")) for s in sets])
    assert (np.diff(values, axis=0) > 0).all(), values


def stored(images):
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8)


@pytest.fixture(scope="module", params=["made", "steel"])
def two_samples(request):
    """Judged and reference images of one population, several classes each."""
    if request.param == "made":
        return blobs(label_list(90), 5), blobs(label_list(90), 6)
    files = sorted((request.getfixturevalue("shared_data")("neu_det") / "IMAGES").glob("*.jpg"))
    picked = [np.asarray(Image.open(f).convert("L"))[36:164, 36:164, None] for f in files[::18]]
    return np.stack(picked[::2]), np.stack(picked[1::2])


def test_more_blur_is_farther(two_samples):
    sample, reference = two_samples
    blurred = [ndimage.gaussian_filter(sample.astype(float), s, axes=(1, 2)) for s in (0.6, 1.2, 2.4)]
    assert_each_worse([sample, *map(stored, blurred)], reference)


def test_more_noise_is_farther(two_samples):
    sample, reference = two_samples
    noise = np.random.default_rng(0).standard_normal(sample.shape)
    assert_each_worse([sample, *(stored(sample + s * noise) for s in (10, 20, 40))], reference)


def test_more_dropped_modes_are_farther():
    labels, reference = np.array(label_list(120)), blobs(label_list(90), 6)
    sample = blobs(labels, 5)
    fewer = [sample[labels != "coarse"], sample[labels == "fine"]]
    values = [scores(random_features(s[:40], "test"), random_features(reference, "test"))[0] for s in (sample, *fewer)]
    assert values == sorted(values)


def test_repeating_fewer_images_is_farther():
    sample, reference = blobs(label_list(90), 5), blobs(label_list(90), 6)
    values = [
        scores(random_features(np.concatenate([sample[:k]] * (90 // k)), "test"), random_features(reference, "test"))[0]
        for k in (90, 30, 9)
    ]
    assert values == sorted(values)


# ---------------------------------------------------------------- Inception


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)).repeat(1, 683)[:, :2048]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = Mean()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A cache with a small network in Inception's place: its features are the means of the channels it is given."""
    path = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(Network()).save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    made = WEIGHTS["inception"]._replace(file=path.name, sha256=digest, size=path.stat().st_size)
    monkeypatch.setitem(WEIGHTS, "inception", made)
    return tmp_path


@pytest.mark.filterwarnings("ignore:.torch.jit")  # TorchScript is on its way out, and is what the file is
def test_inception_gets_resized_rgb_in_eight_bits(stand_in):
    gray = np.full((3, 40, 40, 1), 64 * 257 + 100, np.uint16)
    gray[2] = 65_535
    found = extract(gray, "inception", stand_in, "test")
    assert found.vectors.shape == (3, 2048)
    assert found.vectors[:2] == pytest.approx(np.full((2, 2048), (64 - 128) / 128), abs=1e-6)
    assert found.vectors[2] == pytest.approx(np.full(2048, 127 / 128), abs=1e-6)
    colour = np.zeros((1, 32, 32, 3), np.uint8) + np.array([0, 128, 192], np.uint8)
    assert extract(colour, "inception", stand_in, "test").vectors[0, :3] == pytest.approx([-1, 0, 0.5], abs=1e-6)


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_altered_inception_weights_are_never_loaded(stand_in):
    with open(stand_in / "inception-2015-12-05.pt", "ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="altered"):
        extract(np.zeros((2, 32, 32, 1), np.uint8), "inception", stand_in, "test")


def test_eight_bits_rounds():
    assert eight_bits(np.array([0, 128, 129, 65_535], np.uint16)).tolist() == [0, 0, 1, 255]


@pytest.mark.filterwarnings("ignore:.torch.jit")
@pytest.mark.parametrize("extractor", features.EXTRACTORS)
def test_features_of_an_image_do_not_depend_on_its_neighbours(stand_in, extractor):
    images = blobs(label_list(130), 0)  # more than a batch
    joined, alone = extract(images, extractor, stand_in, "test"), extract(images[129:], extractor, stand_in, "test")
    assert sum(joined.vector_blocks) == joined.vectors.shape[1]
    assert joined.vectors[129] == pytest.approx(alone.vectors[0], rel=1e-5)
    assert joined.grams[129] == pytest.approx(alone.grams[0], rel=1e-5)


# ---------------------------------------------------------------- cache


def test_features_are_computed_once(tmp_path, monkeypatch):
    images = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    first = features.features(images, "random", "")
    monkeypatch.setattr(features, "computed", lambda *_: pytest.fail("computed again"))
    again = features.features(images, "random", "")
    assert (again.vectors == first.vectors).all()
    assert (again.grams == first.grams).all()
    assert again.vector_blocks == first.vector_blocks
    assert sorted(p.name for p in (tmp_path / "set").glob("*features*")) == ["features-random.npz"]


def test_a_cache_of_other_images_is_not_used(tmp_path):
    one = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    before = features.features(one, "random", "").vectors
    two = write_set(tmp_path / "set", blobs(label_list(6), 1), label_list(6))
    assert not np.allclose(features.features(two, "random", "").vectors, before)


@pytest.mark.parametrize("damage", [b"", b"not a zip", None])
def test_a_damaged_cache_is_made_anew(tmp_path, damage):
    images = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    first = features.features(images, "psd", "").vectors
    path = tmp_path / "set" / "features-psd.npz"
    path.write_bytes(path.read_bytes()[:-900] if damage is None else damage)
    assert (features.features(images, "psd", "").vectors == first).all()
    with np.load(path) as file:
        assert (file["vectors"] == first).all()


def test_features_that_are_not_finite_stop_with_the_set_named(monkeypatch):
    found = features.Features(np.array([[1.0], [np.nan]], np.float32), (1,), np.zeros((2, 0), np.float32), ())
    monkeypatch.setattr(features, "random_features", lambda *_: found)
    with pytest.raises(UserError, match=r"my set: 1 of 2 images have random features that are not finite"):
        extract(np.zeros((2, 32, 32, 1), np.uint8), "random", "", "my set")
