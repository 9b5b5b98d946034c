"""What evaluations hold beside their numbers: curves and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.report import figures, images
from pipeline.report.answer import FLOOR
from pipeline.report.tables import read_json


def notes(evaluations: Sequence[Path]) -> list[str]:
    """What the evaluations had to say, each sentence once, with those that it concerns."""
    found: dict[str, list[str]] = {}
    for path in evaluations:
        body = read_json(path)
        names = {row.get("model", body["model"]) for row in body["metrics"]}
        for note in body.get("notes", []):
            start, _, rest = note.partition(": ")
            # One file holds the floor and the ceilings; there a note begins with the one that it concerns.
            name, text = (start, rest) if body["model"] == FLOOR and start in names else (body["model"], note)
            concerned = found.setdefault(text, [])
            if name not in concerned:
                concerned.append(name)
    return [f"{text} ({', '.join(names)})" for text, names in found.items()]


def psd(real: Path | None, models: Mapping[str, Sequence[Path]]) -> str | None:
    """Data URI of the spectra's figure, None without any; a generator's line is the mean over its seeds.

    Args:
        real: evaluation of the real images: its sample is the held-out images, where there are some.
        models: evaluations of each generator's seeds.
    """
    first, floor = None, None
    if real is not None and real.is_file():
        body = read_json(real)
        first = body.get("curves", {}).get("psd")
        if first and any(row.get("model", FLOOR) == FLOOR for row in body["metrics"]):
            floor = first["sample"]
    lines = {}
    for model, paths in models.items():
        found = [curve for path in paths if (curve := read_json(path).get("curves", {}).get("psd"))]
        if found:
            first = first or found[0]
            lines[model] = np.mean([curve["sample"] for curve in found], axis=0)
    if first is None:
        return None
    band = {"mean": first["reference"], "low": first["reference_low"], "high": first["reference_high"]}
    return images.svg(figures.psd(first["frequency"], band, floor, lines, first["unit"]))
