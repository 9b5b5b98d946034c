"""A model that is asked for boxes learns to draw defects in them: where, how large, and of which kind."""

import numpy as np
import pytest
import torch

from pipeline.settings import DDPMSettings
from pipeline.training import model_files
from pipeline.training.loop import train
from tests.learning import plates
from tests.learning.recipes import RECIPES
from tests.tiny_family import Events

RECIPE = RECIPES["ddpm"] | {"total_images": 4000, "batch": 16, "snapshots": 2, "keep": "last"}
BRIGHT, DARK = plates.LEVEL, plates.GROUND


def test_true_images_overlap_their_boxes_and_others_not():
    rng = np.random.default_rng(0)
    own, other = [], []
    for _ in range(50):
        (box,) = plates.boxes("one", rng)
        drawn = plates.image([("solid", *box[1:])], rng)
        ends = np.array([box[1:]])
        own.append(plates.overlap(drawn, ends))
        other.append(plates.overlap(drawn[:, ::-1], ends))
    assert np.mean(own) > 0.95
    assert np.mean(other) < 0.3


def looks(image, box):
    """Mean of the even and of the odd pairs of rows well inside a box."""
    x0, y0, x1, y1 = box
    rows = np.arange(int(np.ceil(y0)), int(y1))
    inside = image[rows][:, int(np.ceil(x0)) : int(x1)].mean(1)
    return inside[rows // 2 % 2 == 0].mean(), inside[rows // 2 % 2 == 1].mean()


@pytest.mark.slow
def test_defects_are_drawn_in_their_boxes(tmp_path):
    """Single boxes of training images lie on the left; half of the layouts that are asked for are flipped."""
    data = plates.image_set(tmp_path / "real", 300)
    settings = DDPMSettings(family="ddpm", boxes=True, **RECIPE)
    train(settings, data, tmp_path / "out", tmp_path / "state", 0, Events(), threads=1)
    model = model_files.load(tmp_path / "out")
    labels, seeds = torch.arange(120) % 3, torch.arange(120)
    images, asked = model.sample(labels, seeds)[:, 0].numpy(), model.boxes(labels, seeds)
    overlaps = [
        plates.overlap(image, layout.boxes.numpy())
        for image, layout in zip(images, asked, strict=True)
        if len(layout.boxes) and (layout.kinds == 0).all()
    ]
    print("overlaps", len(overlaps), np.mean(overlaps), np.min(overlaps))
    assert len(overlaps) > 20
    assert np.mean(overlaps) > 0.9
    assert np.min(overlaps) > 0.7
    assert images[labels == 0].max() < 0.3  # nothing where nothing was asked for
    for kind, contrast in ((0, 0.0), (1, BRIGHT - DARK)):
        found = np.array(
            [
                looks(image, box)
                for image, layout in zip(images, asked, strict=True)
                for box in layout.boxes[layout.kinds == kind].tolist()
            ]
        )
        # Which rows of a striped defect are bright is free: a network of convolutions knows no first row.
        assert np.abs(found[:, 0] - found[:, 1]).mean() == pytest.approx(contrast, abs=0.15)
        assert found.max(1).mean() == pytest.approx(BRIGHT, abs=0.15)
    right = [float(a.boxes[0, [0, 2]].mean()) > plates.SIZE / 2 for a in asked if len(a.boxes) == 1]
    assert 0.25 < np.mean(right) < 0.75
