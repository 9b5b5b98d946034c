"""The task as a whole, on made-up images with a dark spot, and what may see what."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.data import box_store
from pipeline.data.image_set import ImageSet
from pipeline.downstream import comparison
from pipeline.downstream.anomalies import dataset
from pipeline.downstream.anomalies.patches import SIZE, grid
from pipeline.downstream.arms import Arm, SyntheticSet
from pipeline.downstream.registry import TASKS
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import DetectAnomalies, UserError
from tests.downstream.cases import WITH, X, run

PLANNED = TASKS["anomalies"]
SETTINGS = DetectAnomalies(repetitions=2, selection_runs=1, drawn=6, memory=100, ratios=[1.0])
CLASSES = ("fine", "hole", "crack")  # the good class need not be called so
BAD = np.arange(36) % 3 == 0
SPLIT = np.repeat(["train", "val", "test"], 12)
TRAIN, VAL, TEST = (np.flatnonzero(split == SPLIT).tolist() for split in ("train", "val", "test"))


@pytest.fixture
def task(monkeypatch):
    """A new one, that has looked at nothing yet."""
    fresh = type(PLANNED.load())()
    monkeypatch.setattr("pipeline.downstream.anomalies.task.TASK", fresh)
    return fresh


def pictures(bad, seed, size=32):
    """(n, size, size, 1) uint8, noise with a bright spot in the bad ones, and where the spots are."""
    rng = np.random.default_rng(seed)
    images = 120 + 6 * rng.standard_normal((len(bad), size, size, 1))
    masks = np.zeros((len(bad), size, size), bool)
    for i in np.flatnonzero(bad):
        y, x = rng.integers(2, size - 8, 2)
        masks[i, y : y + 6, x : x + 6] = True
    images[masks] += 60
    return images.clip(0, 255).astype(np.uint8), masks


@pytest.fixture
def sets(image_set):
    """The real set, with masks, and one of a generator; `altered`: rows whose images are inverted, `remasked`:
    whose masks are upside down."""

    def write(name="real", altered=(), good="fine", masked=True, remasked=()):
        images, masks = pictures(BAD, 0)
        images[list(altered)] = 255 - images[list(altered)]
        masks[list(remasked)] = masks[list(remasked), ::-1]
        real = image_set(name, images, np.where(BAD, 1 + np.arange(36) % 2, 0), SPLIT, CLASSES, "both")
        described = json.loads((real / "meta.json").read_text()) | {"good": good}
        (real / "meta.json").write_text(json.dumps(described))
        if masked:
            np.save(real / box_store.MASKS, masks.astype(np.uint8))
            none = pd.DataFrame(columns=box_store.COLUMNS)
            box_store.write(real, ImageSet.open(real).meta["data_hash"], none, ["defect"], [], [])
        made = image_set("made", pictures(BAD[:8], 1)[0], np.where(BAD[:8], 2, 0), ["train"] * 8, CLASSES, "both")
        return real, made

    return write


def test_every_arm_is_trained_judged_and_compared(task, sets, tmp_path):
    real, made = sets()
    arms = PLANNED.arms([X], more_real=False)
    assert list(arms) == ["real", "pasted", "scarred", "moved", "one_class", "real+same_real", "real+x"]
    folder = tmp_path / "k/detection/anomalies"
    (tmp_path / "k").mkdir()
    real.rename(tmp_path / "k/real")
    for arm in arms.values():
        given = {one: made for one in arm.synthetic if one.made != "control"}
        result = run(folder, task, SETTINGS, tmp_path / "k/real", given, arm)
        assert result.mean["auroc"] == 1.0, "a spot ten times as bright as the noise"
        assert result.mean["recall_1"] == 1.0
        assert result.mean["pixel_ap"] > 0.12, "ten times the share of the pixels"
        assert len(result.repetitions) == (1 if arm.name in ("real", "one_class") else 2)
        assert result.truth == BAD[TEST].astype(int).tolist()
    assert result.n_synthetic == 3, "the bad images of the generator alone"
    assert result.chosen.defects != "none"
    files = {"anomalies": list(arms)}
    found = comparison.write([comparison.member(tmp_path, "k", files)], "k", None, tmp_path / "comparison.json")
    assert found.arms[0].verdict == "baseline"
    assert {arm.verdict for arm in found.arms[-2:]} == {"cannot tell"}
    assert found.images_per_class == 2, "of four bad ones in two classes"
    assert [one.metric for one in found.arms[0].secondary] == ["recall_1", "recall_5", "pixel_ap"]


def test_test_images_are_read_last_and_change_nothing_but_their_scores(task, sets, reads):
    chosen, detectors = [], []
    train = task.train

    def noted(*args):
        detectors.append(train(*args))
        return detectors[-1]

    task.train = noted
    for name, altered in (("one", []), ("other", TEST)):
        real, made = sets(name, altered)
        chosen.append(run(real.parent / f"of_{name}", task, SETTINGS, real, {X: made}, WITH))
        rows = [rows for what, of, rows in reads.events if (what, of) == ("images", name)]
        seen = [set(of) for of in rows if of]
        first = next(i for i, of in enumerate(seen) if of & set(TEST))
        assert set.union(*seen[:first]) == {*TRAIN, *VAL}
        assert set.union(*seen[first:]) == set(TEST)
    assert chosen[0].chosen == chosen[1].chosen
    assert chosen[0].repetitions[0].scores != chosen[1].repetitions[0].scores
    half = len(detectors) // 2
    for one, other in zip(detectors[:half], detectors[half:], strict=True):
        assert np.array_equal(one.weights, other.weights)


def test_val_images_choose_and_no_detector_learns_from_them_nor_from_the_masks_of_others(task, sets, tmp_path):
    """Of the baseline arms, in which nothing is chosen: other images to choose by, other masks of what judges."""
    weights, scores = [], []
    for name, altered, remasked in (("one", [], []), ("other", VAL, VAL + TEST)):
        real, made = sets(name, altered, remasked=remasked)
        of = ImageSet.open(real)
        data = task.training_set(SETTINGS, of, [ImageSet.open(made)], "k", dataset.CPU)
        for defects in ("real", "pasted", "scarred", "moved"):
            mix = TrainingMix(np.arange(data.n_real, len(data)), 1.0, defects=defects)
            weights.append(task.train(SETTINGS, of, data, mix, 0, lambda _: None).weights)
        scores.append(run(tmp_path / name, task, SETTINGS, real).chosen.validation)
    for one, other in zip(weights[:4], weights[4:], strict=True):
        assert np.array_equal(one, other)
    assert scores[0] != scores[1]


def test_the_one_class_arm_sees_no_bad_image(task, sets):
    bad = [i for i in TRAIN if BAD[i]]
    found = []
    for name, altered in (("one", []), ("other", bad)):
        real, _ = sets(name, altered)
        data = task.training_set(SETTINGS, ImageSet.open(real), [], "k", dataset.CPU)
        memory = task.train(SETTINGS, None, data, TrainingMix(np.arange(0), 0.0, defects="none"), 0, lambda _: None)
        found.append(memory.kept)
    assert np.array_equal(*found)
    head = task.train(SETTINGS, None, data, TrainingMix(np.arange(0), 0.0), 0, lambda _: None)
    assert hasattr(head, "weights")


def test_without_masks_nothing_is_moved_and_a_note_says_so(task, sets, tmp_path):
    real, _ = sets(masked=False)
    result = run(tmp_path / "arms", task, SETTINGS, real, arm=Arm(defects="moved"))
    assert len(result.repetitions) == 1, "then it is the arm `real`"
    assert "no mask tells which defects could be moved: none are" in result.chosen.notes
    assert "0 of 4 bad training images have a mask" in result.chosen.notes
    assert "pixel_ap" not in result.mean
    assert result.mean["auroc"] == 1.0


def test_without_a_bad_training_image_the_detector_is_the_memory(task, image_set, tmp_path):
    """As published sets have it: good images train, good and bad ones judge."""
    split = np.where(BAD, "test", np.where(np.arange(36) < 24, "train", "test"))
    real = image_set("good", pictures(BAD, 0)[0], BAD.astype(int), split, ("fine", "hole"))
    described = json.loads((real / "meta.json").read_text()) | {"good": "fine"}
    (real / "meta.json").write_text(json.dumps(described))
    arms = {arm.name: arm for arm in PLANNED.baseline_arms()}
    found = {name: run(tmp_path / name, task, SETTINGS, real, arm=arm) for name, arm in arms.items()}
    one_class = found["one_class"].repetitions[0].scores
    assert found["real"].repetitions[0].scores == one_class
    assert found["real"].chosen.notes == ["no bad training image: this is the arm `one_class`"]
    assert found["one_class"].mean["auroc"] == 1.0
    assert found["pasted"].chosen.notes == []
    assert len(found["pasted"].repetitions) == 2
    assert found["pasted"].repetitions[0].scores != one_class


@pytest.mark.parametrize(
    ("good", "why"), [("nice", "`nice` is no class, found fine, hole, crack"), (None, "`None` is no class")]
)
def test_a_data_set_without_its_good_class_is_refused(task, sets, good, why):
    real, _ = sets(good=good)
    with pytest.raises(UserError, match=why):
        task.check(ImageSet.open(real), "k")


def test_a_side_without_test_images_is_refused(task, image_set):
    images, _ = pictures(BAD[:12], 0)
    real = image_set("few", images, np.zeros(12, int), ["train"] * 6 + ["test"] * 6, CLASSES)
    described = json.loads((real / "meta.json").read_text()) | {"good": "fine"}
    (real / "meta.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match="6 good and 0 bad test images"):
        task.check(ImageSet.open(real), "few")


def test_patches_are_those_of_a_forward_pass_and_know_no_other_image():
    from pipeline.base import imagenet

    network = imagenet.EfficientNetLite0(imagenet.load(), 1)
    images, _ = pictures(BAD[:5], 3, size=64)
    together = grid(network, images, 64, dataset.CPU)
    assert together.shape == (5, 8, 8, SIZE)
    alone = np.concatenate([grid(network, images[i : i + 1], 1, dataset.CPU) for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    import torch

    maps = network.maps(torch.from_numpy(images * np.float32(2 / 255) - 1).permute(0, 3, 1, 2))
    middle = maps[8][:, :, 2:5, 4:7].mean(dim=(2, 3)).detach().numpy()
    np.testing.assert_allclose(together[:, 3, 5, : middle.shape[1]], middle, atol=1e-4)


def test_synthetic_sets_of_another_kind_are_refused(task, sets, image_set):
    real, _ = sets()
    of = ImageSet.open(real)
    small = image_set("small", pictures(BAD[:4], 1, size=24)[0], [1] * 4, ["train"] * 4, CLASSES)
    other = image_set("other", pictures(BAD[:4], 1)[0], [0] * 4, ["train"] * 4, ("dent",))
    for path, why in ((small, "height × width"), (other, "class `dent` is none of the real ones")):
        with pytest.raises(UserError, match=why):
            task.training_set(SETTINGS, of, [ImageSet.open(path)], "k", dataset.CPU)


def test_arms_have_names_of_their_own():
    names = list(PLANNED.arms([SyntheticSet("pasted", "synthetic")], more_real=True))
    assert names == [
        "real",
        "pasted",
        "scarred",
        "moved",
        "one_class",
        "real+more_real",
        "real+same_real",
        "real+pasted",
    ]
