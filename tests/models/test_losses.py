"""Losses and penalties against analytic answers."""

import math

import torch

from pipeline.models import losses

REAL, FAKE = torch.tensor([2.0, -0.5]), torch.tensor([-3.0, 0.25])


def test_hinge():
    assert losses.hinge_discriminator(REAL, FAKE).item() == (0 + 1.5) / 2 + (0 + 1.25) / 2
    assert losses.hinge_generator(FAKE).item() == 1.375


def test_logistic():
    def sigmoid(v):
        return 1 / (1 + math.exp(-v))

    expected = -sum(math.log(sigmoid(v)) for v in REAL) / 2 - sum(math.log(1 - sigmoid(v)) for v in FAKE) / 2
    torch.testing.assert_close(losses.logistic_discriminator(REAL, FAKE).item(), expected, rtol=1e-6, atol=0)
    expected = -sum(math.log(sigmoid(v)) for v in FAKE) / 2
    torch.testing.assert_close(losses.logistic_generator(FAKE).item(), expected, rtol=1e-6, atol=0)


def test_r1_of_a_quadratic_discriminator():
    """D(x) = ½ a |x|² + b·x has gradient a x + b, whatever the other images are."""
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64).requires_grad_()
    a = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    b = torch.randn(2, 4, 4, dtype=torch.float64)
    penalty = losses.r1_penalty(x, (a / 2 * x.square() + b * x).sum((1, 2, 3)))
    gradient = a * x + b
    torch.testing.assert_close(penalty, gradient.square().sum((1, 2, 3)) / 2)
    (slope,) = torch.autograd.grad(penalty.sum(), a)
    torch.testing.assert_close(slope, (gradient * x).sum())


def test_path_length_of_a_linear_generator():
    """image = Σ_l A_l w_l: Jᵀ y is A_lᵀ y for layer l."""
    n, layers, d, side = 4, 3, 5, 6
    matrices = torch.randn(layers, 2 * side * side, d, dtype=torch.float64)
    ws = torch.randn(n, layers, d, dtype=torch.float64, requires_grad=True)
    images = torch.einsum("lpd,nld->np", matrices, ws).unflatten(1, (2, side, side))
    y = torch.randn(n, 2, side, side, dtype=torch.float64)
    lengths = losses.path_lengths(images, ws, y)
    for i in range(n):
        squares = [(m.T @ y[i].flatten() / side).square().sum() for m in matrices]
        torch.testing.assert_close(lengths[i], (sum(squares) / layers).sqrt())
