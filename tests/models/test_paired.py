"""The coarse pictures that go with boxes: the image's own, or the most alike ones, and classes that have none."""

import itertools

import pytest
import torch

from pipeline.models.coarse import PARTS, TrainingPictures
from pipeline.models.layouts import NUMBERS, Book, coverage
from pipeline.models.paired import alike, nearest, own
from pipeline.settings import ImageSpec
from tests.models.test_layouts import EMPTY, layout


def spec(symmetry, height=16, width=16, channels=1):
    return ImageSpec(height, width, channels, ("a", "b"), symmetry, boxes=("pore", "scratch"))


def books(of, layouts):
    """Of images of class 0, bright within their boxes and dark elsewhere."""
    pictures, book = TrainingPictures(of, "ddpm"), Book()
    masks = coverage(layouts, len(of.boxes), of.height, of.width).amax(1, keepdim=True)
    labels = torch.zeros(len(layouts), dtype=torch.int64)
    pictures.write([(masks - 0.5).expand(-1, of.channels, -1, -1)], labels)
    book.write(labels.tolist(), layouts)
    return pictures, book


def test_how_alike_masks_are_by_hand():
    """One place is added to what both cover, and to what either does."""
    asked = torch.tensor([1.0, 1.0, 0.0, 0.0])
    given = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(alike(asked, given), torch.tensor([1.0, 2 / 4, 2 / 3, 1 / 3]))
    torch.testing.assert_close(alike(torch.zeros(4), given), torch.tensor([1 / 3, 1 / 3, 1 / 2, 1.0]))


@pytest.mark.parametrize(
    ("symmetry", "height", "width", "channels"),
    [("none", 16, 16, 1), ("dihedral", 16, 16, 1), ("both", 16, 32, 3), ("horizontal", 32, 16, 1)],
)
def test_the_picture_of_a_training_images_boxes_is_its_own_and_lies_as_they_do(symmetry, height, width, channels):
    of = spec(symmetry, height, width, channels)
    layouts = [layout((0, 2, 2, 6, 12)), layout((0, 2, 2, 8, 12)), layout((1, 8, 4, 16, 6), (0, 0, 0, 2, 2))]
    pictures, book = books(of, layouts)
    numbers = torch.randn(60, NUMBERS, generator=torch.Generator().manual_seed(0))
    found = own(pictures, book, torch.zeros(60, dtype=torch.int64), numbers)
    assert found.shape == (60, PARTS * channels, *pictures.shape[1:])
    asked = [book.ask(0, row, symmetry, height, width, still=True) for row in numbers]
    masks = coverage(asked, 2, height, width).amax(1)
    side = height // pictures.shape[1]
    means = masks.unflatten(2, (-1, side)).unflatten(1, (-1, side)).mean((2, 4)) - 0.5
    torch.testing.assert_close(found[:, 0], means)


def test_of_boxes_that_are_asked_for_the_most_alike_picture_is_taken_under_any_flip():
    """One of the images is twice as far from what is asked as the other, under the best of their flips."""
    of = spec("dihedral")
    pictures, book = books(of, [layout((0, 0, 0, 16, 4)), layout((0, 0, 0, 8, 8))])
    for x, y in itertools.product((0, 8), repeat=2):
        asked = layout((0, x, y, x + 8, y + 8))
        found = nearest(pictures, book, of, torch.zeros(5, dtype=torch.int64), asked, torch.linspace(0, 1, 5))
        torch.testing.assert_close(
            found[:, 0] > 0,
            torch.nn.functional.max_pool2d(coverage([asked], 2, 16, 16)[:, 0], 2).bool().expand(5, -1, -1),
        )
    column = layout((0, 12, 0, 16, 16))
    found = nearest(pictures, book, of, torch.zeros(1, dtype=torch.int64), column, torch.zeros(1))
    assert (found[0, 0] > 0).sum(0).tolist() == [0] * 6 + [8] * 2


def test_without_boxes_the_smallest_ones_are_taken_and_a_class_without_images_is_mid_gray():
    of = spec("none")
    pictures, book = books(of, [layout((0, 0, 0, 16, 8)), layout((0, 0, 0, 4, 4)), layout((1, 0, 0, 12, 12))])
    labels, chances = torch.tensor([0, 0, 0, 1]), torch.tensor([0.0, 0.5, 1.0, 0.5])
    found = nearest(pictures, book, of, labels, EMPTY, chances)
    assert (found[:3, 0] > 0).sum((1, 2)).tolist() == [4] * 3
    assert not found[3].any()
    with_background = books(of, [layout((0, 0, 0, 4, 4)), EMPTY])
    assert not (nearest(*with_background, of, labels[:3], EMPTY, chances[:3])[:, 0] > 0).any()


def test_of_images_with_the_same_boxes_each_is_taken():
    of = spec("none")
    pictures, book = TrainingPictures(of, "ddpm"), Book()
    greys = torch.tensor([-0.5, 0.0, 0.5])[:, None, None, None].expand(3, 1, 16, 16)
    pictures.write([greys], torch.zeros(3, dtype=torch.int64))
    book.write([0, 0, 0], [layout((0, 2, 2, 9, 9)), layout((0, 2, 2, 9, 9)), layout((0, 9, 2, 16, 9))])
    asked, labels = layout((0, 2, 2, 9, 9)), torch.zeros(100, dtype=torch.int64)
    found = nearest(pictures, book, of, labels, asked, torch.linspace(0, 1, 100))[:, 0, 0, 0]
    assert sorted(set(found.tolist())) == [-0.5, 0.0]
    assert 40 < (found == 0).sum() < 60
