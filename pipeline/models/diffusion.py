"""The mathematics of diffusion: noise schedules, what a network predicts, loss weights and samplers.

Everything is a pure function of tensors, its randomness passed in. Times are whole: 0 is a clean image, T (1000)
is noise. A schedule is the table ᾱ (T + 1,) float64, ᾱ[0] = 1; x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε (Ho et al. 2020, eq. 4).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 1000
FLATTEST = 5.1  # |log √(SNR)| beyond which a sampler need not go: at -5.1 the image is 0.6 % of what it sees

Level = Tensor | float
Denoise = Callable[[Tensor, int], Tensor]  # (x_t, t) -> the clean image x_0 that is expected behind it


# ---------------------------------------------------------------- schedules


def linear_schedule() -> Tensor:
    """(STEPS + 1,) ᾱ of variances that grow in a line from 1e-4 to 0.02 (Ho et al. 2020, section 4)."""
    return _cumulative(torch.linspace(1e-4, 0.02, STEPS, dtype=torch.float64))


def cosine_schedule() -> Tensor:
    """(STEPS + 1,) ᾱ that falls like a squared cosine (Nichol & Dhariwal 2021, eq. 17), each variance at most 0.999."""
    t = torch.arange(STEPS + 1, dtype=torch.float64) / STEPS
    f = ((t + 0.008) / 1.008 * math.pi / 2).cos().square()
    return _cumulative((1 - f[1:] / f[:-1]).clamp(max=0.999))


def _cumulative(betas: Tensor) -> Tensor:
    return torch.cat([betas.new_ones(1), (1 - betas).cumprod(0)])


SCHEDULES: dict[str, Callable[[], Tensor]] = {"linear": linear_schedule, "cosine": cosine_schedule}


def snr(abar: Tensor) -> Tensor:
    """(T,) signal-to-noise ratios ᾱ / (1 - ᾱ) of a schedule; infinite for clean images."""
    return abar / (1 - abar)


# ---------------------------------------------------------------- what a network predicts
# All take images (N, C, H, W) and signal = √ᾱ_t and spread = √(1 - ᾱ_t), which broadcast against them, and return
# (N, C, H, W). v = signal · ε - spread · x_0 (Salimans & Ho 2022, section 4 and appendix D).


def noised(images: Tensor, noise: Tensor, signal: Level, spread: Level) -> Tensor:
    """x_t of clean images and noise (Ho et al. 2020, eq. 4)."""
    return signal * images + spread * noise


def velocity(images: Tensor, noise: Tensor, signal: Level, spread: Level) -> Tensor:
    """v of clean images and noise."""
    return signal * noise - spread * images


def image_of_epsilon(x: Tensor, noise: Tensor, signal: Level, spread: Level) -> Tensor:
    """x_0 behind x_t if its noise is ε."""
    return (x - spread * noise) / signal


def image_of_velocity(x: Tensor, v: Tensor, signal: Level, spread: Level) -> Tensor:
    """x_0 behind x_t if its velocity is v."""
    return signal * x - spread * v


def epsilon_of_image(x: Tensor, image: Tensor, signal: Level, spread: Level) -> Tensor:
    """ε in x_t if x_0 is `image`."""
    return (x - signal * image) / spread


PREDICTIONS = {"epsilon": image_of_epsilon, "v": image_of_velocity}


def loss_weights(abar: Tensor, prediction: str, bound: float | None) -> Tensor:
    """Factors of the squared error of the prediction at each ᾱ < 1: min(SNR, bound) times the squared error of x_0.

    Hang et al. 2023, section 3.4: an error of ε is SNR, one of v SNR + 1 times that of x_0. Without a bound, 1.

    Args:
        abar: (T,) ᾱ of the times, none of them 1.
        prediction: `epsilon` or `v`.
        bound: of SNR; None leaves every weight at 1.

    Returns:
        (T,) factors.
    """
    ratio = snr(abar)
    if bound is None:
        return torch.ones_like(ratio)
    return ratio.clamp(max=bound) / (ratio if prediction == "epsilon" else ratio + 1)


def guided(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Prediction (ε, v or x_0) that goes `scale` times as far from the unconditional one (Ho & Salimans 2022, eq. 6,
    whose w is scale - 1)."""
    return unconditional + scale * (conditional - unconditional)


# ---------------------------------------------------------------- samplers


def levels(abar: Tensor) -> tuple[list[float], list[float]]:
    """√ᾱ and √(1 - ᾱ) of every time: scalars of the host, so that the precision of no device matters."""
    return abar.sqrt().tolist(), (1 - abar).sqrt().tolist()


def even_times(last: int, steps: int) -> list[int]:
    """From `last` to 0 in `steps` steps of equal length, or nearly: times are whole. What DDIM goes through."""
    return [math.ceil(last * (steps - i) / steps) for i in range(steps)] + [0]


def log_snr_times(abar: Tensor, steps: int) -> list[int]:
    """Times of equal steps in λ = log √(SNR) (Lu et al. 2022b, section 4), the last step to 0; within ±5.1, where there
    is something to see. Fewer than `steps` where two would be the same."""
    half = snr(abar[1:]).log() / 2  # falls with time
    marks = torch.linspace(max(float(half[-1]), -FLATTEST), min(float(half[0]), FLATTEST), steps, dtype=half.dtype)
    nearest = (half[None] - marks[:, None]).abs().argmin(1) + 1
    return [*sorted(set(nearest.tolist()), reverse=True), 0]


def ddim(
    denoise: Denoise, x: Tensor, abar: Tensor, times: list[int], eta: float, normal: Callable[[], Tensor]
) -> Tensor:
    """Images drawn by DDIM (Song et al. 2021, eq. 12 and 16).

    At eta 1 and through every time it is the ancestral sampler of DDPM with the smaller variance (Ho et al. 2020,
    algorithm 2 with σ² = β̃).

    Args:
        x: (N, C, H, W) standard normal, at times[0].
        times: falling; the last may be 0, a clean image.
        eta: share of the ancestral noise.
        normal: draws standard normal numbers of the shape of x; never called at eta 0.
    """
    signal, spread = levels(abar)
    for t, s in itertools.pairwise(times):
        image = denoise(x, t)
        noise = epsilon_of_image(x, image, signal[t], spread[t])
        sigma = eta * spread[s] / spread[t] * math.sqrt(max(0.0, 1 - (signal[t] / signal[s]) ** 2))
        x = signal[s] * image + math.sqrt(max(0.0, spread[s] ** 2 - sigma**2)) * noise
        if eta > 0 and s > 0:
            x = x + sigma * normal()
    return x


def ancestral(denoise: Denoise, x: Tensor, abar: Tensor, normal: Callable[[], Tensor]) -> Tensor:
    """Images drawn by all T steps of DDPM (Ho et al. 2020, algorithm 2, smaller variance); as for `ddim`."""
    return ddim(denoise, x, abar, list(range(len(abar) - 1, -1, -1)), 1.0, normal)


def dpm_solver(denoise: Denoise, x: Tensor, abar: Tensor, times: list[int]) -> Tensor:
    """Images drawn by DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2); the first and the last step are of first order.

    Args:
        x: (N, C, H, W) standard normal, at times[0].
        times: falling; the last may be 0, a clean image.
    """
    signal, spread = levels(abar)
    last: tuple[Tensor, float] | None = None
    for t, s in itertools.pairwise(times):
        image = direction = denoise(x, t)
        if s == 0:
            return image  # what the formula becomes at infinite λ
        step = math.log(signal[s] / spread[s]) - math.log(signal[t] / spread[t])
        if last is not None:
            direction = image + (image - last[0]) * (step / last[1] / 2)  # 1 / 2r, r = last step / step
        x = spread[s] / spread[t] * x - signal[s] * math.expm1(-step) * direction
        last = image, step
    return x
