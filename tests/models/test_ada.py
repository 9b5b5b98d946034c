"""Adaptive augmentation against per-image compositions, SciPy, and exact cases."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from scipy.signal import upfirdn

from pipeline.models import ada, losses, warp
from pipeline.models.batch import BatchRng


def draws(n, seed=0):
    return BatchRng(seed, n, slice(None), torch.device("cpu"))


def exact_warp(height, width):
    """In float64, with the coefficients of float64."""
    module = warp.Warp(height, width).double()
    for axis in (module.rows, module.columns):
        axis.doubling, axis.halving = warp.doubling_matrix(axis.size), warp.halving_matrix(axis.size)
        places = torch.arange(2 * axis.size + 10, dtype=torch.float64)
        axis.positions = (places - warp.DELAY) / 2 - (axis.size - 1) / 2
    return module


def scalars(*values):
    return torch.tensor(values, dtype=torch.float64)


def eye(n, k=3):
    return torch.eye(k, dtype=torch.float64).repeat(n, 1, 1)


# ---------------------------------------------------------------- the wavelet


def test_wavelet_is_orthonormal_with_six_vanishing_moments():
    h = np.array(warp.SYM6)
    assert h.sum() == pytest.approx(math.sqrt(2), abs=1e-10)
    for shift in range(6):
        assert h[2 * shift :] @ h[: 12 - 2 * shift] == pytest.approx(float(shift == 0), abs=1e-10)
    high = h[::-1] * (-1.0) ** np.arange(12)
    for moment in range(6):
        assert high @ np.linspace(-1, 1, 12) ** moment == pytest.approx(0, abs=1e-8)


def test_halving_undoes_doubling():
    product = warp.halving_matrix(16) @ warp.doubling_matrix(16)
    torch.testing.assert_close(product, torch.eye(16, dtype=torch.float64), atol=1e-10, rtol=0)


def test_doubling_matrix_is_scipys():
    x = np.random.default_rng(1).normal(size=16)
    expected = upfirdn(np.array(warp.SYM6) * math.sqrt(2), np.pad(x, 10, mode="reflect"), up=2)
    got = warp.doubling_matrix(16).numpy() @ x
    np.testing.assert_allclose(got, expected[20 : 20 + 42], atol=1e-12)


def test_reflect_is_numpys():
    padded = np.pad(np.arange(7), 15, mode="reflect")
    got = warp.reflect(torch.arange(-15, 22), 7)
    assert got.tolist() == padded.tolist()
    assert warp.reflect(torch.tensor([-0.25, 6.5]), 7).tolist() == [0.25, 5.5]


# ---------------------------------------------------------------- warping


def reference_warp(image, matrix):
    """One (H, W) image: the same filter by SciPy on a widely mirrored image, spline of order 1 in between."""
    margin = 40
    taps = np.array(warp.SYM6)
    fine = np.pad(image, margin, mode="reflect")
    for axis in (0, 1):
        fine = upfirdn(taps * math.sqrt(2), fine, up=2, axis=axis)
    # upfirdn's sample i is half-pixel i - 2 · margin - 5 counted as in warp.doubling_matrix's rows minus 5
    delay = (taps * np.arange(12)).sum() / taps.sum()
    y, x = np.meshgrid(*((np.arange(2 * n + 10) - delay) / 2 - (n - 1) / 2 for n in image.shape), indexing="ij")
    source = np.linalg.inv(matrix) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    sides = zip((source[1], source[0]), image.shape, strict=True)
    back = [2 * (s + (n - 1) / 2) + delay + 2 * margin for s, n in sides]
    moved = map_coordinates(fine, back, order=1).reshape(x.shape)
    for axis, n in enumerate(image.shape):
        moved = upfirdn(taps[::-1] / math.sqrt(2), moved, axis=axis)
        moved = np.take(moved, 11 + 2 * np.arange(n), axis)
    return moved


@pytest.mark.parametrize("shape", [(16, 16), (16, 40)])
def test_warp_is_scipys(shape):
    image = np.random.default_rng(2).normal(size=shape)
    matrix = np.array([[0.9, 0.3, 1.3], [-0.25, 1.1, -0.7], [0, 0, 1]])
    got = exact_warp(*shape)(torch.from_numpy(image)[None, None], torch.from_numpy(matrix)[None])[0, 0].numpy()
    expected = reference_warp(image, matrix)
    np.testing.assert_allclose(got[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-9)


def test_identity_warp_changes_nothing():
    images = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(warp.Warp(32, 32)(images, torch.eye(3).repeat(3, 1, 1)), images, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("x", "y"), [(3, 0), (0, -2), (-5, 4)])
def test_whole_pixel_translation_is_a_shift_with_mirrored_edges(x, y):
    images = torch.randn(1, 2, 16, 16)
    matrix = ada.translation(torch.tensor([float(x)]), torch.tensor([float(y)]))
    got = warp.Warp(16, 16)(images, matrix)[0].numpy()
    padded = np.pad(images[0].numpy(), ((0, 0), (8, 8), (8, 8)), mode="reflect")
    expected = padded[:, 8 - y : 24 - y, 8 - x : 24 - x]
    inside = (slice(None), slice(6, 10), slice(6, 10))  # at the edge the margins' filters differ
    np.testing.assert_allclose(got[inside], expected[inside], atol=1e-4)
    assert np.abs(got - expected).mean() < 0.15


def test_rotation_turns_right_to_down_about_the_centre():
    """A smooth bump right of the centre is below it after a quarter turn, where torch.rot90 by -1 puts it."""
    p = torch.arange(32) - 15.5
    bump = torch.exp(-((p[None, :] - 7) ** 2 + (p[:, None] - 2) ** 2) / 8)[None, None]
    got = warp.Warp(32, 32)(bump, ada.rotation(torch.tensor([math.pi / 2])))
    torch.testing.assert_close(got, bump.rot90(-1, (2, 3)), atol=0.02, rtol=0)


def test_scaling_enlarges():
    p = torch.arange(32) - 15.5
    bump = torch.exp(-(p[None, :] ** 2 + p[:, None] ** 2) / 8)[None, None]
    wide = torch.exp(-(p[None, :] ** 2 / 4 + p[:, None] ** 2) / 8)[None, None]
    got = warp.Warp(32, 32)(bump, ada.scaling(torch.tensor([2.0]), torch.tensor([1.0])))
    torch.testing.assert_close(got, wide, atol=0.02, rtol=0)


def test_lookup_is_differentiable_twice():
    torch.manual_seed(0)
    grid = torch.rand(2, 3, 4, 2, dtype=torch.float64) * 1.6 - 0.8
    images = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: warp._Lookup.apply(x, grid), images)
    assert torch.autograd.gradgradcheck(lambda x: warp._Lookup.apply(x, grid).square(), images)


# ---------------------------------------------------------------- compositions


def test_geometry_is_the_product_of_its_steps(monkeypatch):
    """Replay the drawn parameters, one image at a time, in float64 numpy."""
    drawn = {"normal": [], "uniform": []}
    for kind, values in drawn.items():
        original = getattr(ada.Chance, kind)

        def spy(self, *args, original=original, values=values, **kwargs):
            values.append(original(self, *args, **kwargs))
            return values[-1]

        monkeypatch.setattr(ada.Chance, kind, spy)
    p = torch.tensor(0.8, dtype=torch.float64)
    matrices = ada.random_geometry(ada.Chance(p, draws(6, 3)), 32, 64).numpy()
    isotropic, stretch, shift = (v.numpy() for v in drawn["normal"])
    before, after = (v.numpy() for v in drawn["uniform"])
    for i in range(6):
        scale, s = 2.0 ** isotropic[i, 0], 2.0 ** stretch[i, 0]
        turns = []
        for angle in (before[i, 0], after[i, 0]):
            c, s_ = math.cos(angle), math.sin(angle)
            turns.append(np.array([[c, -s_], [s_, c]]))
        linear = turns[1] @ np.diag([s, 1 / s]) @ turns[0] * scale
        np.testing.assert_allclose(matrices[i, :2, :2], linear, atol=1e-12)
        np.testing.assert_allclose(matrices[i, :2, 2], np.array([64, 32]) * shift[i], atol=1e-12)
        np.testing.assert_array_equal(matrices[i, 2], [0, 0, 1])
    assert len({m.tobytes() for m in matrices}) > 3


def reference_colour(rgb, shift, contrast, flip, hue, saturation):
    """One colour, step by step; hue by scipy's rotation about the gray axis."""
    from scipy.spatial.transform import Rotation

    rgb = (rgb + shift) * contrast
    if flip:
        rgb = rgb - 2 * rgb.mean()
    rgb = Rotation.from_rotvec(hue * np.ones(3) / math.sqrt(3)).apply(rgb)
    return rgb.mean() + saturation * (rgb - rgb.mean())


def test_colour_is_the_product_of_its_steps():
    parameters = [(0.1, 1.5, 0, 0.4, 2.0), (-0.3, 0.7, 1, -2.0, 0.5), (0, 1, 0, 0, 1)]
    matrices = ada.colour_matrix(*scalars(*zip(*parameters, strict=True)))
    images = torch.randn(3, 3, 2, 2, dtype=torch.float64)
    got = ada.recolour(images, matrices)
    for i, values in enumerate(parameters):
        for y, x in np.ndindex(2, 2):
            expected = reference_colour(images[i, :, y, x].numpy(), *values)
            np.testing.assert_allclose(got[i, :, y, x].numpy(), expected, atol=1e-12)


def test_gray_is_three_equal_channels():
    zero, one = scalars(0, 0), scalars(1, 1)
    matrices = ada.colour_matrix(scalars(0.2, -0.1), scalars(1.3, 0.6), scalars(0, 1), zero, one)
    gray = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    rgb = ada.recolour(gray.expand(-1, 3, -1, -1), matrices)
    torch.testing.assert_close(ada.recolour(gray, matrices), rgb[:, :1])
    torch.testing.assert_close(rgb[0, 0], (gray[0, 0] + 0.2) * 1.3)
    torch.testing.assert_close(rgb[1, 2], -(gray[1, 0] - 0.1) * 0.6)


# ---------------------------------------------------------------- blitting


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("shift", [(0, 0), (2, -3)])
def test_blit_is_exact(flip, turns, shift):
    image = torch.arange(2 * 8 * 8, dtype=torch.float32).view(1, 2, 8, 8)
    got = ada.blit(image, torch.tensor([flip]), torch.tensor([turns]), torch.tensor([shift]))
    expected = image.flip(3) if flip else image
    expected = expected.rot90(turns, (2, 3))[0].numpy()
    padded = np.pad(expected, ((0, 0), (4, 4), (4, 4)), mode="reflect")
    x, y = shift
    assert np.array_equal(got[0].numpy(), padded[:, 4 - y : 12 - y, 4 - x : 12 - x])


def test_blit_takes_each_image_by_itself():
    images = torch.randn(3, 1, 8, 8)
    zero = torch.zeros(3, dtype=torch.int64)
    got = ada.blit(images, torch.tensor([0, 1, 0]), torch.tensor([0, 0, 1]), zero[:, None].expand(3, 2))
    expected = torch.stack([images[0], images[1].flip(2), images[2].rot90(1, (1, 2))])
    assert torch.equal(got, expected)


# ---------------------------------------------------------------- the whole


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 32, 32), (3, 32, 32), (3, 16, 48)])
def test_nothing_happens_at_p_zero(channels, height, width):
    images = torch.rand(5, channels, height, width, dtype=torch.float64) * 2 - 1
    augment = ada.AdaptiveAugment(height, width, 0.6, 1000.0)
    torch.testing.assert_close(augment(images.float(), draws(5)), images.float(), atol=3e-5, rtol=0)
    augment.double().warp = exact_warp(height, width)
    torch.testing.assert_close(augment(images, draws(5)), images, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 16, 16), (3, 16, 16), (1, 16, 48)])
def test_everything_happens_at_p_one(channels, height, width):
    images = torch.randn(8, channels, height, width)
    augment = ada.AdaptiveAugment(height, width, 0.6, 1000.0)
    augment.p.fill_(1.0)
    out = augment(images, draws(8))
    assert torch.isfinite(out).all()
    assert (out - images).flatten(1).abs().mean(1).min() > 0.1
    assert torch.equal(out, augment(images, draws(8)))
    assert not torch.equal(out, augment(images, draws(8, 1)))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_whole_is_the_composition_of_its_parts_image_by_image(channels, monkeypatch):
    """The drawn flips, turns, moves, matrices and colours, applied to one image at a time in float64 by numpy and
    SciPy; where nothing from beyond the edge comes in, for the filters of the mirrored margins differ."""
    drawn = {}
    for name in ("blit", "random_geometry", "colour_matrix"):
        original = getattr(ada, name)

        def spy(*args, name=name, original=original):
            drawn[name] = (args, original(*args))
            return drawn[name][1]

        monkeypatch.setattr(ada, name, spy)
    augment = ada.AdaptiveAugment(48, 48, 0.6, 1000.0).double()
    augment.warp = exact_warp(48, 48)
    augment.p.fill_(0.7)
    images = torch.randn(6, channels, 48, 48, dtype=torch.float64)
    got = augment(images, draws(6, 5)).numpy()
    (_, flip, turns, shift), _ = drawn["blit"]
    matrices, colours = drawn["random_geometry"][1].numpy(), torch.stack(drawn["colour_matrix"][0], 1).numpy()
    compared = 0
    for i in range(6):
        image = images[i].numpy()
        image = np.rot90(image[:, :, ::-1] if flip[i] else image, turns[i].item(), (1, 2))
        x, y = shift[i].tolist()
        image = np.pad(image, ((0, 0), (8, 8), (8, 8)), mode="reflect")[:, 8 - y : 56 - y, 8 - x : 56 - x]
        moved = np.stack([reference_warp(channel, matrices[i]) for channel in image])
        rgb = np.broadcast_to(moved, (3, 48, 48)).reshape(3, -1).T
        expected = np.stack([reference_colour(pixel, *colours[i]) for pixel in rgb]).T.reshape(3, 48, 48)[:channels]
        back = np.linalg.inv(matrices[i])
        y, x = np.mgrid[-23.5:24, -23.5:24]
        source = np.abs(back[:2, :2] @ [x.ravel(), y.ravel()] + back[:2, 2:]).max(0).reshape(48, 48)
        inside = source < 24 - 7 - 7 * np.linalg.norm(back[:2, :2], 2)
        compared += inside.sum()
        np.testing.assert_allclose(got[i][:, inside], expected[:, inside], atol=1e-9)
    assert compared > 500
    assert flip.any()
    assert turns.any()


def test_logits_of_augmented_images_are_unbiased():
    """Flips and turns are a group: an image's mean logit over the draws is the mixture that p prescribes, with weight
    (1 - p/2) or p/2 of a flip and 1 - 3p/4 or p/4 of each turn."""
    p, n = 0.6, 40_000
    torch.manual_seed(1)
    image, weight = torch.randn(1, 1, 8, 8), torch.randn(8, 8)
    chance = ada.Chance(torch.tensor(p), draws(n))
    still = torch.zeros(n, 2, dtype=torch.int64)
    moved = ada.blit(image.expand(n, -1, -1, -1), chance.integer(2), chance.integer(4), still)
    logits = torch.tanh((moved * weight).sum((1, 2, 3)) / 8)
    expected = 0.0
    for flip in (0, 1):
        for turns in range(4):
            share = (p / 2 if flip else 1 - p / 2) * (p / 4 if turns else 1 - 3 * p / 4)
            view = (image.flip(3) if flip else image).rot90(turns, (2, 3))
            expected += share * torch.tanh((view * weight).sum() / 8).item()
    assert logits.mean().item() == pytest.approx(expected, abs=4 * logits.std().item() / n**0.5)


def test_below_p_one_the_augmented_distribution_tells_the_true_one():
    """ADA, appendix C: what turns do to the shares of four orientations is a matrix that can be inverted."""
    p, n = 0.7, 60_000
    shares = torch.tensor([0.55, 0.25, 0.15, 0.05], dtype=torch.float64)
    torch.manual_seed(2)
    orientation = torch.multinomial(shares, n, replacement=True)
    marks = torch.zeros(4, 1, 4, 4)
    for k in range(4):
        marks[k] = torch.eye(16)[1].view(1, 4, 4).rot90(k, (1, 2))  # one bright pixel, turned k times
    none = torch.zeros(n, dtype=torch.int64)
    turned = ada.blit(
        marks[orientation], none, ada.Chance(torch.tensor(p), draws(n)).integer(4), none[:, None].expand(n, 2)
    )
    seen = torch.stack([(turned == mark).flatten(1).all(1) for mark in marks]).double().mean(1)
    mixing = (1 - p) * torch.eye(4, dtype=torch.float64) + p / 4
    assert (seen - shares).abs().max() > 0.1
    torch.testing.assert_close(torch.linalg.solve(mixing, seen), shares, atol=0.02, rtol=0)


def test_what_is_no_square_is_turned_by_half_turns_only():
    """A bright corner of a wide image stays in a corner."""
    images = torch.zeros(400, 1, 8, 24)
    images[:, :, 0, 0] = 1.0
    chance = ada.Chance(torch.tensor(1.0), draws(400))
    turned = ada.blit(images, chance.integer(2), 2 * chance.integer(2), torch.zeros(400, 2, dtype=torch.int64))
    corners = turned[:, 0, [0, 0, 7, 7], [0, 23, 0, 23]].mean(0)
    torch.testing.assert_close(corners, torch.full((4,), 0.25), atol=0.08, rtol=0)
    out = ada.random_blit(torch.randn(3, 2, 8, 24), chance=ada.Chance(torch.tensor(1.0), draws(3)))
    assert out.shape == (3, 2, 8, 24)


def test_moves_are_parts_of_each_side():
    """Up to an eighth: of 64 columns up to 8, of 16 rows up to 2."""
    ramps = torch.stack([torch.arange(64.0).expand(16, 64), torch.arange(16.0)[:, None].expand(16, 64)])
    moved = []
    for seed in range(60):
        out = ada.random_blit(ramps[None], ada.Chance(torch.tensor(1.0), draws(1, seed)))[0]
        # the middle's old place, up to the mirrors
        moved.append([min(abs(out[0, 8, 32] - c) for c in (32, 31)), min(abs(out[1, 8, 32] - r) for r in (8, 7))])
    across, down = torch.tensor(moved).amax(0).tolist()
    assert 5 <= across <= 8
    assert 1 <= down <= 2


def test_transforms_are_drawn_with_probability_p():
    n = 20_000
    chance = ada.Chance(torch.tensor(0.3), draws(n))
    for drawn in (chance.normal(1.0, columns=2)[:, 0] != 0, chance.uniform(-1, 1)[:, 0] != 0):
        assert drawn.float().mean().item() == pytest.approx(0.3, abs=0.015)
    counts = chance.integer(4).bincount(minlength=4) / n
    torch.testing.assert_close(counts, torch.tensor([0.775, 0.075, 0.075, 0.075]), atol=0.012, rtol=0)
    angles = ada.random_geometry(chance, 32, 32)
    turned = (angles[:, 0, 1].abs() > 1e-6).float().mean().item()
    assert turned == pytest.approx(0.3, abs=0.015)  # either rotation


def test_r1_through_the_augmentation_against_finite_differences():
    """The gradient of the penalty with respect to a discriminator's weight, both in float64."""
    torch.manual_seed(0)
    augment = ada.AdaptiveAugment(16, 16, 0.6, 1000.0).double()
    augment.p.fill_(0.9)
    weight = torch.randn(16, 16, dtype=torch.float64) / 16
    images = torch.randn(2, 1, 16, 16, dtype=torch.float64)

    def penalty(weight):
        x = images.clone().requires_grad_()
        return losses.r1_penalty(x, torch.tanh((augment(x, draws(2, 4)) * weight).sum((1, 2, 3)))).mean()

    variable = weight.clone().requires_grad_()
    (slope,) = torch.autograd.grad(penalty(variable), variable)
    direction = torch.randn(16, 16, dtype=torch.float64)
    step = 1e-5
    numeric = (penalty(weight + step * direction) - penalty(weight - step * direction)) / (2 * step)
    torch.testing.assert_close((slope * direction).sum(), numeric, rtol=1e-6, atol=1e-9)


def test_p_follows_the_signs_of_the_logits():
    augment = ada.AdaptiveAugment(16, 16, target=0.6, images=100.0)
    sure = torch.tensor([3.0, 1.0, 0.5, 2.0])

    def update(number, logits):
        augment.observe(logits)
        augment.steer(number, 4)

    for number in range(1, 8):
        update(number, sure)
    assert augment.p.item() == pytest.approx(4 * 4 / 100)  # once, after the fourth update
    assert augment.rt.item() == 1.0
    update(8, sure)
    assert augment.p.item() == pytest.approx(2 * 16 / 100)
    for number in range(9, 13):  # r_t = 0.5, below the target
        update(number, torch.tensor([1.0, 1.0, 1.0, -1.0]))
    assert augment.rt.item() == 0.5
    assert augment.p.item() == pytest.approx(16 / 100)
    for number in range(13, 200):
        update(number, -sure)
    assert augment.p.item() == 0.0


def test_p_settles_where_r_t_meets_its_target():
    """A discriminator that overfits less the more is augmented: r_t = 0.9 - p/2, so p = 0.6 at the target 0.6."""
    augment = ada.AdaptiveAugment(16, 16, target=0.6, images=20_000.0)
    rng = torch.Generator().manual_seed(0)
    path = []
    for number in range(1, 2001):
        positive = (1.9 - augment.p / 2) / 2  # share of positive signs
        augment.observe((torch.rand(64, generator=rng) < positive).float() - 0.5)
        augment.steer(number, 64)
        path.append((augment.p.item(), augment.rt.item()))
    p, rt = torch.tensor(path[-800:]).mean(0).tolist()
    assert p == pytest.approx(0.6, abs=0.05)
    assert rt == pytest.approx(0.6, abs=0.03)
