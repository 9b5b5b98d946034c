"""LPIPS against torchmetrics' with the same weights, and its files against tampering."""

import hashlib

import numpy as np
import pytest
import torch
from torchmetrics.functional.image.lpips import _LPIPS
from torchvision.models import alexnet

from pipeline.base.weights import WEIGHTS
from pipeline.evaluation import lpips
from pipeline.settings import UserError


@pytest.fixture(scope="module")
def weights():
    """An AlexNet of random weights, and random weights of its channels."""
    torch.manual_seed(0)
    backbone = {
        name: value for name, value in alexnet(weights=None).state_dict().items() if name.startswith("features")
    }
    widths = (64, 192, 384, 256, 256)
    return backbone, {f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1) for i, width in enumerate(widths)}


@pytest.fixture
def cache(tmp_path, monkeypatch, weights):
    """A folder with these in the places of the true ones."""
    for name, tensors in zip(lpips.NEEDED, weights, strict=True):
        path = tmp_path / WEIGHTS[name].file
        torch.save(tensors, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(WEIGHTS, name, WEIGHTS[name]._replace(sha256=digest, size=path.stat().st_size))
    return tmp_path


def reference(weights):
    backbone, linear = weights
    network = _LPIPS(pretrained=False, net="alex", pnet_rand=True)
    slices = {name.split(".")[-2]: name.rsplit(".", 2)[0] for name in network.net.state_dict()}
    own = {}
    for name, value in backbone.items():
        _, number, what = name.split(".")
        own[f"net.{slices[number]}.{number}.{what}"] = value
    missing, unexpected = network.load_state_dict(own | linear, strict=False)
    assert not unexpected
    assert all("lins" in name for name in missing)  # a second name of the same
    return network


@pytest.mark.parametrize("size", [(31, 31), (64, 64), (50, 90)])
def test_the_distance_is_that_of_torchmetrics(weights, size):
    a, b = (torch.from_numpy(np.random.default_rng(seed).random((5, 3, *size), np.float32)) for seed in (1, 2))
    expected = reference(weights)(a, b, normalize=True).flatten()
    found = lpips.Lpips(*weights)(a, b)
    assert found.numpy() == pytest.approx(expected.numpy(), rel=1e-4)
    assert lpips.Lpips(*weights)(a, a).tolist() == [0] * 5


def test_gray_images_are_shown_as_three_equal_channels(weights):
    network = lpips.Lpips(*weights)
    a, b = (np.random.default_rng(seed).random((lpips.BATCH + 2, 40, 40, 1)) for seed in (1, 2))
    found = lpips.distances(network, a, b)
    assert found.shape == (lpips.BATCH + 2,)
    np.testing.assert_allclose(found, lpips.distances(network, np.repeat(a, 3, 3), np.repeat(b, 3, 3)), rtol=1e-6)


def test_weights_are_used_where_they_are_and_never_fetched_unasked(cache, tmp_path):
    assert lpips.network("off", cache) is None
    assert lpips.network("auto", tmp_path / "empty") is None
    assert isinstance(lpips.network("auto", cache), lpips.Lpips)
    (cache / WEIGHTS["lpips"].file).unlink()
    assert lpips.network("auto", cache) is None


@pytest.mark.parametrize("name", lpips.NEEDED)
def test_altered_weights_are_never_loaded(cache, name):
    with open(cache / WEIGHTS[name].file, "ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="altered"):
        lpips.network("auto", cache)
