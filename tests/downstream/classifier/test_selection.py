import math
from functools import partial

import numpy as np
import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.classifier import selection as module
from pipeline.downstream.classifier.device_dataset import of_split, training
from pipeline.downstream.classifier.fit import Diet, train
from pipeline.downstream.classifier.selection import choose, trainings
from pipeline.downstream.resumable import Ledger
from pipeline.settings import Detect
from tests.downstream.conftest import shapes

CPU = torch.device("cpu")
PLAIN = Diet(np.arange(0), 0.0)
SPLIT = np.array(["train"] * 40 + ["val"] * 20 + ["test"] * 20)
SETTINGS = Detect(steps=4, batch=8, width=4, ratios=[0.5, 2.0], keep=[1.0, 0.5], pilots=2)


@pytest.fixture
def real(image_set):
    images, labels = shapes(80, 0, noise=8.0)
    return ImageSet.open(image_set("real", images, labels, SPLIT))


@pytest.fixture
def fakes(image_set):
    """12 images of each class, the second half of the set under the wrong name."""
    images, labels = shapes(24, 1, noise=8.0)
    return ImageSet.open(image_set("fakes", images, np.where(np.arange(24) < 12, labels, 1 - labels), ["train"] * 24))


def chosen(tmp_path, real, fakes, settings=SETTINGS, validation="val", seen=True, base=PLAIN, train=train):
    """(choice, pool), by trainings of the settings; `val` images may be there or not."""
    pool = training(real, [fakes], CPU)
    ledger = Ledger(tmp_path / "state.json", {})
    teach = partial(train, settings, real.spec, pool)
    held = of_split(real, validation, CPU) if validation else None
    return choose(settings, pool, held, base, seen, teach, ledger), pool


@pytest.mark.parametrize("sieve", ["confidence", "nearest"])
def test_a_filter_drops_images_that_do_not_show_the_class_they_were_asked_for(tmp_path, real, fakes, sieve):
    more = {"steps": 60, "batch": 16, "learning_rate": 5e-3, "keep": [0.5], "filters": [sieve], "pilots": 1}
    choice, pool = chosen(tmp_path, real, fakes, SETTINGS.model_copy(update=more))
    kept = choice.diet.extra - pool.n_real
    assert choice.filter == sieve
    assert len(kept) == 12
    assert np.mean(kept < 12) > 0.9
    assert np.bincount(pool.labels.numpy()[choice.diet.extra]).tolist() == [6, 6]


def test_the_candidate_with_the_best_pilots_is_taken_and_all_are_recorded(tmp_path, real, fakes, monkeypatch):
    scores = iter([0.5, 0.5, 0.9, 0.4, 0.6, 0.7, 0.1, 0.95, 0.6, 0.8, 0.2, 0.2])
    monkeypatch.setattr(module, "on_validation", lambda *_: {"macro_f1": next(scores), "loss": 1.0})
    choice, _ = chosen(tmp_path, real, fakes)
    assert [(c["ratio"], c["filter"], c["keep"], c["n_synthetic"]) for c in choice.candidates] == [
        (0.5, None, 1.0, 24),
        (2.0, None, 1.0, 24),
        (0.5, "confidence", 0.5, 12),
        (2.0, "confidence", 0.5, 12),
        (0.5, "nearest", 0.5, 12),
        (2.0, "nearest", 0.5, 12),
    ]
    assert [[p["macro_f1"] for p in c["validation"]] for c in choice.candidates] == [
        [0.5, 0.5],
        [0.9, 0.4],
        [0.6, 0.7],
        [0.1, 0.95],
        [0.6, 0.8],
        [0.2, 0.2],
    ]
    assert (choice.diet.ratio, choice.filter, choice.keep, len(choice.diet.extra)) == (0.5, "nearest", 0.5, 12)
    assert choice.validation == choice.candidates[4]["validation"]
    assert choice.notes == []


def test_synthetic_images_only_have_no_ratio_to_choose(tmp_path, real, fakes):
    choice, _ = chosen(tmp_path, real, fakes, seen=False)
    assert math.isinf(choice.diet.ratio)
    assert [(c["ratio"], c["filter"], c["keep"]) for c in choice.candidates] == [
        (None, None, 1.0),
        (None, "confidence", 0.5),
        (None, "nearest", 0.5),
    ]


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # With 2 ratios (where real images are seen) and 2 pilots of each candidate; and one detector for all filters.
        ({}, {True: 2 * 3 * 2 + 1, False: 3 * 2 + 1}),
        ({"keep": [0.5, 0.25, 1, 1.0]}, {True: 2 * 5 * 2 + 1, False: 5 * 2 + 1}),
        ({"keep": [0.5], "filters": ["nearest", "nearest"]}, {True: 2 * 2 + 1, False: 1}),
        ({"keep": [1.0]}, {True: 2 * 2, False: 0}),
        ({"keep": [1.0], "ratios": [1.0]}, {True: 0, False: 0}),
    ],
)
def test_as_many_trainings_as_are_announced(tmp_path, real, fakes, seen, change, expected):
    settings, taught = SETTINGS.model_copy(update=change | {"steps": 1}), []
    chosen(tmp_path, real, fakes, settings, seen=seen, train=lambda *args: taught.append(1) or train(*args))
    assert len(taught) == expected[seen] == trainings(settings, True, seen)


def test_without_validation_images_it_is_the_first_ratio_and_no_filter(tmp_path, real, fakes):
    choice, _ = chosen(tmp_path, real, fakes, validation=None)
    assert (choice.diet.ratio, choice.filter, choice.keep, len(choice.diet.extra)) == (0.5, None, 1.0, 24)
    assert choice.candidates == []
    assert "no validation images to choose by" in choice.notes[0]
    assert not (tmp_path / "state.json").exists()  # and nothing was trained for it


def test_a_single_candidate_needs_no_pilot(tmp_path, real, fakes):
    settings = SETTINGS.model_copy(update={"ratios": [2.0], "keep": [1.0]})
    choice, _ = chosen(tmp_path, real, fakes, settings)
    assert (choice.diet.ratio, choice.keep, choice.validation) == (2.0, 1.0, None)
    assert not (tmp_path / "state.json").exists()


def test_a_filter_that_empties_a_class_is_left_out_and_said(tmp_path, real, image_set):
    images, _ = shapes(5, 1)
    few = ImageSet.open(image_set("few", images, [0, 0, 0, 0, 1], ["train"] * 5))
    choice, _ = chosen(tmp_path, real, few)
    assert {(c["filter"], c["keep"]) for c in choice.candidates} == {(None, 1.0)}
    assert choice.notes == ["detect.keep: 0.5 would leave a class without any synthetic image; left out"]
    none, pool = chosen(tmp_path, real, few, SETTINGS.model_copy(update={"keep": [0.5], "ratios": [1.0]}))
    assert none.diet.extra.tolist() == list(range(pool.n_real, pool.n_real + 5))
    assert none.notes[-1] == "detect.keep: no share leaves images of every class; all synthetic images were taken"
    assert (none.filter, none.keep) == (None, 1.0)
    parts = Ledger(tmp_path / "state.json", {}).parts
    assert parts  # pilots of the first choice
    assert "filter" not in parts  # nothing to order, nothing to order it by


def test_filter_and_pilots_keep_the_augmentation_and_sampling_of_the_base(tmp_path, real, fakes):
    base = Diet(np.arange(0), 0.0, augmented=True, balanced=True)
    choice, _ = chosen(tmp_path, real, fakes, base=base)
    assert (choice.diet.augmented, choice.diet.balanced) == (True, True)
