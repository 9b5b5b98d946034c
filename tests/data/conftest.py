"""Helpers of the data tests."""

import inspect

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.data.annotations import attach as annotate_module
from pipeline.data.preparing import prepare as prepare_module
from pipeline.settings import Dataset


class Inline:
    """Runs the pool's tasks in this process: the tests of preparing are about the images, not about processes."""

    def __init__(self, *_, **__):
        pass

    def map(self, function, tasks, divide=None):
        for task in tasks:
            result = function(task)
            yield from ((task, part) for part in (result if inspect.isgenerator(result) else [result]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def inline(monkeypatch):
    """Makes `prepare` and `annotate` work without starting processes."""
    monkeypatch.setattr(prepare_module, "SandboxPool", Inline)
    monkeypatch.setattr(annotate_module, "SandboxPool", Inline)


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


@pytest.fixture
def folder(tmp_path, picture):
    """Writes {name: pixels or bytes} below a folder with an awkward name."""

    def make(content):
        root = tmp_path / "my data #1 [ä]"
        for name, value in content.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(value, bytes):
                path.write_bytes(value)
            elif path.suffix == ".tif":
                tifffile.imwrite(path, value, photometric="rgb" if value.ndim == 3 else "minisblack")
            else:
                Image.fromarray(value).save(path)
        return str(root)

    return make


@pytest.fixture
def crops(folder):
    """16 scenes, each cut three times: (row, col) 0, 0; 20, 8; 0, 30, of 80 pixels."""

    def make():
        rng = np.random.default_rng(0)
        scenes = [rng.integers(0, 255, (120, 120), dtype=np.uint8) for _ in range(16)]
        corners = {"a": (0, 0), "b": (20, 8), "c": (0, 30)}
        cut = {f"{i}_{n}.png": s[r : r + 80, c : c + 80] for i, s in enumerate(scenes) for n, (r, c) in corners.items()}
        return folder(cut)

    return make
