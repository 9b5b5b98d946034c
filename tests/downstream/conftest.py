import pytest
from torch import nn

from pipeline.downstream.boxes import figure, trunk
from pipeline.downstream.classifier import resnet, scratch
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


def stem(spec, width):
    """The stem of a ResNet-18 and a head on it."""
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, len(spec.classes))
    return nn.Sequential(*resnet.stages(spec, width)[0], *head)


def single_blocks(spec, width):
    """The stages of a ResNet-18 with one block each."""
    first, *others = resnet.stages(spec, width)
    return [first, *(layers[:1] for layers in others)]


@pytest.fixture
def shallow(monkeypatch):
    """Networks that are made quickly: what sees what, and when, and what is said of it do not depend on their depth."""
    monkeypatch.setattr(scratch, "resnet18", stem)
    monkeypatch.setattr(trunk, "stages", single_blocks)
    monkeypatch.setitem(trunk.TRUNKS, "frozen", trunk.ResNet)


@pytest.fixture(params=CASES, ids=lambda case: case.task.name)
def case(request, tmp_path, image_set, boxed, shallow, monkeypatch):
    """Each task with its tiny data sets; pictures stay empty, for drawing them takes longer than a training."""
    monkeypatch.setattr(figure, "write", lambda real, result, path: path.touch())
    return request.param.within(tmp_path, image_set, boxed)
