"""What a generator without training is made of: the training images, brought into a file of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pipeline import models
from pipeline.base.pixels import stored
from pipeline.base.seeds import derive
from pipeline.data.image_set import ImageSet
from pipeline.models.untrained import Recombination
from pipeline.settings import Untrained
from pipeline.training import model_files
from pipeline.training.feed import model_spec, training_rows


def collect(settings: Untrained, data: Path, out: Path, seed: int, journal) -> None:
    """Make a generator of the training images of an image set; only of classes that have any.

    Args:
        data: a prepared image set; its rows of split `train` are used.
        out: gets `model.safetensors`, which holds these images, and `model.json`.
        seed: of the order in which they are held, so that generators of several seeds draw different images.
        journal: a `pipeline.tracking.journal.Journal`.

    Raises:
        UserError: classes without training images, an unwritable folder.
    """
    images = ImageSet.open(data)
    model_files.save_untrained(gathered(settings, images, seed), out, seed, images.meta)
    journal.model("generator", out)


def gathered(settings: Untrained, images: ImageSet, seed: int) -> Recombination:
    """The generator that `collect` writes.

    Raises:
        UserError: classes without training images.
    """
    spec = model_spec(images, settings.classes)
    rows, labels = training_rows(images, spec)
    there = np.unique(labels)  # ascending, so that a class's place among them is its new label
    spec = spec._replace(classes=tuple(spec.classes[label] for label in there))
    order = np.random.default_rng(derive(seed)).permutation(len(rows))
    model = models.build_untrained(settings, spec)
    model.keep(
        stored(images.images[rows[order]].transpose(0, 3, 1, 2)),
        torch.from_numpy(np.searchsorted(there, labels[order])),
    )
    return model
