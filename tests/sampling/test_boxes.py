"""Synthetic sets with boxes: the boxes beside the images are those that were asked for."""

import json

import numpy as np
import torch
from PIL import Image

from pipeline.data.imageset import ImageSet
from pipeline.sampling.draw import generate
from pipeline.settings import Generate
from pipeline.training import store
from pipeline.training.loop import train
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
    drawn, model = ImageSet.open(tmp_path / "out"), store.load(folder)
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


def test_a_model_without_boxes_writes_none(tmp_path):
    data, folder = trained(tmp_path)
    generate(Generate(images_per_class=2), folder, data, tmp_path / "out", Events(), threads=1)
    assert ImageSet.open(tmp_path / "out").boxes is None
    assert not list((tmp_path / "out").glob("boxes*"))
    assert "boxes" not in json.loads((folder / "model.json").read_text())["spec"]
