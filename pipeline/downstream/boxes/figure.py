"""Test images with the boxes that a person drew and those that detectors found."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pipeline.base.files import whole
from pipeline.base.texts import PLAIN_TEXT, shortened
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.preview import COLOURS
from pipeline.downstream.boxes.records import Boxes, BoxResult

COLUMNS, ROWS = 4, 3
SHOWN = 0.3  # lowest score of a found box in the picture; those below would cover it
SIDE = 2.6  # inches of an image
DPI = 110
LETTERS = 30  # of the name of a class
TRUE = {"linestyle": "-", "linewidth": 1.0}
FOUND = {"linestyle": (0, (3, 2)), "linewidth": 1.8}


def write(real: ImageSet, result: BoxResult, path: Path) -> None:
    """Draw up to twelve test images, spread evenly over them, as PNG.

    Args:
        real: the image set.
        result: of its repetitions the first is shown.
    """
    figure = beside(real, [result])
    figure.suptitle(
        f"{result.dataset}, {result.arm}: boxes drawn by a person (thin, whole)\n"
        f"and found by the detector (thick, dashed, with their score; {SHOWN:g} and above)",
        fontsize=10,
    )
    with whole(path) as part:
        figure.savefig(part, format="png", dpi=DPI)


def write_empty(path: Path) -> None:
    """The PNG of an arm that is left out."""
    figure = Figure(figsize=(4, 1))
    figure.suptitle("left out: no real images are held back for it", fontsize=10)
    with whole(path) as part:
        figure.savefig(part, format="png", dpi=DPI)


@matplotlib.rc_context(PLAIN_TEXT)
def beside(real: ImageSet, results: Sequence[BoxResult]) -> Figure:
    """Test images, spread evenly over them, each with what the detectors of every result found, side by side.

    True boxes are thin and whole, found ones thick and dashed, with their score. Of several classes each has a number,
    so that nobody needs the colours.

    Args:
        real: the image set.
        results: one or two, of the same test images.
    """
    first = results[0]
    chosen = spread(len(first.ids), COLUMNS * ROWS // len(results))
    panels = [(place, result) for place in chosen for result in results]
    rows = dict(zip(real.metadata["id"], range(len(real.metadata)), strict=True))
    lines = -(-len(panels) // COLUMNS)
    figure = Figure((COLUMNS * SIDE, lines * (SIDE + 0.2) + 1.0), layout="constrained")
    axes = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (place, result) in zip(axes, panels, strict=False):
        _image(ax, real.images[rows[result.ids[place]]])
        ax.set_title(result.ids[place] if len(results) == 1 else result.arm, fontsize=8)
        _boxes(ax, result.truth, place, len(first.classes), TRUE)
        _boxes(ax, result.repetitions[0].found, place, len(first.classes), FOUND)
    handles = [
        Line2D([], [], color=colour, linewidth=3, label=f"{number}{shortened(name, LETTERS)}")
        for name, number, colour in zip(first.classes, *_looks(len(first.classes)), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), fontsize=8, frameon=False)
    return figure


def spread(images: int, most: int) -> list[int]:
    """Places of at most so many of the images, evenly: nothing is chosen by what was found."""
    return np.unique(np.linspace(0, images - 1, min(most, images)).astype(int)).tolist()


def _looks(classes: int) -> tuple[list[str], list[str]]:
    """What is written before a score or a name, and a colour, for each class; a single class needs no number."""
    numbers = [f"{k + 1}: " for k in range(classes)] if classes > 1 else [""]
    return numbers, list(itertools.islice(itertools.cycle(COLOURS), classes))


def _image(ax: Axes, image: np.ndarray) -> None:
    """As it is stored, without stretching; pixel (0, 0) from 0 to 1, as boxes count."""
    height, width, channels = image.shape
    look: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": np.iinfo(image.dtype).max} if channels == 1 else {}
    shown = image[..., 0] if channels == 1 else image / np.iinfo(image.dtype).max
    ax.imshow(shown, extent=(0, width, height, 0), interpolation="nearest", **look)


def _boxes(ax: Axes, boxes: Boxes, place: int, classes: int, style: dict[str, Any]) -> None:
    numbers, colours = _looks(classes)
    scores: Sequence[float | None] = boxes.score or [None] * len(boxes.image)
    for image, class_id, box, score in zip(boxes.image, boxes.class_id, boxes.box, scores, strict=True):
        if image != place or (score is not None and score < SHOWN):
            continue
        x0, y0, x1, y1 = box
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colours[class_id], **style))
        label = {"facecolor": colours[class_id], "edgecolor": "none", "pad": 0.6}
        words: dict[str, Any] = {"fontsize": 6, "color": "black", "bbox": label, "clip_on": True}
        if score is not None:
            above = y0 > 0.06 * max(ax.get_ylim())  # at the upper edge there is room below the line only
            ax.text(x0, y0, f"{numbers[class_id]}{score:.2f}", va="bottom" if above else "top", **words)
        elif classes > 1:
            ax.text(x1, y1, f"{class_id + 1}", va="bottom", ha="right", **words)
