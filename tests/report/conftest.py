import copy
import io
import shutil

import pytest
from PIL import Image

from pipeline.report import boxes_section, figures, images
from tests.report.made_up_run import make_run


@pytest.fixture
def undrawn(monkeypatch):
    """Figures stay empty: drawing them takes most of a page's time."""
    for name in (
        "psd",
        "microstructure",
        "training",
        "detectors",
        "class_gains",
        "roc",
        "positions",
        "precision_recall",
    ):
        monkeypatch.setattr(figures, name, lambda *numbers: "<svg/>")
    monkeypatch.setattr(boxes_section, "_picture", lambda *of: images.png(Image.new("RGB", (8, 8))))


@pytest.fixture(scope="session")
def kept_run(tmp_path_factory):
    """A run, and a copy of its files to put them back from."""
    root = tmp_path_factory.mktemp("kept")
    made = make_run(root / "run")
    shutil.copytree(made.root, root / "copy")
    return made, root / "copy"


@pytest.fixture
def run(kept_run, undrawn, monkeypatch):
    """A run to change, whose pages are made fast; it lies where that of the test before lay."""
    made, files = kept_run
    shutil.rmtree(made.root, ignore_errors=True)
    shutil.copytree(files, made.root)
    monkeypatch.setattr(images, "_png", _png)
    return copy.deepcopy(made)


def _png(picture):
    """As a page's, larger by a little."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """Made once; for tests that change nothing."""
    return make_run(tmp_path_factory.mktemp("run"))
