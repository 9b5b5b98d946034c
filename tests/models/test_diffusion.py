"""The mathematics of diffusion against `diffusers`, against closed forms, and on Gaussian data, where the best denoiser
is known."""

import math

import pytest
import torch

from pipeline.models import diffusion

TIMES = [1000, 999, 800, 433, 120, 31, 7, 1, 0]  # uneven on purpose

# ---------------------------------------------------------------- the same images as diffusers

# Schedule, prediction, sampler, eta -> what diffusers 0.42.1 draws from `start` by `network`, its `alphas_cumprod` in
# float64: DDPMScheduler(clip_sample=True) in 1000 steps; DDIMScheduler(clip_sample=True, timestep_spacing="trailing")
# in 10 with use_clipped_model_output=True; DPMSolverMultistepScheduler() at TIMES less 1. Normal draws are `noises`.
FROZEN = {
    ("linear", "epsilon", "ancestral", 1.0): [-0.2135606, -0.4031183, -0.3707248, -0.0289095, 0.092756],
    ("cosine", "v", "ancestral", 1.0): [-0.1389178, -0.3043979, -0.394081, -0.002969, 0.0491874],
    ("linear", "v", "ddim", 0.0): [-0.3251045, -0.0898818, -0.0359435, 0.0675471, 0.544871],
    ("cosine", "epsilon", "ddim", 0.6): [-0.7200714, 0.1735572, 0.9173653, -0.2154136, 1.0],
    ("linear", "v", "dpm++", 0.0): [-0.4459388, -0.1505757, -0.0124074, 0.1432484, 0.6712573],
    ("cosine", "v", "dpm++", 0.0): [-0.5009799, -0.1094995, 0.0577166, 0.2439769, 0.7632533],
}


def network(x, t):
    """Something that may pass for the prediction of a network, which counts times from 0 as diffusers does."""
    return torch.tanh(1.3 * x + 0.2) - 0.4 * t / 1000 * x.cos()


def start():
    return torch.tensor([[[[-1.7, -0.2, 0.45, 1.1, 2.3]]]], dtype=torch.float64)


def noises():
    rng = torch.Generator().manual_seed(3)
    return lambda: torch.randn(start().shape, generator=rng, dtype=torch.float64)


def ours(schedule, prediction, sampler, eta):
    abar = diffusion.SCHEDULES[schedule]()
    signal, spread = diffusion.levels(abar)
    bound = math.inf if sampler == "dpm++" else 1.0  # diffusers' DPM-Solver does not clip

    def denoise(x, t):
        predicted = network(x, t - 1)
        return diffusion.PREDICTIONS[prediction](x, predicted, signal[t], spread[t]).clamp(-bound, bound)

    if sampler == "ancestral":
        return diffusion.ancestral(denoise, start(), abar, noises()).flatten()
    if sampler == "ddim":
        return diffusion.ddim(denoise, start(), abar, diffusion.even_times(1000, 10), eta, noises()).flatten()
    return diffusion.dpm_solver(denoise, start(), abar, TIMES).flatten()


@pytest.mark.parametrize("case", FROZEN, ids=lambda case: "-".join(case[:3]))
def test_samplers_draw_what_diffusers_draws(case):
    expected = torch.tensor(FROZEN[case], dtype=torch.float64)
    single = 2e-5 if case[2] == "dpm++" else 2e-7  # diffusers' DPM-Solver computes in float32
    torch.testing.assert_close(ours(*case), expected, rtol=0, atol=single)


def test_schedules_are_those_of_diffusers():
    """ᾱ after 1, 10, 100, 500, 900, 999 and 1000 steps, by diffusers 0.42.1 in float32:
    DDPMScheduler(beta_schedule="linear" or "squaredcos_cap_v2").alphas_cumprod[[0, 9, 99, 499, 899, 998, 999]]
    """
    at = [1, 10, 100, 500, 900, 999, 1000]
    linear = [0.99989998, 0.99810517, 0.89701796, 0.078587234, 2.7520588e-4, 4.1181942e-5, 4.0358304e-5]
    cosine = [0.99995869, 0.99936867, 0.97209269, 0.49384347, 0.024091722, 2.4287663e-6, 2.4287349e-9]
    for schedule, expected in ((diffusion.linear_schedule(), linear), (diffusion.cosine_schedule(), cosine)):
        assert schedule[0] == 1
        torch.testing.assert_close(schedule[at], torch.tensor(expected, dtype=torch.float64), rtol=3e-5, atol=1e-7)
        torch.testing.assert_close(schedule[1000].item(), expected[-1], rtol=3e-5, atol=0)


def test_even_times_are_those_of_trailing_spacing():
    assert diffusion.even_times(1000, 10) == [1000, 900, 800, 700, 600, 500, 400, 300, 200, 100, 0]
    assert diffusion.even_times(1000, 7)[:3] == [1000, 858, 715]
    assert diffusion.even_times(1000, 1000) == list(range(1000, -1, -1))


@pytest.mark.parametrize("schedule", diffusion.SCHEDULES)
def test_log_snr_times_are_evenly_spread_where_there_is_something_to_see(schedule):
    abar = diffusion.SCHEDULES[schedule]()
    times = diffusion.log_snr_times(abar, 20)
    assert len(times) == 21
    assert times[-1] == 0
    assert times == sorted(set(times), reverse=True)
    steps = (diffusion.snr(abar[times[:-1]]).log() / 2).diff()
    assert steps.min() > 0.5 * steps.mean()
    assert steps.max() < 1.5 * steps.mean()
    assert times[-2] == 1
    assert abar[times[0]].sqrt() < 0.01
    assert diffusion.log_snr_times(abar, 1000)[0] <= 1000


# ---------------------------------------------------------------- predictions


def test_forms_of_the_prediction_are_one():
    """By hand, ᾱ = 0.36: x = 0.6 · 0.5 + 0.8 · (-2) and v = 0.6 · (-2) - 0.8 · 0.5."""
    image, noise = torch.tensor([0.5], dtype=torch.float64), torch.tensor([-2.0], dtype=torch.float64)
    x = diffusion.noised(image, noise, 0.6, 0.8)
    v = diffusion.velocity(image, noise, 0.6, 0.8)
    assert x.item() == pytest.approx(-1.3)
    assert v.item() == pytest.approx(-1.6)
    torch.testing.assert_close(diffusion.image_of_epsilon(x, noise, 0.6, 0.8), image)
    torch.testing.assert_close(diffusion.image_of_velocity(x, v, 0.6, 0.8), image)
    torch.testing.assert_close(diffusion.epsilon_of_image(x, image, 0.6, 0.8), noise)


@pytest.mark.parametrize("prediction", diffusion.PREDICTIONS)
def test_weighted_errors_are_bounded_snr_times_the_error_of_the_image(prediction):
    torch.manual_seed(0)
    abar = torch.tensor([0.999, 0.9, 0.5, 0.02], dtype=torch.float64)
    signal, spread = abar.sqrt(), (1 - abar).sqrt()
    x, predicted, true = torch.randn(3, 4, dtype=torch.float64)
    behind = diffusion.PREDICTIONS[prediction]
    error = behind(x, predicted, signal, spread) - behind(x, true, signal, spread)
    expected = torch.tensor([5.0, 5.0, 1.0, 0.02 / 0.98], dtype=torch.float64) * error.square()
    weights = diffusion.loss_weights(abar, prediction, 5.0)
    torch.testing.assert_close(weights * (predicted - true).square(), expected)
    assert diffusion.loss_weights(abar, prediction, None).tolist() == [1, 1, 1, 1]


def test_guidance_goes_beyond_the_conditional_prediction():
    assert diffusion.guided(torch.tensor(3.0), torch.tensor(1.0), 1.0) == 3
    assert diffusion.guided(torch.tensor(3.0), torch.tensor(1.0), 2.5) == 6


# ---------------------------------------------------------------- Gaussian data

MEAN = torch.tensor([0.3, -0.6], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.25, 0.06], [0.06, 0.04]], dtype=torch.float64)


def best_denoiser(abar):
    """E[x_0 | x_t] of Gaussian data: m + √ᾱ C (ᾱ C + (1 - ᾱ) I)⁻¹ (x_t - √ᾱ m)."""

    def denoise(x, t):
        noisy = abar[t] * COVARIANCE + (1 - abar[t]) * torch.eye(2, dtype=torch.float64)
        gain = abar[t].sqrt() * COVARIANCE @ torch.linalg.inv(noisy)
        return MEAN + (x - abar[t].sqrt() * MEAN) @ gain.mT

    return denoise


def moments(sample):
    """Exact mean and covariance of what an affine sampler draws: `sample(x, normal)` is run from nothing and from each
    of its 2 · 1001 standard normal numbers set to 1, as one batch."""
    impulses = torch.eye(2002, dtype=torch.float64).reshape(2002, 1001, 2)
    impulses = torch.cat([torch.zeros(1, 1001, 2, dtype=torch.float64), impulses])
    step = iter(range(1, 1001))
    drawn = sample(impulses[:, 0], lambda: impulses[:, next(step)])
    deviations = drawn[1:] - drawn[0]
    return drawn[0], deviations.mT @ deviations


@pytest.mark.parametrize("schedule", diffusion.SCHEDULES)
@pytest.mark.parametrize(
    ("sampler", "tolerance"),
    [("ancestral", 0.02), ("ddim-1000", 0.01), ("ddim-1000-eta", 0.02), ("dpm++-20", 0.02), ("dpm++-50", 0.006)],
)
def test_gaussian_data_are_drawn_with_their_mean_and_covariance(schedule, sampler, tolerance):
    """Tolerances are shares of the standard deviations: what is left is the error of the discrete steps."""
    abar = diffusion.SCHEDULES[schedule]()
    denoise = best_denoiser(abar)

    def sample(x, normal):
        if sampler == "ancestral":
            return diffusion.ancestral(denoise, x, abar, normal)
        if sampler.startswith("ddim"):
            times = diffusion.even_times(1000, 1000)
            return diffusion.ddim(denoise, x, abar, times, 0.5 if "eta" in sampler else 0.0, normal)
        return diffusion.dpm_solver(denoise, x, abar, diffusion.log_snr_times(abar, int(sampler[-2:])))

    mean, covariance = moments(sample)
    deviation = COVARIANCE.diagonal().sqrt()
    assert ((mean - MEAN) / deviation).abs().max() < tolerance
    assert (covariance.diagonal().sqrt() / deviation - 1).abs().max() < tolerance
    correlation = covariance[0, 1] / covariance.diagonal().prod().sqrt()
    assert abs(correlation - 0.6) < tolerance


def test_second_order_beats_first_order_at_equal_steps():
    abar = diffusion.cosine_schedule()
    times = diffusion.log_snr_times(abar, 10)
    deviation = COVARIANCE.diagonal().sqrt()
    errors = []
    for sample in (
        lambda x, normal: diffusion.dpm_solver(best_denoiser(abar), x, abar, times),
        lambda x, normal: diffusion.ddim(best_denoiser(abar), x, abar, times, 0.0, normal),
    ):
        _, covariance = moments(sample)
        errors.append((covariance.diagonal().sqrt() / deviation - 1).abs().max().item())
    assert errors[0] < errors[1] / 4
