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


@pytest.fixture
def run(tmp_path, undrawn):
    return make_run(tmp_path)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """Made once; for tests that change nothing."""
    return make_run(tmp_path_factory.mktemp("run"))
