import numpy as np
import pytest
import torch

from pipeline.data.annotations.clip import seen
from pipeline.data.annotations.records import Region
from pipeline.data.preparing.tiling import Crop
from pipeline.downstream.boxes.augment import KNOBS, VISIBLE, ZOOM, BoxAugmentation, carried, distorted
from pipeline.downstream.boxes.detector import BoxTargets

NAMES = ("up", "left", "zoom", "whether", "brighter", "contrast", "sharper", "noisy")
CPU = torch.device("cpu")


def marks(*boxes, classes=None):
    """Of one image."""
    return BoxTargets(torch.tensor([boxes], dtype=torch.float32), torch.tensor([classes or list(range(len(boxes)))]))


def change(image, boxes, **values):
    """One gray image (H, W) and its boxes through the augmentation, without noise unless it is asked for."""
    knobs = torch.zeros(1, KNOBS)
    for name, value in values.items():
        knobs[:, NAMES.index(name)] = value
    tensor = torch.tensor(image, dtype=torch.float32)[None, None]
    images, moved = distorted(tensor, boxes, knobs, torch.ones_like(tensor))
    return images[0, 0].numpy(), moved


def test_boxes_by_hand():
    """An image of 40 columns and 24 rows, whose content goes 5 left and 3 up and is then made 1.25 times as large."""
    boxes = marks(
        (22, 9, 30, 14),  # columns (22 - 20 - 5) * 1.25 + 20 = 16.25 to 26.25; rows (9 - 12 - 3) * 1.25 + 12 = 4.5 to..
        (0, 10, 12, 20),  # columns -11.25 to 3.75: 3.75 of 15 are seen
        (3, 5, 17, 11),  # columns -7.5 to 10: 10 of 17.5; rows -0.5 to 7: 7 of 7.5; together 0.53
        (0, 15, 40, 16),  # columns -11.25 to 38.75: longer than the image, which shows 38.75 of at most 40
        (35, 23, 39, 24),  # columns 32.5 to 37.5, rows 22 to 23.25
    )
    moved = carried(boxes, torch.tensor([[5.0, 3.0]]), torch.tensor([1.25]), 24, 40)
    assert moved.classes.tolist() == [[0, -1, 2, 3, 4]]
    assert moved.boxes[0].tolist() == [
        [16.25, 4.5, 26.25, 10.75],
        [0, 0, 0, 0],
        [0, 0, 10, 7],
        [0, 12, 38.75, 13.25],
        [32.5, 22, 37.5, 23.25],
    ]


def test_the_rule_is_that_of_the_data_sets():
    """A square image shifted and made larger shows a square of itself: what is seen in a tile is known."""
    rng = np.random.default_rng(0)
    side, shift, scale = 64, (-6, 8), 64 / 48
    square = Crop(8 + shift[1], 8 + shift[0], 48, 48)  # of 64 pixels, the middle 48, moved
    low = rng.uniform(0, 50, (300, 2))
    corners = np.concatenate([low, np.minimum(low + rng.uniform(1, 64, (300, 2)), side)], 1).astype(np.float32)
    moved = carried(
        BoxTargets(torch.from_numpy(corners)[None], torch.zeros(1, 300, dtype=torch.int64)),
        torch.tensor([shift], dtype=torch.float32),
        torch.tensor([scale], dtype=torch.float32),
        side,
        side,
    )
    kept = 0
    for corner, box, class_id in zip(corners, moved.boxes[0], moved.classes[0], strict=True):
        told = seen(Region("a", *corner.tolist()), square, (side, side))
        stays = told is not None and told.share >= VISIBLE
        assert (class_id == 0) == stays
        if stays:
            kept += 1
            assert box.tolist() == pytest.approx(told.region[1:], abs=1e-3)
    assert 50 < kept < 250


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"up": 1, "left": -1},
        {"up": -0.4, "left": 0.7},
        {"zoom": 1, "whether": 1},
        {"zoom": -1, "whether": 1, "up": 1, "left": 1},
        {"zoom": 0.5, "whether": 1, "up": -1, "left": 0.3},
    ],
    ids=str,
)
def test_a_box_stays_around_the_rectangle_that_it_was_drawn_around(knobs):
    image = np.full((64, 96), -0.5, np.float32)
    image[20:41, 30:52] = 0.5
    warped, moved = change(image, marks((30, 20, 52, 41)), **knobs)
    if not knobs:
        np.testing.assert_allclose(warped, image, atol=1e-5)
    # Interpolation makes a ramp at each edge, a half of it inside: the box ends where the rectangle's half is.
    rows, columns = ((warped > 0).any(axis) for axis in (1, 0))
    y, x = np.flatnonzero(rows), np.flatnonzero(columns)
    found = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    exact = 0.51 if "zoom" in knobs else 1e-3
    assert moved.boxes[0, 0].tolist() == pytest.approx(found, abs=exact)
    assert moved.classes.tolist() == [[0]]


def test_zoom_has_its_size_and_happens_where_it_should():
    image, boxes = np.zeros((40, 40), np.float32), marks((10, 16, 30, 24))
    larger = [20 - 10 * ZOOM, 20 - 4 * ZOOM, 20 + 10 * ZOOM, 20 + 4 * ZOOM]
    assert change(image, boxes, zoom=1, whether=1)[1].boxes[0, 0].tolist() == pytest.approx(larger)
    assert change(image, boxes, zoom=1, whether=-1)[1].boxes[0, 0].tolist() == [10, 16, 30, 24]


def test_what_comes_in_over_an_edge_is_the_mean_gray_and_shows_no_defect():
    image = np.random.default_rng(0).uniform(-0.6, 0.6, (24, 16)).astype(np.float32)
    image[:, 13:] = 0.9  # at the edge: its mirror image would be a defect without a box
    warped, moved = change(image, marks((13, 0, 16, 24)), left=1, up=-1)
    np.testing.assert_allclose(warped[3:, :14], image[:21, 2:], atol=1e-5)
    np.testing.assert_allclose(warped[:3], image.mean(), atol=1e-5)
    np.testing.assert_allclose(warped[:, 14:], image.mean(), atol=1e-5)
    assert moved.boxes[0, 0].tolist() == [11, 3, 14, 24]


def test_places_without_a_box_stay_without_one():
    _, moved = change(np.zeros((16, 16), np.float32), marks((2, 2, 9, 9), (0, 0, 0, 0), classes=[1, -1]), up=1)
    assert moved.classes.tolist() == [[1, -1]]
    none = BoxTargets(torch.zeros(1, 0, 4), torch.zeros(1, 0, dtype=torch.int64))
    assert change(np.zeros((16, 16), np.float32), none, up=1, zoom=1, whether=1)[1].boxes.shape == (1, 0, 4)


def test_the_same_seed_changes_images_alike_whatever_the_other_images_are():
    images, boxes = (
        torch.rand(6, 1, 16, 16),
        BoxTargets(torch.tensor([[[2.0, 3, 12, 11]]] * 6), torch.zeros(6, 1).long()),
    )
    first, second = (BoxAugmentation(3, CPU) for _ in range(2))
    a, marked = first(images, boxes)
    other = images.clone()
    other[4:] = 0  # another arm has other images in the last places
    b, others = second(other, boxes)
    assert torch.equal(a[:4], b[:4])
    assert torch.equal(marked.boxes, others.boxes)
    assert len({box.numpy().tobytes() for box in marked.boxes}) == 6
    assert not torch.equal(first(images, boxes)[0], a)
    assert a.is_contiguous(memory_format=torch.channels_last)
    assert a.abs().max() <= 1
