"""What evaluations hold beside their numbers: curves and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.catalog import METRICS
from pipeline.report import figures, images
from pipeline.report.tables import FLOOR

Evaluation = Mapping[str, Any]  # what an `evaluation.json` says


def notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """What the evaluations had to say, each sentence once, with those that it concerns."""
    found: dict[str, list[str]] = {}
    for body in evaluations:
        names = {row.get("model", body["model"]) for row in body["metrics"]}
        for note in body.get("notes", []):
            start, _, rest = note.partition(": ")
            # One file holds the floor and the noise baselines; there a note begins with the one that it concerns.
            name, text = (start, rest) if body["seed"] is None and start in names else (body["model"], note)
            concerned = found.setdefault(text, [])
            if name not in concerned:
                concerned.append(name)
    return [f"{text} ({', '.join(names)})" for text, names in found.items()]


def psd(real: Evaluation, models: Mapping[str, Sequence[Evaluation]]) -> str | None:
    """Data URI of the spectra's figure, None without any; a generator's line is the mean over its seeds.

    Args:
        real: evaluation of the real images, empty without: its sample is the held-out images, where there are some.
        models: evaluations of each generator's seeds.
    """
    found = _curve("psd", real, models)
    if found is None:
        return None
    first, floor, lines = found
    band = {"mean": first["reference"], "low": first["reference_low"], "high": first["reference_high"]}
    return images.svg(figures.psd(first["frequency"], band, floor, lines, first["unit"]))


def microstructure(real: Evaluation, models: Mapping[str, Sequence[Evaluation]]) -> str | None:
    """Data URI of the figure of the phases' statistics; None without any. Args as `psd`."""
    curves = {m.name: _curve(m.name, real, models) for m in METRICS.values() if m.curve}
    found = {name: curve for name, curve in curves.items() if curve is not None}
    return images.svg(figures.microstructure(found)) if found else None


def binarisation(evaluations: Sequence[Evaluation]) -> dict[str, Any] | None:
    """How all images of a data set were cut in two phases, `threshold` (0 to 1) and `boundaries` among it."""
    return next((found for body in evaluations if (found := body.get("phases"))), None)


def _curve(
    name: str, real: Evaluation, models: Mapping[str, Sequence[Evaluation]]
) -> tuple[dict[str, Any], Sequence[float] | None, dict[str, Sequence[float]]] | None:
    """A curve with its reference, the line of the held-out real images if any, and a line for each generator."""
    first, floor, lines = real.get("curves", {}).get(name), None, {}
    if first and any(row.get("model", FLOOR.name) == FLOOR.name for row in real["metrics"]):
        floor = first["sample"]
    for model, bodies in models.items():
        found = [curve for body in bodies if (curve := body.get("curves", {}).get(name))]
        if found:
            first = first or found[0]
            lines[model] = np.mean([curve["sample"] for curve in found], axis=0)
    return None if first is None else (first, floor, lines)
