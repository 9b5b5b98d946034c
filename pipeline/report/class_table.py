"""What the synthetic images do for each class of the detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from pipeline.downstream.records import Arm, ClassEstimate
from pipeline.report import figures, images
from pipeline.report.detector_findings import generators, surely_changed
from pipeline.report.labels import gain_of, points

DRAWN = 20  # classes; of more the figure cannot be read: those that change most are drawn


def context(arms: Sequence[Arm], name: str = "F1") -> dict[str, Any] | None:
    """What the template draws, None without arms with generators, or where no class has a score of its own.

    Args:
        arms: of one kind of detectors, the baseline first.
        name: of the score of a class, for the reader.

    Returns:
        `plot`; `changes`, a sentence for each arm in which a class surely changes; `unsure`, the names of the other
        arms; `left_out`, how many classes are not drawn.
    """
    shown = generators(arms)
    if not shown or not arms[0].by_class:
        return None
    without = arms[0].by_class
    drawn = _most_moved(shown, len(without))
    gains = {arm.arm: [arm.by_class[k] for k in drawn] for arm in shown}
    plot = figures.class_gains([without[k].name for k in drawn], [without[k].score for k in drawn], gains, name)
    changes = {arm.arm: _changes(arm, without, name) for arm in shown}
    return {
        "plot": images.svg(plot),
        "changes": [text for text in changes.values() if text],
        "unsure": [name for name, text in changes.items() if not text],
        "left_out": len(without) - len(drawn),
    }


def _most_moved(arms: Sequence[Arm], classes: int) -> list[int]:
    """Ascending positions of the DRAWN classes whose score differs most in any arm."""
    moved = [max(abs(gain_of(arm.by_class[k])[0]) for arm in arms) for k in range(classes)]
    return sorted(sorted(range(classes), key=lambda k: -moved[k])[:DRAWN])


def _changes(arm: Arm, without: Sequence[ClassEstimate], name: str) -> Markup:
    """`real+cgan: pits loses most, F1 from 54.2 to 20.1 % (−34.1 points, …)`; empty where no class surely changes."""
    before = {row.name: row.score for row in without}
    text = Markup("<b>{}</b> {} most, {} from {:.0f} to {:.0f} % ({} points, {} to {})")
    found = [
        text.format(row.name, word, name, 100 * before[row.name], 100 * row.score, *_gain(row))
        for word, row in surely_changed(arm.by_class).items()
        if row is not None
    ]
    return Markup("{}: ").format(arm.arm) + Markup("; ").join(found) + Markup(".") if found else Markup("")


def _gain(row: ClassEstimate) -> tuple[str, ...]:
    return tuple(map(points, gain_of(row)))
