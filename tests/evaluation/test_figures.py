"""Figures of an evaluation: names of classes and models are text in them."""

import numpy as np
import pytest
from PIL import Image

from pipeline.evaluation import figures
from pipeline.evaluation.features import Features
from pipeline.evaluation.sample import Sample

HOSTILE = ["$\\frac{a$", "all", "a\nb", "50%_A&B #1", "$x^2$", "x" * 300]


def sample(seed):
    rng, n = np.random.default_rng(seed), len(HOSTILE)
    vectors = rng.standard_normal((n, 4)).astype(np.float32)
    found = {"random": Features(vectors, (4,), np.zeros((n, 0), np.float32), ())}
    images = rng.integers(0, 256, (n, 16, 16, 1), dtype=np.uint8)
    return Sample(images, np.arange(n), np.array(HOSTILE), np.arange(n).astype(str), found)


@pytest.mark.parametrize("name", ["$\\frac{a$", "cgan"])
def test_every_figure_is_drawn_whatever_the_names(tmp_path, name):
    curve = {"frequency": [0.1, 0.2], "unit": name}
    curve |= {line: [1.0, 2.0] for line in ("reference", "reference_low", "reference_high")}
    pair = {"made": 0, "real": 1, "shift": [1, -2], "view": "as it is", "distance": 0.5}
    figures.plot_psd(tmp_path / "psd.png", curve, {name: [1.0, 3.0]})
    figures.plot_samples(tmp_path / "samples.png", sample(0), sample(1), name, np.random.default_rng(0))
    figures.plot_closest(tmp_path / "closest.png", [pair], sample(0), sample(1), name)
    for file in tmp_path.iterdir():
        assert np.asarray(Image.open(file)).std() > 0
    assert len(list(tmp_path.iterdir())) == 3
