"""Convolutions of few pixels against torch's."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from pipeline.models import convolution
from pipeline.models.convolution import convolve, convolve_doubling

# Sizes, strides and paddings that the networks have; each is no square and has a bias or not.
CASES = {
    "same": (lambda x, w, b: convolve(x, w, b, padding=1), lambda x, w, b: F.conv2d(x, w, b, padding=1), (3, 4)),
    "halved": (lambda x, w, b: convolve(x, w, b, stride=2), lambda x, w, b: F.conv2d(x, w, b, stride=2), (3, 5)),
    "point": (
        lambda x, w, b: convolve(x, w[:, :, 1:2, :1], b),
        lambda x, w, b: F.conv2d(x, w[:, :, 1:2, :1], b),
        (2, 3),
    ),
    "doubled": (
        lambda x, w, b: convolve_doubling(x, w),
        lambda x, w, b: F.conv_transpose2d(x, w.transpose(0, 1), stride=2),
        (3, 2),
    ),
}
cases = pytest.mark.parametrize(("ours", "plain", "size"), CASES.values(), ids=CASES)


def numbers(size, dtype=torch.float64, layout=torch.contiguous_format):
    torch.manual_seed(0)
    shapes = [(2, 3, *size), (5, 3, 3, 3), (5,)]
    return [
        torch.randn(s, dtype=dtype)
        .to(memory_format=layout if len(s) == 4 else torch.contiguous_format)
        .requires_grad_()
        for s in shapes
    ]


@pytest.fixture
def products(monkeypatch):
    """Of matrices, whatever the precision."""
    monkeypatch.setattr(convolution, "as_product", lambda *_: True)


@cases
@pytest.mark.usefixtures("products")
def test_derivatives_of_every_order_are_those_of_torchs(ours, plain, size):
    x, w, b = numbers(size)
    assert gradcheck(ours, (x, w, b))
    assert gradgradcheck(lambda x, w, b: ours(x.sin(), w, b), (x, w, b))
    found = []
    for work in (ours, plain):
        value = work(x.sin(), w, b).square().sin().sum()
        orders = [value]
        for _ in range(3):
            slopes = torch.autograd.grad(orders[-1], (x, w), create_graph=True)
            orders.append(slopes[0].square().sum() + slopes[1].sin().sum())
        found.append(torch.stack(orders).detach())
    torch.testing.assert_close(*found)


@cases
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.usefixtures("products")
def test_few_pixels_are_a_product_of_matrices_and_many_a_convolution(ours, plain, size, layout, monkeypatch):
    """Both, in any order of memory, to the same result, which is in the order of memory of the images."""
    x, w, b = numbers(size, torch.float32, layout)
    product = ours(x, w, b)
    monkeypatch.setattr(convolution, "as_product", lambda *_: False)
    monkeypatch.setattr(F, "linear", None)
    torch.testing.assert_close(product, ours(x, w, b), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(product, plain(x, w, b), rtol=1e-5, atol=1e-5)


def test_what_is_a_product_depends_on_the_precision_and_the_size_of_one_image():
    half, single, card = torch.empty(1, dtype=torch.bfloat16), torch.empty(1), torch.empty(1, device="meta")
    assert [convolution.as_product(half, pixels, 3) for pixels in (16, 64, 65, 256)] == [True, True, False, False]
    assert not convolution.as_product(single, 16, 3)
    assert convolution.as_product(single, 10**4, 1)
    assert not convolution.as_product(card, 16, 1)


def test_features_of_one_channel_stay_channels_last():
    images = torch.randn(2, 1, 16, 16).to(memory_format=torch.channels_last)
    features = convolve(images, torch.randn(8, 1, 1, 1))
    assert features.is_contiguous(memory_format=torch.channels_last)
    assert not features.is_contiguous()


@cases
@pytest.mark.usefixtures("products")
def test_low_precision_rounds_no_more_than_torchs(ours, plain, size):
    x, w, b = numbers(size)
    slope = torch.randn_like(ours(x, w, b))
    exact = torch.autograd.grad(ours(x, w, b), (x, w), slope)
    error = {}
    for name, work in (("ours", ours), ("plain", plain)):
        single = [v.detach().float().requires_grad_() for v in (x, w, b)]
        with torch.autocast("cpu", torch.bfloat16):
            y = work(*single)
        assert y.dtype == torch.bfloat16
        slopes = torch.autograd.grad(y, single[:2], slope.bfloat16())
        error[name] = [(a - e).abs().max() / e.abs().max() for a, e in zip(slopes, exact, strict=True)]
    assert all(a < max(0.01, 1.5 * b) for a, b in zip(error["ours"], error["plain"], strict=True))
