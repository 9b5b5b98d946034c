"""What of each picture an image set leaves out, what it adds around it, and what a person should know of both."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.data.preparing import tiling
from pipeline.data.preparing.tiling import Crop
from pipeline.settings import Dataset

RIM = ["rim_top", "rim_left", "rim_bottom", "rim_right"]
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
    """The table of an image set, with `lost`, the share of its picture that an image leaves out, under `fit: resize`;
    and under `fit: pad` with the columns of RIM, how many rows and columns at each of its sides hold any of the rim."""
    if settings.fit == "resize":
        return table.assign(lost=[round(1 - f.box.height * f.box.width / (f.height * f.width), 4) for f in framed])
    if settings.fit == "pad":
        rims = np.array([_rim(f, settings.size) for f in framed]).T
        return table.assign(**dict(zip(RIM, rims, strict=True)))
    return table


def _rim(framed: Framed, size: int) -> list[int]:
    box = framed.box
    part = tiling.inside(box, framed.height, framed.width)
    y, x = size / box.height, size / box.width
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
        shares = 1 - np.prod(settings.size - rims[:, :2] - rims[:, 2:], axis=1) / settings.size**2
        line = f"the rim is {np.median(shares):.0%} of an image (median; at most {shares.max():.0%})"
        return [line, *_telling(rims * STEPS // settings.size, table["label"].tolist())]
    return []


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
