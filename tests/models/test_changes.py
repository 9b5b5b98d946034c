"""Differentiable augmentation: what is changed, by how much, and that real and generated images are changed alike."""

import torch

from pipeline.models.batch import BatchRng, MicroBatch
from pipeline.models.changes import SHIFT, TONE, Change


def test_changes_are_bounded_of_each_image_by_itself_and_alike_for_real_and_fake():
    ramp = torch.linspace(-0.5, 0.5, 32)[None, None, None].expand(64, 1, 32, 32)

    def change(rows):
        images = ramp[rows]
        return Change(MicroBatch(images, torch.zeros(len(images)), BatchRng(3, 64, rows, torch.device("cpu")), 1.0))

    seen = change(slice(0, 64))(ramp)
    assert (seen.mean((1, 2, 3)).abs() <= TONE + 0.15).all()  # what moves in changes the mean too
    slopes = seen[:, 0, 16].diff(dim=1)[:, 8:-8].median(1).values / (1 / 31)
    assert (slopes >= 1 - TONE - 1e-4).all()
    assert (slopes <= 1 + TONE + 1e-4).all()
    assert slopes.std() > TONE / 3
    assert SHIFT * 32 == 4
    torch.testing.assert_close(change(slice(8, 16))(ramp[:8]), seen[8:16])
    one = change(slice(0, 64))
    torch.testing.assert_close(one(ramp + 0.1), one(ramp) + 0.1)
