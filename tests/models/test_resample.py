"""Resampling against SciPy, and its derivatives against those of torch's convolutions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import upfirdn
from torch.autograd import gradcheck, gradgradcheck

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


def plain(x, module):
    """The same filters by convolutions that torch differentiates."""
    channels = x.shape[1]
    kernel = module.kernel.to(x.dtype).expand(channels, 1, 4, 4)
    if isinstance(module, Upsample):
        return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)
    stride, padding = (2, 1) if isinstance(module, Downsample) else (1, module.padding)
    return F.conv2d(x, kernel, stride=stride, padding=padding, groups=channels)


FILTERS = [Blur(padding=2), Blur(padding=1, gain=4.0), Upsample(), Downsample()]
every_filter = pytest.mark.parametrize("module", FILTERS, ids=["blur2", "blur1", "up", "down"])


@every_filter
def test_derivatives_of_every_order_are_right(module):
    """Of a function that is not linear, so that the third derivative is there to be wrong."""
    torch.manual_seed(0)
    x = torch.randn(2, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(module.double(), x)
    assert gradgradcheck(lambda x: module(x.sin()), x)
    weights = torch.randn_like(x)
    thirds = []
    for work in (module, lambda x: plain(x, module)):
        value = work(x.sin()).square().mul(0.5).sin().sum()
        for _ in range(3):
            (slope,) = torch.autograd.grad(value, x, create_graph=True)
            value = (slope * weights).sum()
        thirds.append(slope.detach())
    torch.testing.assert_close(*thirds)
    assert thirds[0].abs().max() > 0.01


@every_filter
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_single_precision_equals_the_plain_convolution(module, layout):
    x = torch.randn(3, 5, 16, 24).to(memory_format=layout).requires_grad_()
    (ours, theirs) = (work(x) for work in (module.float(), lambda x: plain(x, module)))
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    slope = torch.randn_like(ours)
    torch.testing.assert_close(*(torch.autograd.grad(y, x, slope)[0] for y in (ours, theirs)), rtol=1e-6, atol=1e-6)


@every_filter
def test_low_precision_stays_what_it_is(module):
    """Whatever autocast says, and within the rounding of sixteen products."""
    for dtype in (torch.bfloat16, torch.float32):
        x = torch.randn(2, 8, 16, 16, dtype=dtype, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            y = module.float()(x)
            (slope,) = torch.autograd.grad(y.square().sum(), x)
        assert (y.dtype, slope.dtype) == (dtype, dtype)
        exact = x.detach().float().requires_grad_()
        expected = plain(exact, module)
        (wanted,) = torch.autograd.grad(expected.square().sum(), exact)
        tolerance = {"rtol": 0, "atol": 2**-6} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
        torch.testing.assert_close(y.float() / 4, expected / 4, **tolerance)
        torch.testing.assert_close(slope.float() / 16, wanted / 16, **tolerance)
