"""What of each picture an image set leaves out, what it adds around it, and what a person should know of both."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.data.image_set import RIM, SMALLEST_PART, common_part
from pipeline.data.preparing import tiling
from pipeline.data.preparing.tiling import Crop
from pipeline.settings import Dataset

SLIGHT = 0.02  # share of a picture whose loss is not worth a word
STEPS = 50  # of an image's side: rims that differ by less are one
TELLING = 3.0  # standard errors by which the rim names the class better than a guess, from which it is warned of
FEWEST = 20  # images


class Framed(NamedTuple):
    """An image of the set."""

    box: Crop
    height: int
    """Of its picture, without what `crop_bottom` cuts off."""
    width: int


def described(settings: Dataset, table: pd.DataFrame, framed: list[Framed]) -> pd.DataFrame:
    """The table of an image set, with `rows` and `cols`, how many of its picture each image shows.

    Under `fit: resize` also `lost`, the share of its picture that an image leaves out; under `fit: pad` the columns of
    RIM, how many rows and columns at each of its sides hold any of the rim.
    """
    table = table.assign(rows=[f.box.height for f in framed], cols=[f.box.width for f in framed])
    if settings.fit == "resize":
        return table.assign(lost=[round(1 - f.box.height * f.box.width / (f.height * f.width), 4) for f in framed])
    if settings.fit == "pad":
        rims = np.array([_rim(f, settings.shape) for f in framed]).T
        return table.assign(**dict(zip(RIM, rims, strict=True)))
    return table


def _rim(framed: Framed, shape: tuple[int, int]) -> list[int]:
    box = framed.box
    part = tiling.inside(box, framed.height, framed.width)
    y, x = shape[0] / box.height, shape[1] / box.width
    ends = part.top * y, part.left * x, (box.height - part.bottom) * y, (box.width - part.right) * x
    return [int(np.ceil(end - 1e-9)) for end in ends]


def notes(settings: Dataset, table: pd.DataFrame) -> list[str]:
    """One line a fact of a table as `described` makes it."""
    if settings.fit == "resize" and table["lost"].max() > SLIGHT:
        most = table.loc[table["lost"].idxmax()]
        return [
            f"`fit: resize` cuts off {table['lost'].median():.0%} of a picture (median; at most {most['lost']:.0%}, "
            f"{most['source']}; column lost of metadata.csv): `pad`, `stretch` and `tile` keep all of it"
        ]
    if settings.fit == "pad":
        rims = table[RIM].to_numpy()
        shares = 1 - np.prod(1 - (rims[:, :2] + rims[:, 2:]) / settings.shape, axis=1)
        line = f"the rim is {np.median(shares):.0%} of an image (median; at most {shares.max():.0%})"
        steps = rims * STEPS // (2 * settings.shape)
        return [line, *_compared(settings, table), *_telling(steps, table["label"].tolist())]
    return []


def _compared(settings: Dataset, table: pd.DataFrame) -> list[str]:
    """What the metrics leave out for the sake of the rims."""
    part = common_part(table, *settings.shape)
    if part is None:
        return []
    height, width = (max(0, side) for side in part.shape)
    if min(height, width) >= SMALLEST_PART:
        return [f"metrics and copies compare the {height} x {width} pixels that every picture fills"]
    return [
        f"WARNING: every picture fills only {height} x {width} pixels, fewer than {SMALLEST_PART} of a side, so that "
        "metrics and copies compare whole images, rims too: leave out the pictures of the rarest shapes, or `stretch`"
    ]


def _telling(rims: np.ndarray, labels: list[str]) -> list[str]:
    """A warning where the rim alone names the class: what most of the other images of the same rim are."""
    n = len(labels)
    frequent, most = Counter(labels).most_common(1)[0]
    alike: dict[tuple[int, ...], Counter[str]] = {}
    for rim, label in zip(map(tuple, rims), labels, strict=True):
        alike.setdefault(rim, Counter())[label] += 1
    right = 0
    for rim, label in zip(map(tuple, rims), labels, strict=True):
        others = alike[rim] - Counter([label])
        right += (others.most_common(1)[0][0] if others else frequent) == label
    guess = most / n
    if n < FEWEST or right / n - guess <= TELLING * np.sqrt(guess * (1 - guess) / n):
        return []
    return [
        f"WARNING: the rim alone names the class of {right / n:.0%} of the images (a guess {guess:.0%}), for the "
        "pictures of the classes differ in shape: what a detector finds may be the rim; `resize` and `tile` have none"
    ]
