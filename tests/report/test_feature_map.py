"""The map of the images: where clusters, heaps and clouds beside the real ones come to lie."""

import numpy as np
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.evaluation import feature_files
from pipeline.evaluation.features import without_grams
from pipeline.report import feature_map, feature_map_figure
from pipeline.report.inputs import DatasetInputs, RunInputs
from tests.report.made_up_run import write_set

CLASSES = ["pits", "grains"]


def far(points):
    """From end to end along each axis."""
    return np.ptp(points, axis=0)


def test_clusters_stay_apart_a_heap_stays_one_and_the_share_is_that_of_the_variance():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2

    def real(n):
        """Two clusters along the first number; the third is the sum of both others, five of them do not vary."""
        own = np.stack([np.where(labels[:n], 3.0, -3.0), 0.5 * rng.standard_normal(n)], 1)
        return np.concatenate([own, own.sum(1, keepdims=True), np.ones((n, 5))], 1).astype(np.float32), labels[:n]

    found = feature_map.place(real(400), real(60))
    assert found.share == pytest.approx(1, abs=1e-6)  # three numbers of rank two
    first, of = found.other.points[:, 0], found.other.labels
    assert abs(first[of == 0].mean() - first[of == 1].mean()) > 3 * first[of == 0].std()
    heap = np.repeat(real(1)[0], 40, axis=0), labels[:40]
    assert far(feature_map.place(real(400), heap).other.points).max() < 1e-4
    beyond = feature_map.place(real(40), (real(40)[0] * 100, labels[:40]))
    assert far(beyond.other.points).max() > 20 * far(beyond.training.points).max()
    noisy = real(400)[0] + rng.standard_normal((400, 8)).astype(np.float32) * np.array([0] * 3 + [9] * 5), labels
    assert feature_map.place(noisy, noisy).share < 0.7  # five more that are alike


@pytest.fixture
def inputs(tmp_path):
    rng = np.random.default_rng(1)
    write_set(tmp_path / "real", rng, CLASSES, {"train": 10, "test": 4}, "photo.tif")
    write_set(tmp_path / "cgan" / "synthetic", rng, CLASSES, {"train": 6}, "cgan")
    runs = [RunInputs(name, 0, tmp_path / name) for name in ("cgan", "not_there")]
    return DatasetInputs(tmp_path / "real", runs=runs)


def keep(folder, name, version="1"):
    images = ImageSet.open(folder)
    vectors = np.random.default_rng(len(images)).standard_normal((len(images), 5)).astype(np.float32)
    path = feature_files.path_of(images, name)
    feature_files.write(path, feature_files.key_of(images, name, version), without_grams(vectors))
    return path


def test_the_features_that_are_there_draw_it(inputs, monkeypatch):
    asked = []
    monkeypatch.setattr(feature_map_figure, "draw", lambda *of: asked.append(of) or "<svg/>")
    real = ImageSet.open(inputs.real)
    assert feature_map.context(real, inputs) is None
    keep(inputs.real, "imagenet")
    assert feature_map.context(real, inputs) is None  # of no generator
    for folder in (inputs.real, inputs.runs[0].synthetic):
        path = keep(folder, "random", "7 of any")
    found = feature_map.context(real, inputs)
    assert found["features"] == "random features"
    ((held_out, generators, classes),) = asked
    assert (len(held_out.training.points), len(held_out.other.points), classes) == (20, 8, CLASSES)
    assert list(generators) == ["cgan"]
    assert generators["cgan"].other.labels.tolist() == [0] * 6 + [1] * 6
    keep(inputs.runs[0].synthetic, "imagenet")
    assert feature_map.context(real, inputs)["features"] == "ImageNet features"
    path.with_name("features-imagenet.npz").write_bytes(b"damaged")
    assert feature_map.context(real, inputs)["features"] == "random features"


def test_the_figure_has_a_panel_for_each():
    rng = np.random.default_rng(2)

    def of_real(n):
        sets = [feature_map.Placed(rng.standard_normal((m, 2)), np.arange(m) % 2) for m in (8, n)]
        return feature_map.Map(*sets, share=0.25)

    svg = feature_map_figure.draw(of_real(0), {f"g{i}": of_real(5) for i in range(4)}, CLASSES)
    assert svg.count('<g id="axes_') == 8
    many = [f"c{i}" for i in range(30)]
    assert "<svg" in feature_map_figure.draw(of_real(2), {"g": of_real(3)}, many)
