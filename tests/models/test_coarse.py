"""Coarse pictures: whose they are, how they are moved, and that they go with the model."""

import pytest
import torch

from pipeline.models.coarse import (
    COMPONENTS,
    FEWEST,
    MOVES,
    NOISE,
    PARTS,
    PLACES,
    SHIFT,
    NormalPictures,
    TrainingPictures,
    coarse,
)
from pipeline.models.flips import MOST_FLIPS, flipped
from pipeline.settings import ImageSpec, UserError


def empty(channels=1, width=PLACES, symmetry="none", classes=1, kind=TrainingPictures):
    """A book of pictures of PLACES x width places, of 4 pixels each."""
    return kind(ImageSpec(4 * PLACES, 4 * width, channels, tuple("abc"[:classes]), symmetry), "ddpm")


def book():
    """Class 0 has two dark images, class 1 one bright one."""
    found = empty(classes=2)
    images = torch.tensor([-0.8, -0.4, 0.6])[:, None, None, None].expand(3, 1, 4 * PLACES, 4 * PLACES)
    found.write([images], torch.tensor([0, 0, 1]))
    return found


def still(of, n):
    """Numbers of pictures that are not moved and have no noise: the middle of each choice but those of moves."""
    numbers = torch.zeros(n, of.numbers)
    numbers[:, 1 : 1 + MOST_FLIPS] = 5
    return numbers


def test_a_picture_is_of_an_image_of_its_class():
    of = book()
    labels = torch.tensor([0, 1, 0])
    numbers = still(of, 3)
    numbers[:, 0] = torch.tensor([-3.0, 0.0, 3.0])
    pictures = of.ask(labels, numbers)
    assert pictures.shape == (3, PARTS, 8, 8)
    torch.testing.assert_close(pictures[:, 0].mean((1, 2)), torch.tensor([-0.8, 0.6, -0.4]))


@pytest.mark.parametrize(("symmetry", "views"), [("none", 1), ("horizontal", 2), ("both", 4), ("dihedral", 8)])
def test_pictures_are_turned_as_the_symmetry_allows(symmetry, views):
    of = empty(symmetry=symmetry)
    of.write([torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1], torch.tensor([0]))
    numbers = still(of, 8)
    for k in range(8):
        numbers[k, 1 : 1 + MOST_FLIPS] = torch.tensor([5.0 if k >> i & 1 else -5.0 for i in range(MOST_FLIPS)])
    pictures = of.ask(torch.zeros(8, dtype=torch.int64), numbers)
    assert len({picture.numpy().tobytes() for picture in pictures}) == views


def test_a_picture_moves_by_as_much_as_it_says():
    of = empty(width=16)
    ramp = torch.linspace(-0.8, 0.8, 16)[None, None, None].expand(1, 1, 8, 16)
    of.write([ramp], torch.tensor([0]))
    numbers = still(of, 3)
    numbers[:, MOVES - 1] = torch.tensor([-9.0, 0.0, 9.0])  # along x: all the way, not at all, all the way back
    pictures = of.ask(torch.zeros(3, dtype=torch.int64), numbers)
    moved = (pictures[:, 0, 4, 7] - ramp[0, 0, 4, 7]) / (1.6 / 15)
    torch.testing.assert_close(moved, torch.tensor([1.0, 0.0, -1.0]) * SHIFT * 16, rtol=0, atol=1e-3)


def test_no_move_blurs_a_picture():
    of = empty()
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    of.write([0.5 * board[None, None]], torch.tensor([0]))
    numbers = torch.randn(100, of.numbers, generator=torch.Generator().manual_seed(0))
    numbers[:, 1 + MOVES :] = 0
    pictures = of.ask(torch.zeros(100, dtype=torch.int64), numbers)
    torch.testing.assert_close(pictures[:, :1].abs(), torch.full((100, 1, 8, 8), 0.5))
    assert len({picture.numpy().tobytes() for picture in pictures}) == 2


def line(channels=1):
    """(1, C, 16, 16) dark, with one bright line that lies in the upper right place of four; of the last of several
    channels one that stands there."""
    image = torch.full((1, channels, 16, 16), -0.5)
    image[:, 0, 2, 8:] = 0.5
    if channels > 1:
        image[:, -1] = image[:, 0].mT.roll((-8, 8), (-2, -1))
    return image


def test_a_thin_line_is_seen_with_its_direction():
    """One bright row of eight: its share is 1/8, so the variance of values 1 apart is 7/64."""
    found = coarse(line(), 2, 2)
    deviation = 1 + torch.tensor(7 / 64 + 1e-4).log10() / 2
    mean, pixels, rows, columns = found[0, :, 0, 1]
    torch.testing.assert_close(mean, torch.tensor(-0.5 + 1 / 8))
    torch.testing.assert_close(torch.stack([pixels, rows]), deviation.expand(2))
    torch.testing.assert_close(columns, torch.tensor(-1.0))
    torch.testing.assert_close(found[0, :, 1, 0], torch.tensor([-0.5, -1, -1, -1]))


def test_each_channel_has_its_own_contrast_and_colours_keep_apart():
    found = coarse(line(3), 2, 2).unflatten(1, (PARTS, 3))[0]
    one = coarse(line(), 2, 2)[0]
    torch.testing.assert_close(found[:, 0], one)
    assert found[2:, :, 0, 1].argmax(0).tolist() == [0, 0, 1]  # rows differ, rows, columns


@pytest.mark.parametrize("symmetry", ["none", "horizontal", "both", "dihedral"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture_of_a_turned_image_is_the_turned_picture(symmetry, channels):
    """Under every element of the group: a transposition makes lines that lie lines that stand."""
    image = line(channels) + 0.1 * torch.randn(1, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    of = empty(channels, symmetry=symmetry)
    of.write([image], torch.tensor([0]))
    numbers = still(of, 8)
    for k in range(8):
        numbers[k, 1 : 1 + MOST_FLIPS] = torch.tensor([5.0 if k >> i & 1 else -5.0 for i in range(MOST_FLIPS)])
    chances = (numbers[:, 1 : 1 + MOST_FLIPS, None, None, None] > 0).float().unbind(1)
    turned = flipped(image.expand(8, -1, -1, -1), symmetry, chances)
    pictures = of.ask(torch.zeros(8, dtype=torch.int64), numbers)
    torch.testing.assert_close(pictures, coarse(turned, 8, 8).clamp(-1, 1))


def test_flat_images_have_finite_gradients():
    images = torch.zeros(1, 1, 16, 16, requires_grad=True)
    (coarse(images, 2, 2) - 1).square().sum().backward()
    assert images.grad.isfinite().all()


def test_a_picture_of_an_image_is_its_means():
    of = empty(width=16)
    images = torch.rand(2, 1, 32, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pictures = of.of(images, torch.zeros(2, of.numbers))
    torch.testing.assert_close(pictures[1, 0, 3, 5], images[1, 0, 12:16, 20:24].mean())
    noisy = of.of(images, torch.ones(2, of.numbers))
    torch.testing.assert_close(noisy, (pictures + NOISE).clamp(-1, 1))


def test_noise_is_smooth_and_small():
    of = empty(3, 16)
    numbers = torch.randn(200, of.numbers, generator=torch.Generator().manual_seed(0))
    pictures = of.ask(torch.zeros(200, dtype=torch.int64), numbers)  # an empty book: mid-gray
    assert pictures.shape == (200, 3 * PARTS, 8, 16)
    assert 0.02 < pictures.std() < 0.05
    assert pictures.diff(dim=3).std() < 0.7 * pictures.std()


def test_the_book_is_in_the_state_whatever_its_number_of_images():
    of, other = book(), empty(classes=2)
    other.load_state_dict(of.state_dict())
    numbers = torch.randn(4, of.numbers, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 1, 0])
    assert torch.equal(of.ask(labels, numbers), other.ask(labels, numbers))


@pytest.mark.parametrize(("height", "width"), [(36, 36), (32, 34), (34, 32)])
def test_images_that_have_no_square_places_are_refused(height, width):
    with pytest.raises(UserError, match=f"size: {height} x {width} cannot be made by ddpm with coarse pictures"):
        TrainingPictures(ImageSpec(height, width, 1, ("a",)), "ddpm")


# ---------------------------------------------------------------- a distribution of each class's pictures


def ramps(n, slope):
    """(n, 1, 32, 32): grey values of a class, whose left and right halves differ by about `slope`, and are as bright
    as chance has it."""
    draw = torch.Generator().manual_seed(0)
    half = torch.linspace(-0.5, 0.5, 32).sign() * slope / 2
    level, difference = 0.1 * torch.randn(2, n, 1, 1, 1, generator=draw)
    return (level + (1 + difference) * half).expand(n, 1, 32, 32)


def test_a_distribution_has_the_mean_and_covariance_of_its_class():
    of = empty(classes=3, kind=NormalPictures)
    images = [ramps(40, 0.6), ramps(40, -1.0)]
    of.write(images, torch.tensor([0] * 40 + [1] * 40))
    numbers = torch.randn(4000, of.numbers, generator=torch.Generator().manual_seed(1))
    numbers[:, COMPONENTS:] = 0  # no noise, and flips that a symmetry of none leaves out
    for k, theirs in enumerate(images):
        drawn = of.ask(torch.full((4000,), k), numbers)
        assert drawn.shape == (4000, PARTS, 8, 8)
        places, real = drawn[:, 0].flatten(1), of.seen(theirs)[:, 0].flatten(1)
        torch.testing.assert_close(places.mean(0), real.mean(0), rtol=0, atol=0.01)
        torch.testing.assert_close(places.T.cov(), real.T.cov(), rtol=0.1, atol=5e-4)
        assert torch.allclose(drawn[:, 1:], torch.tensor(-1.0))  # flat places


def test_no_picture_of_an_image_is_kept_in_a_distribution():
    """Neither in the table nor, but for chance, among what is drawn; in a book of the images' own each is."""
    images = torch.rand(30, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for kind, kept in ((TrainingPictures, True), (NormalPictures, False)):
        of = empty(kind=kind)
        of.write([images], torch.zeros(30, dtype=torch.int64))
        pictures = of.seen(images).flatten(1)
        rows = of.table.flatten(0, -2)[:, -pictures.shape[1] :]
        assert (torch.cdist(pictures, rows).min(1).values < 0.1).all() == kept  # between images 3 and more
        numbers = torch.randn(200, of.numbers, generator=torch.Generator().manual_seed(1))
        drawn = of.ask(torch.zeros(200, dtype=torch.int64), numbers).flatten(1)
        nearest = torch.cdist(drawn, pictures).min(1).values
        far = torch.cdist(pictures, pictures).fill_diagonal_(torch.inf).min()
        assert (nearest < far / 2).float().mean() < 0.01 or kept


def test_a_distribution_of_few_images_has_as_many_directions_as_these():
    of = empty(kind=NormalPictures)
    images = torch.rand(FEWEST, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    of.write([images], torch.zeros(FEWEST, dtype=torch.int64))
    assert torch.linalg.matrix_rank(of.table[0, 1:], atol=1e-4) == FEWEST - 1
    assert of.table.isfinite().all()


def test_a_distribution_of_too_few_images_is_refused():
    of = empty(classes=2, kind=NormalPictures)
    labels = torch.tensor([0] * FEWEST + [1] * (FEWEST - 1))
    with pytest.raises(UserError, match=f"class `b` has {FEWEST - 1} training images, at least {FEWEST} are needed"):
        of.write([torch.zeros(len(labels), 1, 32, 32)], labels)


def test_a_class_without_images_is_mid_gray_in_a_distribution():
    of = empty(classes=2, kind=NormalPictures)
    of.write([torch.ones(FEWEST, 1, 32, 32)], torch.zeros(FEWEST, dtype=torch.int64))
    pictures = of.ask(torch.tensor([0, 1]), torch.zeros(2, of.numbers))
    torch.testing.assert_close(pictures[:, 0].mean((1, 2)), torch.tensor([1.0, 0.0]))


def test_a_picture_of_a_distribution_goes_all_the_way_to_another():
    """One of the images' own jumps in the middle of the way."""
    steps = {}
    for kind in (TrainingPictures, NormalPictures):
        of = empty(kind=kind)
        of.write(
            [torch.rand(30, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1], torch.zeros(30).long()
        )
        start, end = torch.randn(2, 1, 5 + of.numbers, generator=torch.Generator().manual_seed(3))
        end[:, -of.numbers + of.choosing :] = start[:, -of.numbers + of.choosing :]  # moved alike
        way = [of.on_the_way(start, end, t / 20) for t in range(21)]
        torch.testing.assert_close(torch.cat([way[0], way[-1]]), torch.cat([start, end]))
        seen = torch.cat([of.ask(torch.zeros(1).long(), z[:, 5:]) for z in way]).flatten(1)
        steps[kind] = seen.diff(dim=0).norm(dim=1) / (seen[-1] - seen[0]).norm()
    assert steps[TrainingPictures].max() > 0.9
    assert steps[NormalPictures].max() < 0.2


def test_a_distribution_is_in_the_state():
    of, other = empty(kind=NormalPictures), empty(kind=NormalPictures)
    of.write([torch.rand(30, 1, 32, 32) * 2 - 1], torch.zeros(30, dtype=torch.int64))
    other.load_state_dict(of.state_dict())
    numbers = torch.randn(4, of.numbers)
    assert torch.equal(of.ask(torch.zeros(4).long(), numbers), other.ask(torch.zeros(4).long(), numbers))
