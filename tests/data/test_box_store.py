"""Boxes beside their images."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data import box_store
from pipeline.data.image_set import ImageSet
from pipeline.settings import UserError
from tests import image_sets


def image_set(folder, seed=0):
    images = np.random.default_rng(seed).integers(0, 255, (3, 4, 4, 1), np.uint8)
    return ImageSet.open(image_sets.write(folder, images, ["NA"] * 3, ids=[f"r{i}" for i in range(3)]))


TABLE = pd.DataFrame([("r0", "NA", 0, 1, 4, 3), ("r0", "b", 0.1, 0.2, 0.3, 1 / 3)], columns=box_store.COLUMNS)


def test_what_is_written_is_read(tmp_path):
    images = image_set(tmp_path)
    assert images.boxes is None
    assert images.box_classes == []
    assert not images.annotated.any()
    box_store.write(tmp_path, images.meta["data_hash"], TABLE, ["b", "NA"], ["r2"])
    images = ImageSet.open(tmp_path)
    pd.testing.assert_frame_equal(images.boxes[["id", "label"]], TABLE[["id", "label"]], check_dtype=False)
    np.testing.assert_allclose(images.boxes[["x0", "y0", "x1", "y1"]], TABLE[["x0", "y0", "x1", "y1"]], rtol=1e-6)
    assert images.box_classes == ["b", "NA"]
    assert images.annotated.tolist() == [True, True, False]  # r1 is background, r2 is not known


def test_boxes_of_other_images_and_altered_ones_are_refused(tmp_path):
    images = image_set(tmp_path)
    box_store.write(tmp_path, images.meta["data_hash"], TABLE, ["b", "NA"], [])
    text = (tmp_path / "boxes.csv").read_text()
    (tmp_path / "boxes.csv").write_text(text.replace("0.3", "0.4"))
    with pytest.raises(UserError, match=r"boxes\.csv is missing or was altered"):
        _ = ImageSet.open(tmp_path).boxes
    (tmp_path / "boxes.csv").write_text(text)
    assert len(ImageSet.open(tmp_path).boxes) == 2
    image_set(tmp_path, seed=1)
    with pytest.raises(UserError, match="belongs to other images"):
        _ = ImageSet.open(tmp_path).annotated
