"""Generators without training: what they draw is of real images, of the right class, and the same for the same seed."""

import numpy as np
import pytest
import torch

from pipeline import models
from pipeline.models.flips import MOST_FLIPS
from pipeline.models.quilting import Match, beyond, drawn
from pipeline.settings import FAMILY_SETTINGS, ImageSpec

pytestmark = pytest.mark.filterwarnings("error")
FAMILIES = list(models.UNTRAINED)


def made(family, spec, stored, labels, **changes):
    model = models.build_untrained(FAMILY_SETTINGS[family](family=family, **changes), spec)
    model.keep(torch.as_tensor(stored), torch.as_tensor(labels))
    return model


def noise(n, channels=1, height=32, width=32, low=0, high=256, seed=0):
    return np.random.default_rng(seed).integers(low, high, (n, channels, height, width)).astype(np.uint8)


def two_classes(family, channels=1, height=32, width=32, symmetry="none", **changes):
    """Dark images of class 0, bright ones of class 1."""
    spec = ImageSpec(height, width, channels, ("dark", "bright"), symmetry)
    dark = noise(5, channels, height, width, 0, 100)
    stored = np.concatenate([dark, noise(3, channels, height, width, 150, 256)])
    return made(family, spec, stored, [0] * 5 + [1] * 3, **changes)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 32, 32), (3, 32, 48), (1, 64, 32)])
def test_images_are_of_their_class_and_depend_on_their_seed_alone(family, channels, height, width):
    model = two_classes(family, channels, height, width)
    labels, seeds = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([5, 5, 6, 2**40, 7])
    images = model.sample(labels, seeds)
    assert images.shape == (5, channels, height, width)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert (images[labels == 0].mean((1, 2, 3)) < -0.3).all()
    assert (images[labels == 1].mean((1, 2, 3)) > 0.3).all()
    for i in range(5):
        assert torch.equal(model.sample(labels[i : i + 1], seeds[i : i + 1])[0], images[i])
    assert images[1:3].std(0).mean() > 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_one_training_image_is_enough_and_sixteen_bits_are_seen(family):
    levels = np.random.default_rng(0).integers(40_000, 65_536, (1, 1, 32, 32)).astype(np.uint16)
    model = made(family, ImageSpec(32, 32, 1, ("a",)), levels.view(np.int16), [0])
    image = model.sample(torch.tensor([0]), torch.tensor([3]))
    assert image.mean() == pytest.approx(2 * levels.mean() / 65535 - 1, abs=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_saved_draws_the_same(family):
    model = two_classes(family)
    other = models.build_untrained(model.settings, model.spec)
    other.load_average({name: tensor.clone() for name, tensor in model.ema.state_dict().items()})
    labels, seeds = torch.tensor([1, 0]), torch.tensor([1, 2])
    assert torch.equal(other.sample(labels, seeds), model.sample(labels, seeds))
    with pytest.raises(RuntimeError, match="size mismatch for images"):
        other.load_average({"images": torch.zeros(2, 1, 16, 16), "labels": torch.zeros(2, dtype=torch.int64)})


@pytest.mark.parametrize(("symmetry", "views"), [("none", 1), ("horizontal", 2), ("both", 4), ("dihedral", 8)])
def test_real_images_are_turned_as_the_symmetry_allows(symmetry, views):
    model = two_classes("warp", symmetry=symmetry)
    bits = [[(k >> i & 1) * 0.9 for i in range(MOST_FLIPS)] for k in range(8)]
    assert len({model.real(0, torch.tensor(row)).numpy().tobytes() for row in bits}) == views


# ---------------------------------------------------------------- warp


def test_without_bend_shift_and_contrast_an_image_is_a_training_image():
    model = two_classes("warp", bend=0, shift=0, contrast=0)
    image = model.sample(torch.tensor([0]), torch.tensor([4]))[0]
    apart = [(image - model.real(i, torch.ones(MOST_FLIPS))).abs().max() for i in range(5)]
    assert min(apart) < 1e-5


def test_a_shift_moves_by_as_much_as_it_says():
    """A ramp along x, moved by s pixels, has other values by s steps."""
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))[None, None]
    model = made("warp", ImageSpec(64, 64, 1, ("a",)), ramp, [0], bend=0, contrast=0, shift=0.25)
    images = model.sample(torch.zeros(40, dtype=torch.int64), torch.arange(40))
    moved = (images[:, 0, 32, 32] - model.real(0, torch.ones(MOST_FLIPS))[0, 32, 32]) / (4 * 2 / 255)
    assert 12 < moved.abs().max() <= 16.01
    assert moved.min() < -8 < 8 < moved.max()


def test_bending_is_smooth_bounded_and_never_folds():
    model = two_classes("warp", height=64, width=64, shift=0, bend=0.1)
    for seed in range(20):
        field = torch.rand(model.field, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1
        field = field.sign() if seed % 2 else field  # as strong as it can be
        moved = model._displacements(field.flatten(), torch.zeros(2, dtype=torch.float64))
        assert moved.abs().max() <= 0.1 * 64 + 1e-5
        assert (1 + moved[0].diff(dim=1) > 0).all()
        assert (1 + moved[1].diff(dim=0) > 0).all()


# ---------------------------------------------------------------- quilting


def test_errors_of_candidates_are_those_of_their_strips():
    rng = torch.Generator().manual_seed(0)
    sources, there = torch.rand(2, 3, 20, 24, generator=rng), torch.rand(3, 8, 8, generator=rng)
    for above, left in ((True, False), (False, True), (True, True), (False, False)):
        strips = torch.zeros(8, 8)
        strips[:3] += above
        strips[:, :3] += left
        windows = sources.unfold(2, 8, 1).unfold(3, 8, 1)  # (2, 3, 13, 17, 8, 8)
        expected = ((windows - there[None, :, None, None]).square() * (strips > 0)).sum((1, 4, 5))
        found = Match(sources, 8, 3).errors(there, above, left)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_cut_is_the_path_of_least_difference():
    different = np.random.default_rng(1).random((5, 4))
    over = beyond(different)
    path = over.argmax(1)
    assert (np.abs(np.diff(path)) <= 1).all()

    def least(row, column):
        if row == 4:
            return different[row, column]
        return different[row, column] + min(least(row + 1, c) for c in range(max(0, column - 1), min(4, column + 2)))

    assert different[np.arange(5), path].sum() == pytest.approx(min(least(0, c) for c in range(4)))


def test_every_pixel_is_one_of_a_training_image():
    model = two_classes("quilting", tolerance=0.5)
    image = model.sample(torch.tensor([1]), torch.tensor([9]))[0]
    levels = ((image + 1) * 127.5).round().to(torch.uint8)
    assert set(levels.flatten().tolist()) <= set(model.ema.images[model.ema.of(1)].flatten().tolist())


def test_a_quilt_of_one_image_does_not_go_on_where_its_neighbour_does():
    spec = ImageSpec(64, 64, 1, ("a",))
    model = made("quilting", spec, noise(1, height=64, width=64), [0])
    copies = 0
    for seed in range(5):
        image = model.sample(torch.tensor([0]), torch.tensor([seed]))
        copies += any(
            torch.equal(
                image.roll((y, x), (2, 3))[..., 16:48, 16:48], model.real(0, torch.ones(3))[None, :, 16:48, 16:48]
            )
            for y in range(-16, 17)
            for x in range(-16, 17)
        )
    assert copies == 0


def test_a_piece_as_large_as_the_image_is_a_training_image():
    model = two_classes("quilting", patch=1)
    image = model.sample(torch.tensor([0]), torch.tensor([0]))[0]
    assert any(torch.equal(image, model.real(i, torch.ones(3))) for i in range(5))


def test_drawn_items_are_distinct():
    assert sorted(drawn([4, 7, 9], [0.99, 0.5, 0.0, 0.3])) == [4, 7, 9]
    assert drawn([4, 7, 9], [0.0]) == [4]


def test_larger_pieces_make_fewer_of_them():
    settings = [FAMILY_SETTINGS["quilting"](family="quilting", patch=patch) for patch in (0.25, 0.5)]
    spec = ImageSpec(64, 96, 1, ("a",))
    assert [models.build_untrained(of, spec).grid for of in settings] == [(5, 8), (3, 4)]
