"""Which image an annotation means, by name alone: a name is compared, never opened."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pipeline.data.annotations.records import Record
from pipeline.data.reading.frame import Header, Rejected

LONGEST = 4096  # characters of a path; each of its ends is compared, so time grows with the square


class Ambiguous(Rejected):
    """A name that several images have: which of them is meant is not known."""

    def __init__(self, sources: set[str]):
        first, second = sorted(sources)[:2]
        super().__init__(f"could mean {first} or {second}")
        self.sources = sources
        """All that may be meant, two or more."""


class Names:
    """The images of a source by their names and by the ends of these, with and without suffix."""

    def __init__(self, headers: list[Header]):
        self._found: dict[str, set[str]] = {}
        for header in headers:
            whole = header.index is not None or header.key is not None  # one of many in a file: `a.tif[3]`
            for name in {header.source, header.source if whole else os.path.splitext(header.source)[0]}:
                for end in _ends(name):
                    self._found.setdefault(end, set()).add(header.source)

    def find(self, record: Record) -> str:
        """The image that a record means: the longest end of its path that any image has must be one image's alone.

        Raises:
            Ambiguous: several images are called so.
            Rejected: none is.
        """
        if len(record.image) > LONGEST:
            raise Rejected(f"names an image in {len(record.image)} characters, more than a path may have")
        name = record.image.replace("\\", "/")
        for wanted in (name, *([] if record.stem else [os.path.splitext(name)[0]])):
            for end in _ends(wanted):
                found = self._found.get(end, set())
                if len(found) == 1:
                    return next(iter(found))
                if found:
                    raise Ambiguous(found)
        raise Rejected("no image of the source is called so")


def _ends(name: str) -> Iterator[str]:
    """`a/b/c`, `b/c`, `c`."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    yield from ("/".join(parts[i:]) for i in range(len(parts)))
