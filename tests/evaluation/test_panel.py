"""The panel tells what is wrong with a set, by the number that should tell it, and says what it cannot measure."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu

from pipeline.evaluation import catalog, feature_files, features, panel
from pipeline.settings import METHOD, Evaluate, UserError
from tests.evaluation.conftest import blobs, label_list, write_set

# test_copies judges pieces, and draws deep and coloured images; figures of gray ones are those of `floor` and `good`.
pytestmark = pytest.mark.usefixtures("no_pieces", "no_figures")
SETTINGS = Evaluate(inception="off", lpips="off", class_feature_steps=0, imagenet=False, subsets=20)
DISTANCES = ("frechet", "frechet_inf", "kid", "gram", "psd")
PHASES = ("phase_fraction", "two_point", "lineal_path", "chords_bright", "chords_dark", "mean_intercept")


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


def by_metric(record, model=None, label=None):
    rows = [r for r in record["metrics"] if r["class"] == label and model in (None, r["model"])]
    return {r["metric"]: r for r in rows}


@pytest.fixture(scope="module")
def floor(real_set, tmp_path_factory, no_pieces):
    out = tmp_path_factory.mktemp("floor")
    panel.evaluate_real(SETTINGS, real_set(), out / "evaluation.json", "blobs")
    return SimpleNamespace(out=out, record=json.loads((out / "evaluation.json").read_text()))


def test_copies_across_a_given_split_are_warned_of_and_left_out_beside(tmp_path):
    labels = label_list(60)
    images, sides = blobs(labels, 1), ["train"] * 36 + ["test"] * 24
    images[36:48] = images[:12]
    sets = {leaked: write_set(tmp_path / str(len(leaked)), images, labels, sides, leaked=leaked)
            for leaked in (tuple(range(36, 48)), tuple(range(36, 60)))}  # fmt: skip
    some, every = (json.loads(_floor(tmp_path, real).read_text(), parse_constant=pytest.fail) for real in sets.values())
    numbers, without = by_metric(some, "real"), {r["metric"]: r for r in some["without_leaked"] if r["class"] is None}
    assert (numbers["nn_distance_ratio"]["n"], without["nn_distance_ratio"]["n"]) == (24, 12)
    assert numbers["nn_distance_ratio"]["value"] < 0.7
    assert without["nn_distance_ratio"]["value"] == 1
    assert (numbers["copy_rate"]["value"], without["copy_rate"]["value"]) == (0.5, 0)
    (warning,) = [note for note in some["notes"] if note.startswith("WARNING")]
    assert "leaves 12 of 24 held-out images with a partner in training" in warning
    assert "copy_rate 0.5 (0)" in warning
    assert every["without_leaked"] == []
    assert "WARNING: all 24 held-out images have a partner in training: none is new" in every["notes"]
    assert "nn_distance_ratio" not in by_metric(every, "real")


def _floor(root, real):
    out = root / f"{real.path.name}.json"
    panel.evaluate_real(SETTINGS, real.path, out, "blobs", figures=root / "figures")
    return out


@pytest.fixture(scope="module")
def good(real_set, floor, tmp_path_factory):
    """New images of the same kind: what a perfect generator draws."""
    out = tmp_path_factory.mktemp("good")
    write_set(out / "synthetic", blobs(label_list(150), 9), label_list(150))
    return judge(real_set(), out / "synthetic", out)


def stored(images):
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8)


# ---------------------------------------------------------------- floor and noise baselines


def test_held_out_images_are_far_below_noise(floor):
    real, noise, blurred = (by_metric(floor.record, model) for model in ("real", "noise", "blurred noise"))
    for metric in DISTANCES:
        assert real[metric]["high"] < noise[metric]["low"]
    assert real["coverage"]["low"] > 10 * noise["coverage"]["high"]
    assert real["nn_distance_ratio"]["value"] == 1
    assert real["frechet"]["high"] < blurred["frechet"]["value"]  # though its spectra are those of the real images:
    assert overlap(real["psd"], blurred["psd"])


def test_every_comparison_is_of_the_same_number_of_images(floor, good):
    for record in (floor.record, good.record):
        compared = ("frechet", "frechet_inf", "kid", "gram", "psd", "recall")
        assert {r["n"] for r in record["metrics"] if r["metric"] in compared and r["class"] is None} == {66}
        fine = {r["metric"]: r["n"] for r in record["metrics"] if r["class"] == "fine"}
        assert fine == {"kid": 22, "precision": 22, "recall": 22, "density": 22, "coverage": 22}


def test_the_record_is_whole(floor, good):
    keys = {"model", "extractor", "metric", "class", "value", "low", "high", "n"}
    for record, models in ((floor.record, {"real", "noise", "blurred noise"}), (good.record, {"cgan"})):
        assert record["version"] == METHOD["evaluate"]
        assert record["n_reference"] == 90
        assert {r["model"] for r in record["metrics"]} == models
        assert all(set(r) == keys for r in record["metrics"])
        unsure = {(r["metric"], r["class"] is None) for r in record["metrics"] if r["low"] is None}
        assert unsure == {("density", False), ("coverage", False)}  # a class has 22 of each set
        assert all(r["low"] <= r["value"] <= r["high"] for r in record["metrics"] if r["low"] is not None)
        assert len({(r["model"], r["extractor"], r["metric"], r["class"]) for r in record["metrics"]}) == len(
            record["metrics"]
        )
    assert (good.record["seed"], good.record["n_sample"]) == (3, 150)
    assert [note.split(": ")[0] for note in good.record["notes"]] == [
        "density (random), coverage (random) of 3 classes (coarse, fine, middle)"
    ]
    assert {r["class"] for r in good.record["metrics"]} == {None, "coarse", "fine", "middle"}


def test_every_number_has_a_row_in_the_catalogue_and_every_row_has_a_number_or_says_what_it_requires(good):
    found = {catalog.find(row["extractor"], row["metric"]).name for row in good.record["metrics"]}
    absent = [metric for name, metric in catalog.METRICS.items() if name not in found]
    assert [metric.name for metric in absent if not metric.requires and metric.extractors != ("inception",)] == []
    assert {metric.name for metric in absent if metric.requires} == {"class_agreement", "grain_diameter", "pair_lpips"}


def test_of_many_synthetic_images_some_are_judged(real_set, tmp_path, monkeypatch):
    labels = ["fine"] * 120 + ["coarse"] * 80  # in the order of their classes, as a set is drawn
    made = write_set(tmp_path / "synthetic", blobs(labels, 9), labels)
    monkeypatch.setattr(panel, "JUDGED", 100)
    record = judge(real_set(), tmp_path / "synthetic", tmp_path).record
    assert record["n_sample"] == 100
    assert record["notes"][0] == "100 of 200 synthetic images are judged, drawn in the shares of the classes"
    rows = feature_files.of_any_version(made, "random").rows
    assert (rows < 120).sum() == 60
    assert {pair["made"] for pair in record["closest"]} <= set(rows.tolist())


def test_curves_are_in_the_users_unit_and_lie_in_the_band(good):
    psd = good.record["curves"]["psd"]
    assert psd["unit"] == "1/µm"
    assert psd["frequency"][-1] == pytest.approx(0.5 / 0.5)  # half a cycle per pixel of 0.5 µm
    sample, low, high = (np.array(psd[name]) for name in ("sample", "reference_low", "reference_high"))
    assert ((sample > low) & (sample < high)).all()


def test_figures_and_journal(floor, good):
    for name in ("psd.png", "samples.png", "closest.png"):
        with Image.open(floor.out / name) as figure:
            assert figure.size[0] > 700
            assert np.asarray(figure.convert("L")).std() > 10
    assert good.journal.numbers["final/kid_random"] == good.rows["kid"]["value"]
    known = {"final/frechet_random", "final/psd", "final/nn_distance_ratio", "final/pair_ssim"}
    assert known <= set(good.journal.numbers)
    assert good.journal.files == [
        (n, "evaluation") for n in ("evaluation.json", "psd.png", "samples.png", "closest.png")
    ]


# ---------------------------------------------------------------- what is wrong with a set


def overlap(row, floor_row):
    return row["low"] <= floor_row["high"] and floor_row["low"] <= row["high"]


def test_a_perfect_generator_is_within_the_floor(floor, good):
    usual = by_metric(floor.record, "real")
    for metric in (
        *DISTANCES,
        *PHASES,
        "astm_grain_size",
        "precision",
        "coverage",
        "pair_ssim",
        "nn_ssim",
        "nn_distance_ratio",
    ):
        assert overlap(good.rows[metric], usual[metric]), metric


@pytest.mark.parametrize(
    ("fault", "flagged"),
    [
        ("blur", ("frechet", "psd", "gram", "chords_bright", "chords_dark", "astm_grain_size")),
        ("noise", ("frechet", "psd", "chords_bright", "chords_dark")),
        ("mode", ("frechet", "coverage", "recall", "mean_intercept", "chords_bright")),
    ],
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


@pytest.mark.parametrize(
    ("fault", "flagged", "passed"),
    [
        ("brighter", ("phase_fraction", "two_point"), ()),
        ("bright patches grown", ("phase_fraction", "chords_bright", "mean_intercept"), ()),
        ("rough edges", ("chords_bright", "chords_dark", "mean_intercept"), ("phase_fraction", "two_point")),
    ],
)
def test_faults_of_the_microstructure_are_flagged_by_what_they_concern(
    real_set, floor, tmp_path, fault, flagged, passed
):
    images = blobs(label_list(150), 9)
    if fault == "brighter":
        images = stored(images.astype(float) + 20)
    elif fault == "bright patches grown":
        images = ndimage.grey_dilation(images, (1, 2, 2, 1))
    else:
        images = stored(images + 20 * np.random.default_rng(0).standard_normal(images.shape))
    write_set(tmp_path / "synthetic", images, label_list(150))
    found, usual = judge(real_set(), tmp_path / "synthetic", tmp_path).rows, by_metric(floor.record, "real")
    assert [m for m in flagged if overlap(found[m], usual[m])] == []
    assert [m for m in passed if not overlap(found[m], usual[m])] == []


def test_copies_are_flagged_as_copies_and_pass_every_distance(real_set, floor, tmp_path):
    training = np.load(real_set() / "images.npy")[:90]
    write_set(tmp_path / "synthetic", training, label_list(90))
    found, usual = judge(real_set(), tmp_path / "synthetic", tmp_path).rows, by_metric(floor.record, "real")
    assert found["nn_distance_ratio"]["high"] == 0
    assert found["nn_ssim"]["low"] == pytest.approx(1)
    assert [m for m in DISTANCES if found[m]["low"] > usual[m]["high"]] == []


def test_little_variety_shows_in_pair_ssim(real_set, floor, tmp_path):
    few = np.concatenate([blobs(label_list(6), 9)] * 20)
    write_set(tmp_path / "synthetic", few, label_list(120))
    found = judge(real_set(), tmp_path / "synthetic", tmp_path).rows
    assert found["pair_ssim"]["low"] > by_metric(floor.record, "real")["pair_ssim"]["high"]


def test_unequal_shares_of_the_classes_are_not_held_against_a_set(real_set, floor, tmp_path):
    labels = ["coarse"] * 30 + ["fine"] * 120 + ["middle"] * 30
    write_set(tmp_path / "synthetic", blobs(labels, 9), labels)
    found, usual = judge(real_set(), tmp_path / "synthetic", tmp_path).rows, by_metric(floor.record, "real")
    assert all(overlap(found[m], usual[m]) for m in DISTANCES)


# ---------------------------------------------------------------- bright and dark phase


def test_phases_are_cut_by_the_real_training_images_alone(real_set, floor, good):
    training = np.load(real_set() / "images.npy")[:90]
    threshold = floor.record["phases"]["threshold"] * 255
    assert threshold == threshold_otsu(training) + 0.5
    assert good.record["phases"] == floor.record["phases"]
    cut = good.record["curves"]["two_point"]
    assert cut["reference"][0] == pytest.approx((training > threshold).mean(), rel=1e-5)


def test_phase_curves_are_in_the_users_unit(good):
    curves = good.record["curves"]
    assert curves["two_point"]["x"] == [0.5 * r for r in range(25)]
    assert {curves[name]["unit"] for name in ("two_point", "lineal_path", "chords_bright", "mean_intercept")} == {"µm"}
    for name in ("two_point", "lineal_path"):
        low, line, high = (np.array(curves[name][k]) for k in ("reference_low", "sample", "reference_high"))
        assert ((line > low) & (line < high)).all()
    bright = curves["chords_bright"]
    assert bright["x"][:2] == [0.5, 1]
    histogram = np.array(bright["histogram"]["sample"])
    assert histogram.sum() == pytest.approx(1, abs=1e-4)
    assert bright["sample"][3] == pytest.approx(histogram[3:].sum(), abs=1e-4)


def lattice_set(path, spacing, n, pixel_size, unit="µm"):
    """Square grains with dark boundaries of two pixels, shifted at random."""
    rng = np.random.default_rng(spacing)
    images = np.empty((n, 96, 96, 1), np.uint8)
    for i in range(n):
        down, across = ((np.arange(96) + rng.integers(spacing)) % spacing < 2 for _ in range(2))
        images[i, ..., 0] = np.where(down[:, None] | across[None, :], 60, 190) + rng.integers(-20, 20, (96, 96))
    made = write_set(path, images, ["all"] * n, ["train"] * (n // 2) + ["test"] * (n - n // 2), pixel_size=pixel_size)
    meta = json.loads((path / "meta.json").read_text()) | {"unit": unit}
    (path / "meta.json").write_text(json.dumps(meta))
    return made


def test_grain_size_of_a_lattice_is_the_standards(tmp_path):
    """Boundaries are 16 pixels of 2 µm apart on every line but the eighth along a boundary: G of 32 / (1 - 1/8) µm."""
    lattice_set(tmp_path / "real", 16, 40, 2.0)
    panel.evaluate_real(SETTINGS, tmp_path / "real", tmp_path / "real.json", "lattice")
    record = json.loads((tmp_path / "real.json").read_text())
    rows = by_metric(record, "real")
    assert record["phases"]["boundaries"]
    assert rows["astm_grain_size"]["value"] == pytest.approx(-6.643856 * np.log10(0.032 * 8 / 7) - 3.288, abs=0.05)
    assert rows["grain_diameter"]["value"] == 0  # all of 14 × 14 pixels
    lattice_set(tmp_path / "coarse", 20, 40, 2.0)
    found = judge(tmp_path / "real", tmp_path / "coarse", tmp_path).rows
    # squares of side 18 for 14: a diameter of 20 pixels for 16; intercepts 20 × 10 / 9 for 16 × 8 / 7
    assert found["grain_diameter"]["value"] == pytest.approx(4 / 16)
    assert found["mean_intercept"]["value"] == pytest.approx(np.log((200 / 9) / (128 / 7)), abs=0.02)
    assert found["astm_grain_size"]["value"] == pytest.approx(-6.643856 * np.log10(0.4 / 9) - 3.288, abs=0.05)


@pytest.mark.parametrize(("pixel_size", "unit"), [(None, "µm"), (0.5, "furlong")])
def test_no_grain_size_number_without_a_length(tmp_path, pixel_size, unit):
    lattice_set(tmp_path / "real", 16, 16, pixel_size, unit)
    panel.evaluate_real(SETTINGS, tmp_path / "real", tmp_path / "real.json", "lattice")
    record = json.loads((tmp_path / "real.json").read_text())
    assert "astm_grain_size" not in by_metric(record, "real")
    assert "astm_grain_size: left out, it needs the data set's pixel_size" in "\n".join(record["notes"])
    assert record["curves"]["two_point"]["unit"] == ("px" if pixel_size is None else unit)


def test_a_phase_that_holds_together_has_no_grains_and_that_is_said(floor):
    assert "grain_diameter" not in by_metric(floor.record, "real")
    assert "grain_diameter: left out, it needs grains to tell apart: in most real" in "\n".join(floor.record["notes"])


def test_constant_images_have_no_chords_and_are_counted(real_set, tmp_path):
    images = blobs(label_list(150), 9)
    images[100:] = 100
    write_set(tmp_path / "some", images, label_list(150))
    some = judge(real_set(), tmp_path / "some", tmp_path)
    flat = "50 of 150 images show one phase only: chords and intercepts are those of the others"
    assert [note for note in some.record["notes"] if "interval;" not in note] == [flat]
    assert some.rows["phase_fraction"]["n"] == some.rows["mean_intercept"]["n"] == 66
    images[2:] = 100
    write_set(tmp_path / "all", images, label_list(150))
    every = judge(real_set(), tmp_path / "all", tmp_path)
    assert "mean_intercept: left out, needs 4 images of each set, there are 2" in every.record["notes"]
    assert {"phase_fraction", "two_point", "lineal_path"} <= set(every.rows)
    assert "mean_intercept" not in every.rows


# ---------------------------------------------------------------- reproducible, and nothing twice


def test_the_same_sets_give_the_same_numbers(real_set, good, tmp_path):
    write_set(tmp_path / "synthetic", blobs(label_list(150), 9), label_list(150))
    assert judge(real_set(), tmp_path / "synthetic", tmp_path).record == good.record


def test_real_features_are_never_computed_twice(real_set, floor, tmp_path, monkeypatch):
    write_set(tmp_path / "synthetic", blobs(label_list(30), 9), label_list(30))
    seen, compute = [], features.computed
    monkeypatch.setattr(features, "computed", lambda i, n, e, what: seen.append((n, what)) or compute(i, n, e, what))
    judge(real_set(), tmp_path / "synthetic", tmp_path)
    assert seen == [(name, str(tmp_path / "synthetic")) for name in ("random", "psd", "phases")]


# ---------------------------------------------------------------- deep, coloured, small


def test_sets_are_compared_in_imagenet_features_where_these_are_wanted(floor, tmp_path):
    assert not [r for r in floor.record["metrics"] if r["extractor"] == "imagenet"]
    labels, splits = label_list(60), ["train"] * 36 + ["test"] * 24
    write_set(tmp_path / "real", blobs(labels, 0, size=32), labels, splits)
    settings = SETTINGS.model_copy(update={"imagenet": True, "subsets": 2})
    panel.evaluate_real(settings, tmp_path / "real", tmp_path / "real.json", "blobs")
    rows = json.loads((tmp_path / "real.json").read_text())["metrics"]
    found = {r["model"]: r["value"] for r in rows if (r["extractor"], r["metric"]) == ("imagenet", "kid")}
    assert found["real"] < 0.1 * found["blurred noise"] < found["noise"]
    assert (tmp_path / "real" / "features-imagenet.npz").is_file()


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
    assert {"gram", "psd", "nn_distance_ratio"} <= set(judged.rows)
    notes = "\n".join(judged.record["notes"])
    left = "frechet, frechet_inf, kid, precision, recall, density, coverage (random): left out, needs 20 images"
    assert left in notes
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
    assert "nn_distance_ratio" not in judged.rows


# ---------------------------------------------------------------- sets that do not fit


def test_the_rim_of_padded_pictures_is_not_compared(tmp_path):
    labels = label_list(24)
    real, made = blobs(labels, 1), blobs(labels, 2)

    def sets(name, part, rims):
        images = [array[:, part[0] : 48 - part[2], part[1] : 48 - part[3]] for array in (real, made)]
        write_set(tmp_path / name / "made", images[1], labels)
        whole = write_set(tmp_path / name / "real", images[0], labels)
        table = whole.metadata.assign(**{f"rim_{side}": column for side, column in rims.items()})
        table.to_csv(whole.path / "metadata.csv", index=False)
        found = judge(whole.path, tmp_path / name / "made", tmp_path / name)
        return found.record["metrics"], found.record["notes"]

    one, other = np.arange(24) % 2, 1 - np.arange(24) % 2  # each rim in some images only
    padded = sets("padded", (0, 0, 0, 0), {"top": 3 * one, "left": 0 * one, "bottom": 5 * other, "right": 2 * one})
    plain = sets("plain", (3, 0, 5, 2), {})
    assert padded[0] == plain[0]
    assert "only rows 3 to 43 and columns 0 to 46 are compared" in padded[1][0]
    assert not any("are compared, which" in note for note in plain[1])


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
