from typing import get_args

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import nn

from pipeline.base.pixels import stored
from pipeline.downstream.classifier import filters
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.filters import FILTERS, best, confidence, nearest, parts, remoteness
from pipeline.downstream.classifier.learned import TrainedNetwork
from pipeline.downstream.classifier.scratch import Scratch
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import Detect, ImageSpec
from tests.downstream.cases import shapes

SPEC = ImageSpec(16, 16, 1, ("bar", "disc"))
BAR, DISC = 0, 1


def test_there_is_a_filter_for_every_name_in_the_settings():
    (name,) = get_args(Detect.model_fields["filters"].annotation)
    assert get_args(name) == tuple(FILTERS)


def test_remoteness_is_the_distance_to_the_fifth_nearest_image_of_the_class_asked_for():
    real = np.array([[0.0], [1.0], [2.0], [4.0], [8.0], [16.0], [5.0], [9.0]])
    truth = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    asked, classes = np.array([[0.0], [9.0], [5.0], [-3.0]]), np.array([0, 0, 1, 1])
    # Of class 0: |0 - 8|, and |9 - 1| before |9 - 0|. Class 1 has two images: the farther one.
    assert remoteness(asked, classes, real, truth).tolist() == [8.0, 8.0, 4.0, 12.0]


def test_remoteness_is_that_of_a_search_tree(monkeypatch):
    monkeypatch.setattr(filters, "PIECE", 7)
    rng = np.random.default_rng(0)
    real, truth, asked, classes = (
        rng.standard_normal((90, 6)),
        rng.integers(0, 3, 90),
        rng.standard_normal((40, 6)),
        rng.integers(0, 3, 40),
    )
    found = remoteness(asked, classes, real, truth)
    for k in range(3):
        expected = cKDTree(real[truth == k]).query(asked[classes == k], k=[5])[0][:, 0]
        np.testing.assert_allclose(found[classes == k], expected, rtol=1e-6)


def test_a_copy_is_as_remote_as_its_original_from_the_others_and_gains_nothing_by_copying():
    rng = np.random.default_rng(1)
    real, new = rng.standard_normal((200, 8)), rng.standard_normal((200, 8))
    label = np.zeros(200, int)
    of_copies, of_new = (remoteness(images, label, real, label) for images in (real, new))
    others = cKDTree(real).query(real, k=[5])[0][:, 0]  # the first of the five is the image itself
    np.testing.assert_allclose(of_copies, others, rtol=1e-6)
    kept = best(-np.concatenate([of_copies, of_new]), np.zeros(400, int), 0.5)
    assert 0.4 < np.mean(kept < 200) < 0.65  # the distance to the nearest would keep all copies and no new image


def test_the_best_share_of_each_class_is_kept():
    quality = np.array([-1.0, -5.0, -3.0, -2.0, -4.0, -0.5, -0.4])
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    assert best(quality, labels, 0.5).tolist() == [0, 3, 6]  # 2 of 4, and 1 of 3 (rounded down)
    assert best(np.zeros(4), np.zeros(4, int), 0.5).tolist() == [0, 1]
    assert best(quality, labels, 0.34).tolist() == [0, 6]
    assert len(best(np.zeros(100), np.zeros(100, int), 0.29)) == 29  # 0.29 * 100 is 28.999…


@pytest.fixture(scope="module")
def real():
    images, labels = shapes(60, 0, noise=8.0)
    return DeviceDataset(stored(images), torch.from_numpy(labels), 60)


@pytest.fixture(scope="module")
def judge(real):
    """A detector of bars and discs that has never seen anything else."""
    settings = Detect(steps=60, width=4, batch=16, learning_rate=5e-3)
    return Scratch().train(settings, SPEC, real, TrainingMix(np.arange(0), 0.0), 2000, lambda steps: None)


def kept(name, judge, real, images, asked):
    """Positions of the half of each class that a filter keeps."""
    pool = DeviceDataset(
        torch.cat([real.stored, stored(images)]), torch.cat([real.labels, torch.from_numpy(asked)]), 60
    )
    return best(FILTERS[name](judge, pool), asked, 0.5)


@pytest.mark.parametrize("name", FILTERS)
def test_images_of_another_class_are_dropped(name, judge, real):
    images, shown = shapes(48, 1, noise=8.0)
    asked = np.where(np.arange(48) < 24, shown, 1 - shown)
    assert kept(name, judge, real, images, asked).tolist() == list(range(24))


@pytest.mark.parametrize("name", FILTERS)
def test_images_of_noise_are_dropped(name, judge, real):
    images, _ = shapes(48, 1, noise=8.0)
    bars = images[::2]
    bars[12:] = np.random.default_rng(2).integers(0, 256, (12, 16, 16, 1))
    assert kept(name, judge, real, bars, np.full(24, BAR)).tolist() == list(range(12))


def test_confidence_is_fooled_by_noise_that_the_detector_takes_for_a_disc_and_nearness_is_not(judge, real):
    images, _ = shapes(48, 1, noise=8.0)
    discs = images[1::2]
    discs[12:] = np.random.default_rng(2).integers(0, 256, (12, 16, 16, 1))
    assert kept("confidence", judge, real, discs, np.full(24, DISC)).tolist() == list(range(12, 24))
    assert kept("nearest", judge, real, discs, np.full(24, DISC)).tolist() == list(range(12))


def test_nearness_is_fooled_by_a_class_beside_a_wide_one_and_confidence_is_not():
    """Images of two pixels, which a detector sees as they are. Only the first tells the classes apart, and just so; in
    the second, class 0 is wide and has more images around its middle."""

    def image(*point):
        return np.round((np.array(point) + 1) * 127.5).astype(np.uint8).reshape(1, 1, 2, 1)

    middle = [image(-0.1, y) for y in (-0.1, -0.05, 0, 0.05, 0.1)]
    wide = [image(-0.1, y) for y in (-0.9, -0.5, 0.5, 0.9)]
    other = [image(0.1, 0.0)]
    right_and_rare, wrong = image(-0.2, 0.8), image(0.15, 0.0)
    images = np.concatenate([*middle, *wide, *other, right_and_rare, wrong])
    pool = DeviceDataset(stored(images), torch.tensor([0] * 9 + [1] + [0, 0]), 10)
    judge = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    judge[1].weight.data = torch.tensor([[-20.0, 0.0], [20.0, 0.0]])
    seen = TrainedNetwork(judge, 4, "none")
    sure, near = confidence(seen, pool), nearest(seen, pool)
    # Log odds 8 and -6. The 5th nearest of class 0: (-0.1, 0), after those at 0.9, 0.5, 0.1 and 0.05; and (-0.1, ±0.1).
    np.testing.assert_allclose(sure, [-np.log1p(np.exp(-8)), -np.log1p(np.exp(6))], rtol=0.06)
    np.testing.assert_allclose(near, [-np.hypot(0.1, 0.8), -np.hypot(0.25, 0.1)], rtol=0.02)
    assert sure[0] > sure[1]
    assert near[0] < near[1]


def pool_of(real, asked):
    images, _ = shapes(len(asked), 1, noise=8.0)
    return DeviceDataset(torch.cat([real.stored, stored(images)]), torch.cat([real.labels, torch.tensor(asked)]), 60)


ASKED = Detect(batch=16, keep_fractions=[1.0, 0.5], filters=["confidence", "nearest"])


def test_each_filter_keeps_its_part_and_the_classifier_is_trained_once(tmp_path, judge, real):
    pool, cache, trained = pool_of(real, [0, 1] * 12), StepCache(tmp_path / "state.json", {}), []
    for _ in range(2):  # the second time a killed job goes on
        found = filters.kept(ASKED, pool, lambda: trained.append(1) or judge, cache, notes := [])
    assert list(found) == parts(ASKED) == [(None, 1.0), ("confidence", 0.5), ("nearest", 0.5)]
    assert (len(trained), notes) == (1, [])
    assert found[None, 1.0].tolist() == list(range(60, 84))
    for part in parts(ASKED)[1:]:
        assert np.bincount(pool.labels.numpy()[found[part]]).tolist() == [6, 6]


def test_a_filter_that_empties_a_class_is_left_out_and_said(tmp_path, real):
    pool, cache = pool_of(real, [0, 0, 0, 0, 1]), StepCache(tmp_path / "state.json", {})
    found = filters.kept(ASKED, pool, None, cache, notes := [])
    assert list(found) == [(None, 1.0)]
    assert notes == ["detect.keep_fractions: 0.5 would leave a class without any synthetic image; left out"]
    alone = ASKED.model_copy(update={"keep_fractions": [0.5]})
    found = filters.kept(alone, pool, None, cache, notes := [])
    assert found[None, 1.0].tolist() == list(range(60, 65))
    assert notes[-1] == "detect.keep_fractions: no share leaves images of every class; all synthetic images were taken"
    assert cache.parts == {}, "nothing to order, nothing to order it by"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"keep_fractions": [0.5, 0.25, 1]}, 5),
        ({"keep_fractions": [0.5], "filters": ["nearest", "nearest"]}, 1),
        ({"keep_fractions": [1.0]}, 1),
    ],
)
def test_parts_are_all_images_and_each_filter_with_each_fraction(change, expected):
    found = parts(ASKED.model_copy(update=change))
    assert len(found) == len(set(found)) == expected
