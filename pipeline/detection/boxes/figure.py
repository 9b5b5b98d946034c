"""Test images with the boxes that a person drew and those that a detector found."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pipeline.data.imageset import ImageSet
from pipeline.data.preview import COLOURS
from pipeline.detection.boxes.pool import seen

COLUMNS, ROWS = 4, 3
SHOWN = 0.3  # lowest score of a found box in the picture; those below would cover it
SIDE = 2.6  # inches of an image


def write(real: ImageSet, result: dict[str, Any], path: Path) -> None:
    """Draw up to twelve test images, spread evenly over them, as PNG.

    Args:
        real: the image set.
        result: as `run.run_arm` writes it; of its repetitions the first is shown.
    """
    rows = seen(real, "test")
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(COLUMNS * ROWS, len(rows))).astype(int))
    colours = dict(zip(range(len(result["classes"])), itertools.cycle(COLOURS), strict=False))
    lines = -(-len(chosen) // COLUMNS)
    figure = Figure((COLUMNS * SIDE, lines * (SIDE + 0.2) + 1.0), layout="constrained")
    axes = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, place in zip(axes, chosen.tolist(), strict=False):
        _image(ax, real.images[rows[place]])
        ax.set_title(result["ids"][place], fontsize=8)
        _boxes(ax, result["truth"], place, colours, {"linestyle": "-", "linewidth": 1.0})
        _boxes(ax, result["seeds"][0]["found"], place, colours, {"linestyle": (0, (3, 2)), "linewidth": 1.8})
    figure.suptitle(
        f"{result['dataset']}, {result['arm']}: boxes drawn by a person (thin, whole)\n"
        f"and found by the detector (thick, dashed, with their score; {SHOWN:g} and above)",
        fontsize=10,
    )
    handles = [Line2D([], [], color=colours[k], linewidth=3, label=name) for k, name in enumerate(result["classes"])]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    figure.savefig(part, format="png", dpi=110)
    os.replace(part, path)


def _image(ax: Axes, image: np.ndarray) -> None:
    """As it is stored, without stretching; pixel (0, 0) from 0 to 1, as boxes count."""
    height, width, channels = image.shape
    look = {"cmap": "gray", "vmin": 0, "vmax": np.iinfo(image.dtype).max} if channels == 1 else {}
    shown = image[..., 0] if channels == 1 else image / np.iinfo(image.dtype).max
    ax.imshow(shown, extent=(0, width, height, 0), interpolation="nearest", **look)


def _boxes(ax: Axes, boxes: dict[str, list], place: int, colours: dict[int, str], style: dict[str, Any]) -> None:
    scores = boxes.get("score", [None] * len(boxes["image"]))
    for image, klass, box, score in zip(boxes["image"], boxes["class"], boxes["box"], scores, strict=True):
        if image != place or (score is not None and score < SHOWN):
            continue
        x0, y0, x1, y1 = box
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colours[klass], **style))
        if score is not None:
            label = {"facecolor": colours[klass], "edgecolor": "none", "pad": 0.6}
            ax.text(x0, y0, f"{score:.2f}", fontsize=6, color="black", va="bottom", bbox=label)
