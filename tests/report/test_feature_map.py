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


def test_clusters_stay_apart_a_heap_stays_one_and_the_shares_are_those_of_the_variance():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2

    def real(n):
        """Two clusters along the first number; the third is the sum of both others, five of them do not vary."""
        own = np.stack([np.where(labels[:n], 3.0, -3.0), 0.5 * rng.standard_normal(n)], 1)
        return np.concatenate([own, own.sum(1, keepdims=True), np.ones((n, 5))], 1).astype(np.float32), labels[:n]

    heap = np.repeat(real(1)[0], 40, axis=0), labels[:40]
    beyond = real(10)[0] * 100, labels[:10]
    placed, shares = feature_map.place({"a": real(400), "b": real(60), "heap": heap, "beyond": beyond}, "beyond")
    first = placed["b"].points[:, 0]
    assert abs(first[placed["b"].labels == 0].mean() - first[placed["b"].labels == 1].mean()) > 3 * first[::2].std()
    assert far(placed["heap"].points).max() < 1e-4
    assert shares[0] > shares[1] > 0
    assert sum(shares) == pytest.approx(1, abs=1e-6)  # three numbers of rank two
    assert far(placed["beyond"].points).max() > 20 * far(placed["b"].points).max()


@pytest.fixture
def inputs(tmp_path):
    rng = np.random.default_rng(1)
    write_set(tmp_path / "real", rng, CLASSES, {"train": 10, "test": 4}, "photo.tif")
    write_set(tmp_path / "cgan" / "synthetic", rng, CLASSES, {"train": 6}, "cgan")
    runs = [RunInputs(name, 0, tmp_path / name, tmp_path / name / "synthetic") for name in ("cgan", "not_there")]
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
    assert len(found["shares"]) == 2
    (training, held_out, generators, classes), = asked  # fmt: skip
    assert (len(training.points), len(held_out.points), classes) == (20, 8, CLASSES)
    assert list(generators) == ["cgan"]
    assert generators["cgan"].labels.tolist() == [0] * 6 + [1] * 6
    keep(inputs.runs[0].synthetic, "imagenet")
    assert feature_map.context(real, inputs)["features"] == "ImageNet features"
    path.with_name("features-imagenet.npz").write_bytes(b"damaged")
    assert feature_map.context(real, inputs)["features"] == "random features"


def test_the_figure_has_a_panel_for_each():
    rng = np.random.default_rng(2)

    def placed(n):
        return feature_map.Placed(rng.standard_normal((n, 2)), np.arange(n) % 2)

    svg = feature_map_figure.draw(placed(8), placed(0), {f"g{i}": placed(5) for i in range(4)}, CLASSES)
    assert svg.count('<g id="axes_') == 8
    many = [f"c{i}" for i in range(30)]
    assert "<svg" in feature_map_figure.draw(placed(8), placed(2), {"g": placed(3)}, many)
