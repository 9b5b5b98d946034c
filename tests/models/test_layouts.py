"""Masks of boxes, their moves, and which layout is asked for."""

import pytest
import torch

from pipeline.models.layouts import FLIPS, JITTER, NUMBERS, Book, Layout, coverage, mirrored, shifted, transposed

EMPTY = Layout(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4, dtype=torch.float64))


def layout(*boxes):
    """Of (kind, x0, y0, x1, y1)."""
    rows = torch.tensor(boxes, dtype=torch.float64)
    return Layout(rows[:, 0].long(), rows[:, 1:])


def random_layout(seed, n=4, size=16):
    rng = torch.Generator().manual_seed(seed)
    ends = torch.rand(n, 2, 2, generator=rng, dtype=torch.float64).mul(size).sort(1).values
    return Layout(torch.randint(0, 2, (n,), generator=rng), ends.flatten(1))


# ---------------------------------------------------------------- masks


def test_a_box_between_pixels_by_hand():
    """Columns 0.5 to 2.25 of 4, rows 1 to 2.5 of 3, of the second of two classes; the other image is background."""
    columns, rows = torch.tensor([0.5, 1, 0.25, 0]), torch.tensor([0, 1, 0.5])
    masks = coverage([layout((1, 0.5, 1, 2.25, 2.5)), EMPTY], classes=2, height=3, width=4)
    assert masks.shape == (2, 2, 3, 4)
    assert torch.equal(masks[0, 1], rows[:, None] * columns)
    assert masks[0, 0].abs().max() == masks[1].abs().max() == 0
    assert masks[0, 1].sum() == 1.75 * 1.5


def test_boxes_smaller_than_a_pixel_and_overlapping_ones():
    small, twice = layout((0, 1.2, 1.2, 1.7, 1.6)), layout((0, 0, 0, 2, 1), (0, 1, 0, 3.5, 1), (1, 0, 0, 1, 2))
    masks = coverage([small, twice], classes=2, height=2, width=4)
    assert masks[0, 0, 1, 1] == pytest.approx(0.5 * 0.4)
    assert masks[1, 0, 0].tolist() == [1, 1, 1, 0.5]
    assert masks[1, 1].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]
    assert masks.max() <= 1


def test_a_mask_is_the_drawn_rectangle():
    """Against drawing on a hundred times finer a grid."""
    for seed in range(5):
        one = random_layout(seed, n=1, size=6)
        x0, y0, x1, y1 = one.boxes[0]
        fine = (torch.arange(600) + 0.5) / 100
        drawn = ((fine > y0) & (fine < y1))[:, None] & ((fine > x0) & (fine < x1))
        expected = drawn.float().reshape(6, 100, 6, 100).mean((1, 3))
        torch.testing.assert_close(coverage([one], 2, 6, 6)[0, one.kinds[0]], expected, atol=0.02, rtol=0)


# ---------------------------------------------------------------- moves


@pytest.mark.parametrize(
    ("boxes", "picture"),
    [
        (lambda b, h, w: mirrored(b, 0, w), lambda x: x.flip(-1)),
        (lambda b, h, w: mirrored(b, 1, h), lambda x: x.flip(-2)),
        (lambda b, h, w: transposed(b), lambda x: x.transpose(-2, -1)),
    ],
    ids=["left-right", "up-down", "transposed"],
)
def test_a_moved_box_is_where_the_moved_picture_of_it_is(boxes, picture):
    height, width = 11, 16
    for seed in range(5):
        one = random_layout(seed, size=11)
        drawn = picture(coverage([one], 2, height, width))
        moved = Layout(one.kinds, boxes(one.boxes, height, width))
        torch.testing.assert_close(coverage([moved], 2, *drawn.shape[2:]), drawn)


def test_a_shift_by_hand():
    """Of 32 columns, at most 2: the first box is cut by the left border, the second begins at 10 and has 0.5 to go."""
    boxes = layout((0, 0, 5, 3, 8), (0, 10, 5, 31.5, 8)).boxes
    for u, expected in ((0, [[0, 1.5], [8.5, 30]]), (0.75, [[0, 3], [10, 31.5]]), (1, [[0, 3.5], [10.5, 32]])):
        moved = shifted(boxes, 0, 32, u)
        assert moved[:, [0, 2]].tolist() == expected
        assert moved[:, [1, 3]].tolist() == [[5, 8], [5, 8]]


def test_shifted_boxes_stay_whole_and_inside_and_on_the_border():
    size = 16
    for seed in range(200):
        boxes = random_layout(seed, n=3).boxes
        boxes = torch.where(boxes < 2, torch.zeros(()), torch.where(boxes > 14, torch.full((), 16.0), boxes))
        boxes = boxes[(boxes[:, 3] > boxes[:, 1]) & (boxes[:, 2] > boxes[:, 0])]
        u = float(torch.rand((), generator=torch.Generator().manual_seed(seed)))
        moved = shifted(boxes, 1, size, u)
        low, high, before = moved[:, 1], moved[:, 3], boxes[:, 3] - boxes[:, 1]
        assert (low >= 0).all()
        assert (high <= size).all()
        assert ((high - low) >= before / 2 - 1e-9).all()
        first, last = boxes[:, 1] == 0, boxes[:, 3] == size
        assert (low[first] == 0).all()
        assert (high[last] == size).all()
        inside = ~first & ~last
        torch.testing.assert_close((high - low)[inside], before[inside])
        steps = (moved - boxes)[:, [1, 3]]
        assert steps.abs().max() <= size * JITTER + 1e-9
        assert steps[steps != 0].unique().numel() <= 1 or steps[steps != 0].std() < 1e-9


# ---------------------------------------------------------------- what is asked for


def book():
    """Images 0 and 2 are of class 0, 1 and 3 of class 1; image 3 is background."""
    kept = Book()
    kept.write([0, 1, 0, 1], [layout((0, 1, 2, 5, 4)), layout((1, 0, 0, 2, 2)), layout((1, 4, 4, 8, 10)), EMPTY])
    return kept


def numbers(count, seed=0):
    return torch.randn(count, NUMBERS, generator=torch.Generator().manual_seed(seed))


def test_every_layout_of_the_class_is_asked_for_as_often_and_no_other():
    kept = book()
    kinds = [kept.ask(0, row, "none", 16, 16).kinds.tolist() for row in numbers(400)]
    assert sorted({tuple(k) for k in kinds}) == [(0,), (1,)]
    assert sum(k == [0] for k in kinds) == pytest.approx(200, abs=40)
    lengths = [len(kept.ask(1, row, "none", 16, 16).boxes) for row in numbers(400)]
    assert sum(lengths) == pytest.approx(200, abs=40)  # the other half is background


@pytest.mark.parametrize(("symmetry", "elements"), [("none", 1), ("vertical", 2), ("both", 4), ("dihedral", 8)])
def test_layouts_come_under_every_element_of_the_symmetry_as_often(symmetry, elements):
    kept, seen = Book(), {}
    kept.write([0], [layout((0, 3, 6, 5, 7))])
    for row in numbers(480):
        row[4:] = 0  # not shifted, since no border is near
        moved = tuple(kept.ask(0, row, symmetry, 16, 16).boxes[0].tolist())
        seen[moved] = seen.get(moved, 0) + 1
    assert len(FLIPS[symmetry]) == elements.bit_length() - 1
    assert len(seen) == elements
    assert min(seen.values()) > 0.6 * 480 / elements
    assert (3, 6, 5, 7) in seen
    assert ((6, 3, 7, 5) in seen) == (symmetry == "dihedral")


def test_a_book_survives_being_stored_and_its_numbers_any_device_dtype():
    kept, other = book(), Book()
    other.load_state_dict(kept.state_dict())
    for row in numbers(20):
        mine, theirs = kept.ask(0, row, "both", 16, 16), other.ask(0, row.double(), "both", 16, 16)
        assert torch.equal(mine.boxes, theirs.boxes)
    assert set(kept.state_dict()) == {"_extra_state"}
