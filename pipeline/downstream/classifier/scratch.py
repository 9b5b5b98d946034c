"""A backbone from scratch: a ResNet-18 trained from random weights on the images of its arm."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.learned import Learned
from pipeline.downstream.classifier.resnet import resnet18
from pipeline.downstream.schedule import TrainingMix
from pipeline.settings import Detect, ImageSpec


class Scratch(Learned):
    """A ResNet-18 with random weights."""

    name = "scratch"

    def initial(
        self, settings: Detect, spec: ImageSpec, pool: DeviceDataset, mix: TrainingMix, seed: int
    ) -> nn.Sequential:
        with torch.random.fork_rng(devices=[]):  # on the CPU, so that they are the same whatever trains them
            torch.manual_seed(seed)
            return resnet18(spec, settings.width)
