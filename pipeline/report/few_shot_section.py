"""What the pages say of few shots: how many real images each generator is worth, curves, and the table of both."""

from __future__ import annotations

from typing import Any

from pipeline.downstream.records import Arm
from pipeline.report import few_shot_figure, images
from pipeline.report.few_shot_curves import WITHOUT, Curves, drawn
from pipeline.report.labels import gain_of, interval, often, points
from pipeline.report.labels import number_of_images as number
from pipeline.report.sentences import badge, few_shots, like
from pipeline.report.style import STYLES


def context(curves: Curves) -> dict[str, Any]:
    """What the templates draw.

    Returns:
        `family`, `task`, `score`, `members` (`dataset`, `images`), `repeats`, `n_test`, `sentences`, `overview`
        and `panels` (data URIs; the first None with more generators than colours), `rows` of
        the table: `name` and `cells`, one a member, None where the arm was not judged.
    """
    arms = [name for name, arm in curves.generators.items() if arm.real]
    every = curves.points[0].arms
    figure = (curves.images, drawn(curves), curves.score)
    return {
        "family": curves.family,
        "task": curves.task,
        "score": curves.score,
        "members": [{"dataset": point.dataset, "images": number(point.images)} for point in curves.points],
        "repeats": often(list(every.values())),
        "n_test": curves.points[0].first.n_test,
        "sentences": [few_shots(name, curves.images, curves.efficiencies[name]) for name in arms],
        "overview": images.svg(few_shot_figure.overview(*figure)) if len(arms) <= len(STYLES) else None,
        "panels": images.svg(few_shot_figure.panels(*figure)),
        "rows": [_first_row(curves), *(_row(curves, name) for name in curves.generators)],
    }


def _first_row(curves: Curves) -> dict[str, Any]:
    cells = [{"mean": _percent(point.first), "arm": point.first.arm} for point in curves.points]
    return {"name": f"strongest {WITHOUT}", "cells": cells}


def _row(curves: Curves, name: str) -> dict[str, Any]:
    arms = [point.arms.get(name) for point in curves.points]
    return {"name": name, "cells": [None if arm is None else _cell(arm) for arm in arms]}


def _cell(arm: Arm) -> dict[str, Any]:
    of = arm.label_efficiency
    assert of is not None  # in a family all arms with a generator have one
    worth = like(of) if of.unknown else f"like {like(of)}"
    gain = f"{points(gain_of(arm)[0])} ({interval(arm)})"
    return {"mean": _percent(arm), "gain": gain, "verdict": badge(arm.verdict), "worth": worth}


def _percent(arm: Arm) -> str:
    return f"{100 * arm.score:.1f}"
