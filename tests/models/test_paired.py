"""The coarse picture that goes with boxes: how alike masks are, and classes that have none."""

import torch

from pipeline.models.coarse import PARTS, TrainingPictures
from pipeline.models.layouts import Book
from pipeline.models.paired import alike, paired
from pipeline.settings import ImageSpec
from tests.models.test_layouts import EMPTY, layout


def test_how_alike_masks_are_by_hand():
    asked = torch.tensor([1.0, 1.0, 0.0, 0.0])
    given = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(alike(asked, given), torch.tensor([1.0, 1 / 3, 0.5, 0.0]))
    torch.testing.assert_close(alike(torch.zeros(4), given), torch.tensor([0.0, 0.0, 0.0, 1.0]))


def test_background_has_pictures_of_background_and_a_class_without_images_mid_gray_ones():
    of = ImageSpec(16, 16, 1, ("a", "b"), "both", boxes=("pore",))
    pictures, book = TrainingPictures(of, "ddpm"), Book()
    greys = torch.tensor([-0.5, 0.5])[:, None, None, None].expand(2, 1, 16, 16)
    pictures.write([greys], torch.tensor([0, 0]))
    book.write([0, 0], [layout((0, 2, 2, 9, 9)), EMPTY])
    asked = [EMPTY, layout((0, 1, 1, 8, 8)), EMPTY]
    found = paired(pictures, book, of, torch.tensor([0, 0, 1]), asked, torch.zeros(3, pictures.numbers))
    assert found.shape == (3, PARTS, 8, 8)
    torch.testing.assert_close(found[:, 0].mean((1, 2)), torch.tensor([0.5, -0.5, 0.0]))
