"""A line for each data set on the first page, where there are several: both answers in short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.downstream.records import Arm
from pipeline.report.detector_findings import best_of
from pipeline.report.findings import Ranking
from pipeline.report.labels import DETECTORS, gain_of, interval, points
from pipeline.report.sentences import badge, made_of


def line(rankings: Sequence[Ranking], arms: Sequence[Arm]) -> dict[str, Any]:
    """The line of one data set.

    Args:
        rankings: of its generators, the one to answer by first.
        arms: of one task, the baseline first; may be empty.

    Returns:
        `closest`, names of the generators that no other is closer than; `without`, the score of the best training
        without a generator in percent, None without a detector; `score`, its name; `gain` of the best arm with one:
        `made_of`, `text`, `interval`, `verdict`, or None.
    """
    best = best_of(arms)
    return {
        "closest": rankings[0].closest if rankings else [],
        "without": f"{100 * arms[0].score:.1f}" if arms else None,
        "score": DETECTORS[arms[0].task].score if arms else "",
        "gain": _gain(best) if best else None,
    }


def _gain(best: Arm) -> dict[str, Any]:
    words = {"made_of": made_of(best), "verdict": badge(best.verdict)}
    return words | {"text": points(gain_of(best)[0]), "interval": interval(best)}
