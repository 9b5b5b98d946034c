"""A backbone from scratch: a ResNet-18 that learns all it knows from the images of its arm."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.learned import Learned, learn
from pipeline.downstream.classifier.resnet import resnet18
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import Detect, ImageSpec


class Scratch(Learned):
    name = "scratch"

    def initial(
        self, settings: Detect, spec: ImageSpec, pool: DeviceDataset, mix: TrainingMix, seed: int
    ) -> nn.Sequential:
        return _initial(spec, settings.width, seed)


def train(
    settings: Detect,
    spec: ImageSpec,
    pool: DeviceDataset,
    mix: TrainingMix,
    seed: int,
    tick: Callable[[int], object] = lambda steps: None,
) -> nn.Sequential:
    """A ResNet-18 of `settings.width`, after it learnt; arguments and errors are those of `learned.learn`."""
    return learn(_initial(spec, settings.width, seed), settings, spec, pool, mix, seed, tick)


def _initial(spec: ImageSpec, width: int, seed: int) -> nn.Sequential:
    """Drawn on the CPU, so that they are the same whatever trains them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return resnet18(spec, width)
