"""The logistic head against scikit-learn's, and on photographs of steel."""

import csv

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from pipeline.base.imagenet import BLOCKS, pooled
from pipeline.base.logistic import PENALTIES, Head, balanced, chosen, fit
from pipeline.metrics.distances import block_scale


def clouds(n, d, seed, classes=3):
    """Features (n, d) of classes that overlap, and labels of which the first class has half."""
    rng = np.random.default_rng(seed)
    labels = np.minimum(rng.integers(0, 2 * classes - 2, n), classes - 1)
    x = rng.standard_normal((n, d))
    x[np.arange(n), labels] += 1.5
    return x, labels


@pytest.mark.parametrize(("n", "d"), [(80, 5), (25, 60)], ids=["more images", "more features"])
@pytest.mark.parametrize("balance", [False, True])
def test_it_is_scikit_learns(n, d, balance):
    x, labels = clouds(n, d, 0)
    found = fit(x, labels, 3, 0.02, balanced(labels, 3) if balance else None)
    weight = "balanced" if balance else None
    theirs = LogisticRegression(C=1 / (0.02 * n), class_weight=weight, tol=1e-10, max_iter=10_000).fit(x, labels)
    new = clouds(40, d, 1)[0]
    assert found.log_probabilities(new) == pytest.approx(theirs.predict_log_proba(new), abs=1e-4)


def test_an_image_of_weight_two_is_the_same_image_twice():
    x, labels = clouds(30, 4, 0)
    twice = np.arange(30) < 10
    again = fit(np.concatenate([x, x[twice]]), np.concatenate([labels, labels[twice]]), 3, 0.1)
    weighted = fit(x, labels, 3, 0.1, (1.0 + twice) * 30 / 40)
    assert weighted.weights == pytest.approx(again.weights, abs=1e-6)
    assert weighted.bias == pytest.approx(again.bias, abs=1e-6)


def test_balanced_classes_count_the_same_and_one_without_images_nothing():
    labels = np.array([0, 0, 0, 2])
    assert balanced(labels, 4) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    x = np.array([[0.0], [0.1], [0.2], [1.0]])
    said = fit(x, labels, 4, 0.1).log_probabilities(x)
    assert np.exp(said[:, [1, 3]]).max() < 1e-4


def test_the_penalty_is_the_best_on_validation_images():
    x, labels = clouds(60, 20, 0)
    seen, truth = clouds(500, 20, 1)

    def loss(head):
        return -head.log_probabilities(seen)[np.arange(500), truth].mean()

    head, penalty = chosen(x, labels, 3, (seen, truth), balance=False)
    losses = [loss(fit(x, labels, 3, p)) for p in PENALTIES]
    assert penalty == PENALTIES[int(np.argmin(losses))]
    assert penalty not in (PENALTIES[0], PENALTIES[-1])
    assert loss(head) == pytest.approx(min(losses), abs=1e-6)


def test_without_use_in_the_features_the_strongest_penalty_is_chosen():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    x, seen = rng.standard_normal((2, 60, 20))
    head, penalty = chosen(x, labels, 3, (seen, labels))
    assert penalty == PENALTIES[0]
    assert np.exp(head.log_probabilities(seen)) == pytest.approx(np.full((60, 3), 1 / 3), abs=0.05)


def test_equal_features_say_how_often_each_class_is():
    head = fit(np.zeros((4, 3)), np.array([0, 0, 0, 1]), 2, 1.0)
    assert isinstance(head, Head)
    assert np.exp(head.log_probabilities(np.zeros((1, 3)))) == pytest.approx(np.array([[0.75, 0.25]]), abs=1e-6)


def steel(folder):
    """40 photographs of each class at 64 pixels, and their labels."""
    with open(folder / "splits" / "train.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["class"] for row in rows})
    rows = [row for name in names for row in [r for r in rows if r["class"] == name][:200:5]]
    images = []
    for row in rows:
        with Image.open(folder / "IMAGES" / row["file"]) as picture:
            images.append(np.asarray(picture.convert("L").resize((64, 64), Image.Resampling.BOX))[..., None])
    return np.stack(images), np.array([names.index(row["class"]) for row in rows])


def test_ten_photographs_a_class_are_enough_to_name_steel(shared_data):
    images, labels = steel(shared_data("neu_det"))
    order = np.concatenate([np.random.default_rng(k).permutation(40) for k in range(6)])
    train, choose, judged = order < 10, (order >= 10) & (order < 15), order >= 15
    x = pooled(images, "steel")
    centre, scale = block_scale(x[train], BLOCKS)
    x = (x - centre) / scale / np.sqrt(np.repeat(BLOCKS, BLOCKS) / 100)
    head, _ = chosen(x[train], labels[train], 6, (x[choose], labels[choose]))
    right = head.log_probabilities(x[judged]).argmax(1) == labels[judged]
    assert right.mean() > 0.92
