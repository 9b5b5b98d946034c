import numpy as np
import pytest

from pipeline.downstream.schedule import HORIZONTAL, TRANSPOSE, VERTICAL, batches


def stack(seed, steps, batch, n_real, n_extra, ratio, symmetry, real=None, extra=None, balanced=False):
    real, extra = (np.zeros(n, int) if x is None else x for n, x in ((n_real, real), (n_extra, extra)))
    rows, views = zip(*batches(seed, steps, batch, real, extra, ratio, symmetry, balanced), strict=True)
    return np.stack(rows), np.stack(views)


def test_the_real_arm_shows_every_image_equally_often():
    rows, _ = stack(3, 25, 8, 20, 0, 1.0, "none")  # 200 places, 20 images
    assert np.array_equal(np.bincount(rows.ravel()), np.full(20, 10))


def test_an_arm_keeps_the_real_images_of_the_real_arm_in_their_places():
    real, real_views = stack(3, 50, 16, 30, 0, 1.0, "dihedral")
    one, one_views = stack(3, 50, 16, 30, 30, 0.5, "dihedral")
    both, _ = stack(3, 50, 16, 30, 60, 2.0, "dihedral")
    assert np.array_equal(one_views, real_views)
    for rows in (one, both):
        kept = rows < 30
        assert np.array_equal(rows[kept], real[kept])
    assert not np.any(
        (both < 30) & ~(one < 30)
    )  # the arm of the greater ratio keeps a subset of the arm of the smaller
    assert not np.array_equal(stack(4, 50, 16, 30, 0, 1.0, "none")[0], real)


@pytest.mark.parametrize(("ratio", "places"), [(0.5, 20_000), (1.0, 15_000), (2.0, 10_000), (np.inf, 0)])
def test_the_ratio_of_extra_places_to_real_ones_is_exact_and_each_image_of_a_kind_weighs_the_same(ratio, places):
    rows, _ = stack(0, 3000, 10, 7, 16, ratio, "none")
    shown = np.bincount(rows.ravel(), minlength=23)
    assert abs(shown[:7].sum() - places) <= 1
    extra = (30_000 - places) / 16
    assert np.all(np.abs(shown[:7] - places / 7) <= 4 * np.sqrt(places / 7))
    assert np.all(np.abs(shown[7:] - extra) < 4 * np.sqrt(extra))
    assert np.ptp((rows < 7).sum(1)) <= 1  # every batch alike


def test_a_set_smaller_than_a_batch_still_fills_it():
    rows, _ = stack(0, 2, 16, 3, 2, 1.0, "none")
    assert rows.shape == (2, 16)
    assert set(rows.ravel()) == {0, 1, 2, 3, 4}


def test_balanced_sampling_shows_every_class_and_every_image_of_a_class_equally_often():
    real, extra = np.array([0] * 12 + [1] * 3 + [2] * 1), np.array([0] * 2 + [2] * 4)
    rows, _ = stack(0, 300, 24, 16, 6, 1.0, "none", real=real, extra=extra, balanced=True)
    shown = np.bincount(rows.ravel(), minlength=22)
    by_class = [shown[:16][real == k] for k in range(3)]
    assert all(abs(c.sum() - 1200) < 40 for c in by_class)  # half of 7200 places are real
    assert all(np.ptp(c) < 4 * np.sqrt(c.mean()) for c in by_class)
    assert [shown[16:][extra == k].sum() for k in (0, 2)] == pytest.approx([1800, 1800], abs=40)


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
    _, drawn = stack(1, 400, 20, 9, 9, 1.0, symmetry)
    values, counts = np.unique(drawn, return_counts=True)
    assert set(values.tolist()) == views
    assert np.all(np.abs(counts - 8000 / len(views)) < 4 * np.sqrt(8000 / len(views)))
    assert TRANSPOSE == 4
