"""Which image an annotation means, by name alone: a name is compared, never opened."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from pipeline.data.annotations.records import Record
from pipeline.data.reading.frame import Header, Rejected
from pipeline.data.reading.mask_names import OF_IMAGES, nearest

LONGEST = 4096  # characters of a path; each of its ends is compared, so time grows with the square
PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")  # of Label Studio, before the names of uploaded files
AFTER = re.compile(r"_(?:jpe?g|png|bmp|tiff?|webp|gif)\.rf\.[0-9a-z]+(?=\.|$)")  # of Roboflow, before the suffix


class Ambiguous(Rejected):
    """A name that several images have: which of them is meant is not known."""

    def __init__(self, sources: set[str]):
        first, second = sorted(sources)[:2]
        super().__init__(f"could mean {first} or {second}: put it into a folder called as its image's")
        self.sources = sources
        """All that may be meant, two or more."""


class Names:
    """The images of a source by their names and by the ends of these, with and without suffix."""

    def __init__(self, headers: list[Header]):
        self._found: dict[str, set[str]] = {}
        self._loosely: dict[str, set[str]] = {}
        for header in headers:
            whole = header.index is not None or header.key is not None  # one of many in a file: `a.tif[3]`
            for name in {header.source, header.source if whole else os.path.splitext(header.source)[0]}:
                for found, written in ((self._found, name), (self._loosely, _loose(name))):
                    for end in _ends(written):
                        found.setdefault(end, set()).add(header.source)

    def known(self, stem: str) -> int:
        """Parts of the longest end of a path, without its suffix, that any image has; 0 where none has one."""
        return next((end.count("/") + 1 for end in _ends(stem) if end in self._found), 0)

    def find(self, record: Record, file: str = "") -> str:
        """The image that a record means: the longest end of its path that any image has must be one image's alone, or
        of several images' one must have most folders in common with the annotation file.

        Where no image is called exactly so, names count as equal that differ in case, in how accents are written, or in
        what annotation tools add.

        Args:
            file: the annotation file, relative to the folder of all: `train/labels/0.txt` is of `train/images/0.jpg`.

        Raises:
            Ambiguous: several images are called so.
            Rejected: none is.
        """
        if len(record.image) > LONGEST:
            raise Rejected(f"names an image in {len(record.image)} characters, more than a path may have")
        name = record.image.replace("\\", "/")
        stem = name if record.stem else os.path.splitext(name)[0]
        for names, written in ((self._found, (name, stem)), (self._loosely, (_loose(name), _loose(stem)))):
            for end in (end for wanted in dict.fromkeys(written) for end in _ends(wanted)):
                found = names.get(end, set())
                if len(found) == 1:
                    return next(iter(found))
                if found:
                    return _nearest(file, found)
        raise Rejected("no image of the source is called so")


def _nearest(file: str, sources: set[str]) -> str:
    """The one image that has most folders in common with a file. Raises Ambiguous where several have as many."""
    first, *others = nearest(file, sources)
    if others:
        raise Ambiguous(sources)
    return first


def _loose(name: str) -> str:
    """A path in one form of those that tools and file systems make of it."""
    folder, slash, last = unicodedata.normalize("NFC", unquote(name)).casefold().rpartition("/")
    return folder + slash + (OF_IMAGES.sub("", AFTER.sub("", PREFIX.sub("", last))) or last)


def _ends(name: str) -> Iterator[str]:
    """`a/b/c`, `b/c`, `c`."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    yield from ("/".join(parts[i:]) for i in range(len(parts)))
