"""Truncation: at 0 the mean of the class, at 1 nothing, linear between in the styles."""

import torch

from pipeline.models.base import latents
from pipeline.sampling.truncation import draw_truncated, sweep
from tests.models.tiny import spec, tiny_settings
from tests.sampling.fakes import Styled

LABELS, SEEDS = torch.tensor([0, 0, 1]), torch.tensor([5, 6, 5])


def test_halfway_to_the_mean_of_each_class():
    """Class k has the mean style k; columns 1 to 3 show style times 0.1."""
    z = latents(SEEDS, 2)[:, 0]
    drawn = sweep(Styled(), LABELS, SEEDS, [0.0, 0.5, 1.0], batch=2)
    assert drawn.shape == (3, 3, 1, 4, 4)
    expected = torch.stack([LABELS.float(), (z + LABELS) / 2, z], 1) * 0.1
    torch.testing.assert_close(drawn[:, :, 0, 2, 3], expected)


def test_without_truncation_the_images_of_sample():
    model = Styled()
    for batch in (1, 3):
        assert torch.equal(torch.cat([*draw_truncated(model, LABELS, SEEDS, 1.0, batch)]), model.sample(LABELS, SEEDS))


def test_stylegan_at_0_draws_its_class_mean():
    from pipeline import models

    torch.manual_seed(0)
    model = models.build(tiny_settings("stylegan2_ada"), spec())
    mean = torch.randn(3, 8)
    model.ema.mapping.w_average.copy_(mean)
    (drawn,) = draw_truncated(model, LABELS, SEEDS, 0.0, 8)
    z = latents(SEEDS, model.latent_length)
    with torch.no_grad():
        torch.testing.assert_close(drawn, model.render(model.ema.repeat(mean[LABELS]), z))
    # The strength of the noise is 0 at first: nothing is left of the seed.
    torch.testing.assert_close(drawn[0], drawn[1])
    assert (drawn[0] - drawn[2]).abs().max() > 0.01
