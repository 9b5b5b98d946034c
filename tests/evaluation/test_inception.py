"""What Inception is given, by a small network in its place; and that its weights are verified, once a job."""

import json

import numpy as np
import pytest

from pipeline.base import weights
from pipeline.base.inception import eight_bits
from pipeline.data.image_set import ImageSet
from pipeline.evaluation import inception, panel
from pipeline.settings import Evaluate, UserError
from tests.evaluation.conftest import blobs, label_list, write_set

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")  # TorchScript is on its way out, and is what the file is


def vectors(images, cache):
    return inception.extractor(Evaluate(weights=str(cache))).function(images, "test").vectors


def test_inception_gets_resized_rgb_in_eight_bits(stand_in):
    gray = np.full((3, 40, 40, 1), 64 * 257 + 100, np.uint16)
    gray[2] = 65_535
    found = vectors(gray, stand_in)
    assert found.shape == (3, 2048)
    assert found[:2] == pytest.approx(np.full((2, 2048), (64 - 128) / 128), abs=1e-6)
    assert found[2] == pytest.approx(np.full(2048, 127 / 128), abs=1e-6)
    colour = np.zeros((1, 32, 32, 3), np.uint8) + np.array([0, 128, 192], np.uint8)
    assert vectors(colour, stand_in)[0, :3] == pytest.approx([-1, 0, 0.5], abs=1e-6)


@pytest.mark.parametrize("wanted", ["auto", "on"])
def test_altered_weights_are_never_loaded(stand_in, wanted):
    with open(stand_in / "inception-2015-12-05.pt", "ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="altered"):
        inception.extractor(Evaluate(weights=str(stand_in), inception=wanted))


def test_without_weights_it_is_left_out_and_with_them_only_if_wanted(stand_in, tmp_path):
    assert inception.extractor(Evaluate(weights=str(tmp_path / "empty"))) is None
    assert inception.extractor(Evaluate(weights=str(stand_in), inception="off")) is None
    assert inception.extractor(Evaluate(weights=str(stand_in))) is not None


def test_weights_are_verified_once_a_job(stand_in, tmp_path, monkeypatch):
    for name, seed in (("real", 1), ("synthetic", 2)):
        write_set(tmp_path / name, blobs(label_list(60), seed), label_list(60), ["train"] * 30 + ["test"] * 30)
    read, digest = [], weights.sha256
    monkeypatch.setattr(weights, "sha256", lambda path: read.append(path.name) or digest(path))
    settings = Evaluate(weights=str(stand_in), class_feature_steps=0, imagenet=False, subsets=2)
    panel.evaluate_real(settings, tmp_path / "real", tmp_path / "real.json", "blobs")
    assert read == ["inception-2015-12-05.pt"]
    rows = json.loads((tmp_path / "real.json").read_text())["metrics"]
    assert {"fid", "kid", "precision"} <= {r["metric"] for r in rows if r["extractor"] == "inception"}
    assert (ImageSet.open(tmp_path / "real").path / "features-inception.npz").is_file()


def test_eight_bits_rounds():
    assert eight_bits(np.array([0, 128, 129, 65_535], np.uint16)).tolist() == [0, 0, 1, 255]
