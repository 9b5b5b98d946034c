"""How long a training will take: some of its own updates and images, timed on this machine; how fast it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

import pipeline.models
from pipeline.base import device as devices
from pipeline.base.imagenet import EfficientNetLite0, load
from pipeline.base.weights import in_cache
from pipeline.models.batch import Batch
from pipeline.settings import ImageSpec, Training
from pipeline.training.elsewhere import Work
from pipeline.training.held_out import look
from pipeline.training.snapshots import COLUMNS
from pipeline.training.validator import LEAST, MOST

WARM = 2  # updates that choose algorithms; the first has all lazy penalties, the second none
START = 6.0  # seconds of a job before its first update: Python, torch, reading the images
SHORT = 32  # images that drawing is timed with, at most
REFERENCE = 0.23  # seconds of `pace`'s work on the machine that the costs of `needs` were measured on
REPEATS = 5
PENALTIES = {"r1_every": "r1_gamma", "path_length_every": "path_length_weight"}  # and the setting that is 0 without it


@dataclass(frozen=True)
class Forecast:
    """Seconds."""

    update: float
    """Mean over whole periods of the lazy penalties, where there are any."""
    image: float
    """Of a drawn one, among many."""
    training: float
    """Of the whole job, with its looks at held-out images."""
    memory: str
    """What the process has taken, of how much, as the training says it."""
    checkpoint: int
    """Bytes of a checkpoint's tensors."""
    elsewhere: float | None
    """Of the updates of the whole job on the card of `elsewhere`, estimated; None on a card, and of compiled networks.
    """


def forecast(
    settings: Training,
    spec: ImageSpec,
    budget: float = 10.0,
    held_out: int = MOST,
    clock: Callable[[], float] = time.perf_counter,
) -> Forecast:
    """Time a model's updates on noise: its images make no difference.

    Args:
        spec: the images, without boxes.
        budget: seconds of timed updates; one whole period of the lazy penalties at least.
        held_out: images to choose by (split `val`); so many are drawn at each look, MOST at most and none below LEAST.
            What Inception takes to see them is left out where its weights are not there: a plan downloads nothing.
        clock: in seconds.

    Raises:
        UserError: settings that fit no such images, too little memory.
    """
    device = devices.best_device()
    drawn = min(held_out, MOST) if held_out >= LEAST else 0
    with devices.memory_limit("batch_per_device", settings.batch_per_device or settings.batch):
        torch.manual_seed(0)
        model = pipeline.models.build(settings, spec, devices.amp_dtype(settings.precision, device))
        model = model.to(device).to(memory_format=torch.channels_last)
        images = torch.rand(settings.batch, spec.channels, spec.height, spec.width, device=device) * 2 - 1
        images = images.contiguous(memory_format=torch.channels_last)
        labels = torch.arange(settings.batch, device=device) % len(spec.classes)

        def update() -> None:
            model.update(Batch(images, labels, model.updates, settings.batch_per_device))
            devices.synchronise(device)

        counts = device.type == "cpu" and settings.compile != "on"
        work = []
        for _ in range(WARM):
            if counts:
                work.append(Work.of(update))
            else:
                update()
        period, count, began = math.lcm(*_every(settings)), 0, clock()  # till the lazy penalties come round
        while count % period or clock() - began < budget:
            update()
            count += 1
        mean = (clock() - began) / count
        memory = devices.memory(device)
        few = torch.arange(min(SHORT, settings.batch))
        model.sample(labels.cpu()[: len(few)], few)  # measures what batch normalisation needs
        began = clock()
        model.sample(labels.cpu()[: len(few)], few)
        devices.synchronise(device)
        image = (clock() - began) / len(few)
        seen = 0.0
        chosen = settings.held_out  # without, a look of random networks costs next to nothing
        if chosen and drawn and (chosen.features == "imagenet" or in_cache("inception", chosen.weights)):
            network = look(chosen, spec, device)
            began = clock()
            network.vectors(images[: len(few)])
            seen = (clock() - began) / len(few)
    looks = settings.snapshots * ((drawn + COLUMNS * len(spec.classes)) * image + drawn * seen)
    steps = math.ceil(settings.total_images / settings.batch)
    checkpoint = sum(tensor.numel() * tensor.element_size() for tensor in model.state().values())
    elsewhere = steps * _mean_seconds(work, settings) if counts else None
    return Forecast(mean, image, START + steps * mean + looks, memory, checkpoint, elsewhere)


def pace(clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that a processor takes here, now, for what took one on the machine that the costs of `needs` were
    measured on: the features of some images, which is most of what is done between trainings."""
    network = EfficientNetLite0(load(), 1)
    images = torch.zeros(SHORT, 1, 64, 64)
    devices.use_threads(1)
    with torch.no_grad():
        network.maps(images)
        began = clock()
        for _ in range(REPEATS):
            network.maps(images)
    return (clock() - began) / REFERENCE


def _mean_seconds(work: list[Work], settings: Training) -> float:
    """On the other card, of a first update, with all penalties, and the next, without; all as often as the most
    frequent one. What a first update takes without penalties is what it takes to begin."""
    full, plain = (of.seconds for of in work)
    every = _every(settings)
    return plain + max(0.0, full - plain) / min(every) if every else plain


def _every(settings: Training) -> list[int]:
    """After how many updates each lazy penalty comes that is on."""
    return [getattr(settings, every) for every, weight in PENALTIES.items() if getattr(settings, weight, 0) != 0]
