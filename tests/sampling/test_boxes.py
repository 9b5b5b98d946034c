"""Synthetic sets with boxes: the boxes beside the images are those that were asked for."""

import json

import numpy as np
import torch
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.models.layouts import Layout
from pipeline.sampling.boxes import write_boxes
from pipeline.sampling.draw import generate
from pipeline.settings import Generate
from pipeline.training import model_files
from pipeline.training.loop import train
from tests import image_sets
from tests.learning import plates
from tests.models.tiny import tiny_settings
from tests.tiny_family import Events


def trained(tmp_path, **changes):
    data = plates.image_set(tmp_path / "real", 30)
    folder = tmp_path / "asked" / "seed-0"
    settings = tiny_settings("ddpm", sampling_steps=3, total_images=40, snapshots=1, **changes)
    train(settings, data, folder, tmp_path / "state", 0, Events(), threads=1)
    return data, folder


def test_boxes_beside_the_images_are_those_asked_for_of_their_seeds(tmp_path):
    data, folder = trained(tmp_path, boxes=True, classes=["two", "clean"])
    journal = Events()
    generate(Generate(images_per_class=5), folder, data, tmp_path / "out", journal, threads=1)
    drawn, model = ImageSet.open(tmp_path / "out"), model_files.load(folder)
    assert drawn.box_classes == ["solid", "striped"]
    assert drawn.annotated.all()
    assert drawn.metadata["label"].tolist() == ["clean"] * 5 + ["two"] * 5
    labels = torch.tensor([1] * 5 + [0] * 5)  # as the model numbers them
    asked = model.boxes(labels, torch.tensor(drawn.metadata["seed"].tolist()))
    for name, layout in zip(drawn.metadata["id"], asked, strict=True):
        own = drawn.boxes[drawn.boxes["id"] == name]
        assert own["label"].tolist() == [plates.KINDS[k] for k in layout.kinds]
        np.testing.assert_allclose(own[["x0", "y0", "x1", "y1"]], layout.boxes, rtol=1e-8)
    assert len(drawn.boxes) == 10
    with Image.open(tmp_path / "out" / "boxes.png") as picture:
        assert picture.height > 100
    assert [artifact[0].name for artifact in journal.of("artifact")] == ["samples.png", "boxes.png"]


def test_boxes_like_the_missed_ones_are_asked_for(tmp_path):
    """Missed are boxes at the upper left; so are those of the second set, nearer than those of any images."""
    data, folder = trained(tmp_path, boxes=True)
    images = ImageSet.open(data)
    own = images.boxes[images.boxes["label"] == "striped"].head(1)
    missed = own.assign(x0=0.0, y0=0.0, x1=own["x1"] - own["x0"], y1=own["y1"] - own["y0"], missed=1.0)
    missed.to_csv(tmp_path / "missed.csv", index=False)
    asked, far = images.metadata.set_index("id")["label"][own["id"].iloc[0]], {}
    for name, table in (("plain", None), ("missed", tmp_path / "missed.csv")):
        generate(Generate(images_per_class=6), folder, data, folder / name, Events(), threads=1, missed=table)
        drawn = ImageSet.open(folder / name)
        assert len(drawn) == 18
        of_class = drawn.metadata["id"][drawn.metadata["label"] == asked]
        boxes = drawn.boxes[drawn.boxes["id"].isin(of_class) & (drawn.boxes["label"] == "striped")]
        far[name] = boxes.groupby("id")[["x0", "y0"]].min().sum(axis=1).mean()
    assert far["missed"] < far["plain"]


def test_a_model_without_boxes_writes_none(tmp_path):
    data, folder = trained(tmp_path)
    generate(Generate(images_per_class=2), folder, data, tmp_path / "out", Events(), threads=1)
    assert ImageSet.open(tmp_path / "out").boxes is None
    assert not list((tmp_path / "out").glob("boxes*"))
    assert "boxes" not in json.loads((folder / "model.json").read_text())["spec"]


class Recorder:
    """Asks for one box an image, at the place that its seed says, and remembers of how many images it was asked."""

    def __init__(self):
        self.sizes = []

    def boxes(self, labels, seeds):
        self.sizes.append(len(seeds))
        x, y = seeds % 20, seeds // 20
        ends = torch.stack([x, y, x + 2, y + 3], 1)[:, None].double()
        return [Layout(label[None], box) for label, box in zip(labels, ends, strict=True)]


def test_the_boxes_of_many_images_are_asked_for_in_small_parts_and_belong_to_their_images(tmp_path):
    """The latents of 20 000 images at once would be 5 GB."""
    names = [f"image_{i:03d}" for i in range(150)]
    image_sets.write(tmp_path, np.zeros((150, 32, 32, 1), np.uint8), ids=names, columns={"seed": range(150)})
    model = Recorder()
    write_boxes(model, ("odd", "even"), [1 - seed % 2 for seed in range(150)], ImageSet.open(tmp_path))
    boxes = ImageSet.open(tmp_path).boxes
    assert boxes["id"].tolist() == names
    assert boxes["label"].tolist() == ["even", "odd"] * 75
    assert boxes[["x0", "y1"]].values.tolist() == [[seed % 20, seed // 20 + 3] for seed in range(150)]
    assert sum(model.sizes) == 150
    assert max(model.sizes) <= 64
