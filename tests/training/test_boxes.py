"""Models that are shown boxes, through feed and loop: which images, which masks, which rows are read, equal bytes."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.models.ddpm import DDPM
from pipeline.settings import UserError
from pipeline.training import model_files
from pipeline.training.feed import Feed, model_spec
from pipeline.training.loop import train
from tests.learning import plates
from tests.models.tiny import tiny_settings
from tests.tiny_family import Events, terminated

CPU = torch.device("cpu")
SPLITS = ("train", "val", "test")


def feed(path, batch=12, classes=None):
    data = ImageSet.open(path)
    return Feed(data, model_spec(data, classes, boxes=True), batch, CPU)


def settings(**changes):
    return tiny_settings("ddpm", boxes=True, sampling_steps=3, **{"total_images": 40, "snapshots": 2} | changes)


def learn(path, folder, journal=None, **changes):
    train(settings(**changes), path, folder / "out", folder / "state", 0, journal or Events(), threads=1)
    return folder / "out"


def layouts(folder):
    """What a stored model asks for."""
    return model_files.load(folder).ema.book.table


# ---------------------------------------------------------------- what is shown


@pytest.mark.parametrize("symmetry", ["none", "horizontal", "vertical", "both", "dihedral"])
def test_masks_are_of_the_images_as_they_are_shown(tmp_path, symmetry, monkeypatch):
    """Solid boxes without noise: an image is its mask, edges between pixels included, flipped or turned."""
    monkeypatch.setattr(plates, "NOISE", 0.0)
    monkeypatch.setattr(plates, "KINDS", ["solid"])
    images = feed(plates.image_set(tmp_path, 12, symmetry))
    seen = set()
    for step in range(3):
        batch = images.batch(0, step)
        expected = (batch.images - plates.GROUND) / (plates.LEVEL - plates.GROUND)
        torch.testing.assert_close(batch.masks, expected, atol=0.01, rtol=0)
        seen |= {tuple(mask.flatten().tolist()) for mask in batch.masks}
    assert batch.masks.shape == (12, 1, 16, 16)
    turned = {"none": 1, "horizontal": 2, "vertical": 2, "both": 4, "dihedral": 8}[symmetry]
    assert len(seen) <= 9 * turned  # background has one mask
    assert len(seen) > 9 or symmetry == "none"


def test_images_whose_boxes_are_not_known_take_no_part_and_background_has_empty_masks(tmp_path):
    path = plates.image_set(tmp_path, 18, unknown=4)
    images = feed(path)
    assert images.rows.tolist() == list(range(4, 18))
    for step in range(3):
        batch = images.batch(0, step)
        filled = batch.masks.amax((1, 2, 3)) > 0
        assert torch.equal(filled, batch.labels > 0)


def test_a_class_without_known_boxes_is_named(tmp_path):
    path = plates.image_set(tmp_path, 9)
    plates.annotate(path, {}, ["plate_00002", "plate_00005", "plate_00008"])
    with pytest.raises(UserError, match=r"`two` has no training image whose boxes are known .*boxes\.missing"):
        feed(path)
    assert len(feed(path, classes=["clean", "one"]).rows) == 6


def test_a_set_without_boxes_is_refused(tmp_path):
    path = plates.image_set(tmp_path, 9)
    (path / "boxes.json").unlink()
    with pytest.raises(UserError, match="boxes: true needs images with boxes"):
        feed(path)


def test_left_out_images_are_said(tmp_path, capfd):
    learn(plates.image_set(tmp_path / "real", 18, unknown=4), tmp_path)
    assert "boxes: 4 of 18 training images are left out, their boxes are not known" in capfd.readouterr().err


# ---------------------------------------------------------------- what is read


class Spy:
    """Stands in for a set's images and notes which rows were read."""

    def __init__(self, images):
        self.images, self.rows = images, set()

    shape = property(lambda self: self.images.shape)
    dtype = property(lambda self: self.images.dtype)

    def __getitem__(self, rows):
        self.rows |= set(np.arange(len(self.images))[rows].reshape(-1).tolist())
        return self.images[rows]


def test_no_test_row_is_read_and_no_layout_is_of_another_split(tmp_path, monkeypatch):
    path = plates.image_set(tmp_path / "real", 90, split=SPLITS)
    spies, data = [], ImageSet.open(path)
    images = ImageSet.images.func

    def spied(self):
        if not spies:
            spies.append(Spy(images(self)))
        return spies[0]

    monkeypatch.setattr(ImageSet, "images", property(spied))
    folder = learn(path, tmp_path)
    by_split = {split: set(data.rows(split).tolist()) for split in SPLITS}
    assert spies[0].rows - {0} <= by_split["train"] | by_split["val"]
    assert 0 in by_split["train"]  # whose size is looked at
    table = data.boxes
    own = table[table["id"].isin(data.metadata["id"][data.rows("train")])]
    kept = layouts(folder)
    np.testing.assert_allclose(kept[kept[:, 2] >= 0, 3:], own[["x0", "y0", "x1", "y1"]], rtol=1e-6)
    assert kept[:, 0].unique().tolist() == list(range(30))


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The folder of a training, its images beside it."""
    root = tmp_path_factory.mktemp("before")
    return learn(plates.image_set(root / "real", 90, split=SPLITS), root, keep="last")


@pytest.mark.parametrize("split", ["val", "test"])
def test_boxes_of_held_out_images_change_nothing_that_is_learnt(tmp_path, before, split):
    """Of test images nothing at all; those of images to choose by only what the training is watched with."""
    path = tmp_path / "real"
    shutil.copytree(before.parent / "real", path)
    data = ImageSet.open(path)
    ids = set(data.metadata["id"][data.rows(split)])
    asked = {name: [] for name in data.metadata["id"]}
    for row in data.boxes.itertuples():
        box = (row.label, row.x0, row.y0, row.x1, row.y1)
        asked[row.id].append(("solid", 0, 0, 16, 16) if row.id in ids else box)
    plates.annotate(path, asked, sorted(ids)[:3])
    after = learn(path, tmp_path / "after", keep="last")
    assert (before / model_files.WEIGHTS).read_bytes() == (after / model_files.WEIGHTS).read_bytes()
    held_out = [pd.read_csv(folder / "training.csv")["loss/held_out"].dropna().tolist() for folder in (before, after)]
    assert held_out[0]
    assert (held_out[0] == held_out[1]) == (split == "test")


# ---------------------------------------------------------------- files


def test_the_model_draws_and_knows_its_boxes_without_the_real_set(tmp_path):
    path = plates.image_set(tmp_path / "real", 30)
    folder = learn(path, tmp_path)
    labels, seeds = torch.tensor([0, 1, 2]), torch.tensor([4, 5, 6])
    model = model_files.load(folder)
    drawn, boxes = model.sample(labels, seeds), model.boxes(labels, seeds)
    shutil.rmtree(path)
    again = model_files.load(folder)
    assert again.spec.boxes == ("solid", "striped")
    assert torch.equal(again.sample(labels, seeds), drawn)
    assert [b.boxes.tolist() for b in again.boxes(labels, seeds)] == [b.boxes.tolist() for b in boxes]
    assert [len(b.boxes) for b in boxes] == [0, 1, 2]


def test_interrupted_training_ends_in_the_same_bits(tmp_path, monkeypatch):
    path = plates.image_set(tmp_path / "real", 90, "dihedral", split=("train", "val"))
    whole = learn(path, tmp_path / "whole")
    with terminated(monkeypatch, DDPM, 6):
        learn(path, tmp_path / "parts")
    parts = learn(path, tmp_path / "parts")
    assert (whole / model_files.WEIGHTS).read_bytes() == (parts / model_files.WEIGHTS).read_bytes()
    assert len(layouts(parts)) >= 45


def test_a_moved_training_box_is_another_training(tmp_path, capfd, monkeypatch):
    path = plates.image_set(tmp_path / "real", 30)
    with terminated(monkeypatch, DDPM, 6):
        learn(path, tmp_path)
    plates.annotate(path, {"plate_00001": [("solid", 1, 2, 6, 9)]}, [])
    learn(path, tmp_path)
    assert "not resumed, it is of another training (rows:" in capfd.readouterr().err
