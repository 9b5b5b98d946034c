"""What all tests share."""

from pathlib import Path

import pytest

from tests.reading import watched

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """Path of one of the real data sets kept beside the checkout; skips where it is absent."""

    def find(name: str) -> Path:
        path = ROOT.parent / "shared" / "data" / name
        if not path.is_dir():
            pytest.skip(f"the real data set `{name}` is not beside the checkout (../shared/data/{name})")
        return path

    return find


@pytest.fixture
def reads(monkeypatch):
    """Notes which rows of images and boxes are read of every image set that is opened; a `tests.reading.Reads`."""
    return watched(monkeypatch)
