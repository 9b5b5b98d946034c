"""What detectors miss in validation images: just what is wrong there, image by image and box by box."""

import numpy as np
import pandas as pd
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream import missed
from pipeline.downstream.boxes.average_precision import BoxTable
from pipeline.downstream.boxes.box_dataset import choosing
from pipeline.downstream.boxes.detector import Detections
from pipeline.downstream.boxes.scoring import drawn
from pipeline.downstream.boxes.task import TASK as BOXES
from pipeline.downstream.classifier.task import TASK as CLASSES
from pipeline.settings import Detect, DetectBoxes
from tests.learning import plates
from tests.tiny_family import image_set


def test_images_that_are_taken_for_another_class(tmp_path):
    """Two dark validation images are called bright: no detector can know that."""
    data = image_set(tmp_path / "real", n=60, val=True)
    table = pd.read_csv(data / "metadata.csv")
    held = table.index[table["split"] == "val"]
    wrong = [i for i in held if table["label"][i] == "dark"][:2]
    table.loc[wrong, "label"] = "bright"
    table.to_csv(data / "metadata.csv", index=False)
    missed.write_missed(CLASSES, Detect(), data, tmp_path / "missed.csv", "steel")
    found = pd.read_csv(tmp_path / "missed.csv")
    assert found["id"].tolist() == table["id"][held].tolist()
    assert found["label"].tolist() == table["label"][held].tolist()
    assert found["id"][found["missed"] == 1].tolist() == table["id"][wrong].tolist()
    assert found["missed"].sum() == 2


def test_without_validation_images_nothing_is_known(tmp_path):
    missed.write_missed(CLASSES, Detect(), image_set(tmp_path / "real", n=40), tmp_path / "missed.csv", "steel")
    assert pd.read_csv(tmp_path / "missed.csv").columns.tolist() == missed.COLUMNS
    assert len(pd.read_csv(tmp_path / "missed.csv")) == 0


def test_true_boxes_that_are_found():
    """By class, image, score and overlap: of 8 x 8 pixels moved by 2 half of both is shared, 0.6 of the union; by 3
    less than half of the union, by 2 2/3 half of it."""
    truth = BoxTable(np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 0, 0, 1]), boxes(0, 20, 40, 0, 0, 20), None)
    said = BoxTable(
        np.array([0, 0, 0, 0, 2, 2]),
        np.array([0, 0, 0, 0, 0, 1]),
        boxes(2, 23, 40, 100, 8 / 3 - 1e-9, 20),
        np.array([0.5, 0.9, 0.9, 0.9, 0.5, 0.6]),
    )
    assert missed.found(truth, said, np.array([0.5, 0.7])).tolist() == [True, False, False, False, True, False]
    assert missed.found(truth, said, np.array([0.6, 0.5])).tolist() == [False] * 5 + [True]
    nothing = BoxTable(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)), np.zeros(0))
    assert not missed.found(truth, nothing, np.zeros(2)).any()


def boxes(*lefts):
    return np.array([[left, 5, left + 8, 13] for left in lefts], float)


def test_boxes_in_the_order_of_the_images(tmp_path, monkeypatch):
    """A detector that finds the solid ones alone, in a set whose table of boxes has another order."""
    data = plates.image_set(tmp_path / "real", 45, unknown=4, split=("train", "val", "test"))
    real = ImageSet.open(data)
    shuffled = real.boxes.sample(frac=1, random_state=1)
    asked = {
        name: list(of.drop(columns="id").itertuples(index=False, name=None))
        for name, of in shuffled.groupby("id", sort=False)
    }
    plates.annotate(data, asked, list(real.metadata["id"][:4]))
    real = ImageSet.open(data)
    truth = drawn(choosing(real, torch.device("cpu")))

    def find(detector, pool, batch):
        def solid(i):
            own = np.flatnonzero((truth.image == i) & (truth.class_id == 0))
            return Detections(
                boxes=torch.tensor(truth.box[own]),
                scores=torch.ones(len(own)),
                classes=torch.zeros(len(own), dtype=int),
            )

        return [solid(i) for i in range(len(pool))]

    monkeypatch.setattr(missed, "find", find)
    monkeypatch.setattr(type(BOXES), "train", lambda *of: None)
    missed.write_missed(BOXES, DetectBoxes(steps=1), data, tmp_path / "missed.csv", "steel")
    found = pd.read_csv(tmp_path / "missed.csv")
    assert {"solid", "striped"} == set(found["label"])
    np.testing.assert_array_equal(found["missed"], found["label"] == "striped")
    np.testing.assert_allclose(found[["x0", "y0", "x1", "y1"]], truth.box, atol=0.01)
    assert set(found["id"]) <= set(real.metadata["id"][real.metadata["split"] == "val"])
    assert len(found) > 10
