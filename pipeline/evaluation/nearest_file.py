"""The training images nearest to the held-out ones, and the index of the search for pieces of training images, in a
file of the real set: every generator is judged beside them, and half of its evaluation would be to find them again."""

from __future__ import annotations

from typing import Any
from zipfile import BadZipFile

import numpy as np

from pipeline.base.files import sha256, whole
from pipeline.base.job import say
from pipeline.data.image_set import ImageSet
from pipeline.evaluation.context import Context
from pipeline.evaluation.copies import NearestTraining
from pipeline.evaluation.copy_search import Matches
from pipeline.evaluation.local_copies import Index
from pipeline.metrics.neighbours import Neighbours
from pipeline.settings import METHOD

NAME = "nearest-training.npz"
PARTS: dict[str, Any] = {"features": Neighbours, "pixels": Matches}
INDEX = "index"


def write(real: ImageSet, context: Context, found: NearestTraining, index: Index | None) -> None:
    """Keep them, if there is room."""
    fields = found._asdict()
    parts = [(part, name, values) for part in PARTS for name, values in fields.pop(part)._asdict().items()]
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in fields.items() if value is not None}
    arrays |= {f"{part} {name}": values for part, name, values in parts}
    arrays |= {f"{INDEX} {name}": np.asarray(value) for name, value in (index._asdict() if index else {}).items()}
    path = real.path / NAME
    try:
        with whole(path) as part, open(part, "wb") as file:
            np.savez(file, key=np.array(_key(real, context)), **arrays)
    except OSError as error:
        say(f"{path}: not kept ({error.strerror})")


def read(real: ImageSet, context: Context) -> tuple[NearestTraining | None, Index | None]:
    """Those of these held-out and training images; None where there are none, or none that are whole."""
    path = real.path / NAME
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            if str(file["key"]) != _key(real, context):
                return None, None
            index: dict[str, Any] = {
                name: file[f"{INDEX} {name}"] for name in Index._fields if f"{INDEX} {name}" in file
            }
            known: dict[str, Any] = {name: file[name] for name in NearestTraining._fields if name in file}
            known |= {part: kind(*(file[f"{part} {name}"] for name in kind._fields)) for part, kind in PARTS.items()}
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        say(f"{path}: damaged ({error}), not used")
        return None, None
    for some in (known, index):
        some |= {name: some[name].item() for name in ("proof_threshold", "smallest") if name in some}
    lacking: dict[str, Any] = dict.fromkeys(NearestTraining._fields)
    return NearestTraining(**lacking | known), Index(**index) if index else None


def _key(real: ImageSet, context: Context) -> str:
    """All that they depend on: images, which of them train and which are held out, and how they are compared."""
    sets = [sample for sample in (context.reference, context.heldout) if sample is not None]
    classes = [(len(sample), *sorted(set(sample.labels.tolist()))) for sample in sets]
    method = METHOD["evaluate"], context.extractors["random"].version, context.settings.seed
    return f"{method} {real.digest} {sha256(real.path / 'metadata.csv')} {classes}"
