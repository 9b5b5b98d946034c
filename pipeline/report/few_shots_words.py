"""What the pages say of few shots: how many real images each generator is worth, curves, and the table of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from pipeline.detection.worth import Worth
from pipeline.report import few_shots_figure, images
from pipeline.report.answer import verdict
from pipeline.report.few_shots import WITHOUT, Arm, Curves, drawn, with_real
from pipeline.report.labels import number_of_images as number
from pipeline.report.labels import points
from pipeline.report.style import STYLES


def shown(curves: Curves) -> dict[str, Any]:
    """What the templates draw.

    Returns:
        `family`, `task`, `score`, `members` (`dataset`, `images`), `repeats`, `n_test`, `sentences`, `overview`
        and `panels` (data URIs; the first None with more generators than colours), `rows` of
        the table: `name` and `cells`, one a member, None where the arm was not judged.
    """
    arms = [name for name in curves.generative if with_real(name)]
    first = curves.points[0].first
    figure = (curves.images, drawn(curves), curves.task.score)
    return {
        "family": curves.family,
        "task": curves.task.name,
        "score": curves.task.score,
        "members": [{"dataset": point.dataset, "images": number(point.images)} for point in curves.points],
        "repeats": len(first["scores"]),
        "n_test": first["n_test"],
        "sentences": [sentence(name, curves.images, curves.worths[name]) for name in arms],
        "overview": images.svg(few_shots_figure.overview(*figure)) if len(arms) <= len(STYLES) else None,
        "panels": images.svg(few_shots_figure.panels(*figure)),
        "rows": [_first_row(curves), *(_row(curves, name, of) for name, of in curves.worths.items())],
    }


def _first_row(curves: Curves) -> dict[str, Any]:
    cells = [{"mean": _percent(point.first), "arm": point.first["arm"]} for point in curves.points]
    return {"name": f"strongest {WITHOUT}", "cells": cells}


def _row(curves: Curves, name: str, worths: Sequence[Worth | None]) -> dict[str, Any]:
    arms = [point.arms.get(name) for point in curves.points]
    cells = [None if of is None else _cell(arm, of) for arm, of in zip(arms, worths, strict=True)]
    return {"name": name, "cells": cells}


def _cell(arm: Arm, of: Worth) -> dict[str, Any]:
    worth = like(of) if of.unknown else f"like {like(of)}"
    gain = f"{points(arm['difference'])} ({points(arm['low'])} to {points(arm['high'])})"
    return {"mean": _percent(arm), "gain": gain, "verdict": verdict(arm["verdict"]), "worth": worth}


def _percent(arm: Arm) -> str:
    return f"{100 * arm['mean']:.1f}"


def sentence(name: str, images: Sequence[float], worths: Sequence[Worth | None]) -> Markup:
    """`real+ddpm at 10 real images a class scores like 17 (12 to 31) without a generator; at 20 like more than 40.`"""
    asked = [(number(n), of) for n, of in zip(images, worths, strict=True) if of is not None]
    told = [(n, like(of)) for n, of in asked if not of.unknown]
    untold = [n for n, of in asked if of.unknown]
    parts = [f"at {n} like {number_of}" for n, number_of in told[1:]]
    if told:
        n, number_of = told[0]
        parts.insert(0, f"at {n} real images a class scores like {number_of} {WITHOUT}")
    if untold:
        parts.append(f"at {listed(untold)}{'' if told else ' real images a class'} the intervals cannot tell")
    return Markup("<b>{}</b> {}.").format(name, "; ".join(parts))


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def like(of: Worth) -> str:
    """Number of images in words, with its interval: `17 (12 to 31)`, `more than 40 (at least 22)`."""
    fewer, more = f"fewer than {number(of.first)}", f"more than {number(of.last)}"
    if of.unknown:
        return f"cannot tell ({fewer} to {more})"
    low, high = number(of.low) if of.low else fewer, number(of.high) if np.isfinite(of.high) else more
    if np.isnan(of.at):
        return f"{low} to {high} (the curve is level there)"
    if of.at == 0:
        return fewer if of.high <= of.first else f"{fewer} (at most {high})"
    if np.isinf(of.at):
        return more if of.low >= of.last else f"{more} (at least {low})"
    return f"{number(of.at)} ({low} to {high})"
