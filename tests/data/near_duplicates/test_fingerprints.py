"""Fingerprints of images: their window."""

import numpy as np
import pytest
from scipy import signal

from pipeline.data.near_duplicates import fingerprints


@pytest.mark.parametrize("side", [8, 31, 64, 200])
def test_the_window_is_that_of_scipy(side):
    window = fingerprints._window(side) ** 2
    np.testing.assert_allclose(window, signal.windows.tukey(side + 2, fingerprints.TAPER)[1:-1], atol=1e-12)
