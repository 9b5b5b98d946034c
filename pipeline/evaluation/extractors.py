"""The extractors that look at the images of a data set."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.base import imagenet
from pipeline.data.image_set import ImageSet
from pipeline.evaluation import class_features, inception, phases
from pipeline.evaluation.features import Extractor, without_grams
from pipeline.evaluation.random_features import random_features
from pipeline.evaluation.spectra import spectra
from pipeline.settings import Evaluate


def _photographs() -> Extractor:
    imagenet.load()  # verified here, before any image is read
    return Extractor(
        str(imagenet.VERSION), lambda images, text: without_grams(imagenet.pooled(images, text), imagenet.BLOCKS)
    )


# That need neither settings nor a data set.
PLAIN: dict[str, Callable[[], Extractor]] = {
    "random": lambda: Extractor("1", random_features),
    "imagenet": _photographs,
}
# Each is made for a real image set, and None where it is not wanted or not to be had.
EXTRACTORS: dict[str, Callable[[Evaluate, ImageSet, phases.Binarisation], Extractor | None]] = {
    "random": lambda settings, real, binarisation: PLAIN["random"](),
    "inception": lambda settings, real, binarisation: inception.extractor(settings),
    "classifier": lambda settings, real, binarisation: class_features.extractor(settings, real),
    "imagenet": lambda settings, real, binarisation: PLAIN["imagenet"]() if settings.imagenet else None,
    "psd": lambda settings, real, binarisation: Extractor("1", spectra),
    "phases": lambda settings, real, binarisation: phases.extractor(binarisation.threshold),
}


def extractors(settings: Evaluate, real: ImageSet, binarisation: phases.Binarisation) -> dict[str, Extractor]:
    """All there are for the images of a data set, by name; made once a job, weights are verified or learned here.

    Raises:
        UserError: weights are altered, or wanted and not to be had.
    """
    found = {name: make(settings, real, binarisation) for name, make in EXTRACTORS.items()}
    return {name: extractor for name, extractor in found.items() if extractor is not None}
