"""What the small detector sees images with: maps of four pixels a place and coarser, and what of it learns."""

import pytest
import torch

from pipeline.base import imagenet
from pipeline.downstream.boxes.targets import STRIDE
from pipeline.downstream.boxes.trunk import TRUNKS
from pipeline.settings import ImageSpec


def of(height, width, channels=1):
    return ImageSpec(height, width, channels, ("all",))


@pytest.mark.parametrize("backbone", TRUNKS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 32), (96, 128)])
def test_maps_are_of_four_pixels_a_place_and_coarser_by_two_each(backbone, height, width):
    trunk = TRUNKS[backbone](of(height, width, 3), 4)
    maps = trunk(torch.zeros(2, 3, height, width))
    for i, (found, channels) in enumerate(zip(maps, trunk.channels, strict=True)):
        stride = STRIDE << i
        assert found.shape == (2, channels, -(-height // stride), -(-width // stride))
    assert len(maps) >= 2


def test_small_images_are_seen_twice_as_large_and_others_as_they_are():
    network = imagenet.EfficientNetLite0(imagenet.load(), 1)
    small, large = (torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0)) for side in (32, 96))
    doubled = torch.nn.functional.interpolate(small, scale_factor=2.0, mode="bilinear")
    for image, seen, strides in ((small, doubled, (8, 16, 32)), (large, large, (4, 8, 16, 32))):
        maps, expected = TRUNKS["frozen"](of(*image.shape[2:]), 4)(image), network.maps(seen)
        assert all(torch.equal(found, expected[stride]) for found, stride in zip(maps, strides, strict=True))


def test_a_frozen_network_learns_nothing_and_a_fine_tuned_one_all_of_it():
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    frozen, tuned = (TRUNKS[name](of(32, 32), 4) for name in ("frozen", "fine_tuned"))
    assert not list(frozen.parameters())
    assert not any(found.requires_grad for found in frozen(image))
    sum(found.sum() for found in tuned(image)).backward()
    weights = [p for p in tuned.parameters() if p.ndim == 4]
    assert len(weights) == 48
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in weights)
