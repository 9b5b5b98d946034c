"""Defects that need no generator."""

import numpy as np
import pytest

from pipeline.downstream.anomalies import defects


@pytest.fixture
def good():
    y, x = np.mgrid[:32, :32]
    return np.stack([100 + 3 * i + 0.5 * x + 0.2 * y for i in range(5)])[..., None].astype(np.uint8)


def test_a_pasted_piece_is_another_images_and_nothing_else_changes(good):
    made, masks = defects.pasted(good, 30, seed=1)
    assert made.shape == (30, 32, 32, 1)
    assert made.dtype == np.uint8
    assert np.all((masks.mean(axis=(1, 2)) > 0.001) & (masks.mean(axis=(1, 2)) < 0.15))
    for image, mask in zip(made, masks, strict=True):
        rest = ~mask
        assert any(np.array_equal(image[rest], one[rest]) for one in good)
    assert len({mask.tobytes() for mask in masks}) > 25
    again, _ = defects.pasted(good, 30, seed=1)
    assert np.array_equal(made, again)


def test_a_scar_is_thin_and_another_images(good):
    large = np.repeat(np.repeat(good, 4, axis=1), 4, axis=2)  # 128 pixels: 5 to 12.5 long, 1 to 8 thick
    made, masks = defects.scarred(large, 40, seed=1)
    sizes = masks.sum(axis=(1, 2))
    assert 4 <= sizes.min() < 20 < sizes.max() <= 13 * 9
    for image, mask in zip(made, masks, strict=True):
        assert max(np.ptp(where) for where in np.nonzero(mask)) <= 15
        assert any(np.array_equal(image[~mask], one[~mask]) for one in large)
    rows, columns = zip(*((np.ptp(y), np.ptp(x)) for y, x in map(np.nonzero, masks)), strict=True)
    assert np.corrcoef(rows, columns)[0, 1] < 0.99, "some lean, some do not"
    assert defects.scarred(good, 5, seed=1)[1].any(axis=(1, 2)).all(), "small images have scars of a pixel's width"


def test_a_moved_defect_keeps_its_contrast_and_takes_the_level_of_its_new_place(good):
    """A dark line of 40 levels: after blending it is 40 levels darker than what is around it, wherever it is."""
    bad, masks = np.full((1, 32, 32, 1), 200, np.uint8), np.zeros((1, 32, 32), bool)
    masks[0, 10:22, 15] = True
    bad[0, 10:22, 15] -= 40
    made, found = defects.moved(good, bad, masks, "dihedral", 20, seed=0)
    assert made.shape == (20, 32, 32, 1)
    assert {mask.sum() for mask in found} == {12}
    for image, mask in zip(made.astype(int), found, strict=True):
        depth = [(one.astype(int) - image)[mask].mean() for one in good]
        assert min(abs(d - 40) for d in depth) < 6
    lying = [np.ptp(np.nonzero(mask)[0]) == 0 for mask in found]
    assert 0 < sum(lying) < 20, "turned as the symmetry allows"


def test_nothing_is_moved_without_masks_or_where_it_cannot_fit(good):
    bad, masks = good[:1], np.zeros((1, 32, 32), bool)
    assert len(defects.moved(good, bad, masks, "both", 20, seed=0)[0]) == 0
    masks[:] = True  # the whole image
    assert len(defects.moved(good, bad, masks, "dihedral", 20, seed=0)[0]) == 0
    assert len(defects.moved(good, bad[:0], masks[:0], "both", 20, seed=0)[0]) == 0
