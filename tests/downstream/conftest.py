import pytest

from pipeline.downstream.boxes import figure
from tests import image_sets
from tests.downstream.cases import CASES


@pytest.fixture
def image_set(tmp_path):
    """Writes an image set: image_set(name, images, labels, split, classes=..., symmetry=...) -> Path."""

    def write(name, images, labels, split, classes=("bar", "disc"), symmetry="none"):
        ids = [f"{name}_{i:06d}" for i in range(len(images))]
        names = [classes[k] for k in labels]
        return image_sets.write(tmp_path / name, images, names, split, ids, classes=list(classes), symmetry=symmetry)

    return write


@pytest.fixture
def boxed(image_set):
    """Writes an image set with boxes: boxed(name, images, split, marks, classes, unknown=..., symmetry=...) -> Path.

    `marks` are (place of the image, class, x0, y0, x1, y1), `unknown` places of images whose boxes are not known.
    """

    def write(name, images, split, marks, classes=("disc", "square"), unknown=(), symmetry="none"):
        path = image_set(name, images, [0] * len(images), split, classes=("all",), symmetry=symmetry)
        image_sets.mark(path, marks, classes, unknown)
        return path

    return write


@pytest.fixture(params=CASES, ids=lambda case: case.task.name)
def case(request, tmp_path, image_set, boxed, monkeypatch):
    """Each task with its tiny data sets; pictures stay empty, for drawing them takes longer than a training."""
    monkeypatch.setattr(figure, "write", lambda real, result, path: path.touch())
    return request.param.within(tmp_path, image_set, boxed)
