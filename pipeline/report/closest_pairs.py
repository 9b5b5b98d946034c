"""The closest pairs: synthetic images beside the training images that they are most like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.base import symmetry
from pipeline.data.image_set import ImageSet
from pipeline.evaluation import copy_search
from pipeline.report import images
from pipeline.report.inputs import DatasetInputs
from pipeline.report.labels import number

SHOWN = 10  # pairs of a generator, over all its seeds
SIDE = 128  # pixels


class Found(NamedTuple):
    """A pair, and the set that its first image is in; `seed` is said where there are several."""

    pair: Mapping[str, Any]
    images: ImageSet
    seed: str


def context(real: ImageSet, inputs: DatasetInputs) -> list[dict[str, Any]]:
    """`name`, `note` and `pairs` of the held-out real images, if known, and of each generator; empty without any.

    A pair has `made` and `real` (pictures), `distance`, `label` and `moved` (texts), and `alt`. The closest come first.
    """
    part = real.filled  # what was compared
    real = real.within(part)
    heldout = [Found(pair, real, "") for pair in inputs.evaluated().get("closest", [])]
    groups = [_group("Real, held out", "what chance makes of new real images", heldout, real)]
    for model in inputs.models():
        found = []
        for run in inputs.of(model):
            if (drawn := run.drawn()) is not None:
                drawn = drawn.within(part)
                seed = f"seed {run.seed}" if len(inputs.of(model)) > 1 else ""
                found += [Found(pair, drawn, seed) for pair in run.evaluated().get("closest", [])]
        groups.append(_group(model, "synthetic", found, real))
    return [group for group in groups if group["pairs"]]


def _group(name: str, note: str, found: Sequence[Found], real: ImageSet) -> dict[str, Any]:
    closest = sorted(found, key=lambda one: one.pair["distance"])[:SHOWN]
    return {"name": name, "note": note, "pairs": [_pair(name, one, real) for one in closest]}


def _pair(name: str, found: Found, real: ImageSet) -> dict[str, str]:
    made, nearest = found.pair["made"], found.pair["real"]
    of = str(found.images.metadata["label"].iloc[made])
    to = str(real.metadata["label"].iloc[nearest])
    return {
        "made": images.png(images.picture(found.images.images[made], SIDE)),
        "real": images.png(images.picture(_laid(real.images[nearest], found.pair), SIDE)),
        "distance": number(found.pair["distance"]),
        "label": of if of == to else f"{of} / {to}",
        "moved": ", ".join(word for word in (found.seed, _moved(found.pair)) if word),
        "alt": f"{name}, {of}",
    }


def _laid(image: np.ndarray, pair: Mapping[str, Any]) -> np.ndarray:
    """(H, W, C) flipped, turned and moved as it lies on the other image of its pair; white where it left nothing."""
    white = np.iinfo(image.dtype).max
    gray = image.shape[2] == 1
    opaque = copy_search.laid(np.broadcast_to(image / white, (*image.shape[:2], 3)), pair["view"], *pair["shift"])
    laid = np.rint(white * (opaque[..., :3] * opaque[..., 3:] + 1 - opaque[..., 3:])).astype(image.dtype)
    return laid[..., :1] if gray else laid


def _moved(pair: Mapping[str, Any]) -> str:
    """How it was laid."""
    down, right = pair["shift"]
    words = [] if pair["view"] == next(iter(symmetry.VIEWS)) else [pair["view"]]
    words += [f"{abs(down)} px {'down' if down > 0 else 'up'}"] if down else []
    words += [f"{abs(right)} px {'right' if right > 0 else 'left'}"] if right else []
    return ", ".join(words)
