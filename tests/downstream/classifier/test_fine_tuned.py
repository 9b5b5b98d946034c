"""The fine-tuned backbone: it begins as the frozen one's detector, all of it learns, and it learns what that cannot."""

import numpy as np
import pytest
import torch

from pipeline.base import imagenet
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.fine_tuned import FineTuned
from pipeline.downstream.classifier.frozen import plain_head
from pipeline.downstream.classifier.scoring import validation_scores
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import Detect, ImageSpec
from tests.downstream.cases import shapes

NONE = np.arange(0)
PLAIN = TrainingMix(NONE, 0.0)
SPEC = ImageSpec(16, 16, 1, ("bar", "disc"), "none")


def pool(n=16, seed=0, noise=40.0):
    images, labels = shapes(n, seed, noise=noise)
    return DeviceDataset(torch.from_numpy(images), torch.from_numpy(labels), n)


def trained(of, steps, mix=PLAIN, seed=0, rate=1e-3, spec=SPEC):
    settings = Detect(backbone="fine_tuned", steps=steps, batch=8, learning_rate=rate)
    return FineTuned().train(settings, spec, of, mix, seed, lambda done: None)


def test_it_begins_with_the_head_of_the_frozen_backbone():
    known, new = pool(), pool(6, seed=1)
    head = plain_head(SPEC, known, PLAIN)
    network = imagenet.EfficientNetLite0(imagenet.load(), 1)
    with torch.inference_mode():
        seen = imagenet.texture(network, new.images(torch.arange(6))).numpy()
    logits = (seen - head.middle) / head.scale @ head.weights + head.bias
    before = torch.random.get_rng_state()
    detector = trained(known, 1, rate=1e-9)
    said = detector.log_probabilities(new)
    assert detector.features(new).shape == (6, 992)
    assert torch.equal(torch.random.get_rng_state(), before)
    expected = torch.from_numpy(logits).log_softmax(1).numpy()
    np.testing.assert_allclose(said, expected, atol=2e-2)  # of the last layer in half precision, where there is one


def test_added_images_are_in_the_head_that_it_begins_with():
    of = DeviceDataset(pool().stored, pool().labels, 8)
    alone, more = (plain_head(SPEC, of, mix).weights for mix in (PLAIN, TrainingMix(np.arange(8, 16), 1.0)))
    assert not np.allclose(alone, more)


def test_every_weight_that_is_looked_through_learns_and_those_of_the_file_stay():
    original = {name: value.clone() for name, value in imagenet.load().items()}
    one, other, again = (trained(pool(), 2, TrainingMix(NONE, 0.0, augmented=True), seed) for seed in (0, 1, 0))
    at_first = dict(imagenet.EfficientNetLite0(imagenet.load(), 1).named_buffers())
    learnt = dict(one.network[0].network.named_parameters())
    assert len(learnt) > 90
    assert {name for name in at_first if name not in learnt} == {
        "head.weight", "head.bias", "classifier", "classifier_bias"
    }  # fmt: skip
    assert [name for name, value in learnt.items() if torch.equal(value, at_first[name])] == []
    assert all(torch.equal(a, b) for a, b in zip(one.network.parameters(), again.network.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True))
    assert all(torch.equal(value, original[name]) for name, value in imagenet.load().items())


def test_an_image_without_anything_in_it_spoils_nothing():
    of = DeviceDataset(torch.full((4, 16, 16, 1), 128, dtype=torch.uint8), torch.arange(4) % 2, 4)
    assert all(torch.isfinite(value).all() for value in trained(of, 2).network.parameters())


@pytest.mark.slow
def test_it_learns_what_frozen_features_tell_less_well():
    known, new = pool(32, noise=90.0), pool(60, seed=1, noise=90.0)
    first, last = (validation_scores(trained(known, steps), new)["loss"] for steps in (1, 40))
    assert last < first - 0.1
