"""The notes of what is read: that they miss nothing."""

import numpy as np
import pytest

from pipeline.data.image_set import ImageSet
from tests import image_sets

CASES = [
    (lambda s: s.images[2], "images", [2]),
    (lambda s: s.images[np.array([3, 1])], "images", [1, 3]),
    (lambda s: s.images[1:3], "images", [1, 2]),
    (lambda s: s.images[:, 0], "images", [0, 1, 2, 3]),
    (lambda s: s.images[s.labels == 1], "images", [1, 3]),
    (lambda s: np.asarray(s.images), "images", [0, 1, 2, 3]),
    (lambda s: (s.images.shape, s.images.dtype, len(s.images)), "images", []),
    (lambda s: s.boxes[s.boxes["id"].isin(["b", "c"])], "boxes", [1]),
    (lambda s: s.boxes[(s.boxes["id"] == "a").to_numpy()], "boxes", [0]),
    (lambda s: (s.boxes["id"], s.box_classes, s.annotated), "boxes", []),
    (lambda s: s.boxes["x0"], "boxes", [0, 1, 2, 3]),
    (lambda s: s.boxes[["id", "x0"]], "boxes", [0, 1, 2, 3]),
    (lambda s: s.boxes.groupby("id"), "boxes", [0, 1, 2, 3]),
    (lambda s: len(s.boxes), "boxes", [0, 1, 2, 3]),
]


@pytest.fixture
def folder(tmp_path):
    image_sets.write(tmp_path / "real", np.zeros((4, 2, 2, 1), np.uint8), ["x", "y"] * 2, ids=list("abcd"))
    image_sets.mark(tmp_path / "real", [(0, "x", 0, 0, 1, 1), (1, "y", 0, 0, 1, 1)], ["x", "y"], [3])
    return tmp_path / "real"


@pytest.mark.parametrize(("look", "what", "rows"), CASES)
def test_what_is_read_is_noted(folder, reads, look, what, rows):
    look(ImageSet.open(folder))
    assert reads.rows(what, "real") == rows
    assert {event[0] for event in reads.events} <= {what}
