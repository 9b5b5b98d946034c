"""Features are computed once for each image set, and never of another one."""

import numpy as np
import pytest

from pipeline.evaluation import feature_files, features
from pipeline.evaluation.features import Extractor, computed, kept, without_grams
from pipeline.evaluation.random_features import random_features
from pipeline.evaluation.spectra import spectra
from pipeline.settings import UserError
from tests.evaluation.conftest import blobs, label_list, write_set

RANDOM, PSD = Extractor("1", random_features), Extractor("1", spectra)


def test_features_are_computed_once(tmp_path, monkeypatch):
    images = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    first = kept(images, "random", RANDOM)
    monkeypatch.setattr(features, "computed", lambda *_: pytest.fail("computed again"))
    again = kept(images, "random", RANDOM)
    assert (again.vectors == first.vectors).all()
    assert (again.grams == first.grams).all()
    assert again.vector_blocks == first.vector_blocks
    assert sorted(p.name for p in (tmp_path / "set").glob("*features*")) == ["features-random.npz"]


def test_a_cache_of_other_images_is_not_used(tmp_path):
    one = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    before = kept(one, "random", RANDOM).vectors
    two = write_set(tmp_path / "set", blobs(label_list(6), 1), label_list(6))
    assert not np.allclose(kept(two, "random", RANDOM).vectors, before)


def test_features_of_some_images_are_those_of_these_in_all(tmp_path):
    images = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    rows = np.array([1, 2, 5])
    some = kept(images, "psd", PSD, rows)
    assert feature_files.of_any_version(images, "psd").rows.tolist() == rows.tolist()
    assert (kept(images, "psd", PSD, rows).vectors == some.vectors).all()
    assert (kept(images, "psd", PSD).vectors[rows] == some.vectors).all()
    assert len(kept(images, "psd", PSD, rows[:2]).vectors) == 2


def test_a_cache_of_another_version_is_not_used(tmp_path):
    images = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    for version, value in (("1", 1), ("2", 2)):
        ours = Extractor(version, lambda images, text, v=value: without_grams(np.full((len(images), 1), v, np.float32)))
        assert (kept(images, "classifier", ours).vectors == value).all()


@pytest.mark.parametrize("damage", [b"", b"not a zip", None])
def test_a_damaged_cache_is_made_anew(tmp_path, damage):
    images = write_set(tmp_path / "set", blobs(label_list(6), 0), label_list(6))
    first = kept(images, "psd", PSD).vectors
    path = tmp_path / "set" / "features-psd.npz"
    path.write_bytes(path.read_bytes()[:-900] if damage is None else damage)
    assert (kept(images, "psd", PSD).vectors == first).all()
    with np.load(path) as file:
        assert (file["vectors"] == first).all()


def test_features_that_are_not_finite_stop_with_the_set_named(tmp_path):
    sick = Extractor("1", lambda images, text: without_grams(np.array([[1], [np.nan]], np.float32)))
    message = "1 of 2 images have classifier features that are not finite"
    with pytest.raises(UserError, match=f"my set: {message}"):
        computed(np.zeros((2, 32, 32, 1), np.uint8), "classifier", sick, "my set")
    images = write_set(tmp_path / "set", blobs(label_list(2), 0), label_list(2))
    with pytest.raises(UserError, match=f"{images.path}: {message}"):
        kept(images, "classifier", sick)
    assert not list(images.path.glob("*features*"))
