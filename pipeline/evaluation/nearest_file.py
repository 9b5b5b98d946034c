"""The training images nearest to the held-out ones, and the index of the searches among training images, in a file of
the real set: every generator is judged beside them, and half of its evaluation would be to find them again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from pipeline.base.files import sha256
from pipeline.data.image_set import ImageSet
from pipeline.evaluation import local_copies
from pipeline.evaluation.context import Context
from pipeline.evaluation.copies import Index, NearestTraining
from pipeline.evaluation.copy_search import Matches
from pipeline.evaluation.feature_files import read_arrays, write_arrays
from pipeline.metrics.neighbours import Neighbours
from pipeline.settings import METHOD

NAME = "nearest-training.npz"
PARTS: dict[str, Any] = {"features": Neighbours, "pixels": Matches}
PIECES = "index"


def write(real: ImageSet, context: Context, found: NearestTraining, index: Index) -> None:
    """Keep them, if there is room."""
    fields = found._asdict()
    parts = [(part, name, values) for part in PARTS for name, values in fields.pop(part)._asdict().items()]
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in fields.items() if value is not None}
    arrays |= {f"{part} {name}": values for part, name, values in parts}
    arrays["details"] = index.details
    if index.pieces is not None and index.identical is not None:
        arrays["identical"] = index.identical
        arrays |= {f"{PIECES} {name}": np.asarray(value) for name, value in index.pieces._asdict().items()}
    write_arrays(real.path / NAME, _key(real, context), arrays)


def read(real: ImageSet, context: Context) -> tuple[NearestTraining | None, Index | None]:
    """Those of these held-out and training images; None where there are none, or none that are whole."""

    def parse(file: NpzFile) -> tuple[NearestTraining, Index | None]:
        fields: dict[str, Any] = dict.fromkeys(NearestTraining._fields)
        fields |= {name: _value(file[name]) for name in fields if name in file}
        fields |= {part: kind(*(file[f"{part} {name}"] for name in kind._fields)) for part, kind in PARTS.items()}
        if "details" not in file:
            return NearestTraining(**fields), None
        index = Index(file["details"], None, None)
        if "identical" in file:
            pieces = local_copies.Index(*(_value(file[f"{PIECES} {name}"]) for name in local_copies.Index._fields))
            index = index._replace(pieces=pieces, identical=file["identical"])
        return NearestTraining(**fields), index

    return read_arrays(real.path / NAME, lambda key: key == _key(real, context), parse) or (None, None)


def _value(array: NDArray) -> Any:
    return array if array.ndim else array.item()


def _key(real: ImageSet, context: Context) -> str:
    """All that the distances depend on: the images, which of them train, which are held out, and how they are
    compared."""
    sets = [sample for sample in (context.reference, context.heldout) if sample is not None]
    classes = [(len(sample), *sorted(set(sample.labels.tolist()))) for sample in sets]
    method = METHOD["evaluate"], context.extractors["random"].version, context.settings.seed
    return f"{method} {real.digest} {sha256(real.path / 'metadata.csv')} {classes}"
