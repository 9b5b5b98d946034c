"""The mixing grid: whose styles are where."""

import pytest
import torch

from pipeline.models.base import latents
from pipeline.sampling.mixing import mixing_grid
from tests.sampling.fakes import Styled

ROWS, COLUMNS = torch.tensor([1, 2]), torch.tensor([3, 4, 5])


@pytest.mark.parametrize("batch", [1, 64])
def test_coarse_styles_of_the_row_all_else_of_the_column(batch):
    """Of six styles three are coarse; `Styled` shows styles 2 to 5 in its four lines, the noise in column 0."""
    model = Styled()
    grid = mixing_grid(model, 1, ROWS, COLUMNS, batch)
    assert grid.shape == (3, 4, 1, 4, 4)
    row, column = latents(ROWS, 2), latents(COLUMNS, 2)
    for r in range(2):
        for k in range(3):
            image = grid[r + 1, k + 1, 0]
            expected = torch.tensor([row[r, 0], column[k, 0], column[k, 0], column[k, 0]]) * 0.1
            torch.testing.assert_close(image[:, 3], expected)
            torch.testing.assert_close(image[:, 0], expected + column[k, 1])


def test_the_edges_are_the_images_of_the_seeds():
    model = Styled()
    grid = mixing_grid(model, 1, ROWS, COLUMNS, 8)
    torch.testing.assert_close(grid[1:, 0], model.sample(torch.ones_like(ROWS), ROWS))
    torch.testing.assert_close(grid[0, 1:], model.sample(torch.ones_like(COLUMNS), COLUMNS))
    assert (grid[0, 0] == 1).all()
