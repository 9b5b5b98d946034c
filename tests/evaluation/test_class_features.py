"""The classifier of the real classes: it tells them apart, is learned once, and is left out where it cannot scratch."""

import json

import numpy as np
import pytest
import safetensors.torch

from pipeline.downstream.classifier.scratch import Scratch
from pipeline.evaluation import class_features, features, panel
from pipeline.evaluation.context import scaled
from pipeline.evaluation.sample import Sample
from pipeline.settings import Evaluate, UserError
from tests.evaluation.conftest import blobs, label_list, write_set
from tests.evaluation.test_panel import Journal

pytestmark = pytest.mark.usefixtures("no_pieces", "no_figures")  # which are not of these features
SETTINGS = Evaluate(inception="off", imagenet=False, class_feature_steps=20, subsets=20)
HASTY = SETTINGS.model_copy(update={"class_feature_steps": 2})  # where it does not matter what was learned
SMALL = {"size": 32}


def blob_set(path, labels=None, splits="train", seed=1, **kinds):
    labels = label_list(150) if labels is None else labels
    return write_set(path, blobs(labels, seed, **SMALL | kinds), labels, splits)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """150 training images of three classes and 66 held-out ones, with the classifier beside them."""
    labels = label_list(216)
    made = blob_set(tmp_path_factory.mktemp("classifier") / "real", labels, ["train"] * 150 + ["test"] * 66)
    class_features.extractor(SETTINGS, made)
    return made


def weights_of(images):
    return images.path / "classifier.safetensors"


def vectors(images, seen):
    return seen.function(images, "test").vectors.astype(np.float64)


def never(monkeypatch):
    monkeypatch.setattr(Scratch, "train", lambda *_: pytest.fail("trained again"))


# ---------------------------------------------------------------- what it learns


def test_new_images_lie_with_their_class(real):
    seen = class_features.extractor(SETTINGS, real)
    labels = np.array(label_list(120))
    known, new = vectors(blobs(labels, 1, **SMALL), seen), vectors(blobs(labels, 7, **SMALL), seen)
    centres = {name: known[labels == name].mean(axis=0) for name in sorted(set(labels))}
    nearest = [min(centres, key=lambda name: np.linalg.norm(v - centres[name])) for v in new]
    assert (np.array(nearest) == labels).mean() > 0.9  # chance is a third
    assert new.shape == (120, 64)
    assert (new >= 0).all()


def test_it_says_how_many_held_out_images_it_names(tmp_path, capsys):
    labels = label_list(180)
    class_features.extractor(SETTINGS, blob_set(tmp_path / "real", labels, ["train"] * 150 + ["test"] * 30))
    found = [line for line in capsys.readouterr().err.splitlines() if "names the class of" in line]
    assert len(found) == 1
    assert int(found[0].split("class of ")[1].split("%")[0]) > 80
    assert "of 30 held-out images" in found[0]


def test_the_same_images_give_the_same_classifier_whatever_their_place(tmp_path, real):
    labels = label_list(216)
    again = blob_set(tmp_path / "copy", labels, ["train"] * 150 + ["test"] * 66)
    assert class_features.extractor(SETTINGS, again).version == class_features.extractor(SETTINGS, real).version
    assert weights_of(again).read_bytes() == weights_of(real).read_bytes()


def test_held_out_images_teach_nothing(tmp_path, real):
    labels = label_list(216)
    images = np.concatenate([blobs(labels, 1, **SMALL)[:150], blobs(labels, 2, **SMALL)[150:]])
    other = write_set(tmp_path / "other", images, labels, ["train"] * 150 + ["test"] * 66)
    assert class_features.extractor(SETTINGS, other).version == class_features.extractor(SETTINGS, real).version


def test_sixteen_bits_are_not_squashed_to_eight(real):
    seen = class_features.extractor(SETTINGS, real)
    images = blobs(label_list(6), 3, **SMALL)
    assert vectors(images.astype(np.uint16) * 257, seen) == pytest.approx(vectors(images, seen), rel=1e-4, abs=1e-5)
    fine = (117 * 257 + (images.astype(int) - 128)).astype(np.uint16)  # all within one level of 8 bits
    assert np.abs(np.diff(vectors(fine, seen), axis=0)).max() > 1e-5


@pytest.mark.parametrize("kinds", [{"dtype": "uint16"}, {"channels": 3}], ids=["16 bit", "rgb"])
def test_deep_and_coloured_sets_have_one_too(tmp_path, kinds):
    made = blob_set(tmp_path / "real", **kinds)
    seen = class_features.extractor(HASTY, made)
    assert vectors(np.asarray(made.images[:4]), seen).shape == (4, 64)


def test_large_images_are_shrunk_by_the_mean_of_their_pixels(monkeypatch):
    monkeypatch.setattr(class_features, "PIXELS", 6)
    image = np.arange(5 * 8, dtype=np.uint16).reshape(1, 5, 8, 1) * 1000  # a third of a side: 1 × 2 of 3 × 3 pixels
    assert class_features._shrunk(image).tolist() == [[[[9000], [12000]]]]
    strip = np.arange(12, dtype=np.uint8).reshape(1, 2, 6, 1)
    assert class_features._shrunk(strip).tolist() == [[[[4], [6], [8]]]]  # means 3.5, 5.5 and 7.5 go to even numbers
    assert class_features._shrunk(strip[:, :, :3]).tolist() == strip[:, :, :3].tolist()


def test_a_set_of_large_images_is_learned_as_it_is_seen(tmp_path, monkeypatch):
    small = blob_set(tmp_path / "small")
    monkeypatch.setattr(class_features, "PIXELS", 32 * 32)
    doubled = np.asarray(small.images).repeat(2, axis=1).repeat(2, axis=2)
    large = write_set(tmp_path / "large", doubled, label_list(150), "train")
    seen = [class_features.extractor(HASTY, made) for made in (small, large)]
    assert (vectors(np.asarray(small.images), seen[0]) == vectors(doubled, seen[1])).all()


# ---------------------------------------------------------------- learned once


def test_it_is_learned_once(real, monkeypatch):
    before = class_features.extractor(SETTINGS, real)
    never(monkeypatch)
    again = class_features.extractor(SETTINGS, real)
    images = blobs(label_list(6), 3, **SMALL)
    assert again.version == before.version
    assert (vectors(images, again) == vectors(images, before)).all()


@pytest.mark.parametrize("change", ["labels", "images", "steps", "seed"])
def test_a_classifier_of_something_else_is_not_used(tmp_path, change):
    made = blob_set(tmp_path / "real")
    before = class_features.extractor(HASTY, made).version
    settings = HASTY
    if change == "labels":
        names = label_list(150)
        made = write_set(tmp_path / "real", np.asarray(made.images).copy(), names[1:] + names[:1])
    elif change == "images":
        made = blob_set(tmp_path / "real", seed=2)
    else:
        settings = settings.model_copy(update={"class_feature_steps": 3} if change == "steps" else {"seed": 1})
    assert class_features.extractor(settings, made).version != before


@pytest.mark.parametrize("damage", ["empty", "not weights", "cut off", "a changed weight", "of another program"])
def test_damaged_or_foreign_weights_are_learned_anew(tmp_path, damage, capsys):
    made = blob_set(tmp_path / "real")
    before, path = class_features.extractor(HASTY, made).version, weights_of(made)
    whole = path.read_bytes()
    changed = whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:]
    foreign = safetensors.torch.save({"0.weight": safetensors.torch.load(whole)["0.weight"]})
    broken = {"empty": b"", "not weights": b"x" * 99, "cut off": whole[:-9], "a changed weight": changed}
    path.write_bytes(broken.get(damage, foreign))
    assert class_features.extractor(HASTY, made).version == before
    assert path.read_bytes() == whole
    if damage != "of another program":  # that is whole, and only not ours
        assert f"{path}: {'altered' if damage == 'a changed weight' else 'damaged'}" in capsys.readouterr().err
    assert [p.name for p in made.path.iterdir() if "classifier" in p.name] == ["classifier.safetensors"]


def test_weights_that_cannot_be_kept_cost_a_line(tmp_path, capsys):
    made = blob_set(tmp_path / "real")
    weights_of(made).mkdir()
    assert class_features.extractor(HASTY, made) is not None
    assert f"{weights_of(made)}: not kept" in capsys.readouterr().err
    assert [p.name for p in made.path.iterdir() if "classifier" in p.name] == ["classifier.safetensors"]


def test_a_training_that_diverges_names_the_setting(tmp_path, monkeypatch):
    def diverge(*_):
        raise FloatingPointError("the loss was not finite at step 20")

    monkeypatch.setattr(Scratch, "train", diverge)
    with pytest.raises(UserError, match=r"evaluate\.class_feature_steps: 20, the loss was not finite at step 20; 0 "):
        class_features.extractor(SETTINGS, blob_set(tmp_path / "real"))


# ---------------------------------------------------------------- left out


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (["fine"] * 150, "they need two classes, there is one"),
        (["fine"] * 9 + ["coarse"] * 150, "they need 10 training images of each class; fine has 9"),
        (label_list(149), "they need 150 training images, there are 149"),
    ],
)
def test_too_little_to_learn_from_leaves_it_out_and_says_so(tmp_path, labels, note):
    made = blob_set(tmp_path / "real", labels)
    assert class_features.extractor(SETTINGS, made) is None
    assert class_features.notes(SETTINGS, made) == [f"features of the real classes: left out, {note}"]
    assert not weights_of(made).exists()
    assert class_features.notes(SETTINGS.model_copy(update={"class_feature_steps": 0}), made) == []


def test_a_class_without_training_images_is_one_with_too_few(tmp_path):
    labels = label_list(90)
    made = blob_set(tmp_path / "real", labels, ["test" if name == "fine" else "train" for name in labels])
    assert "fine has 0" in class_features.notes(SETTINGS, made)[0]


def test_few_images_are_not_shown_until_they_are_known_by_heart(tmp_path, monkeypatch):
    """152 images, 16 a step: 28 steps show each 3 times at most."""
    steps = []

    def train(self, settings, *_):
        steps.append((settings.steps, settings.batch))
        raise FloatingPointError

    monkeypatch.setattr(Scratch, "train", train)
    made = blob_set(tmp_path / "real", label_list(152))
    for wanted in (1000, 20):
        with pytest.raises(UserError):
            class_features.extractor(SETTINGS.model_copy(update={"class_feature_steps": wanted}), made)
    assert steps == [(28, 16), (20, 16)]


# ---------------------------------------------------------------- in the panel


def judge(real, made, out, settings=SETTINGS):
    journal = Journal()
    panel.evaluate(settings, real.path, made.path, out / "evaluation.json", "blobs", "cgan", 3, journal)
    return json.loads((out / "evaluation.json").read_text()), journal


@pytest.fixture(scope="module")
def floor(real, tmp_path_factory, no_pieces):
    out = tmp_path_factory.mktemp("floor") / "real.json"
    panel.evaluate_real(SETTINGS, real.path, out, "blobs")
    return json.loads(out.read_text())


def rows(record, model, extractor="classifier", label=None):
    return {
        r["metric"]: r
        for r in record["metrics"]
        if (r["model"], r["extractor"], r["class"]) == (model, extractor, label)
    }


def overlap(row, floor_row):
    return row["low"] <= floor_row["high"] and floor_row["low"] <= row["high"]


def test_real_features_are_never_computed_twice_nor_the_classifier_trained(real, floor, tmp_path, monkeypatch):
    made = blob_set(tmp_path / "made", seed=9)
    never(monkeypatch)
    seen, compute = [], features.computed
    monkeypatch.setattr(features, "computed", lambda i, n, e, what: seen.append((n, what)) or compute(i, n, e, what))
    judge(real, made, tmp_path)
    assert seen == [(name, str(made.path)) for name in ("random", "classifier", "psd", "phases")]


def test_it_has_every_distance_that_random_features_have_under_names_of_its_own(real, floor, tmp_path):
    record, journal = judge(real, blob_set(tmp_path / "made", label_list(90), seed=9), tmp_path)
    names = {"frechet", "kid", "precision", "recall", "density", "coverage"}
    assert names <= set(rows(record, "cgan")) <= set(rows(record, "cgan", "random"))
    assert rows(record, "cgan", label="fine").keys() == rows(record, "cgan", "random", label="fine").keys()
    values = {name: journal.numbers[f"final/{name}_classifier"] for name in names}
    assert values == {name: row["value"] for name, row in rows(record, "cgan").items() if name in names}
    assert all(overlap(rows(record, "cgan")[name], rows(floor, "real")[name]) for name in names)
    assert not [note for note in record["notes"] if "real classes" in note]


def test_noise_is_far_from_the_floor(floor):
    for name in ("frechet", "kid"):
        assert rows(floor, "real")[name]["high"] < rows(floor, "noise")[name]["low"]


def test_its_unit_is_the_spread_of_the_training_images():
    """So that a training which happens to end with features twice as large changes no number; columns keep their
    proportions."""

    def sample(*rows):
        found = features.without_grams(np.array(rows, np.float32))
        order = np.arange(len(rows))
        return Sample(np.zeros(len(rows)), order, np.array(["a"] * len(rows)), order.astype(str), {"classifier": found})

    x, y = scaled(sample([1, 4], [3, 8]), sample([0, 0], [2, 0], [1, 6]), "classifier")  # variances 1 and 12, mean 6.5
    assert y == pytest.approx(np.array([[-1, -2], [1, -2], [0, 4]]) / np.sqrt(6.5))
    assert x == pytest.approx(np.array([[0, 2], [2, 6]]) / np.sqrt(6.5))


def test_a_set_without_it_says_so_in_every_evaluation(tmp_path):
    labels = ["fine"] * 60
    made, synthetic = (blob_set(tmp_path / name, labels, ["train"] * 40 + ["test"] * 20) for name in ("real", "made"))
    panel.evaluate_real(SETTINGS, made.path, tmp_path / "real.json", "blobs")
    record, _ = judge(made, synthetic, tmp_path)
    for found in (json.loads((tmp_path / "real.json").read_text()), record):
        assert "features of the real classes: left out, they need two classes, there is one" in found["notes"]
        assert [r for r in found["metrics"] if r["extractor"] == "classifier"] == []


def test_features_that_are_not_finite_name_the_set(real, tmp_path, monkeypatch):
    made = blob_set(tmp_path / "made", seed=9)
    compute = class_features._features

    def sick(images, text, network):
        found = compute(images, text, network)
        found.vectors[3] = np.nan
        return found

    monkeypatch.setattr(class_features, "_features", sick)
    with pytest.raises(UserError, match=f"{made.path}: 1 of 150 images have classifier features that are not finite"):
        judge(real, made, tmp_path)
