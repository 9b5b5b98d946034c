"""Strips: whatever the blocks, one and the same inputs image, which is what the network draws from continued input."""

import tracemalloc

import numpy as np
import pytest
import torch

from pipeline.models import build
from pipeline.models.base import DrawsStrips
from pipeline.models.stylegan2_generator import Generator
from pipeline.models.stylegan2_strip import InfiniteInputs, block, halos, strip
from pipeline.settings import ImageSpec, UserError
from tests.models.tiny import tiny_settings


def generator(height=32, width=32, noise=0.5, channels=1, **settings):
    torch.manual_seed(0)
    of = ImageSpec(height, width, channels, ("a", "b"))
    settings = tiny_settings("stylegan2_ada", noise_strength=noise, **settings)
    return Generator(settings, of).eval().requires_grad_(False)


def drawn(net, label=1, seed=3, width=300, **how):
    blocks = list(strip(net, label, seed, width, **how))
    return torch.cat(blocks, 2)


@pytest.mark.parametrize("finest", [None, 8])
@pytest.mark.parametrize("size", [(16, 16), (128, 128), (32, 64), (64, 32)])
def test_blocks_do_not_show(size, finest):
    net = generator(*size, channels=3, noise_resolution=finest)
    width = 5 * size[1] + 7
    at_once = drawn(net, width=width, cells=64)
    assert at_once.shape == (3, size[0], width)
    assert at_once.std() > 0.05
    for cells in (1, 3, 8):
        torch.testing.assert_close(drawn(net, width=width, cells=cells), at_once, atol=1e-4, rtol=0)


def test_a_wider_strip_begins_with_the_narrower():
    net = generator()
    wide = drawn(net, width=400)
    for width in (1, 70, 399):
        torch.testing.assert_close(drawn(net, width=width), wide[:, :, :width], atol=1e-5, rtol=0)


def test_seed_and_class_decide():
    net = generator()
    first = drawn(net)
    assert torch.equal(drawn(net), first)
    assert (drawn(net, seed=4) - first).abs().mean() > 0.05
    assert (drawn(net, label=0) - first).abs().mean() > 1e-3


@pytest.mark.parametrize("doublings", [2, 4])
def test_halos_are_what_a_pixel_depends_on_and_no_more(doublings):
    """Gradients of the pixels of one cell by the constant and by the noise of each resolution reach this many columns
    to both sides, and no further."""
    net = generator(4 << doublings, 4 << doublings, noise=1.0).double()
    inputs = {}

    class Watched(InfiniteInputs):
        def constant(self, first, last):
            inputs[0] = (super().constant(first, last).double().requires_grad_(), first)
            return inputs[0][0]

        def w(self, level, first, last):
            self.mapping.float()
            w = super().w(level, first, last).double()
            self.mapping.double()
            return w

        def noise(self, cells):
            maps = [n.double().requires_grad_() for n in super().noise(cells)]
            inputs.update({i: (n, cells[0]) for i, n in enumerate(maps, 1)})
            return maps

    cell = 20
    block(Watched(net, 0, 1), cell, cell + 1).square().sum().backward()
    expected = halos(doublings)
    assert expected[-3:] == [3, 2, 0]

    def reach(index, level):
        x, first = inputs[index]
        touched = x.grad.abs().sum((0, 1, 2)).nonzero()[:, 0] + (first << level)
        return (cell << level) - touched.min().item(), touched.max().item() + 1 - ((cell + 1) << level)

    assert reach(0, 0) == (expected[0] + 1, expected[0] + 1)
    for level in range(1, doublings + 1):  # noise of the second layer of each resolution
        assert reach(2 * level + 1, level) == (expected[level], expected[level])


def test_an_image_is_a_window_on_a_strip_with_its_own_input():
    """The columns of an image that its sides do not reach are those of a strip whose constant, noise and w it has."""
    torch.manual_seed(1)
    net = generator(32, 128)  # 16 cells, of which those from the fifth to the twelfth see no side
    constant, w = net.synthesis.constant.clone(), torch.randn(1, 1, 8)
    noise = net.synthesis.split_noise(torch.randn(1, net.synthesis.noise_length))
    image = net.synthesis(w.expand(-1, net.synthesis.layers, -1), noise)

    class Given(InfiniteInputs):
        def constant(self, first, last):
            return constant[None, :, :, first:last]

        def w(self, level, first, last):
            return w.expand(-1, last - first, -1)

        def noise(self, cells):
            scale = [n.shape[3] // 16 for n in noise]
            return [n[..., s * cells[0] : s * (cells[-1] + 1)] for n, s in zip(noise, scale, strict=True)]

    window = block(Given(net, 0, 0), 4, 12)
    torch.testing.assert_close(window, image[..., 32:96], atol=1e-5, rtol=0)


def test_each_column_has_a_w_of_the_distribution_that_training_has():
    """Between two latents too: the latents of all columns have the variance of normal numbers."""
    net = generator()
    inputs = InfiniteInputs(net, 0, 5)
    latents = []
    inputs.mapping = lambda z, labels: latents.append(z) or z
    inputs.w(3, 0, 32 * 400)
    z = latents[0]
    assert z.mean().item() == pytest.approx(0, abs=0.05)
    assert z.reshape(400, 32, -1).var((0, 2)).numpy() == pytest.approx(np.ones(32), abs=0.1)
    step = (z[1:] - z[:-1]).square().mean(1).sqrt()
    assert step.max() < 0.2


def border_ratio(strips):
    """Mean squared difference across the borders of image widths of 32 over that elsewhere."""
    energy = strips.diff(dim=3).square().mean((0, 1, 2))
    borders = energy[31::32]
    return (borders.mean() * (len(energy) - len(borders)) / (energy.sum() - borders.sum())).item()


def test_former_borders_of_tiles_do_not_stand_out():
    """In an untrained network; its images side by side, as a control, have seams."""
    net = generator(noise=1.0)
    strips = torch.stack([drawn(net, seed=seed, width=32 * 200, cells=32) for seed in range(4)])
    assert border_ratio(strips) == pytest.approx(1.0, abs=0.05)
    labels = torch.ones(120, dtype=torch.int64)
    images = net(torch.randn(120, 8), labels, torch.randn(120, net.synthesis.noise_length))
    assert border_ratio(torch.cat(list(images[:, None]), 3)) > 1.15


def test_the_sides_of_a_strip_are_like_its_inside():
    """No border effect: the network's own images, as a control, have one at their zero padding."""
    net = generator(noise=1.0)
    strips = torch.stack([drawn(net, seed=seed, width=64, cells=16) for seed in range(50)])
    labels = torch.ones(50, dtype=torch.int64)
    images = net(torch.randn(50, 8), labels, torch.randn(50, net.synthesis.noise_length))
    sides = []
    for drawings in (strips, images):
        power = drawings.square().mean((0, 1, 2))
        sides.append((torch.cat([power[:2], power[-2:]]).mean() / power[8:-8].mean()).item())
    assert sides[0] == pytest.approx(1.0, abs=0.08)
    assert abs(sides[1] - 1) > 0.15


def test_memory_does_not_grow_with_the_width():
    net, peaks = generator(16, 16), []
    for images in (8, 64):
        largest = 0
        for piece in strip(net, 0, 1, 16 * images):
            largest = max(largest, piece.untyped_storage().nbytes())
        tracemalloc.start()  # numpy's share: noise and latents
        for _ in strip(net, 0, 1, 16 * images):
            pass
        peaks.append((tracemalloc.get_traced_memory()[1], largest))
        tracemalloc.stop()
    assert peaks[1][0] < 1.2 * peaks[0][0]
    assert peaks[1][1] == peaks[0][1]


def test_the_family_draws_strips_of_its_average():
    torch.manual_seed(0)
    model = build(tiny_settings("stylegan2_ada"), ImageSpec(16, 16, 1, ("a", "b")))
    assert isinstance(model, DrawsStrips)
    model.train()
    blocks = model.strip(1, 3, 100)
    first = next(blocks)
    assert first.dtype == torch.float32
    assert not first.requires_grad
    whole = torch.cat([first, *blocks], 2)
    assert whole.shape == (1, 16, 100)
    assert whole.abs().max() <= 1
    assert torch.equal(whole, drawn(model.ema, width=100))


def test_instance_normalisation_cannot_draw_strips():
    model = build(tiny_settings("stylegan2_ada", modulation="adain"), ImageSpec(16, 16, 1, ("a",)))
    with pytest.raises(UserError, match="modulation: `adain` cannot draw strips"):
        next(model.strip(0, 0, 100))
