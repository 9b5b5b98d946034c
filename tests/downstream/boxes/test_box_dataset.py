import numpy as np
import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes.augment import BoxAugmentation
from pipeline.downstream.boxes.box_dataset import judging, training
from pipeline.settings import UserError
from tests.uploads import META, Uploads

CPU = torch.device("cpu")
FOUR = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 16, 16, 1), np.uint8)  # image i is i all over


def learnt(path, *more):
    return training(ImageSet.open(path), [ImageSet.open(other) for other in more], "steel", CPU)


def values(pool):
    return pool.images.stored[:, 0, 0, 0].tolist()


def test_boxes_belong_to_their_images_and_classes(boxed):
    marks = [(3, "square", 1, 2, 5, 6), (0, "disc", 0, 0, 2, 2), (3, "disc", 7, 7, 9, 12.5)]
    pool = learnt(boxed("real", FOUR, ["train"] * 4, marks))
    assert pool.classes.tolist() == [[0, -1], [-1, -1], [-1, -1], [1, 0]]
    assert pool.boxes[3].tolist() == [[1, 2, 5, 6], [7, 7, 9, 12.5]]
    images, marked = pool.batch(np.array([0, 3]), np.array([0, 1], np.uint8))
    assert images[:, 0, 0, 0].tolist() == pytest.approx([-1, 3 * 2 / 255 - 1])
    assert marked.boxes.tolist() == [[[0, 0, 2, 2], [0, 0, 0, 0]], [[11, 2, 15, 6], [7, 7, 9, 12.5]]]
    assert marked.classes.tolist() == [[0, -1], [1, 0]]
    _, marked = pool.batch(np.array([1, 2]), np.zeros(2, np.uint8))
    assert marked.boxes.shape == (2, 0, 4), "background alone"


def test_a_batch_of_boxes_is_one_upload(boxed):
    """Images, boxes and classes are on the device already, and nothing asks it which turns occur."""
    marks = [(3, "square", 1, 2, 5, 6), (0, "disc", 0, 0, 2, 2), (3, "disc", 7, 7, 9, 12.5)]
    pool = training(ImageSet.open(boxed("real", FOUR, ["train"] * 4, marks)), [], "steel", META)
    rows, orientations = np.array([0, 3, 1]), np.array([0, 7, 2], np.uint8)
    pool.batch(rows, orientations)
    with Uploads() as uploads:
        images, marked = pool.batch(rows, orientations)
    assert (uploads.count, images.shape, marked.boxes.shape) == (1, (3, 1, 16, 16), (3, 2, 4))
    with Uploads() as uploads:
        BoxAugmentation(0, CPU)(images, marked)
    assert uploads.count == 1


def test_an_image_whose_boxes_are_not_known_is_never_seen(boxed):
    marks = [(0, "disc", 1, 1, 4, 4), (2, "disc", 1, 1, 4, 4)]
    path = boxed("real", FOUR, ["train", "train", "test", "test"], marks, unknown=(1, 3))
    assert values(learnt(path)) == [0]
    assert values(judging(ImageSet.open(path), "steel", CPU)) == [2]


def test_images_to_choose_by_are_in_neither_pool(boxed):
    marks = [(i, "disc", 1, 1, 4, 4) for i in range(4)]
    path = boxed("real", FOUR, ["train", "val", "val", "test"], marks)
    assert values(learnt(path)) == [0]
    assert values(judging(ImageSet.open(path), "steel", CPU)) == [3]


def test_synthetic_images_come_after_the_real_ones_with_the_real_classes(boxed):
    real = boxed("real", FOUR[:2], ["train", "test"], [(0, "disc", 1, 1, 4, 4), (1, "square", 0, 0, 3, 3)])
    marks = [(1, "square", 1, 2, 3, 4), (1, "square", 5, 6, 7, 8)]
    made = boxed("made", FOUR[2:], ["train"] * 2, marks, classes=("square",))
    pool = learnt(real, made)
    assert (len(pool), pool.images.n_real, values(pool)) == (3, 1, [0, 2, 3])
    assert pool.classes.tolist() == [[0, -1], [-1, -1], [1, 1]]
    assert pool.boxes[2].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_what_no_detector_can_learn_from_or_be_judged_by_is_named(boxed):
    path = boxed("real", FOUR, ["train", "train", "test", "test"], [(2, "disc", 1, 1, 4, 4)], unknown=(1,))
    with pytest.raises(UserError, match=r"datasets\.steel\.boxes\.path: 0 boxes in the 1 training images"):
        learnt(path)
    path = boxed("other", FOUR, ["train", "train", "test", "test"], [(0, "disc", 1, 1, 4, 4)])
    with pytest.raises(UserError, match=r"datasets\.steel\.split\.test: 0 boxes in the 2 test images"):
        judging(ImageSet.open(path), "steel", CPU)
    path = boxed("none", FOUR, ["train"] * 4, [(0, "disc", 1, 1, 4, 4)])
    with pytest.raises(UserError, match=r"0 boxes in the 0 test images"):
        judging(ImageSet.open(path), "steel", CPU)


@pytest.mark.parametrize(
    ("images", "split", "classes", "message"),
    [
        (FOUR[:, :8, :8], "train", ("disc",), r"height × width is \(8, 8\), .* \(16, 16\)"),
        (FOUR.astype(np.uint16), "train", ("disc",), "stored type is uint16"),
        (FOUR, "train", ("crack", "disc"), "boxes of class `crack`, the real ones have disc, square"),
        (FOUR, "val", ("disc",), "0 synthetic training images with boxes"),
    ],
)
def test_an_unsuitable_synthetic_set_is_named(boxed, images, split, classes, message):
    mark = (0, "disc", 1, 1, 4, 4)
    real = boxed("real", FOUR, ["train"] * 4, [mark])
    made = boxed("made", images, [split] * 4, [mark], classes=classes)
    with pytest.raises(UserError, match=message):
        learnt(real, made)


def test_a_synthetic_set_of_which_nothing_is_known_leaves_the_real_images(boxed):
    real = boxed("real", FOUR, ["train"] * 4, [(0, "disc", 1, 1, 4, 4)])
    made = boxed("made", FOUR, ["train"] * 4, [], unknown=range(4))
    pool = learnt(real, made)
    assert (len(pool), pool.images.n_real, pool.classes.tolist()) == (4, 4, [[0], [-1], [-1], [-1]])


def test_a_synthetic_set_without_boxes_is_named(boxed, image_set):
    real = boxed("real", FOUR, ["train"] * 4, [(0, "disc", 1, 1, 4, 4)])
    made = image_set("made", FOUR, [0] * 4, ["train"] * 4)
    with pytest.raises(UserError, match="made: 0 synthetic training images with boxes"):
        learnt(real, made)
