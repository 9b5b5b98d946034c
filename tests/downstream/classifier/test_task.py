import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score

from pipeline.downstream.arms import Arm
from pipeline.downstream.classifier import scratch
from pipeline.downstream.registry import TASKS
from pipeline.settings import Detect, UserError
from tests.downstream.cases import CASES, REAL, WITH, X, run, shapes

TASK = TASKS["classification"].load()
TINY = CASES[0].settings.model_copy(update={"steps": 6, "batch": 8})
ONLY = Arm((X,), real=False)


@pytest.fixture
def real(image_set):
    images, labels = shapes(60, 0)
    split = np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24)
    return image_set("real", images, labels, split, symmetry="both")


@pytest.fixture
def fakes(image_set):
    images, labels = shapes(24, 1)
    return image_set("fakes", images, labels, ["train"] * 24)


def arm(tmp_path, real, synthetic=(), arm=None, settings=TINY):
    arm = arm or (WITH if synthetic else REAL)
    return run(tmp_path, TASK, settings, real, dict(zip(arm.synthetic, synthetic, strict=True)), arm)


def test_scores_are_those_of_scikit_learn(tmp_path, real):
    result = arm(tmp_path, real)
    assert (result.classes, result.truth) == (["bar", "disc"], [0, 1] * 12)
    assert result.groups == [f"real_{i:06d}" for i in range(36, 60)]
    for one in result.repetitions:
        check_scores(result.truth, one)
        odds = np.array(one.log_odds)
        assert one.auroc == pytest.approx(roc_auc_score(result.truth, odds))
        assert one.predicted == (odds > 0).astype(int).tolist()
        at = one.at_threshold
        check_scores(result.truth, at)
        assert at.predicted == (odds >= at.log_odds).astype(int).tolist()
        assert one.seconds > 0


def check_scores(truth, scores):
    predicted = scores.predicted
    assert scores.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert scores.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    assert scores.f1 == pytest.approx(f1_score(truth, predicted, average=None, zero_division=0))
    assert scores.confusion == confusion_matrix(truth, predicted, labels=[0, 1]).tolist()


def test_of_more_than_two_classes_there_is_no_threshold(tmp_path, image_set):
    images, _ = shapes(30, 0)
    three = image_set("three", images, np.arange(30) % 3, ["train"] * 15 + ["test"] * 15, ("a", "b", "c"))
    result = arm(tmp_path, three)
    (first, _) = result.repetitions
    assert (first.auroc, first.log_odds, first.at_threshold) == (None, None, None)
    assert set(result.mean) == {"macro_f1", "accuracy"}


@pytest.mark.usefixtures("shallow")
def test_detectors_of_synthetic_images_only_never_see_a_real_one(tmp_path, real, fakes, image_set):
    result = arm(tmp_path, real, [fakes], ONLY)
    assert (result.n_real, result.chosen.ratio) == (0, None)
    # The same with other real training images: they matter to the filter alone, which is off here.
    settings = TINY.model_copy(update={"keep_fractions": [1.0]})
    images, labels = shapes(60, 0)
    images[:24] = 255 - images[:24]
    other = image_set("other", images, labels, np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24), symmetry="both")
    results = [arm(tmp_path, r, [fakes], ONLY, settings) for r in (real, other)]
    assert results[0].repetitions[0].log_odds == results[1].repetitions[0].log_odds


@pytest.mark.usefixtures("shallow")
def test_initial_weights_are_those_of_the_seed_in_every_arm(tmp_path, real, fakes, monkeypatch):
    drawn = {}
    original = scratch.Scratch.initial

    def spy(self, *of):
        network, seed = original(self, *of), of[-1]
        drawn.setdefault(seed, []).append([p.detach().clone() for p in network.parameters()])
        return network

    monkeypatch.setattr(scratch.Scratch, "initial", spy)
    before = torch.random.get_rng_state()
    arm(tmp_path, real)
    arm(tmp_path, real, [fakes])
    assert torch.equal(torch.random.get_rng_state(), before)
    for in_real, in_other in (drawn[0], drawn[1]):
        assert all(torch.equal(a, b) for a, b in zip(in_real, in_other, strict=True))
    assert not torch.equal(drawn[0][0][0], drawn[1][0][0])


@pytest.mark.usefixtures("shallow")
def test_colour_images_of_sixteen_bits_go_all_the_way(tmp_path, image_set):
    """The classes differ in the third channel alone, below and above half of the range, where signed integers end."""
    labels = np.arange(60) % 2
    images = np.random.default_rng(0).integers(28000, 37000, (60, 16, 16, 3)).astype(np.uint16)
    images[..., 2] = np.where(labels, 60000, 5000)[:, None, None]
    path = image_set("deep", images, labels, np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24))
    made = image_set("made", images[:24], labels[:24], ["train"] * 24)
    settings = TINY.model_copy(update={"steps": 30, "learning_rate": 5e-3, "ratios": [1.0]})
    result = arm(tmp_path, path, [made], settings=settings)
    assert len(result.chosen.candidates) == 4 + 2
    assert min(one.accuracy for one in result.repetitions) > 0.9


def test_good_images_help_a_detector_that_has_few_and_mislabelled_ones_hurt_it(tmp_path, image_set):
    images, labels = shapes(108, 3, noise=8.0)
    real = image_set("real", images, labels, np.array(["train"] * 8 + ["test"] * 100))
    more, right = shapes(100, 4, noise=8.0)
    good = image_set("good", more, right, ["train"] * 100)
    bad = image_set("bad", more, 1 - right, ["train"] * 100)
    settings = Detect(backbone="scratch", repetitions=2, steps=60, batch=16, width=4, learning_rate=5e-3, ratios=[12.0])
    alone, helped, hurt = (
        arm(tmp_path, real, sets, settings=settings).mean["macro_f1"] for sets in ([], [good], [bad])
    )
    assert helped > alone + 0.1
    assert hurt < alone - 0.3
    assert hurt < 0.2  # worse than chance: it learned what it was told


def refused(tmp_path, real, synthetic=(), settings=TINY):
    with pytest.raises(UserError) as caught:
        arm(tmp_path, real, synthetic, settings=settings)
    assert not (tmp_path / "real.json").exists()
    assert not (tmp_path / "real+x.json").exists()
    return str(caught.value)


def test_data_sets_that_allow_no_comparison_are_named(tmp_path, image_set):
    images, labels = shapes(8, 0)
    none = image_set("none", images, labels, ["train"] * 8)
    assert "datasets.plates.split.test: 0 test images" in refused(tmp_path, none)
    untaught = image_set("untaught", images, labels, np.where(labels == 1, "test", "train"))
    assert "datasets.plates: class `disc` has 0 training images" in refused(tmp_path, untaught)
    wide = image_set("wide", images[:, :12], labels, ["train", "train", "test", "test"] * 2, symmetry="dihedral")
    expected = "datasets.plates.symmetry: `dihedral` needs square images, these are 12x16"
    assert expected in refused(tmp_path, wide)
    single = image_set("single", images, labels * 0, ["train", "test"] * 4, classes=("all",))
    assert "datasets.plates.labels: a detector needs two classes, found 1 (all); `detect: off` trains" in refused(
        tmp_path, single
    )


def test_a_class_without_test_images_is_said_and_left_out_of_the_mean(tmp_path, image_set, capfd):
    images, labels = shapes(12, 0)
    unjudged = image_set("unjudged", images, labels, np.where((labels == 0) & (np.arange(12) > 5), "test", "train"))
    one = arm(tmp_path, unjudged).repetitions[0]
    assert one.f1 == [one.macro_f1, None]
    assert "plates, real: no test images of disc" in capfd.readouterr().err


@pytest.mark.usefixtures("shallow")
def test_a_class_that_synthetic_images_lack_is_said(tmp_path, real, image_set, capfd):
    images, _ = shapes(6, 1)
    bars = image_set("bars", images, [0] * 6, ["train"] * 6, classes=("bar",))
    result = arm(tmp_path, real, [bars], ONLY)
    assert result.chosen.notes == ["no synthetic images of disc: it cannot be found"]
    assert "plates, x-only: no synthetic images of disc" in capfd.readouterr().err
    assert arm(tmp_path, real, [bars]).chosen.notes == []


def test_unsuitable_synthetic_sets_are_named(tmp_path, real, image_set):
    def message(name, images, labels, split="train", **more):
        path = image_set(name, images, labels, [split] * len(images), **more)
        text = refused(tmp_path, real, [path])
        assert text.startswith(f"{path}: ")
        return text

    images, labels = shapes(4, 0)
    assert "height × width is (32, 32), the real images" in message("large", *shapes(4, 0, size=32))
    assert "channels is 3" in message("colour", images.repeat(3, -1), labels)
    assert "stored type is uint16" in message("deep", images.astype(np.uint16), labels)
    assert "class `ring` is none of the real ones (bar, disc)" in message(
        "ring", images, labels, classes=("bar", "ring")
    )
    assert "0 synthetic images" in message("empty", images, labels, split="test")


def test_a_training_that_diverges_stops_and_names_the_setting(tmp_path, real):
    wild = TINY.model_copy(update={"learning_rate": 1e30})
    assert refused(tmp_path, real, settings=wild).startswith("detect.learning_rate: 1e+30, the loss was not finite")
