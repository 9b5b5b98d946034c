import numpy as np
import pytest
import torch

from pipeline.downstream.boxes.symmetry import turned
from pipeline.downstream.classifier.device_dataset import DeviceDataset

BOX = [1, 2, 4, 7]  # columns 1 to 3, rows 2 to 6 of an image of 10 × 10

BY_HAND = {  # bits: 1 left-right, 2 top-bottom, 4 rows and columns swapped, in this order
    0: [1, 2, 4, 7],
    1: [6, 2, 9, 7],
    2: [1, 3, 4, 8],
    3: [6, 3, 9, 8],
    4: [2, 1, 7, 4],
    5: [2, 6, 7, 9],
    6: [3, 1, 8, 4],
    7: [3, 6, 8, 9],
}


@pytest.mark.parametrize(("view", "expected"), BY_HAND.items())
def test_every_view_by_hand(view, expected):
    boxes = torch.tensor([[BOX]])
    assert turned(boxes, torch.tensor([view]), 10, 10).tolist() == [[expected]]


@pytest.mark.parametrize("view", range(8))
def test_a_box_stays_around_what_it_was_drawn_around(view):
    stored = torch.zeros(1, 10, 10, 1, dtype=torch.uint8)
    stored[0, 2:7, 1:4] = 255
    pool = DeviceDataset(stored, torch.zeros(1, dtype=torch.int64), 1)
    image = pool.turned(pool.at(np.array([0]), np.array([view], np.uint8)))[0, 0]
    y, x = np.nonzero(image.numpy() > 0)
    found = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert turned(torch.tensor([[BOX]]), torch.tensor([view]), 10, 10).tolist() == [[found]]


def test_flips_of_an_oblong_image_and_of_several_images_at_once():
    boxes = torch.tensor([[BOX], [BOX]])
    assert turned(boxes, torch.tensor([1, 2]), 8, 20).tolist() == [[[16, 2, 19, 7]], [[1, 1, 4, 6]]]
