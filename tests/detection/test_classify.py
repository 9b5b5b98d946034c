import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from pipeline.data.imageset import ImageSet
from pipeline.detection import classify, learn
from pipeline.detection.classify import run_arm
from pipeline.settings import Detect, UserError
from tests.detection.conftest import shapes

TINY = Detect(seeds=2, steps=6, batch=8, width=4)
TIMES = ("seconds",)


@pytest.fixture
def real(image_set):
    images, labels = shapes(60, 0)
    split = np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24)
    return image_set("real", images, labels, split, symmetry="both")


@pytest.fixture
def fakes(image_set):
    images, labels = shapes(24, 1)
    return image_set("fakes", images, labels, ["train"] * 24)


def arm(tmp_path, real, synthetic=(), name="real", settings=TINY, journal=None):
    out, state = tmp_path / f"{name}.json", tmp_path / "state" / f"{name}.json"
    run_arm(settings, real, list(synthetic), name, out, state, "plates", journal)
    assert not state.exists()
    return json.loads(out.read_text(encoding="utf-8"))


def timeless(result):
    return result | {"seeds": [{k: v for k, v in seed.items() if k not in TIMES} for seed in result["seeds"]]}


class Spy:
    """Stands in for a set's images and notes which rows were read."""

    def __init__(self, images):
        self.images, self.rows = images, []

    shape = property(lambda self: self.images.shape)
    dtype = property(lambda self: self.images.dtype)

    def __getitem__(self, rows):
        self.rows.append(np.asarray(rows).tolist())
        return self.images[rows]


def test_the_file_says_what_was_done_and_its_scores_are_those_of_scikit_learn(tmp_path, real, fakes):
    result = arm(tmp_path, real, [fakes, fakes], "real+all")
    expected = {"version": 1, "task": "classification", "dataset": "plates", "arm": "real+all", "steps": 6}
    assert expected.items() <= result.items()
    assert [result[k] for k in ("n_real", "n_synthetic", "n_test")] == [24, 48, 24]
    assert result["settings"] == TINY.model_dump()
    assert result["classes"] == ["bar", "disc"]
    assert result["truth"] == [0, 1] * 12
    assert result["groups"] == [f"real_{i:06d}" for i in range(36, 60)]
    assert [seed["seed"] for seed in result["seeds"]] == [0, 1]
    for seed in result["seeds"]:
        truth, predicted = result["truth"], seed["predicted"]
        assert seed["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
        assert seed["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
        assert seed["confusion"] == confusion_matrix(truth, predicted, labels=[0, 1]).tolist()
        assert seed["seconds"] > 0


def test_the_same_arm_twice_is_the_same(tmp_path, real, fakes):
    assert timeless(arm(tmp_path, real)) == timeless(arm(tmp_path, real))
    assert timeless(arm(tmp_path, real, [fakes], "x")) == timeless(arm(tmp_path, real, [fakes], "x"))


def test_initial_weights_are_those_of_the_seed_in_every_arm(tmp_path, real, fakes, monkeypatch):
    drawn = {}
    original = learn._initial

    def spy(spec, width, seed):
        network = original(spec, width, seed)
        drawn.setdefault(seed, []).append([p.detach().clone() for p in network.parameters()])
        return network

    monkeypatch.setattr(learn, "_initial", spy)
    before = torch.random.get_rng_state()
    arm(tmp_path, real)
    arm(tmp_path, real, [fakes], "real+x")
    assert torch.equal(torch.random.get_rng_state(), before)
    for in_real, in_other in drawn.values():
        assert all(torch.equal(a, b) for a, b in zip(in_real, in_other, strict=True))
    assert not torch.equal(drawn[0][0][0], drawn[1][0][0])


def test_training_ends_before_a_test_image_is_looked_at_and_val_images_are_never_read(
    tmp_path, real, fakes, monkeypatch
):
    spies, judged, taught = {}, [], []

    def images(self):
        return spies.setdefault(self.path.name, Spy(np.load(self.path / "images.npy", mmap_mode="r")))

    def look(self, rows, views=None):
        (judged if views is None else taught).append((id(self), rows.tolist()))
        return original(self, rows, views)

    original = classify.Pool.images
    monkeypatch.setattr(ImageSet, "images", property(images))
    monkeypatch.setattr(classify.Pool, "images", look)
    arm(tmp_path, real, [fakes], "real+x")
    assert sorted(spies["real"].rows) == [list(range(24)), list(range(36, 60))]  # train, test; 24 to 35 are val
    assert spies["fakes"].rows == [list(range(24))]
    assert len({pool for pool, _ in taught}) == 1
    assert len({pool for pool, _ in judged}) == 1
    assert {pool for pool, _ in taught} != {pool for pool, _ in judged}
    # Each test image was judged once a repetition: there was nothing to choose by.
    assert np.bincount([row for _, rows in judged for row in rows]).tolist() == [TINY.seeds] * 24


def test_other_val_and_test_images_train_the_same_detectors(tmp_path, image_set, monkeypatch):
    images, labels = shapes(60, 0)
    split = np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24)
    trained = []
    original = classify.train

    def spy(*args):
        trained.append(original(*args))
        return trained[-1]

    monkeypatch.setattr(classify, "train", spy)
    arm(tmp_path, image_set("first", images, labels, split))
    images[24:] = 255 - images[24:]
    arm(tmp_path, image_set("second", images, labels, split))
    for first, second in zip(trained[:2], trained[2:], strict=True):
        pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_killed_job_goes_on_with_the_repetitions_not_done(tmp_path, real, monkeypatch):
    settings = TINY.model_copy(update={"seeds": 3})
    whole = arm(tmp_path, real, settings=settings)
    original, ran = classify.train, []

    def train(settings, spec, pool, seed, tick):
        ran.append(seed)
        if ran == [0, 1]:
            raise KeyboardInterrupt
        return original(settings, spec, pool, seed, tick)

    monkeypatch.setattr(classify, "train", train)
    with pytest.raises(KeyboardInterrupt):
        arm(tmp_path, real, settings=settings)
    assert timeless(arm(tmp_path, real, settings=settings)) == timeless(whole)
    assert ran == [0, 1, 1, 2]


@pytest.mark.parametrize("change", ["settings", "data", "half a file"])
def test_repetitions_of_another_recipe_are_not_taken_over(tmp_path, real, image_set, monkeypatch, change):
    original, ran = classify.train, []

    def train(settings, spec, pool, seed, tick):
        ran.append(seed)
        if ran == [0, 1]:
            raise KeyboardInterrupt
        return original(settings, spec, pool, seed, tick)

    monkeypatch.setattr(classify, "train", train)
    with pytest.raises(KeyboardInterrupt):
        arm(tmp_path, real)
    settings = TINY
    if change == "settings":
        settings = TINY.model_copy(update={"learning_rate": 1e-4})
    elif change == "data":
        images, labels = shapes(60, 7)
        real = image_set("real", images, labels, np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24))
    else:
        state = tmp_path / "state" / "real.json"
        state.write_text(state.read_text()[:-20])
    arm(tmp_path, real, settings=settings)
    assert ran == [0, 1, 0, 1]


def test_the_journal_gets_the_means_and_the_file(tmp_path, real):
    class Journal:
        def final(self, values):
            self.values = values

        def artifact(self, path, dest=""):
            self.path = path

    journal = Journal()
    result = arm(tmp_path, real, journal=journal)
    assert journal.values == {
        "detect/accuracy": np.mean([s["accuracy"] for s in result["seeds"]]),
        "detect/macro_f1": np.mean([s["macro_f1"] for s in result["seeds"]]),
    }
    assert Path(journal.path).name == "real.json"


def test_good_images_help_a_detector_that_has_few_and_mislabelled_ones_hurt_it(tmp_path, image_set):
    images, labels = shapes(108, 3, noise=8.0)
    real = image_set("real", images, labels, np.array(["train"] * 8 + ["test"] * 100))
    more, right = shapes(100, 4, noise=8.0)
    good = image_set("good", more, right, ["train"] * 100)
    bad = image_set("bad", more, 1 - right, ["train"] * 100)
    settings = Detect(seeds=2, steps=60, batch=16, width=4, learning_rate=5e-3)
    alone, helped, hurt = (
        np.mean([s["macro_f1"] for s in arm(tmp_path, real, sets, name, settings)["seeds"]])
        for name, sets in (("real", []), ("real+good", [good]), ("real+bad", [bad]))
    )
    assert helped > alone + 0.1
    assert hurt < alone - 0.3
    assert hurt < 0.2  # worse than chance: it learned what it was told


def refused(tmp_path, real, synthetic=(), settings=TINY):
    with pytest.raises(UserError) as caught:
        arm(tmp_path, real, synthetic, settings=settings)
    assert not (tmp_path / "real.json").exists()
    return str(caught.value)


def test_data_sets_that_allow_no_comparison_are_named(tmp_path, image_set):
    images, labels = shapes(8, 0)
    none = image_set("none", images, labels, ["train"] * 8)
    assert "datasets.plates.split.test: 0 test images" in refused(tmp_path, none)
    untaught = image_set("untaught", images, labels, np.where(labels == 1, "test", "train"))
    assert "datasets.plates: class `disc` has 0 training images" in refused(tmp_path, untaught)
    single = image_set("single", images, labels * 0, ["train", "test"] * 4, classes=("all",))
    assert "datasets.plates.labels: a detector needs two classes, found 1 (all)" in refused(tmp_path, single)


def test_a_class_without_test_images_is_said_and_left_out_of_the_mean(tmp_path, image_set, capfd):
    images, labels = shapes(12, 0)
    unjudged = image_set("unjudged", images, labels, np.where((labels == 0) & (np.arange(12) > 5), "test", "train"))
    seed = arm(tmp_path, unjudged)["seeds"][0]
    assert seed["f1"] == [seed["macro_f1"], None]
    assert "plates: no test images of disc" in capfd.readouterr().err


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
