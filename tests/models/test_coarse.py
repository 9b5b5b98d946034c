"""Coarse pictures: whose they are, how they are moved, and that they go with the model."""

import pytest
import torch

from pipeline.models.coarse import NOISE, NUMBERS, PARTS, PLACES, SHIFT, CoarseBook, coarse
from pipeline.models.flips import MOST_FLIPS, flipped
from pipeline.settings import ImageSpec, UserError


def empty(channels=1, width=PLACES, symmetry="none", classes=1):
    """A book of pictures of PLACES x width places, of 4 pixels each."""
    return CoarseBook(ImageSpec(4 * PLACES, 4 * width, channels, tuple("ab"[:classes]), symmetry), "ddpm")


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
    numbers[:, NUMBERS - 2] = torch.tensor([-9.0, 0.0, 9.0])  # along x: all the way, not at all, all the way back
    pictures = of.ask(torch.zeros(3, dtype=torch.int64), numbers)
    moved = (pictures[:, 0, 4, 7] - ramp[0, 0, 4, 7]) / (1.6 / 15)
    torch.testing.assert_close(moved, torch.tensor([1.0, 0.0, -1.0]) * SHIFT * 16, rtol=0, atol=1e-3)


def test_no_move_blurs_a_picture():
    of = empty()
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    of.write([0.5 * board[None, None]], torch.tensor([0]))
    numbers = torch.randn(100, of.numbers, generator=torch.Generator().manual_seed(0))
    numbers[:, NUMBERS:] = 0
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
        CoarseBook(ImageSpec(height, width, 1, ("a",)), "ddpm")
