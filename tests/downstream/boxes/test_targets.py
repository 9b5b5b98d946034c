import math

import pytest
import torch

from pipeline.downstream.boxes.targets import assign_targets, decode_boxes, grid_centres


def answers(*boxes, height=16, width=16):
    """Rows and columns of the map in which places answer, for each box."""
    box = assign_targets(
        torch.tensor([boxes]), torch.ones(1, len(boxes), dtype=torch.bool), grid_centres(height, width)
    )[0]
    columns = math.ceil(width / 4)
    return [sorted(divmod(i, columns) for i in torch.nonzero(box == k)[:, 0].tolist()) for k in range(len(boxes))]


def test_places_are_the_centres_of_cells_row_by_row():
    assert grid_centres(8, 10).tolist() == [[2, 2], [6, 2], [10, 2], [2, 6], [6, 6], [10, 6]]


def test_the_middle_of_a_box_answers_for_it():
    # The middle reaches over half of 12 × 16 pixels: from (3, 4) to (9, 12), which holds the centres 6 and 6, 10.
    assert answers((0.0, 0.0, 12.0, 16.0)) == [[(1, 1), (2, 1)]]


def test_a_box_far_smaller_than_a_cell_has_the_nearest_place():
    assert answers((12.4, 0.1, 12.9, 0.4)) == [[(0, 3)]]
    assert answers((0.0, 0.0, 0.1, 0.1), (31.9, 31.9, 32.0, 32.0), height=32, width=32) == [[(0, 0)], [(7, 7)]]


def test_of_two_boxes_the_smaller_has_the_place():
    large, small = (0.0, 0.0, 16.0, 16.0), (5.0, 5.0, 8.0, 8.0)
    assert answers(large) == [[(1, 1), (1, 2), (2, 1), (2, 2)]]
    assert answers(large, small) == [[(1, 2), (2, 1), (2, 2)], [(1, 1)]]
    assert answers(small, large) == [[(1, 1)], [(1, 2), (2, 1), (2, 2)]]


def test_an_image_without_boxes_has_no_place_that_answers():
    where = grid_centres(8, 8)
    assert assign_targets(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.bool), where).tolist() == [[-1] * 4] * 2
    filled_up = assign_targets(torch.zeros(1, 3, 4), torch.zeros(1, 3, dtype=torch.bool), where)
    assert filled_up.tolist() == [[-1] * 4]


def test_numbers_say_a_box_by_hand():
    # From (6, 2): half a stride right, a stride down: centre (8, 6); 10 × 2 wide, 10 / 4 high.
    said = torch.tensor([[0.5, 1.0, math.log(2), math.log(0.25)]])
    found = decode_boxes(said, torch.tensor([[6.0, 2.0]]), 10.0)
    assert found[0].tolist() == pytest.approx([-2, 4.75, 18, 7.25])


def test_absurd_numbers_say_a_finite_box():
    assert decode_boxes(torch.full((1, 4), 1e4), torch.zeros(1, 2), 32.0).isfinite().all()
