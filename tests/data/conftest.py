"""Helpers of the data tests."""

import numpy as np
import pytest

from pipeline.data import prepare as prepare_module
from pipeline.settings import Dataset


class Inline:
    """Runs the pool's tasks in this process: the tests of preparing are about the images, not about processes."""

    def __init__(self, *_, **__):
        pass

    def map(self, function, tasks):
        for task in tasks:
            yield task, function(task)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def inline(monkeypatch):
    """Makes `prepare` work without starting processes."""
    monkeypatch.setattr(prepare_module, "Pool", Inline)


@pytest.fixture
def dataset():
    """A `Dataset` of small images: keyword arguments as in a configuration."""

    def make(source="unused", **settings):
        return Dataset.model_validate({"source": source, "size": 16} | settings)

    return make


@pytest.fixture
def picture():
    """(height, width) or (height, width, 3) random picture of a type, different for each seed."""

    def make(seed=0, shape=(24, 32), dtype="uint8"):
        rng = np.random.default_rng(seed)
        if np.dtype(dtype).kind == "f":
            return rng.random(shape).astype(dtype)
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)

    return make
