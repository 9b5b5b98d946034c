import numpy as np
import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.classifier.device_dataset import held, of_split, training
from pipeline.downstream.schedule import HORIZONTAL, TRANSPOSE, VERTICAL
from pipeline.settings import UserError
from tests.downstream.cases import shapes

CPU = torch.device("cpu")


def test_views_turn_each_image_by_its_own_bits(image_set):
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    path = image_set("real", images, [0, 1] * 4, ["train"] * 8)
    pool = training(ImageSet.open(path), [], CPU)
    got = pool.turned(pool.at(np.arange(8), np.arange(8, dtype=np.uint8)))
    for view in range(8):
        expected = images[view].astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
        expected = expected[:, :, ::-1] if view & HORIZONTAL else expected
        expected = expected[:, ::-1] if view & VERTICAL else expected
        expected = expected.swapaxes(1, 2) if view & TRANSPOSE else expected
        np.testing.assert_allclose(got[view].numpy(), expected, atol=1e-6)
    # The eight orientations of one image are eight different images: no two bits do the same.
    same = pool.turned(pool.at(np.zeros(8, np.int64), np.arange(8, dtype=np.uint8)))
    assert len({image.numpy().tobytes() for image in same}) == 8
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_sixteen_bits_reach_the_network(image_set):
    images = np.zeros((4, 16, 16, 1), np.uint16)
    images[:, 0, :4, 0] = [0, 32767, 32768, 65535]
    path = image_set("deep", images, [0, 1, 0, 1], ["train", "train", "test", "test"])
    pool = of_split(ImageSet.open(path), "test", CPU)
    values = pool.images(torch.arange(2))[0, 0, 0, :4].double().numpy()
    np.testing.assert_allclose(values, [-1, -1 / 65535, 1 / 65535, 1], atol=2e-7)
    assert of_split(ImageSet.open(path), "val", CPU) is None


def test_synthetic_labels_go_by_name(image_set):
    images, _ = shapes(4, 0)
    real = ImageSet.open(image_set("real", images, [0, 1, 0, 1], ["train"] * 4, ("bar", "disc")))
    fakes = ImageSet.open(image_set("fakes", images[:3], [0, 0, 0], ["train"] * 3, ("disc",)))
    pool = training(real, [fakes], CPU)
    assert pool.labels.tolist() == [0, 1, 0, 1, 1, 1, 1]
    assert (pool.n_real, len(pool)) == (4, 7)


def test_images_that_do_not_fit_are_counted_in_the_error(monkeypatch):
    def full(sets):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "cat", full)
    few, more = torch.zeros(2, 64, 32, 1, dtype=torch.uint8), torch.zeros(3, 64, 32, 1, dtype=torch.uint8)
    with pytest.raises(
        UserError, match=r"5 images of 64 x 32 pixels, 0\.0 GiB, do not fit.*`generate.images_per_class`"
    ):
        held([few, more], CPU)
