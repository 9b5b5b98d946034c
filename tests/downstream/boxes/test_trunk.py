"""What the small detector sees images with: maps of four pixels a place and coarser, and what of it learns."""

import pytest
import torch

from pipeline.base import imagenet
from pipeline.downstream.boxes import trunk as trunks
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


@pytest.fixture
def looks(monkeypatch):
    """The images that the network has looked at, one number each."""
    monkeypatch.setattr(trunks, "RECENT", trunks.Recent())
    seen, look = [], trunks.EfficientNet._look

    def spy(self, images):
        seen.append(images.mean((1, 2, 3)).tolist())
        return look(self, images)

    monkeypatch.setattr(trunks.EfficientNet, "_look", spy)
    return seen


def test_images_that_are_shown_again_are_looked_at_once_by_all_trainings(looks):
    """Judging and learning; the maps are those of each image by itself, wherever it stands."""
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    one, other = (TRUNKS["frozen"](of(32, 32), 4) for _ in range(2))
    with torch.inference_mode():
        judged = one(images[:2], again=True)
    learnt = other(images[[1, 2, 1]], again=True)
    assert [len(batch) for batch in looks] == [1, 1, 1]
    for place, row in enumerate((1, 2, 1)):
        alone = one(images[[row]])
        assert all(torch.equal(found[[place]], expected) for found, expected in zip(learnt, alone, strict=True))
    assert all(torch.equal(found[1], expected[0]) for found, expected in zip(judged, learnt, strict=True))
    weight = torch.ones(1, requires_grad=True)
    (learnt[0] * weight).sum().backward()  # what was seen while judging can be learnt from
    assert weight.grad != 0


def test_augmented_images_and_a_network_that_learns_are_looked_at_each_time(looks):
    images = torch.rand(2, 1, 32, 32)
    frozen, tuned = (TRUNKS[name](of(32, 32), 4) for name in ("frozen", "fine_tuned"))
    for _ in range(2):
        frozen(images)
        tuned(images, again=True)
    assert [len(batch) for batch in looks] == [2] * 4
    assert not trunks.RECENT.maps


def test_no_more_maps_are_held_than_fit(looks, monkeypatch):
    """Of one image those of 32 pixels take 4 x (40 x 64 + 112 x 16 + 320 x 4) = 22 528 bytes; two fit, the last."""
    monkeypatch.setattr(trunks, "HELD", 50_000)
    images, frozen = torch.rand(3, 1, 32, 32), TRUNKS["frozen"](of(32, 32), 4)
    for row in (0, 1, 0, 2, 0, 1):
        frozen(images[[row]], again=True)
    assert trunks.RECENT.bytes == 2 * 22_528
    means = images.mean((1, 2, 3)).tolist()
    assert [batch[0] for batch in looks] == [pytest.approx(means[row]) for row in (0, 1, 2, 1)]
