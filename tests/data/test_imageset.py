"""The store."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.data.imageset import COLUMNS, ImageSet, ImageSetWriter, sha256
from pipeline.settings import ImageSpec, UserError

META = {"classes": ["b", "a"], "symmetry": "none", "dtype": "uint16", "scaling": {}, "pixel_size": None, "unit": "µm"}


def metadata(n):
    rows = [(f"r{i}", "ab"[i % 2], "NA", 0, i, "001", "test" if i == 3 else "train") for i in range(n)]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_what_is_written_is_read(tmp_path):
    images = np.random.default_rng(0).integers(0, 65535, (5, 6, 7, 1), np.uint16)
    with ImageSetWriter(tmp_path, 5, 6, 7, 1, "uint16") as writer:
        writer[3] = images[3]
        writer[0:3] = images[:3]
        writer[4:5] = images[4:]
        writer.finish(metadata(5), META)
    opened = ImageSet.open(tmp_path)
    np.testing.assert_array_equal(opened.images, images)
    assert opened.images.dtype == np.uint16
    assert opened.spec == ImageSpec(6, 7, 1, ("b", "a"), "none")
    assert opened.labels.tolist() == [1, 0, 1, 0, 1]  # `b` is the first class
    assert opened.rows("test").tolist() == [3]
    assert (opened.metadata["source"] == "NA").all()  # names are no missing numbers
    assert (opened.metadata["group"] == "001").all()
    assert opened.meta["data_hash"] == sha256(tmp_path / "images.npy")


def test_what_does_not_fit_is_refused(tmp_path):
    with ImageSetWriter(tmp_path, 5, 6, 7, 1, "uint16") as writer:
        for rows, shape, dtype in ((5, (6, 7, 1), "u2"), (slice(0, 2), (3, 6, 7, 1), "u2"), (0, (6, 7, 1), "u1")):
            with pytest.raises(ValueError, match="does not fit"):
                writer[rows] = np.zeros(shape, dtype)


def test_an_interrupted_set_leaves_nothing(tmp_path):
    def interrupted():
        with ImageSetWriter(tmp_path, 2, 4, 4, 3, "uint8") as writer:
            writer[0] = np.zeros((4, 4, 3), np.uint8)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match=r"images\.npy is missing"):
        ImageSet.open(tmp_path)


def test_parts_that_disagree_are_named(tmp_path):
    with ImageSetWriter(tmp_path, 2, 4, 4, 3, "uint8") as writer:
        writer.finish(metadata(2), META)
    meta = json.loads((tmp_path / "meta.json").read_text())
    (tmp_path / "meta.json").write_text(json.dumps(meta | {"channels": 1}))
    with pytest.raises(UserError, match=r"\(2, 4, 4, 3\).*\(2, 4, 4, 1\)"):
        ImageSet.open(tmp_path)
