"""Each sentinel fires on what it is for, and on nothing else."""

import pytest
import torch

from pipeline.training.health import YOUNG, UnhealthyTraining, check_samples, check_scalars, check_state

REAL = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.3


def drawn(seed=1, n=8, scale=0.3):
    return torch.randn(n, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_scalars(value):
    check_scalars({"loss/G": -1e30, "loss/D": 0.0})
    with pytest.raises(UnhealthyTraining, match="loss/D is"):
        check_scalars({"loss/G": 1.0, "loss/D": value})


def test_state_names_the_tensor():
    state = {"a": torch.ones(3), "n": torch.tensor(3)}
    check_state(state)
    with pytest.raises(UnhealthyTraining, match=r"1 of 4 numbers in model.b are not finite"):
        check_state(state | {"model.b": torch.tensor([1, 2, torch.inf, 3])})


def test_healthy_samples_pass_even_with_little_contrast():
    check_samples("a", drawn(), REAL, YOUNG)
    check_samples("a", drawn(scale=0.05), REAL, YOUNG)


@pytest.mark.parametrize("level", [-1.0, 0.3])
def test_constant_images(level):
    with pytest.raises(UnhealthyTraining, match="`pores` are constant"):
        check_samples("pores", torch.full((8, 1, 16, 16), level) + drawn(scale=1e-4), REAL, YOUNG)


def test_identical_images():
    with pytest.raises(UnhealthyTraining, match="`pores` are identical"):
        check_samples("pores", drawn(n=1).repeat(8, 1, 1, 1) + drawn(scale=1e-4), REAL, YOUNG)


def test_a_generator_may_begin_with_identical_images_but_not_with_black_ones():
    check_samples("pores", drawn(n=1).repeat(8, 1, 1, 1), REAL, YOUNG - 1)
    with pytest.raises(UnhealthyTraining, match="constant"):
        check_samples("pores", torch.full((8, 1, 16, 16), -1.0), REAL, 1)


def test_classes_that_really_are_flat_or_alike_may_be_learnt():
    flat = torch.zeros(8, 1, 16, 16)
    check_samples("blank", flat, flat, YOUNG)
    alike = drawn(n=1).repeat(8, 1, 1, 1)
    check_samples("template", alike, alike, YOUNG)
    check_samples("single", alike, REAL[:1], YOUNG)


def test_non_finite_pixels():
    images = drawn()
    images[3, 0, 2, 2] = torch.nan
    with pytest.raises(UnhealthyTraining, match="non-finite"):
        check_samples("a", images, REAL, YOUNG)
