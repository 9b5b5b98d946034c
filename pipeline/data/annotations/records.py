"""What an annotation file says of each of its images, whatever its format."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.data.reading.frame import Rejected

if TYPE_CHECKING:
    from pipeline.data.annotations.shapes import Shape

Size = tuple[float, float] | None  # (H, W) of an image in pixels
LONGEST_NAME = 200  # characters of a class, which stands in every row of its boxes


class Region(NamedTuple):
    """A marked part of an image: columns x0 to x1, rows y0 to y1, half-open, in pixels of the upright picture.

    Edges, not centres, are counted: the first pixel reaches from 0 to 1, so a width is x1 - x0.
    """

    label: str
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def area(self) -> float:
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def __str__(self) -> str:
        return f"{self.label} [{self.x0:g}, {self.y0:g}, {self.x1:g}, {self.y1:g}]"


class Fault(NamedTuple):
    """A box that cannot be read."""

    box: str
    """Which one, as the file counts or calls them."""
    reason: str


class Mask(NamedTuple):
    """A file that shows pixel by pixel where the regions of an image are."""

    path: str
    name: str
    """What messages call it."""


class Record(NamedTuple):
    """What one file says of one image; of masks, what several say together."""

    image: str
    """The name by which the file knows the image; without its suffix where `stem`."""
    stem: bool
    where: str
    """The file, for messages."""
    size: Size
    """(H, W) of the image as recorded; None where the format or the file records none."""
    regions: list[Region]
    faults: list[Fault]
    fractions: bool = False
    """Whether the regions are in fractions of the image's width and height, not in pixels."""
    unreadable: str | None = None
    """Why nothing is known of this image."""
    masks: tuple[Mask, ...] = ()
    """Those that show the regions."""
    values: tuple[str, ...] = ()
    """Of a mask that have no names, where there are several."""
    shapes: list[Shape] | None = None
    """Outlines of all regions; None where one or more are not told."""

    @property
    def outlined(self) -> bool:
        """Whether it tells the shape of each region."""
        return bool(self.masks) or self.shapes is not None

    def pixels(self, height: int, width: int) -> list[Region]:
        """The regions in pixels of an image of (height, width)."""
        if not self.fractions:
            return self.regions
        return [Region(r.label, r.x0 * width, r.y0 * height, r.x1 * width, r.y1 * height) for r in self.regions]


class Reading(NamedTuple):
    """What one file holds."""

    records: list[Record]
    faults: list[Fault]
    """Of boxes that belong to no image."""
    unreadable: str | None = None
    """Why nothing is known of the file, or of a part of it, nor which images that tells of."""
    sizeless: bool = False
    """Whether nothing is known yet but which images it tells of, whose sizes it needs to be read."""


def number(value: Any, what: str) -> float:
    """A coordinate, which may be NaN. Raises Rejected where it is none: true and 1_0 are numbers to Python alone."""
    try:
        if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
            raise ValueError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise Rejected(f"its {what} is no number") from None


def size_of(height: Any, width: Any) -> Size:
    """As recorded; None where they are no numbers, or 0, which some tools write for what they do not know."""
    try:
        found = number(height, "height"), number(width, "width")
    except Rejected:
        return None
    return found if all(found) else None


def name_of(value: Any) -> str:
    """A class's name with its white space in order; a whole number is one too. Raises Rejected where there is none that
    tables could hold."""
    if isinstance(value, bool):
        raise Rejected(f"has the class {str(value).lower()} without quotes, which is no word; write it in quotes")
    if isinstance(value, int):
        value = str(value)
    if isinstance(value, str) and len(value) > LONGEST_NAME:
        raise Rejected(f"has a class whose name has {len(value)} characters, more than {LONGEST_NAME}")
    name = " ".join(value.split()) if isinstance(value, str) else ""
    if not name:
        raise Rejected("has no class")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise Rejected("has a class whose name has a control character or half a letter")
    return name
