import numpy as np
import pytest

from pipeline.base.pixels import normalised, stored


@pytest.mark.parametrize(("dtype", "middle"), [("uint8", 128), ("uint16", 32768)])
def test_black_is_minus_one_and_white_is_one(dtype, middle):
    top = np.iinfo(dtype).max
    images = np.array([0, top, middle], dtype).reshape(3, 1, 1, 1)
    assert normalised(stored(images)).flatten().tolist() == pytest.approx([-1, 1, 1 / top], abs=1e-7)


def test_images_that_may_not_be_written_to_are_copied_and_others_are_not():
    images = np.zeros((2, 3), np.uint8)
    stored(images)[0] = 1
    assert images[0].all()
    images.flags.writeable = False
    stored(images)[0] = 2
    assert (images[0] == 1).all()
