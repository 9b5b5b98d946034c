import pytest
import torch
from torchvision.models import resnet18 as reference

from pipeline.downstream.classifier.resnet import resnet18
from pipeline.settings import ImageSpec


def spec(size, channels, classes):
    return ImageSpec(size, size, channels, tuple(map(str, range(classes))))


def test_at_full_width_it_is_torchvisions_resnet18():
    ours, theirs = resnet18(spec(96, 3, 10)).eval(), reference(num_classes=10).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(ours(images), theirs(images))


def test_initial_weights_follow_the_law_of_torchvisions():
    torch.manual_seed(0)
    ours, theirs = resnet18(spec(96, 3, 10)), reference(num_classes=10)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        if other.numel() > 1000:  # enough draws to know their spread to 5 %; normalisation layers are 0 and 1 in both
            assert mine.std().item() == pytest.approx(other.std().item(), rel=0.05)


@pytest.mark.parametrize(("size", "side"), [(32, 32), (64, 64), (128, 32)])
def test_small_images_keep_their_resolution(size, side):
    network = resnet18(spec(size, 1, 4), width=4)
    seen = []
    first = next(m for m in network if type(m).__name__ == "BasicBlock")
    first.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape)))
    assert network(torch.zeros(2, 1, size, size)).shape == (2, 4)
    assert seen == [(2, 4, side, side)]


@pytest.mark.parametrize("width", [2, 4, 6, 12])
def test_gradients_of_narrow_channels_last_networks_are_those_of_double_precision(width):
    torch.manual_seed(0)
    network = resnet18(spec(16, 1, 3), width)
    exact = resnet18(spec(16, 1, 3), width).double()
    exact.load_state_dict(network.state_dict())
    images, labels = torch.randn(8, 1, 16, 16), torch.arange(8) % 3
    torch.nn.functional.cross_entropy(exact(images.double()), labels).backward()
    network.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
    torch.nn.functional.cross_entropy(network(images), labels).backward()
    for ours, theirs in zip(network.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=1e-3, atol=1e-4)
