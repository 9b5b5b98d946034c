"""Losses and penalties against analytic answers."""

import math

import pytest
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


def test_logistic_is_binary_cross_entropy():
    """Of labels 1 for real and 0 for generated images; and finite where a probability rounds to 0 or 1."""
    bce = torch.nn.BCEWithLogitsLoss()
    real, fake = torch.randn(2, 50, dtype=torch.float64) * 8
    both = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    torch.testing.assert_close(losses.logistic_discriminator(real, fake), both)
    torch.testing.assert_close(losses.logistic_generator(fake), bce(fake, torch.ones_like(fake)))
    assert losses.logistic_generator(torch.tensor([-500.0])) == 500


def test_saturation_counts_rows_where_both_are_certain():
    real, fake = torch.tensor([2.0, 2.0, 0.5, 3.0]), torch.tensor([-2.0, 0.0, -9.0, -1.5])
    assert losses.saturation(real, fake, 1.0) == 0.5
    assert torch.sigmoid(torch.tensor(losses.CERTAIN)).item() == pytest.approx(0.999)


def test_gradient_penalty_of_a_linear_critic():
    """f(x) = a·x has slope a everywhere, so the penalty is (|a| - 1)², and its own slope 2 (|a| - 1) a / |a|."""
    a = torch.randn(2, 3, 4, dtype=torch.float64).requires_grad_()
    x = torch.randn(5, 2, 3, 4, dtype=torch.float64).requires_grad_()
    norms = losses.gradient_norms(x, (a * x).sum((1, 2, 3)))
    torch.testing.assert_close(norms, a.norm().expand(5))
    penalty = losses.gradient_penalty(norms)
    torch.testing.assert_close(penalty, (a.norm() - 1).square().expand(5))
    (slope,) = torch.autograd.grad(penalty.mean(), a)
    torch.testing.assert_close(slope, (2 * (a.norm() - 1) * a / a.norm()).detach())


def test_gradient_norms_are_each_images_own():
    """f(x) = ½ c |x|²: the norm at x is c |x|; at x = 0, where a norm has no slope, the penalty's gradient is 0."""
    x = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    x[1] = 0
    x.requires_grad_()
    c = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    norms = losses.gradient_norms(x, c / 2 * x.square().sum((1, 2, 3)))
    torch.testing.assert_close(norms, c * x.flatten(1).norm(dim=1))
    (slope,) = torch.autograd.grad(losses.gradient_penalty(norms).sum(), c)
    lengths = x.flatten(1).norm(dim=1)
    torch.testing.assert_close(slope, (2 * (c * lengths - 1) * lengths).sum().detach())


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
