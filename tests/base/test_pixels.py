import numpy as np
import pytest

from pipeline.base.pixels import normalised, stored


@pytest.mark.parametrize(("dtype", "middle"), [("uint8", 128), ("uint16", 32768)])
def test_black_is_minus_one_and_white_is_one(dtype, middle):
    top = np.iinfo(dtype).max
    images = np.array([0, top, middle], dtype).reshape(3, 1, 1, 1)
    assert normalised(stored(images)).flatten().tolist() == pytest.approx([-1, 1, 1 / top], abs=1e-7)
