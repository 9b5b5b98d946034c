"""Strips: images of any width, written as they are drawn, so that their size is bounded by the disk alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from pipeline.data.preparing.scaling import restore, stored_dtype
from pipeline.models.base import DrawsStrips
from pipeline.sampling.draw import quantised
from pipeline.sampling.files import tiff_options
from pipeline.sampling.provenance import Provenance
from pipeline.sampling.seams import gradient_energy, ratio_by_place
from pipeline.settings import ImageSpec
from pipeline.training import grids

SHOWN = 8  # heights of a strip that its preview shows; where it is low, WIDEST pixels
WIDEST = 1024  # pixels of a preview
LOW = 128  # pixels; lower previews are enlarged towards this


class StripFile:
    """An uncompressed TIFF of the source's type, of any width, filled block by block from the left.

    Pixels that are true or false become 255 and 0.
    """

    def __init__(
        self, path: Path, spec: ImageSpec, width: int, meta: dict[str, Any], provenance: Provenance, seed: int
    ):
        self.path, self.filled = path, 0
        self.shape = (spec.height, width, *((spec.channels,) if spec.channels > 1 else ()))
        kind = np.dtype(meta["dtype"])
        self.dtype = np.dtype(np.uint8) if kind.kind == "b" else kind
        options = tiff_options(meta, self.shape, self.dtype, provenance, seed)
        empty = tifffile.memmap(path, shape=self.shape, dtype=self.dtype, **options)
        self._offset = empty.offset

    def add(self, block: np.ndarray) -> None:
        """Write (H, w, C) to the right of what is there. Raises ValueError where it does not fit."""
        after = self.filled + block.shape[1]
        if after > self.shape[1]:
            raise ValueError(f"{self.path}: a block of {block.shape[1]} columns at {self.filled} of {self.shape[1]}")
        values = block.astype(self.dtype) * 255 if block.dtype.kind == "b" else block
        # Mapped for one block only: pages of a map count as this process's memory while it is open.
        pixels = np.memmap(self.path, self.dtype, "r+", self._offset, self.shape)
        pixels[:, self.filled : after] = values.reshape(len(values), -1, *self.shape[2:])
        self.filled = after


def write_strip(
    model: DrawsStrips,
    spec: ImageSpec,
    label: int,
    seed: int,
    width: int,
    meta: dict[str, Any],
    path: Path,
    provenance: Provenance,
) -> tuple[dict[str, Any], np.ndarray]:
    """Draw a strip into `path` (TIFF) and what is known of it into a JSON file beside it.

    Args:
        spec: of the model.
        meta: `dtype`, `scaling`, `pixel_size` and `unit` of the images it was trained on.
        provenance: of the model, for the file.

    Returns:
        What the JSON file holds (see `_facts`), and the first columns (H, w, C) in stored integers, for a preview.
    """
    file, stored = StripFile(path, spec, width, meta, provenance, seed), np.dtype(stored_dtype(meta["dtype"]))
    preview_width = min(width, max(SHOWN * spec.height, WIDEST))
    preview = np.empty((spec.height, preview_width, spec.channels), stored)
    energy, last = [], np.empty((spec.height, 0, spec.channels), stored)
    for block in model.strip(label, seed, width):
        levels = quantised(block[None], stored)[0]
        fits = preview[:, file.filled : file.filled + levels.shape[1]]
        fits[:] = levels[:, : fits.shape[1]]
        file.add(restore(levels, meta))
        joined = np.concatenate([last, levels], 1)
        energy.append(gradient_energy(joined))
        last = levels[:, -1:]
    if file.filled != width:
        raise ValueError(f"{path}: {file.filled} columns were drawn, not {width}")
    facts = _facts(np.concatenate(energy), model.alignment, spec, width, file) | {
        "seed": seed,
        "class": spec.classes[label],
    }
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    return facts, preview


def _facts(energy: np.ndarray, grid: int, spec: ImageSpec, width: int, file: StripFile) -> dict[str, Any]:
    """What is known of a strip. `seam_ratio` is that of borders as far apart as a training image is wide, over others
    at the same place of the network's grid; `seam_ratio_elsewhere` has the 2.5th and 97.5th percentile of the same
    ratio at all other places: its chance. Both are null for a strip narrower than two training images, or without
    gradients."""
    facts = {"height": spec.height, "width": width, "channels": spec.channels, "dtype": file.dtype.name}
    facts |= {"period": spec.width, "grid": grid, "seam_ratio": None, "seam_ratio_elsewhere": None}
    ratios = ratio_by_place(energy, spec.width, grid) if width >= 2 * spec.width else np.array(np.nan)
    if np.isfinite(ratios).all():
        low, high = np.percentile(ratios[1:], [2.5, 97.5])
        facts |= {"seam_ratio": float(ratios[0]), "seam_ratio_elsewhere": [float(low), float(high)]}
    return facts


def preview_rows(preview: np.ndarray) -> np.ndarray:
    """(h, w, C) uint8 of a preview (H, W, C): at most WIDEST pixels wide, low ones enlarged by a whole factor."""
    height, width, channels = preview.shape
    factor = max(1, min(WIDEST // width, LOW // height)) if width <= WIDEST else WIDEST / width
    size = (round(width * factor), max(1, round(height * factor)))
    return np.asarray(grids.resized(grids.to_uint8(preview), size)).reshape(*size[::-1], channels)
