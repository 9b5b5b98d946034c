import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score

from pipeline.downstream.arms import PLAIN, Arm
from pipeline.downstream.classifier import fit, run
from pipeline.downstream.classifier.run import run_arm
from pipeline.settings import Detect, UserError
from tests.downstream.conftest import shapes

TINY = Detect(seeds=2, steps=6, batch=8, width=4, ratios=[0.5, 1.0], keep=[1.0, 0.5], pilots=1)
WITH = Arm("real+x", ["x"])
ONLY = Arm("x-only", ["x"], real=False)


@pytest.fixture
def real(image_set):
    images, labels = shapes(60, 0)
    split = np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24)
    return image_set("real", images, labels, split, symmetry="both")


@pytest.fixture
def fakes(image_set):
    images, labels = shapes(24, 1)
    return image_set("fakes", images, labels, ["train"] * 24)


def plain_files(tmp_path, best="real"):
    """What arms with generators read of the plain ones."""
    files = [tmp_path / "plain" / f"{name}.json" for name in ("real", "augmented", "balanced")]
    files[0].parent.mkdir(exist_ok=True)
    for file in files:
        scores = [{"macro_f1": 0.9 if file.stem == best else 0.5, "loss": 1.0}]
        file.write_text(json.dumps({"arm": file.stem, "validation": scores}))
    return files


def arm(tmp_path, real, synthetic=(), arm=None, settings=TINY, journal=None, best="real"):
    arm = arm or (WITH if synthetic else PLAIN["real"])
    out, state = tmp_path / f"{arm.name}.json", tmp_path / "state" / f"{arm.name}.json"
    run_arm(settings, real, list(synthetic), plain_files(tmp_path, best), arm, out, state, "plates", journal)
    assert not state.exists()
    return json.loads(out.read_text(encoding="utf-8"))


def timeless(result):
    return result | {"seeds": [{k: v for k, v in seed.items() if k != "seconds"} for seed in result["seeds"]]}


def test_the_file_says_what_was_done_and_its_scores_are_those_of_scikit_learn(tmp_path, real, fakes):
    result = arm(tmp_path, real, [fakes, fakes], Arm("real+all", ["x", "y"]))
    expected = {"version": 3, "task": "classification", "dataset": "plates", "arm": "real+all", "steps": 6}
    assert expected.items() <= result.items()
    assert [result[k] for k in ("generative", "basis", "augmented", "balanced")] == [True, "real", False, False]
    assert [result[k] for k in ("n_real", "n_test")] == [24, 24]
    assert result["n_synthetic"] == {1.0: 48, 0.5: 24}[result["keep"]]
    assert (result["filter"] is None) == (result["keep"] == 1)
    assert result["settings"] == TINY.model_dump()
    assert result["classes"] == ["bar", "disc"]
    assert result["truth"] == [0, 1] * 12
    assert result["groups"] == [f"real_{i:06d}" for i in range(36, 60)]
    assert [seed["seed"] for seed in result["seeds"]] == [0, 1]
    for seed in result["seeds"]:
        check_scores(result["truth"], seed)
        odds = np.array(seed["log_odds"])
        assert seed["auroc"] == pytest.approx(roc_auc_score(result["truth"], odds))
        assert seed["predicted"] == (odds > 0).astype(int).tolist()
        at = seed["at_threshold"]
        check_scores(result["truth"], at)
        assert at["predicted"] == (odds >= at["log_odds"]).astype(int).tolist()
        assert seed["seconds"] > 0


def check_scores(truth, scores):
    predicted = scores["predicted"]
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    assert scores["f1"] == pytest.approx(f1_score(truth, predicted, average=None, zero_division=0))
    assert scores["confusion"] == confusion_matrix(truth, predicted, labels=[0, 1]).tolist()


def test_of_more_than_two_classes_there_is_no_threshold(tmp_path, image_set):
    images, _ = shapes(30, 0)
    three = image_set("three", images, np.arange(30) % 3, ["train"] * 15 + ["test"] * 15, ("a", "b", "c"))
    assert not {"auroc", "log_odds", "at_threshold"} & set(arm(tmp_path, three)["seeds"][0])


def test_the_same_arm_twice_is_the_same(tmp_path, real, fakes):
    assert timeless(arm(tmp_path, real)) == timeless(arm(tmp_path, real))
    augmented = [timeless(arm(tmp_path, real, [fakes], best="augmented")) for _ in range(2)]
    assert augmented[0] == augmented[1]


@pytest.mark.parametrize("best", ["real", "augmented", "balanced"])
def test_an_arm_with_generators_takes_over_augmentation_and_sampling_of_the_strongest_plain_arm(
    tmp_path, real, fakes, best, monkeypatch
):
    diets, original = [], run.train

    def spy(settings, spec, pool, diet, seed, tick):
        diets.append((seed, diet))
        return original(settings, spec, pool, diet, seed, tick)

    monkeypatch.setattr(run, "train", spy)
    result = arm(tmp_path, real, [fakes], best=best)
    assert result["basis"] == best
    assert len({seed for seed, _ in diets}) == 4  # two repetitions, one pilot seed for six candidates, the filter
    assert len(diets) == 2 + 6 + 1
    assert all((d.augmented, d.balanced) == (best == "augmented", best == "balanced") for _, d in diets)


def test_plain_arms_differ_in_what_their_names_say(tmp_path, real):
    shown = {name: arm(tmp_path, real, arm=plain) for name, plain in PLAIN.items()}
    assert {name: (r["augmented"], r["balanced"], r["ratio"]) for name, r in shown.items()} == {
        "real": (False, False, None),
        "augmented": (True, False, None),
        "balanced": (False, True, None),
        "augmented+balanced": (True, True, None),
        "duplicates": (False, False, 0.5),
    }
    assert all((r["n_real"], r["n_synthetic"], r["basis"]) == (24, 0, None) for r in shown.values())
    assert all((r["filter"], r["keep"]) == (None, None) for r in shown.values())
    assert all(len(r["validation"]) == TINY.seeds and not r["generative"] for r in shown.values())
    odds = [r["seeds"][0]["log_odds"] for r in shown.values()]
    assert len({tuple(o) for o in odds}) == 5


def test_detectors_of_synthetic_images_only_never_see_a_real_one(tmp_path, real, fakes, image_set):
    result = arm(tmp_path, real, [fakes], ONLY)
    assert (result["n_real"], result["ratio"]) == (0, None)
    # The same with other real training images: they matter to the filter alone, which is off here.
    settings = TINY.model_copy(update={"keep": [1.0]})
    images, labels = shapes(60, 0)
    images[:24] = 255 - images[:24]
    other = image_set("other", images, labels, np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24), symmetry="both")
    first, second = (arm(tmp_path, r, [fakes], ONLY, settings)["seeds"][0]["log_odds"] for r in (real, other))
    assert first == second


def test_initial_weights_are_those_of_the_seed_in_every_arm(tmp_path, real, fakes, monkeypatch):
    drawn = {}
    original = fit._initial

    def spy(spec, width, seed):
        network = original(spec, width, seed)
        drawn.setdefault(seed, []).append([p.detach().clone() for p in network.parameters()])
        return network

    monkeypatch.setattr(fit, "_initial", spy)
    before = torch.random.get_rng_state()
    arm(tmp_path, real)
    arm(tmp_path, real, [fakes])
    assert torch.equal(torch.random.get_rng_state(), before)
    for in_real, in_other in (drawn[0], drawn[1]):
        assert all(torch.equal(a, b) for a, b in zip(in_real, in_other, strict=True))
    assert not torch.equal(drawn[0][0][0], drawn[1][0][0])


def test_a_killed_job_goes_on_with_the_pilots_and_repetitions_not_done(tmp_path, real, fakes, monkeypatch):
    whole = arm(tmp_path, real, [fakes])
    original, ran = run.train, []

    def train(settings, spec, pool, diet, seed, tick):
        ran.append(seed)
        if len(ran) in (3, 10):
            raise KeyboardInterrupt
        return original(settings, spec, pool, diet, seed, tick)

    monkeypatch.setattr(run, "train", train)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            arm(tmp_path, real, [fakes])
    assert timeless(arm(tmp_path, real, [fakes])) == timeless(whole)
    assert ran == [2000, *[1000] * 7, 0, 1, 1]  # six candidates, one pilot each; two were killed


@pytest.mark.parametrize("change", ["settings", "data", "symmetry", "half a file"])
def test_repetitions_of_another_recipe_are_not_taken_over(tmp_path, real, image_set, monkeypatch, change):
    original, ran = run.train, []

    def train(settings, spec, pool, diet, seed, tick):
        ran.append(seed)
        if ran[-2:] == [0, 1] and ran.count(1) == 1:
            raise KeyboardInterrupt
        return original(settings, spec, pool, diet, seed, tick)

    monkeypatch.setattr(run, "train", train)
    with pytest.raises(KeyboardInterrupt):
        arm(tmp_path, real)
    settings = TINY
    if change == "settings":
        settings = TINY.model_copy(update={"learning_rate": 1e-4})
    elif change == "data":
        images, labels = shapes(60, 7)
        real = image_set("real", images, labels, np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24))
    elif change == "symmetry":
        meta = real / "meta.json"
        meta.write_text(meta.read_text().replace('"both"', '"none"'))
    else:
        state = tmp_path / "state" / "real.json"
        state.write_text(state.read_text()[:-20])
    arm(tmp_path, real, settings=settings)
    assert ran == [1000, 1001, 0, 1, 1000, 1001, 0, 1]


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


def test_what_is_done_outlives_a_job_that_fails_after_its_last_training(tmp_path, real, monkeypatch):
    class Full:
        def final(self, values):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        arm(tmp_path, real, journal=Full())
    monkeypatch.setattr(run, "train", None)  # nothing is trained again
    assert len(arm(tmp_path, real)["seeds"]) == 2


def test_colour_images_of_sixteen_bits_go_all_the_way(tmp_path, image_set):
    """The classes differ in the third channel alone, below and above half of the range, where signed integers end."""
    labels = np.arange(60) % 2
    images = np.random.default_rng(0).integers(28000, 37000, (60, 16, 16, 3)).astype(np.uint16)
    images[..., 2] = np.where(labels, 60000, 5000)[:, None, None]
    path = image_set("deep", images, labels, np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24))
    made = image_set("made", images[:24], labels[:24], ["train"] * 24)
    settings = TINY.model_copy(update={"steps": 30, "learning_rate": 5e-3, "ratios": [1.0]})
    result = arm(tmp_path, path, [made], settings=settings, best="augmented")
    assert (result["augmented"], len(result["candidates"])) == (True, 3)
    assert min(seed["accuracy"] for seed in result["seeds"]) > 0.9


def test_good_images_help_a_detector_that_has_few_and_mislabelled_ones_hurt_it(tmp_path, image_set):
    images, labels = shapes(108, 3, noise=8.0)
    real = image_set("real", images, labels, np.array(["train"] * 8 + ["test"] * 100))
    more, right = shapes(100, 4, noise=8.0)
    good = image_set("good", more, right, ["train"] * 100)
    bad = image_set("bad", more, 1 - right, ["train"] * 100)
    settings = Detect(seeds=2, steps=60, batch=16, width=4, learning_rate=5e-3, ratios=[12.0])
    alone, helped, hurt = (
        np.mean([s["macro_f1"] for s in arm(tmp_path, real, sets, settings=settings)["seeds"]])
        for sets in ([], [good], [bad])
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
    assert "datasets.plates.labels: a detector needs two classes, found 1 (all)" in refused(tmp_path, single)


def test_a_class_without_test_images_is_said_and_left_out_of_the_mean(tmp_path, image_set, capfd):
    images, labels = shapes(12, 0)
    unjudged = image_set("unjudged", images, labels, np.where((labels == 0) & (np.arange(12) > 5), "test", "train"))
    seed = arm(tmp_path, unjudged)["seeds"][0]
    assert seed["f1"] == [seed["macro_f1"], None]
    assert "plates, real: no test images of disc" in capfd.readouterr().err


def test_a_class_that_synthetic_images_lack_is_said(tmp_path, real, image_set, capfd):
    images, _ = shapes(6, 1)
    bars = image_set("bars", images, [0] * 6, ["train"] * 6, classes=("bar",))
    result = arm(tmp_path, real, [bars], ONLY)
    assert result["notes"] == ["no synthetic images of disc: it cannot be found"]
    assert "plates, x-only: no synthetic images of disc" in capfd.readouterr().err
    assert arm(tmp_path, real, [bars])["notes"] == []


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
