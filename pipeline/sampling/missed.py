"""Which images to draw of what detectors miss: classes in proportion, and of models that draw boxes the seeds whose
boxes are like the missed ones in class, size and place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pipeline.base.seeds import derive
from pipeline.data.box_store import ENDS
from pipeline.data.image_set import ImageSet
from pipeline.models.base import DrawsBoxes, Sampler
from pipeline.models.layouts import Layout
from pipeline.settings import UserError

CANDIDATES = 8  # images of a model with boxes whose boxes are looked at, for each that is drawn
PART = 64  # of them at once
OTHER_CLASS, NONE = 1e3, 1e6  # more than the distance of two boxes in one image; of an image without boxes


@dataclass(frozen=True)
class Missed:
    """Validation images or boxes, each with the share of the detectors that missed it."""

    images: NDArray[np.str_]
    """(n,) class of the image."""
    labels: NDArray[np.str_]
    """(n,) class of the image, or of the box in it."""
    boxes: NDArray[np.float64] | None
    """(n, 4) in pixels; None where images were missed."""
    share: NDArray[np.float64]
    """(n,) in [0, 1]."""

    @classmethod
    def read(cls, path: Path, real: ImageSet) -> Missed:
        """A table of `pipeline.downstream.missed`, or of anybody's, of that image set.

        Raises:
            UserError: a column is missing, an image or a class of boxes is unknown, or a share is none.
        """
        try:
            table = pd.read_csv(path, keep_default_na=False, dtype={"id": str, "label": str})
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read as a CSV file ({error})") from None
        if lacking := [name for name in ("id", "label", "missed") if name not in table]:
            raise UserError(f"{path}: the column `{lacking[0]}` is missing")
        boxed = set(ENDS) <= set(table.columns)
        classes = real.metadata.set_index("id")["label"]
        known = {"id": ("image", classes.index)} | ({"label": ("class of boxes", real.box_classes)} if boxed else {})
        for column, (what, names) in known.items():
            if len(strange := table[column][~table[column].isin(names)]):
                raise UserError(f"{path}: `{strange.iloc[0]}` is no {what} of {real.path}")
        share = pd.to_numeric(table["missed"], errors="coerce").to_numpy(np.float64)
        if len(none := table["missed"][~((share >= 0) & (share <= 1))]):
            raise UserError(f"{path}: missed: {none.iloc[0]} is not from 0 to 1")
        boxes = table[ENDS].to_numpy(np.float64) if boxed else None
        return cls(classes.loc[table["id"]].to_numpy(str), table["label"].to_numpy(str), boxes, share)

    def counts(self, plain: dict[str, int]) -> dict[str, int]:
        """Images of each class: as many together as in `plain`, whose numbers are weighted by the share that is missed
        (largest remainders).

        Of m missed of n it is (m + 1/2) / (n + 1), Jeffreys' estimate: one missed among few must not decide alone. A
        class of which nothing is known has the mean of the others.
        """
        known = {name: self.share[self.images == name] for name in plain}
        rates = {name: (some.sum() + 0.5) / (len(some) + 1) for name, some in known.items() if len(some)}
        mean = float(np.mean(list(rates.values()))) if rates else 1.0
        weights = np.array([n * rates.get(name, mean) for name, n in plain.items()])
        exact = sum(plain.values()) * weights / weights.sum()
        counts = np.floor(exact + 1e-9).astype(int)
        rest = sum(plain.values()) - int(counts.sum())
        counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
        return dict(zip(plain, counts.tolist(), strict=True))

    def numbers(
        self, model: Sampler, name: str, real_label: int, model_label: int, seed: int, n: int
    ) -> NDArray[np.int64]:
        """(n,) numbers, ascending from 0, of the images of class `name` to draw. A model that draws boxes is asked for
        its first CANDIDATES · n layouts; taken are those most like the boxes that are missed in images of that class,
        each of which counts in proportion to its share. Of other models they are the first n.

        Args:
            real_label, model_label: of the class, as the image set and the model number it.
            seed: `generate.seed`.
        """
        own = (self.images == name) & (self.share > 0)
        if self.boxes is None or not own.any():
            return np.arange(n)
        assert isinstance(model, DrawsBoxes)  # no others are drawn by a table of boxes
        seeds = torch.tensor([derive(seed, real_label, i) for i in range(CANDIDATES * n)])
        layouts = [one for some in seeds.split(PART) for one in model.boxes(torch.full_like(some, model_label), some)]
        kinds = [model.spec.boxes.index(kind) for kind in self.labels[own]]
        far = _distances(np.array(kinds), self.boxes[own], layouts)
        chosen: list[int] = []
        for row in _turns(self.share[own], n):
            chosen.append(int(far[row].argmin()))
            far[:, chosen[-1]] = np.inf
        return np.sort(chosen)


def _turns(share: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """(n,) rows, each as often as its share says (systematic sampling from the middle of the first step)."""
    ends = np.cumsum(share) / share.sum()
    return np.searchsorted(ends, (np.arange(n) + 0.5) / n).clip(max=len(share) - 1)


def _distances(kinds: NDArray[np.int64], boxes: NDArray[np.float64], layouts: Sequence[Layout]) -> NDArray[np.float64]:
    """(missed boxes, layouts) from each missed box to the nearest box of a layout: of the centres and of the logarithms
    of the sides, in units of the missed box's own sides."""
    found = np.full((len(boxes), len(layouts)), NONE)
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    for j, layout in enumerate(layouts):
        if len(layout.kinds):
            ends = layout.boxes.numpy()
            of, sides = (ends[:, :2] + ends[:, 2:]) / 2, ends[:, 2:] - ends[:, :2]
            moved = np.square((of - middle[:, None]) / size[:, None]).sum(2)
            grown = np.square(np.log(sides / size[:, None])).sum(2)
            other = OTHER_CLASS * (layout.kinds.numpy() != kinds[:, None])
            found[:, j] = (np.sqrt(moved + grown) + other).min(1)
    return found
