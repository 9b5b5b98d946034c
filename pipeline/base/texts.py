"""Names of classes and files as text in a picture, whatever they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

PLAIN_TEXT: dict[RcKeyType, Any] = {"text.parse_math": False}  # of matplotlib: no name is a formula (`$`)


def one_line(text: str) -> str:
    """A text that Pillow can draw and measure: ends of lines and other characters without a shape become spaces."""
    return "".join(c if c.isprintable() else " " for c in text)


def shortened(text: str, most: int) -> str:
    """In one line of at most so many characters, for a place that does not grow with its text."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"
