"""The training images nearest to the held-out ones, and the index of the search for pieces of training images, in a
file of the real set: every generator is judged beside them, and half of its evaluation would be to find them again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from pipeline.base.files import sha256
from pipeline.data.image_set import ImageSet
from pipeline.evaluation.context import Context
from pipeline.evaluation.copies import NearestTraining
from pipeline.evaluation.copy_search import Matches
from pipeline.evaluation.feature_files import read_arrays, write_arrays
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
    write_arrays(real.path / NAME, _key(real, context), arrays)


def read(real: ImageSet, context: Context) -> tuple[NearestTraining | None, Index | None]:
    """Those of these held-out and training images; None where there are none, or none that are whole."""

    def parse(file: NpzFile) -> tuple[dict[str, Any], dict[str, Any]]:
        parts = {part: kind(*(file[f"{part} {name}"] for name in kind._fields)) for part, kind in PARTS.items()}
        index = {name: file[f"{INDEX} {name}"] for name in Index._fields if f"{INDEX} {name}" in file}
        return parts | {name: file[name] for name in NearestTraining._fields if name in file}, index

    found = read_arrays(real.path / NAME, lambda key: key == _key(real, context), parse)
    if found is None:
        return None, None
    for some in found:
        some |= {name: some[name].item() for name in ("proof_threshold", "smallest") if name in some}
    known, index = found
    lacking: dict[str, Any] = dict.fromkeys(NearestTraining._fields)
    return NearestTraining(**lacking | known), Index(**index) if index else None


def _key(real: ImageSet, context: Context) -> str:
    """All that they depend on: images, which of them train and which are held out, and how they are compared."""
    sets = [sample for sample in (context.reference, context.heldout) if sample is not None]
    classes = [(len(sample), *sorted(set(sample.labels.tolist()))) for sample in sets]
    method = METHOD["evaluate"], context.extractors["random"].version, context.settings.seed
    return f"{method} {real.digest} {sha256(real.path / 'metadata.csv')} {classes}"
