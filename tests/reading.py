"""Notes which rows of image sets are read, of images and of boxes: what no job may see shows in the list."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.data import box_store
from pipeline.data.image_set import ImageSet


@dataclass
class Reads:
    """Every reading, in order: what ("images" or "boxes"), name of the set's folder, rows of the set."""

    events: list[tuple[str, str, list[int]]] = field(default_factory=list)

    def rows(self, what: str, name: str) -> list[int]:
        """Ascending, each once."""
        return sorted({row for kind, of, rows in self.events if (kind, of) == (what, name) for row in rows})


class Images:
    """Stands in for a set's images."""

    def __init__(self, images, name, noted):
        self._images, self._name, self._noted = images, name, noted

    shape = property(lambda self: self._images.shape)
    dtype = property(lambda self: self._images.dtype)

    def __len__(self):
        return len(self._images)

    def __getitem__(self, rows):
        first = rows[0] if isinstance(rows, tuple) else rows
        self._noted.append(("images", self._name, np.atleast_1d(np.arange(len(self))[first]).tolist()))
        return self._images[rows]

    def __array__(self, *words, **more):
        return np.asarray(self[:], *words, **more)


class Table:
    """Stands in for a set's table of boxes. Its ids may be looked at, to choose by; whatever else is done with it whole
    counts as reading the boxes of every image."""

    def __init__(self, table, ids, name, noted):
        self._table, self._ids, self._name, self._noted = table, ids, name, noted

    def __getitem__(self, key):
        if isinstance(key, str) and key == "id":
            return self._table["id"]
        if str(getattr(key, "dtype", "")) != "bool":
            return self.__getattr__("__getitem__")(key)
        chosen = self._table[key]
        self._noted.append(("boxes", self._name, np.flatnonzero(self._ids.isin(chosen["id"])).tolist()))
        return chosen

    def __getattr__(self, name):
        self._noted.append(("boxes", self._name, list(range(len(self._ids)))))
        return getattr(self._table, name)

    def __len__(self):
        return self.__getattr__("__len__")()


def watched(monkeypatch) -> Reads:
    """From here on every image set that is opened notes what is read of it."""
    reads, read = Reads(), box_store.read

    def images(self):
        # One for each set, kept where the property would keep the array.
        if "watched" not in self.__dict__:
            whole = np.load(self.path / "images.npy", mmap_mode="r")
            self.__dict__["watched"] = Images(whole, self.path.name, reads.events)
        return self.__dict__["watched"]

    def boxes(folder, own, ids):
        found = read(folder, own, ids)
        return found and found._replace(table=Table(found.table, ids, folder.name, reads.events))

    monkeypatch.setattr(ImageSet, "images", property(images))
    monkeypatch.setattr(box_store, "read", boxes)
    return reads
