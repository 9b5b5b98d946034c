import numpy as np
import pandas as pd
import pytest

from pipeline.data.image_set import COLUMNS, ImageSetWriter


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


def shapes(n, seed, size=16, noise=40.0):
    """(n, size, size, 1) uint8 and labels: 0 a bright bar, 1 a bright disc, somewhere on noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    y, x = np.mgrid[:size, :size]
    images = np.empty((n, size, size, 1), np.uint8)
    for i, label in enumerate(labels):
        cy, cx = rng.uniform(5, size - 5, 2)
        shape = (abs(y - cy) < 1.2) & (abs(x - cx) < 6) if label == 0 else (y - cy) ** 2 + (x - cx) ** 2 < 9
        images[i, :, :, 0] = np.clip(100 + 60 * shape + noise * rng.standard_normal((size, size)), 0, 255)
    return images, labels
