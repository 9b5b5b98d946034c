"""Resampling against SciPy."""

import numpy as np
import torch
from scipy.signal import upfirdn

from pipeline.models.resample import Blur, Downsample, Upsample

TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8


def scipy_axis(x, axis, up, down, gain, first, length):
    """Filter one axis, then keep `length` samples from `first` on."""
    full = upfirdn(TAPS * gain, x, up=up, down=1, axis=axis)
    full = np.concatenate([full, np.zeros_like(full)], axis)
    return np.take(full, first + down * np.arange(length), axis)


def compare(module, up, down, gain, first, length_of):
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 10))
    expected = x
    for axis in (2, 3):
        padded = np.pad(expected, [(2, 2) if a == axis else (0, 0) for a in range(4)])
        expected = scipy_axis(padded, axis, up, down, gain, first + 2 * up, length_of(x.shape[axis]))
    np.testing.assert_allclose(module.double()(torch.from_numpy(x)).numpy(), expected, atol=1e-12)


def test_upsample():
    compare(Upsample(), up=2, down=1, gain=2, first=1, length_of=lambda n: 2 * n)


def test_downsample():
    compare(Downsample(), up=1, down=2, gain=1, first=2, length_of=lambda n: n // 2)


def test_blur():
    compare(Blur(padding=2), up=1, down=1, gain=1, first=1, length_of=lambda n: n + 1)


def test_doubling_keeps_a_ramp_straight_and_halving_undoes_it_inside():
    ramp = torch.arange(12, dtype=torch.float64).expand(1, 1, 12, 12)
    doubled = Upsample().double()(ramp)
    inside = doubled[0, 0, 4:-4, 4:-4]
    torch.testing.assert_close(inside.diff(dim=1), torch.full_like(inside[:, 1:], 0.5))
    torch.testing.assert_close(Downsample().double()(doubled)[..., 3:-3, 3:-3], ramp[..., 3:-3, 3:-3])
