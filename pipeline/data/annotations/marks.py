"""Gathers what is marked in an image, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.data.annotations.records import Fault, Record, Region, Size
from pipeline.data.annotations.shapes import Shape, ends
from pipeline.data.reading.frame import Rejected


class Marks:
    def __init__(self) -> None:
        self.regions: list[Region] = []
        self.faults: list[Fault] = []
        self.shapes: list[Shape] = []

    @contextmanager
    def reading(self, which: str) -> Iterator[None]:
        """While one mark is read, which the file counts or calls so: where it is refused, the others are read."""
        try:
            yield
        except Rejected as reason:
            self.faults.append(Fault(which, str(reason)))

    def add(self, region: Region, outline: Shape | None = None) -> None:
        """A region; without an outline only its extent is known."""
        self.regions.append(region)
        self.shapes += [outline] if outline else []

    def add_shape(self, shape: Shape, outlined: bool) -> None:
        """The region of a shape, which is its outline or shows its extent alone. Raises Rejected where it is empty."""
        self.add(Region(shape.label, *ends(shape)), shape if outlined else None)

    def record(self, image: str, stem: bool, where: str, size: Size, **more: Any) -> Record:
        """What the file says of the image; the arguments are those of `Record`."""
        known = self.shapes if len(self.shapes) == len(self.regions) else None
        return Record(image, stem, where, size, self.regions, self.faults, shapes=known, **more)
