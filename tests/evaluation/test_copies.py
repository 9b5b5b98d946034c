"""The panel tells copies from new images, and shows which are copied from what."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipeline.base import symmetry
from pipeline.base.null_journal import NullJournal
from pipeline.evaluation import copies, lpips, panel
from pipeline.evaluation.catalog import names
from pipeline.settings import Evaluate
from tests.evaluation.conftest import blobs, label_list, write_set

pytestmark = pytest.mark.usefixtures("pieces_searched_once", "few_pieced")
SETTINGS = Evaluate(class_feature_steps=0, imagenet=False, inception="off", lpips="off", subsets=20)
SHARES = ("authenticity", "copy_rate", "copied_area")


def judge(real, out, images, labels, settings=SETTINGS):
    write_set(out / "synthetic", images, labels, classes=sorted(set(label_list(3))))
    panel.evaluate(settings, real, out / "synthetic", out / "evaluation.json", "blobs", "cgan", 0, NullJournal())
    record = json.loads((out / "evaluation.json").read_text())
    return record, {row["metric"]: row for row in record["metrics"] if row["class"] is None}


@pytest.fixture(scope="module")
def floor(real_set, tmp_path_factory, pieces_searched_once, few_pieced):
    out = tmp_path_factory.mktemp("floor")
    panel.evaluate_real(SETTINGS, real_set(), out / "evaluation.json", "blobs")
    record = json.loads((out / "evaluation.json").read_text())
    return record, {row["metric"]: row for row in record["metrics"] if (row["model"], row["class"]) == ("real", None)}


@pytest.fixture(scope="module")
def new(real_set, tmp_path_factory, few_pieced):
    """Record, numbers and folder of new images of the same kind."""
    out = tmp_path_factory.mktemp("new")
    return *judge(real_set(), out, blobs(label_list(150), 9), label_list(150)), out


@pytest.mark.usefixtures("no_figures")
def test_a_tenth_of_copies_is_counted_shown_and_not_held_against_the_rest(real_set, floor, tmp_path):
    """Fifteen of 150 are training images, turned, flipped or moved: all are proven, and no other is."""
    labels = label_list(150)
    images, training = blobs(labels, 9), np.load(real_set() / "images.npy")[:90]
    planted = {}
    for k, place in enumerate(range(0, 45, 3)):  # of class coarse, as every third training image is
        source = 3 * k
        copy = symmetry.apply(training[source, ..., 0], k % 8)
        images[place, ..., 0] = np.roll(copy, (k % 3, -(k % 4)), (0, 1))
        planted[place] = source
    record, found = judge(real_set(), tmp_path, images, labels)
    usual = floor[1]
    assert found["copy_rate"]["value"] == 15 / 150
    assert found["copy_rate"]["low"] > 0.05
    assert usual["copy_rate"]["value"] == 0
    assert {pair["made"]: pair["real"] for pair in record["closest"]}.items() <= planted.items()
    distances = [pair["distance"] for pair in record["closest"]]
    assert len(distances) == 10
    assert distances == sorted(distances)
    assert 11 <= record["smallest_piece"] < 48
    assert 0.95 < found["nn_distance_ratio_pixels"]["value"] < 1.05  # a median: a tenth does not move it


@pytest.mark.usefixtures("no_figures")
def test_of_a_large_set_some_are_looked_at_and_named_rightly(real_set, tmp_path, monkeypatch):
    """Every second of 150 images is a training image: half of those that are looked at are copies, each of its own."""
    monkeypatch.setattr(copies, "LOOKED", 60)
    monkeypatch.setattr(copies, "PIECED", 20)
    images, training = blobs(label_list(150), 9), np.load(real_set() / "images.npy")[:90]
    images[::2] = training[:75]
    record, found = judge(real_set(), tmp_path, images, label_list(150))
    assert [found[metric]["n"] for metric in (*SHARES, "nn_distance_ratio_1_2")] == [60, 60, 20, 60]
    assert 0.3 < found["copy_rate"]["value"] < 0.7
    assert 0.15 < found["copied_area"]["value"] < 0.85
    assert {(pair["made"] % 2, pair["real"] - pair["made"] // 2) for pair in record["closest"]} == {(0, 0)}


def test_rows_under_a_mask_are_those_of_the_images_looked_at():
    """Of ten images six were looked at, of these three for pieces; the mask leaves the images 1, 3, 4, 6 and 9."""
    looked, pieced = np.array([0, 1, 4, 6, 7, 9]), np.array([0, 3, 5])
    part = SimpleNamespace(where=lambda kept: looked[kept])
    near = copies.NearestTraining(looked, part, part, None, pieced, np.array([0.0, 0.6, 0.9]), None)
    found = near.where(np.isin(np.arange(10), [1, 3, 4, 6, 9]))
    assert (found.looked.tolist(), found.features.tolist()) == ([0, 2, 3, 4], [1, 4, 6, 9])
    assert (found.pieced.tolist(), found.area.tolist()) == ([2, 3], [0.6, 0.9])


@pytest.mark.usefixtures("no_figures")
def test_a_set_of_copies_fails_every_number_of_copies(real_set, floor, tmp_path):
    training = np.load(real_set() / "images.npy")[:90, :, ::-1]  # a flip has other features, but is a copy
    usual = floor[1]
    _, flipped = judge(real_set(), tmp_path / "flipped", training, label_list(90))
    assert flipped["copy_rate"]["value"] == 1
    assert flipped["nn_distance_ratio_pixels"]["high"] < 0.1
    assert flipped["copied_area"]["value"] > 0.8 > 0.1 > usual["copied_area"]["high"]
    _, equal = judge(real_set(), tmp_path / "equal", training[:, :, ::-1], label_list(90))
    for metric in ("nn_distance_ratio", "nn_distance_ratio_pixels", "nn_distance_ratio_1_2", "authenticity"):
        assert equal[metric]["high"] < 0.1 < usual[metric]["low"], metric
    assert equal["copy_rate"]["low"] > 0.9


def test_new_images_are_within_the_floor(floor, new):
    (record, found, _), usual = new, floor[1]
    for metric in (*names("copies"), "pair_ms_ssim"):
        assert found[metric]["low"] <= usual[metric]["high"], metric
        assert usual[metric]["low"] <= found[metric]["high"], metric
    assert [found[metric]["n"] for metric in SHARES] == [150, 150, 50]
    assert [note.split(": ")[0] for note in record["notes"]] == [  # a class has 22 of each set
        "density (random), coverage (random) of 3 classes (coarse, fine, middle)"
    ]


def test_the_record_names_rows_of_both_sets(floor, new):
    labels = label_list(150)
    record, _, folder = new
    for pair in record["closest"]:
        assert set(pair) == {"made", "real", "distance", "shift", "view"}
        assert 0 <= pair["made"] < 150
        assert 0 <= pair["real"] < 90
        assert pair["view"] in symmetry.VIEWS
    for pair in floor[0]["closest"]:
        assert 90 <= pair["made"] < 156  # held-out images are rows of the same set
        assert 0 <= pair["real"] < 90
    shown = [labels[pair["made"]] for pair in record["neighbours"]]
    assert {label: shown.count(label) for label in set(labels)} == {"coarse": 3, "fine": 3, "middle": 3}
    with Image.open(folder / "closest.png") as figure:
        assert np.asarray(figure.convert("L")).std() > 10


@pytest.mark.parametrize("kinds", [{"dtype": "uint16"}, {"channels": 3}], ids=["16 bit", "rgb"])
def test_deep_and_coloured_copies(real_set, tmp_path, kinds):
    real = real_set(str(kinds), **kinds)
    images = blobs(label_list(60), 9, **kinds)
    images[:30] = np.load(real / "images.npy")[:30, ::-1]
    _, found = judge(real, tmp_path, images, label_list(60))
    assert found["copy_rate"]["value"] == 0.5


def test_wide_images_and_none_held_out(tmp_path):
    images = blobs(label_list(60), 1, size=72)[:, 20:52]
    write_set(tmp_path / "real", images[:30], label_list(30))
    record, found = judge(tmp_path / "real", tmp_path, np.concatenate([images[:6, ::-1], images[36:]]), label_list(30))
    assert found["copy_rate"]["value"] == 6 / 30
    assert {"nn_distance_ratio_1_2", "authenticity"} <= set(found)
    lack = "it needs held-out real images to compare with: there are none"
    assert f"nn_distance_ratio_pixels: left out, {lack}" in record["notes"]
    panel.evaluate_real(SETTINGS, tmp_path / "real", tmp_path / "real.json", "blobs")
    assert json.loads((tmp_path / "real.json").read_text())["closest"] == []


def test_images_too_small_to_prove_a_copy_say_so(real_set, tmp_path):
    real = real_set("small", size=14)
    record, found = judge(real, tmp_path, blobs(label_list(30), 9, size=14), label_list(30))
    assert {"copy_rate", "copied_area"}.isdisjoint(found)
    assert record["smallest_piece"] is None
    large = "left out, it needs images that are large and varied enough to prove it"
    assert f"copied_area: {large}: these are too small, or too much alike" in record["notes"]
    assert f"copy_rate: {large}: these have too few details" in record["notes"]
    scales = "it needs images of two scales: those of 14 pixels have but one, which is pair_ssim"
    assert f"pair_ms_ssim: left out, {scales}" in record["notes"]


@pytest.mark.usefixtures("no_figures")
def test_lpips_of_pairs_where_its_weights_are(real_set, tmp_path, monkeypatch):
    """A stand-in whose distance is that of the mean gray of two images."""
    monkeypatch.setattr(copies, "_piecewise", lambda *_: None)
    monkeypatch.setattr(panel.lpips, "network", lambda wanted, cache: lambda a, b: (a - b).abs().mean(dim=(1, 2, 3)))
    record, found = judge(real_set(), tmp_path, blobs(label_list(60), 9), label_list(60))
    row = found["pair_lpips"]
    assert (row["extractor"], row["n"]) == ("lpips", 200)
    assert 0 < row["low"] <= row["value"] <= row["high"]
    small = real_set("too small for lpips", size=lpips.SMALLEST - 1)
    record, found = judge(small, tmp_path / "small", blobs(label_list(30), 9, size=30), label_list(30))
    assert "pair_lpips" not in found
    assert any(note.endswith("31 pixels a side, there are 30") for note in record["notes"])
