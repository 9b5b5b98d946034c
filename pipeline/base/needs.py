"""What a job asks of a cluster: memory, minutes, processors.

Generous, and from the settings alone: who asks for too little is killed, who asks for too much waits. A job that was
killed for want of memory or time asks for more at its further attempts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.settings import Dataset, Detect, DetectAnomalies, DetectBoxes, Training

LONGEST = 1440  # minutes: what nearly every cluster allows; a training goes on in its next attempt
SHORTEST = 20  # minutes: a node may be slow to begin
BASE = 2000  # MB: Python with torch, and Snakemake twice around it
MAPS = 540  # MB of maps that small detectors of boxes on a frozen network keep on processors (`trunk.HELD`)
CARD = 3000  # MB of the machine's memory that CUDA's libraries take
FEW = 64  # pixels of a side: networks for smaller images gain nothing by a second processor
FASTER = 300  # times as fast as one processor that a card is with networks of ordinary size; small ones take no time
LOOK = 300  # images drawn at a look at held-out images
READ = 0.002  # seconds of a processor to read an image of 64 pixels
COMPARE = 0.05  # and to compare it with the others
PANEL = 3.0  # seconds to measure a set of images,
EVALUATE = 0.02  # and for each of them
HEAD = 0.2  # seconds to fit a head on a frozen backbone,
FROZEN = 1.4e-4  # and for each training image
SCRATCH = 0.02  # and to show one to a ResNet-18 that learns
BOXES = {"frozen": 0.01, "scratch": 0.025, "fine_tuned": 0.05}  # to a small detector of boxes, by its backbone,
LARGE = 0.5  # and to one of torchvision's


class Cost(NamedTuple):
    """Of a family with its default networks, an image of 64 pixels, on one processor."""

    learn: float
    """Seconds of an update, for each of its images."""
    draw: float
    """Seconds."""
    mb: float
    """Memory of an update, for each of its images."""


# Measured with `benchmarks/needs.py`, and rounded up; no card was there to measure one.
COSTS = {
    "dcgan": Cost(0.05, 0.01, 8),
    "cgan": Cost(0.1, 0.01, 12),
    "wgan_gp": Cost(0.3, 0.01, 12),
    "projected_gan": Cost(0.1, 0.02, 25),
    "ddpm": Cost(0.4, 2, 80),
    "stylegan2_ada": Cost(1.5, 0.05, 60),
    "quilting": Cost(0, 0.02, 1),
    "warp": Cost(0, 0.01, 1),
}
UNKNOWN = Cost(1.5, 2, 80)  # of a family that the table has not yet


class Images(NamedTuple):
    number: int
    pixels: int
    """Of each."""
    channels: int

    @classmethod
    def of(cls, dataset: Dataset, prepared: str | None, sources: Iterable[Path]) -> Images:
        """Those of a data set: counted where they are prepared, else as many as its source lets one expect.

        Args:
            prepared: its `images.npy`, where it is there.
            sources: its files; none for drawn ones.
        """
        channels = 3 if dataset.channels == "rgb" else 1
        height, width = dataset.shape
        if prepared:
            number = len(np.load(prepared, mmap_mode="r"))
        elif dataset.source == "voronoi":
            number = dataset.voronoi.images_per_class * len(dataset.voronoi.classes)
        else:
            paths = list(sources)
            number = len(paths)
            if dataset.fit == "tile" or dataset.labels.rule == "hdf5":  # several images a file
                side = int(dataset.tile_source or min(height, width))
                size = sum(path.stat().st_size for path in paths if path.is_file())
                number = max(number, size // (channels * side**2))
        return cls(number, height * width, channels)

    @property
    def area(self) -> float:
        """Of one, in images of 64 pixels."""
        return self.pixels / 64**2

    @property
    def mb(self) -> float:
        """Of all, with two bytes a value."""
        return 2 * self.number * self.channels * self.pixels / 1e6


class Needs(NamedTuple):
    mem_mb: int
    minutes: int
    threads: int
    seconds: int
    """Expected, of one processor or of the card, on the machine of `pace`; without what a job takes to start."""


def side_by_side(job: Needs, jobs: int, processors: int, mb: float) -> int:
    """Threads of each of several such jobs on one machine: a processor each before any has a second, from which a small
    network gains little; more where the memory has room for fewer jobs than there are processors.

    Args:
        job: what one of them asks for.
        jobs: that could run at once.
        mb: memory of the machine.
    """
    fit = max(1, int(mb // job.mem_mb))
    return max(1, min(job.threads, processors // jobs), processors // fit)


def training(settings: Training, images: Images, card: bool) -> Needs:
    """Of one generator; `card` says whether it trains on a graphics card, else on processors."""
    cost = COSTS.get(settings.family, UNKNOWN)
    seconds = settings.total_images * cost.learn + settings.snapshots * LOOK * cost.draw
    at_once = settings.batch_per_device or settings.batch
    return _needs(seconds, images, card, at_once * cost.mb)


def drawing(family: str, count: int, batch: int, images: Images, card: bool) -> Needs:
    """Of `count` images, `batch` at a time."""
    cost = COSTS.get(family, UNKNOWN)
    return _needs(count * cost.draw, images._replace(number=images.number + count), card, batch * cost.mb)


def evaluating(images: Images, judged: int, card: bool) -> Needs:
    """Of a set of images that is measured, beside all that are read."""
    return _needs(judged * EVALUATE, images, card, 1000, fixed=PANEL)


def classifying(settings: Detect, arms: int, training: int, images: Images, card: bool) -> Needs:
    """Of the detectors of some arms that name the class of an image, from so many training images of all."""
    candidates = len(settings.ratios) * len(settings.keep_fractions) * len(settings.filters)
    fits = arms * (settings.repetitions + settings.selection_runs * candidates)
    if settings.backbone == "frozen":
        return _needs(0, images, card, settings.batch * 10, fixed=fits * (HEAD + FROZEN * training))
    return _needs(fits * SCRATCH * settings.steps * settings.batch, images, card, settings.batch * 10)


def finding(settings: DetectBoxes, images: Images, card: bool, detectors: int | None = None) -> Needs:
    """Of so many detectors that find boxes; of those of one arm where no number is given."""
    fits = detectors or settings.repetitions + settings.selection_runs * len(settings.ratios)
    cost = BOXES[settings.backbone] if settings.detector == "small" else LARGE
    needs = _needs(fits * settings.steps * settings.batch * cost, images, card, settings.batch * cost * 400)
    keeps = settings.detector == "small" and settings.backbone == "frozen" and not card
    return needs._replace(mem_mb=needs.mem_mb + MAPS * keeps)


def telling_good(settings: DetectAnomalies, arms: int, images: Images, card: bool) -> Needs:
    """Of the detectors of some arms that tell good images from others."""
    fits = arms * (settings.repetitions + settings.selection_runs * len(settings.ratios))
    return _needs(0, images, card, settings.batch * 10, fixed=fits * (HEAD + FROZEN * images.number))


def reading(images: Images) -> Needs:
    """Of images that are read and written."""
    return _needs(images.number * READ, images, False, 1000)._replace(threads=4)


def preparing(images: Images) -> Needs:
    """Of images that are read, compared with each other and written."""
    return _needs(images.number * (READ + COMPARE), images, False, 1000)._replace(threads=4)


def _needs(seconds: float, images: Images, card: bool, activations: float, fixed: float = 0) -> Needs:
    """From seconds of a processor and MB of a device, both for images of 64 pixels; `fixed` are seconds of a processor
    whatever their size, also where a card is."""
    threads = 1 if images.pixels < FEW**2 else 8
    seconds = fixed + seconds * images.area / (FASTER if card else 1)
    minutes = SHORTEST + 2 * seconds / 60 / (1 if card else gained(threads))
    memory = BASE + 4 * images.mb + (CARD if card else 1.5 * activations * images.area)
    return Needs(round(memory), round(min(minutes, LONGEST)), threads, round(seconds))


def gained(threads: int) -> float:
    """How many times as fast as with one."""
    return threads**0.5
