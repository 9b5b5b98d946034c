"""What all tests share."""

import gc
import hashlib
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.base.weights import WEIGHTS
from tests.reading import watched

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """A million objects that imports leave live as long as the process: to look for garbage among them again and again
    took a twentieth of all tests' time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish():
    gc.unfreeze()  # what a library of C++ finds at the end it calls leaked


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


@pytest.fixture
def full_disk():
    """A context in which no file of this process grows beyond so many bytes: to a writer, a disk that is full."""

    @contextmanager
    def limited(most):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)

    return limited


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A cache with a small network in Inception's place."""
    from tests import small_inception  # here, for most suites need no torch

    path = tmp_path / "inception-2015-12-05.pt"
    small_inception.save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    made = WEIGHTS["inception"]._replace(file=path.name, sha256=digest, size=path.stat().st_size)
    monkeypatch.setitem(WEIGHTS, "inception", made)
    return tmp_path
