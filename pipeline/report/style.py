"""How series look: the same colour, line and marker for a name in every figure of a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Style(NamedTuple):
    color: str
    line: str | tuple
    marker: str


REAL = Style("#000000", "-", "o")

# Okabe & Ito (2008), told apart with colour-blind eyes; line and marker tell them apart in gray.
STYLES = (
    Style("#0072B2", "-", "s"),
    Style("#D55E00", "--", "D"),
    Style("#009E73", "-.", "^"),
    Style("#CC79A7", (0, (1, 1.2)), "v"),
    Style("#E69F00", (0, (6, 1.5, 1, 1.5, 1, 1.5)), "P"),
    Style("#56B4E9", (0, (8, 3)), "X"),
)


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name, in order. Beyond six names the colours begin again, each with another line and marker."""
    k = len(STYLES)
    return {
        name: Style(STYLES[i % k].color, STYLES[(i + i // k) % k].line, STYLES[(i + i // k) % k].marker)
        for i, name in enumerate(names)
    }
