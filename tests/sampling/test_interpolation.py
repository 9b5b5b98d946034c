"""Ways from image to image: where they begin and end, and how even their steps are."""

import pytest
import torch

from pipeline import models
from pipeline.models.base import latents
from pipeline.sampling.interpolation import walk
from tests.models.tiny import spec, tiny_settings
from tests.sampling.fakes import QUICK, Plain, Styled

LABELS, FIRST, LAST = torch.tensor([0, 1]), torch.tensor([3, 4]), torch.tensor([8, 9])


@pytest.mark.parametrize("space", ["w", "z"])
@pytest.mark.parametrize("family", models.FAMILIES)
def test_the_ends_are_the_images_of_the_two_seeds(family, space):
    """An untrained StyleGAN has noise of strength 0; elsewhere nothing is kept from the start."""
    torch.manual_seed(0)
    model = models.build(tiny_settings(family, **QUICK.get(family, {})), spec(classes=2))
    frames = list(walk(model, LABELS, FIRST, LAST, 3, space))
    assert len(frames) == 3
    torch.testing.assert_close(frames[0], model.sample(LABELS, FIRST), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(frames[2], model.sample(LABELS, LAST), rtol=1e-4, atol=1e-4)


def test_equal_angles_between_latents():
    """The images of `Plain` are its latents: their directions turn by the same angle from frame to frame."""
    drawn = torch.stack(list(walk(Plain(), LABELS, FIRST, LAST, 6, "w"))).flatten(2).double()
    unit = drawn / drawn.norm(dim=2, keepdim=True)
    angles = (unit[1:] * unit[:-1]).sum(2).acos()
    torch.testing.assert_close(angles, angles[:1].expand_as(angles), rtol=1e-3, atol=0)
    whole = (unit[0] * unit[-1]).sum(1).acos()
    torch.testing.assert_close(angles.sum(0), whole, rtol=1e-4, atol=0)


def test_a_line_between_styles_and_the_noise_of_the_start():
    start, end = latents(FIRST, 2), latents(LAST, 2)
    frames = torch.stack(list(walk(Styled(), LABELS, FIRST, LAST, 5, "w")))
    t = torch.linspace(0, 1, 5)[:, None]
    expected = torch.lerp(start[None, :, 0], end[None, :, 0], t) * 0.1
    torch.testing.assert_close(frames[:, :, 0, 1, 2], expected)
    torch.testing.assert_close(frames[:, :, 0, 1, 0], expected + start[:, 1])


def test_in_z_a_styled_model_goes_by_its_own_blend():
    model = Styled()
    frames = list(walk(model, LABELS, FIRST, LAST, 5, "z"))
    middle = model.generate(LABELS, model.interpolate_latents(latents(FIRST, 2), latents(LAST, 2), 0.5))
    torch.testing.assert_close(frames[2], middle)
