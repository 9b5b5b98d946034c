"""The frozen backbone: it sees what the network sees, its head learns what scikit-learn's does, and chance is drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from pipeline.base import imagenet
from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import Arm
from pipeline.downstream.classifier import frozen
from pipeline.downstream.classifier.frozen import PENALTY, FeatureSet, Frozen, Views
from pipeline.downstream.registry import TASKS
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import Detect, ImageSpec
from tests.downstream.cases import WITH, X, run, shapes

CPU = torch.device("cpu")
SETTINGS = Detect(repetitions=10, ratios=[1.0], filters=["nearest"], selection_runs=1)
NONE = np.arange(0)


def made_up(n=40, n_real=20, d=6, classes=3, views=1, augmented=4, seed=0):
    """Features of `n` images, those of a class about a point of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    middle = rng.normal(size=(classes, d))[labels][:, None]
    turned, other = (middle + rng.normal(size=(n, v, d)) for v in (views, augmented))
    return FeatureSet(Views(turned.astype(np.float32), other.astype(np.float32)), torch.from_numpy(labels), n_real)


def fitted(pool, mix, seed=0, classes=3):
    spec = ImageSpec(8, 8, 1, tuple("abcdefgh"[:classes]))
    return Frozen().train(SETTINGS, spec, pool, mix, seed, lambda steps: None)


def test_features_are_those_of_a_forward_pass_of_each_turned_image(image_set):
    images, labels = shapes(6, 0)
    path = image_set("real", images, labels, ["train"] * 6, symmetry="horizontal")
    seen = Frozen().of_split(ImageSet.open(path), "train", CPU).views.turned
    network = imagenet.EfficientNetLite0(imagenet.load(), 1)
    for view, shown in enumerate((images, images[:, :, ::-1])):
        unit = torch.from_numpy(shown.copy()).permute(0, 3, 1, 2) * (2 / 255) - 1
        maps = network.maps(functional.interpolate(unit, (64, 64), mode="bilinear"))
        means = torch.cat([maps[s].mean((2, 3)) for s in (4, 8, 16, 32)], 1)
        spreads = torch.cat([maps[s].flatten(2).std(2) for s in (4, 8, 16, 32)], 1)
        expected = torch.cat([means, spreads], 1).numpy()
        np.testing.assert_allclose(seen[:, view], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_is_scikit_learn_s_logistic_regression_of_standardised_features(classes):
    pool = made_up(n=30, n_real=30, classes=classes)
    head = fitted(pool, TrainingMix(NONE, 0.0), classes=classes)
    x, y = pool.views.turned[:, 0].astype(float), pool.labels.numpy()
    unit = (x - x.mean(0)) / x.std(0)
    expected = LogisticRegression(C=PENALTY, max_iter=1000).fit(unit, y).predict_log_proba(unit)
    np.testing.assert_allclose(head.log_probabilities(pool), expected, atol=1e-4)
    np.testing.assert_allclose(head.features(pool), unit, atol=1e-5)


def test_answers_are_the_mean_over_the_ways_an_image_may_be_turned():
    pool = made_up(n=30, n_real=30, views=2)
    head = fitted(pool, TrainingMix(NONE, 0.0))
    each = [head.log_probabilities(replace(pool, views=Views(pool.views.turned[:, [v]], None))) for v in range(2)]
    mean = np.mean(each, axis=0)
    np.testing.assert_allclose(head.log_probabilities(pool), mean - np.log(np.exp(mean).sum(1, keepdims=True)))
    assert head.log_probabilities(pool, np.array([4, 2])) == pytest.approx(head.log_probabilities(pool)[[4, 2]])


def test_added_images_take_weight_from_the_real_ones_and_never_add_any(monkeypatch):
    seen = {}
    monkeypatch.setattr(frozen, "_fit", lambda *args: seen.update(labels=args[1], weights=args[2]))
    pool = made_up()
    extra = np.arange(20, 40)
    for ratio, real, added in ((0.5, 20 / 1.5, 10 / 1.5), (2.0, 20 / 3, 40 / 3), (np.inf, 0, 20)):
        fitted(pool, TrainingMix(extra, ratio))
        n = 0 if np.isinf(ratio) else 20
        assert [seen["weights"][:n].sum(), seen["weights"][n:].sum()] == pytest.approx([real, added])
        assert len(seen["weights"]) - n == 4 + 4 + 3  # half of 6, 7 and 7 of a class, rounded up
    few = FeatureSet(pool.views, torch.tensor([0] * 14 + [1] * 4 + [2] * 22), 20)
    fitted(few, TrainingMix(NONE, 0.0, balanced=True))
    each = [seen["weights"][seen["labels"] == k].sum() for k in range(3)]
    assert each == pytest.approx([20 / 3] * 3)


def test_what_is_drawn_differs_between_repetitions_and_the_rest_cannot():
    pool, backbone = made_up(), Frozen()
    for mix, varies in (
        (TrainingMix(NONE, 0.0), False),
        (TrainingMix(NONE, 0.0, balanced=True), False),
        (TrainingMix(NONE, 0.0, augmented=True), True),
        (TrainingMix(np.arange(20, 40), 1.0), True),
        (TrainingMix(np.arange(20, 22), 1.0), False),  # one image of a class is all there is
    ):
        one, other, again = (fitted(pool, mix, seed).weights for seed in (0, 1, 0))
        assert backbone.varies(pool, mix) == varies
        assert np.array_equal(one, other) != varies
        np.testing.assert_array_equal(one, again)


def test_a_class_that_was_never_shown_is_never_named():
    pool = made_up(n=30, n_real=30, classes=2)
    head = fitted(pool, TrainingMix(NONE, 0.0), classes=3)
    assert head.log_probabilities(pool)[:, 2].max() < -20
    alone = fitted(replace(pool, labels=torch.ones(30, dtype=torch.int64)), TrainingMix(NONE, 0.0), classes=3)
    assert set(alone.log_probabilities(pool).argmax(1)) == {1}


@pytest.fixture
def sets(image_set):
    """24 real images to train and choose by and 24 to judge, beside 24 drawn ones."""
    images, labels = shapes(48, 0)
    split = np.repeat(["train", "val", "test"], [12, 12, 24])
    made, asked = shapes(24, 1)
    return (
        image_set("real", images, labels, split, symmetry="both"),
        image_set("made", made, asked, ["train"] * 24),
        images,
    )


def test_an_arm_without_chance_has_one_repetition_and_any_other_ten_that_do_not_agree(tmp_path, sets):
    real, made, _ = sets
    plain = run(tmp_path, TASKS["classification"].load(), SETTINGS, real)
    assert (len(plain.repetitions), plain.spread["macro_f1"], plain.steps) == (1, 0.0, 1)
    for arm, added in ((Arm(augmented=True), {}), (WITH, {X: made})):
        result = run(tmp_path, TASKS["classification"].load(), SETTINGS, real, added, arm)
        assert len(result.repetitions) == 10
        assert len({str(one.log_odds) for one in result.repetitions}) > 1
    assert plain.mean["accuracy"] > 0.8


def test_test_images_change_nothing_that_is_learnt_or_chosen(tmp_path, sets, image_set):
    real, made, images = sets
    other = images.copy()
    other[24:] = 255 - other[24:]
    labels, split = np.arange(48) % 2, np.repeat(["train", "val", "test"], [12, 12, 24])
    changed = image_set("changed", other, labels, split, symmetry="both")
    one, two = (run(tmp_path, TASKS["classification"].load(), SETTINGS, of, {X: made}, WITH) for of in (real, changed))
    assert one.chosen == two.chosen
    assert [r.at_threshold.log_odds for r in one.repetitions] == [r.at_threshold.log_odds for r in two.repetitions]
    assert one.repetitions[0].log_odds != two.repetitions[0].log_odds


def test_many_images_get_fewer_views_each(monkeypatch, image_set):
    images, labels = shapes(6, 0)
    real = ImageSet.open(image_set("real", images, labels, ["train"] * 4 + ["test"] * 2, symmetry="dihedral"))
    monkeypatch.setattr(frozen, "LOOKS", 12)
    views = Frozen().training(real, [], CPU).views
    assert (views.turned.shape[:2], views.augmented.shape[:2]) == ((4, 3), (4, 3))
    judged = Frozen().of_split(real, "test", CPU).views
    assert (judged.turned.shape[1], judged.augmented.shape[1]) == (8, 0)
