import pandas as pd
import pytest

from pipeline.data import box_store
from pipeline.data.image_set import COLUMNS, ImageSet, ImageSetWriter
from pipeline.downstream.boxes import figure
from tests.downstream.cases import CASES


@pytest.fixture
def image_set(tmp_path):
    """Writes an image set: image_set(name, images, labels, split, classes=..., symmetry=...) -> Path."""

    def write(name, images, labels, split, classes=("bar", "disc"), symmetry="none"):
        n, height, width, channels = images.shape
        names = [classes[k] for k in labels]
        ids = [f"{name}_{i:06d}" for i in range(n)]
        columns = [ids, names, ids, [0] * n, [0] * n, ids, split]
        metadata = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
        with ImageSetWriter(tmp_path / name, n, height, width, channels, str(images.dtype)) as writer:
            writer[:] = images
            writer.finish(metadata, {"classes": list(classes), "symmetry": symmetry, "dtype": str(images.dtype)})
        return tmp_path / name

    return write


@pytest.fixture
def boxed(image_set):
    """Writes an image set with boxes: boxed(name, images, split, marks, classes, unknown=..., symmetry=...) -> Path.

    `marks` are (place of the image, class, x0, y0, x1, y1), `unknown` places of images whose boxes are not known.
    """

    def write(name, images, split, marks, classes=("disc", "square"), unknown=(), symmetry="none"):
        path = image_set(name, images, [0] * len(images), split, classes=("all",), symmetry=symmetry)
        ids = ImageSet.open(path).metadata["id"]
        table = pd.DataFrame([(ids[i], *mark) for i, *mark in marks], columns=box_store.COLUMNS)
        images_hash = ImageSet.open(path).meta["data_hash"]
        box_store.write(path, images_hash, table, list(classes), [ids[i] for i in unknown])
        return path

    return write


@pytest.fixture(params=CASES, ids=lambda case: case.task.name)
def case(request, tmp_path, image_set, boxed, monkeypatch):
    """Each task with its tiny data sets; pictures stay empty, for drawing them takes longer than a training."""
    monkeypatch.setattr(figure, "write", lambda real, result, path: path.touch())
    return request.param.within(tmp_path, image_set, boxed)
