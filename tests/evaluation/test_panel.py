"""The panel tells what is wrong with a set, by the number that should tell it, and says what it cannot measure."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.evaluation import features, panel
from pipeline.settings import METHOD, Evaluate, UserError
from tests.evaluation.conftest import blobs, label_list, write_set

SETTINGS = Evaluate(inception="off", subsets=20, subset_size=30)
DISTANCES = ("frechet", "kid", "gram", "psd")


class Journal:
    def __init__(self):
        self.numbers, self.files = {}, []

    def final(self, numbers):
        self.numbers |= numbers

    def artifact(self, path, dest=""):
        self.files.append((path.name, dest))


def judge(real, made, out, settings=SETTINGS):
    journal = Journal()
    panel.evaluate(settings, real, made, out / "evaluation.json", "blobs", "cgan", 3, journal)
    record = json.loads((out / "evaluation.json").read_text(), parse_constant=lambda c: pytest.fail(f"{c} in JSON"))
    return SimpleNamespace(record=record, journal=journal, rows=by_metric(record))


def by_metric(record, model=None, label="all"):
    rows = [r for r in record["metrics"] if r["class"] == label and model in (None, r["model"])]
    return {r["metric"]: r for r in rows}


@pytest.fixture(scope="module")
def floor(real_set, tmp_path_factory):
    out = tmp_path_factory.mktemp("floor")
    panel.evaluate_real(SETTINGS, real_set(), out / "evaluation.json", "blobs")
    return SimpleNamespace(out=out, record=json.loads((out / "evaluation.json").read_text()))


@pytest.fixture(scope="module")
def good(real_set, floor, tmp_path_factory):
    """New images of the same kind: what a perfect generator draws."""
    out = tmp_path_factory.mktemp("good")
    write_set(out / "synthetic", blobs(label_list(150), 9), label_list(150))
    return judge(real_set(), out / "synthetic", out)


def stored(images):
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8)


# ---------------------------------------------------------------- floor and ceilings


def test_held_out_images_are_far_below_noise(floor):
    real, noise, blurred = (by_metric(floor.record, model) for model in ("real", "noise", "blurred noise"))
    for metric in DISTANCES:
        assert real[metric]["high"] < noise[metric]["low"]
    assert real["coverage"]["low"] > 10 * noise["coverage"]["high"]
    assert real["nearest"]["value"] == 1
    assert real["frechet"]["high"] < blurred["frechet"]["low"]  # though its spectra are those of the real images:
    assert overlap(real["psd"], blurred["psd"])


def test_every_comparison_is_of_the_same_number_of_images(floor, good):
    for record in (floor.record, good.record):
        rows = [r for r in record["metrics"] if r["metric"] in ("frechet", "gram", "psd", "recall")]
        assert {r["n"] for r in rows} == {66}
        assert {r["n"] for r in record["metrics"] if r["metric"] == "kid" and r["class"] == "all"} == {30}
        assert {r["n"] for r in record["metrics"] if r["class"] == "fine"} == {11}  # half of 22


def test_the_record_is_whole(floor, good):
    keys = {"model", "extractor", "metric", "class", "value", "low", "high", "n"}
    for record, models in ((floor.record, {"real", "noise", "blurred noise"}), (good.record, {"cgan"})):
        assert record["version"] == METHOD["evaluate"]
        assert record["n_reference"] == 90
        assert {r["model"] for r in record["metrics"]} == models
        assert all(set(r) == keys and r["low"] <= r["high"] for r in record["metrics"])
        assert len({(r["model"], r["extractor"], r["metric"], r["class"]) for r in record["metrics"]}) == len(
            record["metrics"]
        )
    assert (good.record["seed"], good.record["n_sample"], good.record["notes"]) == (3, 150, [])
    assert {r["class"] for r in good.record["metrics"]} == {"all", "coarse", "fine", "middle"}


def test_curves_are_in_the_users_unit_and_lie_in_the_band(good):
    psd = good.record["curves"]["psd"]
    assert psd["unit"] == "1/µm"
    assert psd["frequency"][-1] == pytest.approx(0.5 / 0.5)  # half a cycle per pixel of 0.5 µm
    sample, low, high = (np.array(psd[name]) for name in ("sample", "reference_low", "reference_high"))
    assert ((sample > low) & (sample < high)).all()


def test_figures_and_journal(floor, good):
    for name in ("psd.png", "samples.png"):
        with Image.open(floor.out / name) as figure:
            assert figure.size[0] > 700
            assert np.asarray(figure.convert("L")).std() > 10
    assert good.journal.numbers["final/kid_random"] == good.rows["kid"]["value"]
    assert {"final/frechet_random", "final/psd", "final/nearest", "final/ssim_diversity"} <= set(good.journal.numbers)
    assert good.journal.files == [(n, "evaluation") for n in ("evaluation.json", "psd.png", "samples.png")]


# ---------------------------------------------------------------- what is wrong with a set


def overlap(row, floor_row):
    return row["low"] <= floor_row["high"] and floor_row["low"] <= row["high"]


def test_a_perfect_generator_is_within_the_floor(floor, good):
    usual = by_metric(floor.record, "real")
    for metric in (*DISTANCES, "precision", "coverage", "ssim_diversity", "ssim_nearest", "nearest"):
        assert overlap(good.rows[metric], usual[metric]), metric


@pytest.mark.parametrize(
    ("fault", "flagged"),
    [("blur", ("frechet", "psd", "gram")), ("noise", ("frechet", "psd")), ("mode", ("frechet", "coverage", "recall"))],
)
def test_faults_are_flagged(real_set, floor, tmp_path, fault, flagged):
    labels = label_list(150)
    images = blobs(labels, 9)
    if fault == "blur":
        images = stored(ndimage.gaussian_filter(images.astype(float), 0.7, axes=(1, 2)))
    elif fault == "noise":
        images = stored(images + 12 * np.random.default_rng(0).standard_normal(images.shape))
    else:  # every class looks like one of them
        images = blobs(["fine"] * 150, 9)
    write_set(tmp_path / "synthetic", images, labels)
    found, usual = judge(real_set(), tmp_path / "synthetic", tmp_path).rows, by_metric(floor.record, "real")
    assert [m for m in flagged if overlap(found[m], usual[m])] == []


def test_copies_are_flagged_as_copies_and_pass_every_distance(real_set, floor, tmp_path):
    training = np.load(real_set() / "images.npy")[:90]
    write_set(tmp_path / "synthetic", training, label_list(90))
    found, usual = judge(real_set(), tmp_path / "synthetic", tmp_path).rows, by_metric(floor.record, "real")
    assert found["nearest"]["high"] == 0
    assert found["ssim_nearest"]["low"] == pytest.approx(1)
    assert [m for m in DISTANCES if found[m]["low"] > usual[m]["high"]] == []


def test_little_variety_shows_in_ssim_diversity(real_set, floor, tmp_path):
    few = np.concatenate([blobs(label_list(6), 9)] * 20)
    write_set(tmp_path / "synthetic", few, label_list(120))
    found = judge(real_set(), tmp_path / "synthetic", tmp_path).rows
    assert found["ssim_diversity"]["low"] > by_metric(floor.record, "real")["ssim_diversity"]["high"]


def test_unequal_shares_of_the_classes_are_not_held_against_a_set(real_set, floor, tmp_path):
    labels = ["coarse"] * 30 + ["fine"] * 120 + ["middle"] * 30
    write_set(tmp_path / "synthetic", blobs(labels, 9), labels)
    found, usual = judge(real_set(), tmp_path / "synthetic", tmp_path).rows, by_metric(floor.record, "real")
    assert all(overlap(found[m], usual[m]) for m in DISTANCES)


# ---------------------------------------------------------------- reproducible, and nothing twice


def test_the_same_sets_give_the_same_numbers(real_set, good, tmp_path):
    write_set(tmp_path / "synthetic", blobs(label_list(150), 9), label_list(150))
    assert judge(real_set(), tmp_path / "synthetic", tmp_path).record == good.record


def test_real_features_are_never_computed_twice(real_set, floor, tmp_path, monkeypatch):
    write_set(tmp_path / "synthetic", blobs(label_list(30), 9), label_list(30))
    seen, compute = [], features.extract
    monkeypatch.setattr(features, "extract", lambda i, e, c, what: seen.append(what) or compute(i, e, c, what))
    judge(real_set(), tmp_path / "synthetic", tmp_path)
    assert set(seen) == {str(tmp_path / "synthetic")}


# ---------------------------------------------------------------- deep, coloured, small


@pytest.mark.parametrize("kinds", [{"dtype": "uint16"}, {"channels": 3}], ids=["16 bit", "rgb"])
def test_deep_and_coloured_images(real_set, tmp_path, kinds):
    real = real_set(str(kinds), **kinds)
    write_set(tmp_path / "synthetic", blobs(label_list(60), 9, **kinds), label_list(60))
    found = judge(real, tmp_path / "synthetic", tmp_path).rows
    assert found["psd"]["value"] < 1
    panel.evaluate_real(SETTINGS, real, tmp_path / "real.json", "blobs", tmp_path / "figures")
    assert (tmp_path / "figures" / "psd.png").is_file()


def test_too_few_images_leave_metrics_out_and_say_how_many_they_need(real_set, tmp_path):
    write_set(tmp_path / "synthetic", blobs(label_list(6), 9), label_list(6))
    judged = judge(real_set(), tmp_path / "synthetic", tmp_path)
    assert "frechet" not in judged.rows
    assert {"gram", "psd", "nearest"} <= set(judged.rows)
    notes = "\n".join(judged.record["notes"])
    assert "frechet, kid, precision, recall, density, coverage (random): left out, needs 20 images" in notes
    assert "there are 6" in notes
    assert "6 synthetic images, fewer than the 66 held-out ones" in notes


@pytest.mark.parametrize("n", [1, 3])
def test_hardly_any_image_still_ends_well(real_set, tmp_path, n):
    write_set(tmp_path / "synthetic", blobs(label_list(n), 9), label_list(n), classes=sorted(label_list(3)))
    assert judge(real_set(), tmp_path / "synthetic", tmp_path).record["metrics"] == []


def test_a_missing_class_is_named_and_counts(real_set, floor, tmp_path):
    labels = [label for label in label_list(150) if label != "coarse"]
    write_set(tmp_path / "synthetic", blobs(labels, 9), labels, classes=sorted(set(label_list(3))))
    judged = judge(real_set(), tmp_path / "synthetic", tmp_path)
    assert "no synthetic image of class coarse" in judged.record["notes"][0]
    assert not overlap(judged.rows["frechet"], by_metric(floor.record, "real")["frechet"])


def test_a_model_made_for_one_class_is_compared_with_that_class(real_set, tmp_path):
    write_set(tmp_path / "synthetic", blobs(["fine"] * 40, 9), ["fine"] * 40)
    judged = judge(real_set(), tmp_path / "synthetic", tmp_path)
    assert judged.record["n_reference"] == 30
    assert "not made for class coarse, middle" in judged.record["notes"][0]
    assert judged.rows["recall"]["value"] > 0.7


def test_no_held_out_images_means_no_floor_and_says_so(tmp_path):
    write_set(tmp_path / "real", blobs(label_list(60), 1), label_list(60))
    write_set(tmp_path / "synthetic", blobs(label_list(60), 9), label_list(60))
    panel.evaluate_real(SETTINGS, tmp_path / "real", tmp_path / "real.json", "blobs")
    record = json.loads((tmp_path / "real.json").read_text())
    assert {r["model"] for r in record["metrics"]} == {"noise", "blurred noise"}
    judged = judge(tmp_path / "real", tmp_path / "synthetic", tmp_path)
    for notes in (record["notes"], judged.record["notes"]):
        assert "no image is held out: there is no floor" in notes
    assert "nearest" not in judged.rows


# ---------------------------------------------------------------- sets that do not fit


def test_sets_of_different_size_are_refused(real_set, tmp_path):
    write_set(tmp_path / "synthetic", blobs(label_list(6), 9, size=32), label_list(6))
    with pytest.raises(UserError, match=r"synthetic: images of 32×32×1 cannot be compared .* 48×48×1"):
        judge(real_set(), tmp_path / "synthetic", tmp_path)


def test_an_unknown_class_is_refused(real_set, tmp_path):
    write_set(tmp_path / "synthetic", blobs(label_list(6), 9), ["rust"] * 6)
    with pytest.raises(UserError, match="class `rust` is not one of the real set's: coarse, fine, middle"):
        judge(real_set(), tmp_path / "synthetic", tmp_path)


def test_an_empty_set_is_refused(real_set, tmp_path):
    write_set(tmp_path / "synthetic", np.zeros((0, 48, 48, 1), np.uint8), [])
    with pytest.raises(UserError, match="holds no image"):
        judge(real_set(), tmp_path / "synthetic", tmp_path)


def test_real_images_that_are_all_black_are_named(tmp_path):
    for name in ("real", "synthetic"):
        write_set(tmp_path / name, np.zeros((30, 48, 48, 1), np.uint8), label_list(30))
    with pytest.raises(UserError, match="constant, or all alike"):
        judge(tmp_path / "real", tmp_path / "synthetic", tmp_path)
