"""Every distance against an analytic answer, an independent implementation, or a case worked by hand."""

import itertools

import numpy as np
import prdc
import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.kid import poly_mmd

from pipeline.metrics import distances


def exact_sample(n, mean, covariance, seed):
    """n points whose sample mean and covariance are exactly these."""
    noise = np.random.default_rng(seed).standard_normal((n, len(mean)))
    q, _ = np.linalg.qr(noise - noise.mean(axis=0))
    return q * np.sqrt(n - 1) @ np.linalg.cholesky(covariance).T + mean


# ---------------------------------------------------------------- Fréchet


def test_frechet_of_two_gaussians_whose_covariances_do_not_commute():
    a, b = np.array([[4.0, 1.0], [1.0, 2.0]]), np.array([[1.0, -0.5], [-0.5, 9.0]])
    x, y = exact_sample(50, [1.0, 2.0], a, 0), exact_sample(70, [4.0, -2.0], b, 1)
    # Tr M^½ = sqrt(Tr M + 2 sqrt(det M)) for a 2×2 matrix
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    assert distances.frechet(x, y) == pytest.approx(9 + 16 + 6 + 10 - 2 * root, rel=1e-12)


def test_frechet_of_two_points_clouds_by_hand():
    # variances 2 and 8 along one axis only, means 1 and 5: (1 - 5)² + (√2 - √8)² = 16 + 2
    x, y = np.array([[0.0, 3, 3], [2, 3, 3]]), np.array([[3.0, 3, 3], [7, 3, 3]])
    assert distances.frechet(x, y) == pytest.approx(18, rel=1e-12)


@pytest.mark.parametrize(("n", "m", "d"), [(40, 90, 60), (90, 40, 60), (30, 20, 60), (200, 150, 60)])
def test_frechet_is_the_trace_formula_whether_images_or_features_are_more(n, m, d):
    rng = np.random.default_rng(n)
    x, y = rng.gamma(2.0, size=(n, d)), 0.3 + rng.gamma(1.0, size=(m, d)) @ rng.standard_normal((d, d)) / 8
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values, vectors = np.linalg.eigh(s1)
    half = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    root = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ s2 @ half), 0)).sum()
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s1) + np.trace(s2) - 2 * root
    assert distances.frechet(x, y) == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore")  # clean-fid calls what SciPy is about to drop
def test_frechet_is_that_of_clean_fid():
    from cleanfid.fid import frechet_distance

    rng = np.random.default_rng(3)
    x, y = rng.gamma(2.0, size=(300, 40)), rng.gamma(1.5, size=(250, 40))
    theirs = frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert distances.frechet(x, y) == pytest.approx(float(theirs), rel=1e-8)


@pytest.mark.filterwarnings("ignore")
def test_frechet_of_few_images_is_that_of_clean_fid_in_the_space_they_span():
    """Turned into the directions that the images have; in all others its root is made of rounding."""
    from cleanfid.fid import frechet_distance

    rng = np.random.default_rng(5)
    x, y = (rng.gamma(2.0, size=(25, 300)) + shift for shift in (0.0, 0.3))
    axes, _ = np.linalg.qr(np.concatenate([x, y]).T)
    a, b = x @ axes, y @ axes
    theirs = frechet_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    assert distances.frechet(x, y) == pytest.approx(float(theirs), rel=1e-6)


# ---------------------------------------------------------------- KID


def test_kid_by_hand():
    # k(a, b) = (ab + 1)³ for one feature: k(0,1) = 1; k(2,3) = 343; the four pairs between give 1, 1, 27, 64
    assert distances.kid([[0.0], [1.0]], [[2.0], [3.0]]) == pytest.approx(1 + 343 - 2 * 93 / 4, rel=1e-14)


def test_kid_is_the_double_sum():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)) + 0.5

    def kernel(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    xx = np.mean([kernel(a, b) for a, b in itertools.permutations(x, 2)])
    yy = np.mean([kernel(a, b) for a, b in itertools.permutations(y, 2)])
    xy = np.mean([kernel(a, b) for a, b in itertools.product(x, y)])
    assert distances.kid(x, y) == pytest.approx(xx + yy - 2 * xy, rel=1e-12)


def test_pulls_on_kid_have_the_jackknifes_standard_error():
    """Of a distance, and of the difference of two from one set, whose rows belong together in pairs."""
    rng = np.random.default_rng(1)
    y, x = rng.standard_normal((80, 4)), rng.standard_normal((60, 4)) + 0.3
    other = x + 0.3 * rng.standard_normal(x.shape)
    left_out = [
        [distances.kid(np.delete(a, i, 0), y) for i in range(60)]
        + [distances.kid(a, np.delete(y, j, 0)) for j in range(80)]
        for a in (x, other)
    ]
    for values, pulls in (
        (np.array(left_out[0]), distances.kid_pulls(x, y)),
        (np.subtract(*left_out), distances.kid_pulls(x, y) - distances.kid_pulls(other, y)),
    ):
        parts = np.split(values, [60])
        jackknife = sum((len(part) - 1) / len(part) * np.square(part - part.mean()).sum() for part in parts)
        assert np.linalg.norm(pulls) == pytest.approx(jackknife**0.5, rel=0.05)


def test_kid_is_that_of_torch_fidelity():
    """Of one subset that is the whole set."""
    rng = np.random.default_rng(4)
    x, y = rng.gamma(2.0, size=(60, 33)), rng.gamma(1.8, size=(60, 33))
    theirs = kid_features_to_metric(*map(torch.from_numpy, (x, y)), kid_subsets=1, kid_subset_size=60, verbose=False)
    assert distances.kid(x, y) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-10)


def test_kid_is_that_of_torchmetrics():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((40, 16)), rng.standard_normal((40, 16)) * 1.2
    theirs = poly_mmd(torch.from_numpy(x), torch.from_numpy(y), degree=3, gamma=None, coef=1.0)
    assert distances.kid(x, y) == pytest.approx(float(theirs), rel=1e-10)


def test_kid_of_one_distribution_is_zero_on_average_for_few_images():
    rng = np.random.default_rng(2)
    values = [distances.kid(*rng.standard_normal((2, 8, 4))) for _ in range(4000)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def kid_of_singles(x, y, labels):
    return distances.kid_of_groups(x, y, (labels, labels), (np.arange(len(x)), np.arange(len(y))))


def test_kid_of_single_images_of_one_class_is_kid_and_the_biased_one_is_that_of_all_pairs():
    x, y = np.random.default_rng(0).standard_normal((2, 9, 3))
    y += 0.5
    unbiased, biased = kid_of_singles(x, y, np.array(["a"] * 9))
    assert unbiased == pytest.approx(distances.kid(x, y), rel=1e-12)
    means = [((a @ b.T / 3 + 1) ** 3).mean() for a, b in ((x, x), (y, y), (x, y))]
    assert biased == pytest.approx(means[0] + means[1] - 2 * means[2], rel=1e-12)


def test_kid_of_equal_sets_is_about_nothing_where_classes_have_fixed_shares_and_images_have_groups():
    """Three classes far apart; groups of two images nearly alike. Plain KID is off on one or the other side."""
    rng, labels = np.random.default_rng(1), np.repeat(["a", "b", "c"], 8)
    groups, centre = np.arange(24) // 2, 3.0 * ((labels == "a").astype(float) - (labels == "b"))[:, None]

    def images(alike):
        apart = 0.3 if alike else 1.0
        return centre + alike * rng.standard_normal((12, 3))[groups] + apart * rng.standard_normal((24, 3))

    alone = [images(False) for _ in range(1000)]
    fixed = [
        (distances.kid(x, y), kid_of_singles(x, y, labels)[0]) for x, y in zip(alone[::2], alone[1::2], strict=True)
    ]
    alike = [images(True) for _ in range(1000)]
    grouped = [
        (distances.kid(x, y), distances.kid_of_groups(x, y, (labels, labels), (groups, groups))[0])
        for x, y in zip(alike[::2], alike[1::2], strict=True)
    ]
    for found in (fixed, grouped):
        plain, ours = np.transpose(found)
        error = ours.std() / np.sqrt(len(ours))
        assert abs(ours.mean()) < 4 * error
        assert abs(plain.mean()) > 8 * error


def test_kid_needs_two_groups():
    x = np.arange(6.0)[:, None]
    labels, groups = np.array(["a"] * 6), np.zeros(6)
    assert np.isnan(distances.kid_of_groups(x, x, (labels, labels), (groups, np.arange(6)))[0])


# ---------------------------------------------------------------- Inception score


def test_inception_score_is_the_number_of_classes_that_are_sure_and_even():
    certain = 1000.0 * np.eye(5)[np.arange(20) % 5]
    assert distances.inception_score(certain) == pytest.approx(5)
    assert distances.inception_score(certain[[0, 5, 10]]) == pytest.approx(1)  # sure, but always of the same
    assert distances.inception_score(np.zeros((20, 5))) == pytest.approx(1)  # various perhaps, but never sure


def test_inception_score_by_hand():
    # probabilities (3/4, 1/4) and (1/4, 3/4), their mean (1/2, 1/2): a divergence of 3/4 ln 3/2 + 1/4 ln 1/2 each
    assert distances.inception_score(np.log([[3.0, 1.0], [1.0, 3.0]])) == pytest.approx(
        1.5**0.75 * 0.5**0.25, rel=1e-12
    )


def test_inception_score_is_that_of_torch_fidelity():
    logits = np.random.default_rng(0).normal(0, 3, (70, 1008))
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=1)["inception_score_mean"]
    assert distances.inception_score(logits) == pytest.approx(theirs, rel=1e-10)


# ---------------------------------------------------------------- precision, recall, density, coverage


def test_prdc_by_hand():
    # radii (k = 1): x 0.5→1, 1.5→1, 30→28.5; y 0→1, 1→1, 10→9, -6→6
    x, y = np.array([[0.5], [1.5], [30.0]]), np.array([[0.0], [1.0], [10.0], [-6.0]])
    found = distances.prdc(x, y, k=1)
    # 0.5 lies in the balls of 0 and 1; 1.5 in those of 1 and 10; 30 in none; -6 is in no ball of x (36 > 28.5)
    assert found == pytest.approx({"precision": 2 / 3, "recall": 3 / 4, "density": 4 / 3, "coverage": 3 / 4})


@pytest.mark.parametrize(("n", "m", "k"), [(60, 45, 5), (30, 90, 5), (50, 50, 3)])
def test_prdc_is_that_of_the_prdc_package(n, m, k):
    rng = np.random.default_rng(n)
    x, y = 0.8 * rng.standard_normal((n, 6)) + 0.4, rng.standard_normal((m, 6))
    theirs = prdc.compute_prdc(real_features=y, fake_features=x, nearest_k=k)
    assert distances.prdc(x, y, k) == pytest.approx(theirs, rel=1e-12)
    assert len({*theirs.values(), 0.0, 1.0}) >= 5  # four numbers, at least three of them neither 0 nor 1


def test_dropped_modes_cost_recall_and_coverage_but_not_precision():
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.standard_normal((100, 4)), rng.standard_normal((100, 4)) + 20])
    found = distances.prdc(rng.standard_normal((200, 4)), y)
    assert found["precision"] > 0.9
    assert found["recall"] == pytest.approx(0.5, abs=0.05)
    assert found["coverage"] == pytest.approx(0.5, abs=0.05)


def test_block_scale_lets_each_block_count_the_same_and_keeps_proportions_within():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 5)) * [1000, 3000, 0.001, 0.002, 0] + 7
    centre, scale = distances.block_scale(x, (2, 3))
    variance = ((x - centre) / scale).var(axis=0, ddof=1)
    assert variance[:2].mean() == pytest.approx(1)
    assert variance[2:].mean() == pytest.approx(1)
    assert variance[1] / variance[0] == pytest.approx(x[:, 1].var() / x[:, 0].var())


def test_block_scale_refuses_images_that_are_all_alike():
    with pytest.raises(ValueError, match="same features"):
        distances.block_scale(np.ones((4, 3)), (2, 1))


def test_gram_distance_by_hand():
    # mean of x: (1, 0 | 6); of y: (4, 4 | 2). Layer 1: |(-3, -4)| / |(4, 4)|; layer 2: 4 / 2
    x, y = np.array([[0.0, 0, 5], [2, 0, 7]]), np.array([[4.0, 4, 2]])
    assert distances.gram_distance(x, y, (2, 1)) == pytest.approx((5 / np.sqrt(32) + 2) / 2)
    assert distances.gram_distance(y, x, (2, 1)) == pytest.approx((5 + 4 / 6) / 2)


def test_curve_distance_by_hand():
    # mean curves (2, 4) and (1, 1): root of (1 + 9) / 2
    assert distances.curve_distance([[1, 3], [3, 5]], [[1, 1]]) == pytest.approx(np.sqrt(5))


def test_parts_have_the_numbers_of_sets_of_their_own():
    """Some halves, one of two classes alone, and one whose rows have nearly all their neighbours in other parts."""
    rng = np.random.default_rng(4)
    n = distances.BLOCK + 60
    x, y = (rng.standard_normal((n, 3)) + np.repeat([0, 40], n // 2)[:, None] for _ in range(2))
    labels, groups = np.repeat(["a", "b"], n // 2), rng.integers(0, 90, n).astype(str)
    parts = [(np.sort(rng.permutation(n)[:half]), np.sort(rng.permutation(n)[: half + 9])) for half in (n // 2, 40)]
    parts += [(np.arange(n // 2), np.arange(n // 2)), (np.r_[:3, n - 9 : n], np.r_[:9, n - 3 : n])]
    names = labels, labels
    found = distances.prdc_of_parts(x, y, parts)
    kernel = distances.kid_of_parts(x, y, names, (groups, groups), parts)
    for (i, j), around, kid in zip(parts, found, kernel, strict=True):
        assert around.tolist() == pytest.approx(list(distances.prdc(x[i], y[j]).values()))
        alone = distances.kid_of_groups(x[i], y[j], (labels[i], labels[j]), (groups[i], groups[j]))
        assert kid.tolist() == pytest.approx(alone, rel=1e-9)
