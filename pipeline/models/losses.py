"""Adversarial losses and their regularisers: pure functions of tensors, differentiable as often as needed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """() Hinge loss of the logits, each (N,) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """() Negative mean logit (Miyato et al. 2018, eq. 17)."""
    return -fake.mean()


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """() -log σ(real) - log(1 - σ(fake)), each (N,) (Goodfellow et al. 2014, eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def logistic_generator(fake: Tensor) -> Tensor:
    """() Non-saturating loss -log σ(fake) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


CERTAIN = math.log(999)  # a logit whose probability is 0.999


def saturation(real: Tensor, fake: Tensor, margin: float) -> Tensor:
    """() Share of rows whose logits, each (N,), are both right by more than `margin`: nothing is left to learn there.

    The hinge loss is flat beyond 1; the logistic loss nearly so beyond CERTAIN.
    """
    return ((real > margin) & (fake < -margin)).float().mean()


def r1_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """(N,) ½ |∇ logit|² at real images; times gamma it is R1 (Mescheder et al. 2018, eq. 9).

    Args:
        images: (N, C, H, W), requiring gradients; logit n depends on image n alone, or nearly (minibatch statistics).
        logits: (N,), computed from `images`.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)) / 2


def gradient_norms(images: Tensor, scores: Tensor) -> Tensor:
    """(N,) |∇ score| of each image, which can be differentiated again.

    Args:
        images: (N, C, H, W), requiring gradients; score n depends on image n alone.
        scores: (N,), computed from `images`.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return torch.linalg.vector_norm(gradient, dim=(1, 2, 3))


def gradient_penalty(norms: Tensor) -> Tensor:
    """(N,) (|∇| - 1)² of gradient norms (N,); times λ it is the penalty of Gulrajani et al. 2017, eq. 3."""
    return (norms - 1).square()


def path_lengths(images: Tensor, ws: Tensor, noise: Tensor) -> Tensor:
    """(N,) |Jᵀ y| with J = ∂image/∂w and y normal, per latent, root mean square over the layers' copies of w.

    Karras et al. 2020a, eq. 4; y is divided by the image's side so that lengths compare across resolutions.

    Args:
        images: (N, C, H, W), computed from `ws`.
        ws: (N, L, D), one w a layer.
        noise: (N, C, H, W) standard normal.
    """
    side = (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * noise).sum() / side, ws, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()
