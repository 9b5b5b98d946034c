import numpy as np
import pytest

from pipeline.detection.order import HORIZONTAL, TRANSPOSE, VERTICAL, batches


def stack(*args):
    rows, views = zip(*batches(*args), strict=True)
    return np.stack(rows), np.stack(views)


def test_the_real_arm_shows_every_image_equally_often():
    rows, _ = stack(3, 25, 8, 20, 0, "none")  # 200 places, 20 images
    assert np.array_equal(np.bincount(rows.ravel()), np.full(20, 10))


def test_an_arm_keeps_the_real_images_of_the_real_arm_in_their_places():
    real, real_views = stack(3, 50, 16, 30, 0, "dihedral")
    one, one_views = stack(3, 50, 16, 30, 30, "dihedral")
    both, _ = stack(3, 50, 16, 30, 60, "dihedral")
    assert np.array_equal(one_views, real_views)
    for rows in (one, both):
        kept = rows < 30
        assert np.array_equal(rows[kept], real[kept])
    assert not np.any((both < 30) & ~(one < 30))  # the arm of both models keeps a subset of the arm of one
    assert not np.array_equal(stack(4, 50, 16, 30, 0, "none")[0], real)


def test_every_image_of_the_union_weighs_the_same():
    rows, _ = stack(0, 3000, 10, 7, 16, "none")
    shown = np.bincount(rows.ravel(), minlength=23)
    assert abs(shown[:7].sum() - 30000 * 7 / 23) < 1  # the share is exact
    assert np.all(np.abs(shown - 30000 / 23) < 4 * np.sqrt(30000 / 23))
    share = (rows < 7).sum(1)
    assert set(share) == {3, 4}  # 10 · 7 / 23 = 3.04


def test_a_set_smaller_than_a_batch_still_fills_it():
    rows, _ = stack(0, 2, 16, 3, 2, "none")
    assert rows.shape == (2, 16)
    assert set(rows.ravel()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("symmetry", "views"),
    [
        ("none", {0}),
        ("horizontal", {0, HORIZONTAL}),
        ("vertical", {0, VERTICAL}),
        ("both", {0, 1, 2, 3}),
        ("dihedral", set(range(8))),
    ],
)
def test_views_are_those_of_the_symmetry_and_equally_frequent(symmetry, views):
    _, drawn = stack(1, 400, 20, 9, 9, symmetry)
    values, counts = np.unique(drawn, return_counts=True)
    assert set(values.tolist()) == views
    assert np.all(np.abs(counts - 8000 / len(views)) < 4 * np.sqrt(8000 / len(views)))
    assert TRANSPOSE == 4
