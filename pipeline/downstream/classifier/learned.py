"""Backbones whose weights learn from the images of an arm, a step at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.device import amp_dtype
from pipeline.base.rows import blocks
from pipeline.data.image_set import ImageSet
from pipeline.downstream.classifier import device_dataset
from pipeline.downstream.classifier.augment import Augmentation
from pipeline.downstream.classifier.backbone import Backbone
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.classifier.resnet import body
from pipeline.downstream.fit import fit
from pipeline.downstream.schedule import TrainingMix, orientations, presented
from pipeline.settings import Detect, ImageSpec


@dataclass(frozen=True)
class TrainedNetwork:
    """A network that names classes, as a `Classifier`."""

    network: nn.Sequential
    """Its last layer names the classes."""
    batch: int
    """Images at a time."""
    symmetry: str
    """Each image is looked at in every way that this allows it to be turned."""

    def log_probabilities(self, pool: DeviceDataset, rows: np.ndarray | None = None) -> np.ndarray:
        """(n, K) as of `Classifier`: the mean over all the ways an image may be turned, renormalised."""
        mean = torch.stack([said.log_softmax(1) for said in self._looked(self.network, pool, rows)]).mean(0)
        return mean.log_softmax(1).cpu().double().numpy()

    def features(self, pool: DeviceDataset, rows: np.ndarray | None = None) -> np.ndarray:
        """(n, d) before the last layer, of a ResNet-18 8 × width; the mean over all the ways an image may be turned."""
        return torch.stack(self._looked(body(self.network), pool, rows)).mean(0).cpu().double().numpy()

    @torch.inference_mode()
    def _looked(self, network: nn.Module, pool: DeviceDataset, rows: np.ndarray | None) -> list[Tensor]:
        """Of each way to turn the images what the network says of them."""
        rows = np.arange(len(pool)) if rows is None else rows
        parts = blocks(rows, self.batch)
        with _autocast(pool.device):
            return [
                torch.cat([network(pool.turned(pool.at(part, np.full(len(part), turn)))) for part in parts]).float()
                for turn in orientations(self.symmetry)
            ]


class Learned(Backbone):
    """A network whose weights learn, begun with by `initial`."""

    rate = 1.0
    """Times the learning rate of the settings."""

    def training(self, real: ImageSet, synthetic: Sequence[ImageSet], device: torch.device) -> DeviceDataset:
        return device_dataset.training(real, synthetic, device)

    def of_split(self, real: ImageSet, split: str, device: torch.device) -> DeviceDataset | None:
        return device_dataset.of_split(real, split, device)

    def steps(self, settings: Detect) -> int:
        return settings.steps

    def varies(self, pool: DeviceDataset, mix: TrainingMix) -> bool:
        return True

    def precision(self, device: torch.device) -> torch.dtype | None:
        return amp_dtype("auto", device)

    @abstractmethod
    def initial(
        self, settings: Detect, spec: ImageSpec, pool: DeviceDataset, mix: TrainingMix, seed: int
    ) -> nn.Sequential:
        """The network before its first step, on the CPU; all randomness comes from `seed`."""

    def train(
        self,
        settings: Detect,
        spec: ImageSpec,
        pool: DeviceDataset,
        mix: TrainingMix,
        seed: int,
        tick: Callable[[int], object],
    ) -> TrainedNetwork:
        """The network after `settings.steps` AdamW steps, cosine decay to zero.

        Args:
            settings: `steps`, `batch`, `learning_rate` and `weight_decay`; of a ResNet, `width`.
            spec: of the images.
            pool: the training images; their device is where training happens.
            mix: what of the pool is seen.
            seed: of the repetition.
            tick: called with a number of steps whenever that many more are done.
        """
        device = pool.labels.device
        network = self.initial(settings, spec, pool, mix, seed).to(device).to(memory_format=torch.channels_last)
        augment = Augmentation(seed, device) if mix.augmented else None

        def loss(rows: np.ndarray, orientations: np.ndarray) -> Tensor:
            at = pool.at(rows, orientations)
            images = pool.turned(at)
            images = augment(images) if augment else images
            with _autocast(device):
                return functional.cross_entropy(network(images), pool.labels[at.rows])

        batches = presented(settings.steps, settings.batch, spec.symmetry, pool, mix, seed)
        slower = settings.model_copy(update={"learning_rate": self.rate * settings.learning_rate})
        fit(network, slower, batches, loss, tick)
        return TrainedNetwork(network, settings.batch, spec.symmetry)


def _autocast(device: torch.device) -> torch.autocast:
    amp = amp_dtype("auto", device)
    return torch.autocast(device.type, amp or torch.float32, enabled=amp is not None)
