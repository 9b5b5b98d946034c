"""What becomes of a box."""

import math

import pytest

from pipeline.data.annotations.clip import judged, look_like_fractions, seen
from pipeline.data.annotations.records import Region
from pipeline.data.preparing.tiling import Crop
from pipeline.data.reading.frame import Rejected


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((4, 2, 4, 9), "empty or inverted"),
        ((9, 2, 4, 9), "empty or inverted"),
        ((4, 9, 9, 2), "empty or inverted"),
        ((4, 2, 4.09, 9), "empty or inverted"),
        ((39.95, 2, 45, 9), "outside the image"),
        ((40, 2, 45, 9), "outside the image"),
        ((-5, 2, 0, 9), "outside the image"),
        ((4, 20, 9, 30), "outside the image"),
        ((4, -9, 9, 0), "outside the image"),
        ((math.nan, 2, 9, 9), "not finite"),
        ((4, 2, math.inf, 9), "not finite"),
    ],
)
def test_boxes_of_nothing_are_refused(box, reason):
    with pytest.raises(Rejected, match=reason):
        judged(Region("a", *box), height=20, width=40)


@pytest.mark.parametrize(
    ("box", "inside", "cut"),
    [
        ((4, 2, 10, 17), (4, 2, 10, 17), False),
        ((-3, 2, 10, 17), (0, 2, 10, 17), True),
        ((4, -3, 10, 17), (4, 0, 10, 17), True),
        ((30, 2, 44, 17), (30, 2, 40, 17), True),
        ((4, 2, 10, 23), (4, 2, 10, 20), True),
        ((-0.4, 0, 40.4, 20.5), (0, 0, 40, 20), False),  # a fraction of four digits is not more exact than that
    ],
)
def test_a_box_ends_where_its_image_does(box, inside, cut):
    assert judged(Region("a", *box), height=20, width=40) == (("a", *inside), cut)


@pytest.mark.parametrize(
    ("boxes", "fractions"),
    [
        ([(0.1, 0.1, 0.3, 0.3)], True),
        ([(0, 0, 1, 1), (0.25, 0.5, 0.75, 0.52)], True),
        ([(-0.9, -0.5, 0.3, 0.7)], True),  # of Pascal VOC, which counts from 1
        ([(0.9, 0.9, 1.3, 1.1)], True),  # a centre in place of the corner
        ([(0.1, 0.1, 0.3, 0.3)] * 9 + [(4, 4, 9, 9)], True),
        ([(0.1, 0.1, 0.3, 0.3)] * 8 + [(4, 4, 9, 9)], False),
        ([(0, 0, 1, 1)], False),  # the first pixel
        ([(4.2, 4.2, 4.7, 4.9)], False),
        ([(0.5, 0.5, 12.5, 3.5)], False),
        ([(math.nan, 0.1, 0.3, 0.3)], False),
        ([], False),
    ],
)
def test_boxes_in_fractions_lie_in_the_first_pixels(boxes, fractions):
    assert look_like_fractions([Region("a", *box) for box in boxes]) is fractions


def test_a_box_moves_and_scales_with_its_square():
    # Columns 12 to 20 and rows 6 to 9, seen from (row 4, column 10) at 1/2: (12 - 10) / 2 = 1, (6 - 4) / 2 = 1, ...
    part = seen(Region("a", 12, 6, 20, 9), Crop(4, 10, 32, 32), (16, 16))
    assert part == (("a", 1, 1, 5, 2.5), 1, False)
    assert seen(Region("a", 42, 6, 50, 9), Crop(4, 10, 32, 32), (16, 16)) is None  # it begins where the square ends


def test_a_box_in_an_image_that_is_not_square():
    # Half as high and a quarter as wide as what it shows.
    part = seen(Region("a", 12, 6, 20, 10), Crop(4, 8, 32, 64), (16, 16))
    assert part == (("a", 1, 1, 3, 3), 1, False)


def test_a_box_across_an_edge_counts_by_its_area_there():
    # 8 wide, 4 high, columns 28 to 36; the square ends at 34: 6 of 8 columns are in it.
    part = seen(Region("a", 28, 10, 36, 14), Crop(0, 2, 32, 32), (32, 32))
    assert part == (("a", 26, 10, 32, 14), 0.75, True)
    # Over a corner: 6 of 8 columns, 2 of 4 rows.
    assert seen(Region("a", 28, 30, 36, 34), Crop(0, 2, 32, 32), (32, 32)).share == 0.75 * 0.5


def test_a_defect_longer_than_a_tile_is_whole_in_every_tile_it_crosses():
    scratch = Region("a", 0, 10, 100, 12)
    for col in (0, 32, 60):
        part = seen(scratch, Crop(0, col, 32, 32), (32, 32))
        assert part == (("a", 0, 10, 32, 12), 1, True)
    # Its last 4 columns in a tile of 32 are an eighth of what a tile can show.
    assert seen(scratch, Crop(0, 96, 32, 32), (32, 32)).share == pytest.approx(1 / 8)
    everywhere = Region("a", 0, 0, 1000, 1000)
    assert seen(everywhere, Crop(100, 100, 32, 32), (16, 16)) == (("a", 0, 0, 16, 16), 1, True)
