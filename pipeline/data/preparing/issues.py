"""What was noticed of the user's files: images that are left out, and boxes that are not as one would expect."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pipeline.base.files import whole
from pipeline.settings import UserError

LEFT_OUT = "left out"  # this box, or a file that belongs to no image
CLIPPED = "clipped"  # this box, at the edge of its image
KEPT = "kept"  # this box, though it is odd
UNKNOWN = "unknown"  # all boxes of this image


class Issues:
    """A list of what was noticed, which is written as a table."""

    columns: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.rows: list[Any] = []
        """One of `columns` each."""

    def __len__(self) -> int:
        return len(self.rows)

    def write(self, path: Path) -> None:
        """A CSV file; only the names of the columns where all was well."""
        with whole(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([self.columns, *sorted(self.rows)])


@contextmanager
def surviving(issues: Issues, path: Path) -> Iterator[None]:
    """Leave the list at `path` where the block fails, for Snakemake deletes the outputs of a failed job.

    Raises:
        UserError: that of the block, which then says where the list is.
    """
    path.unlink(missing_ok=True)  # of an earlier failure
    try:
        yield
    except BaseException as error:
        if not len(issues):
            raise
        try:
            issues.write(path)
        except OSError:
            raise error from None
        if isinstance(error, UserError):
            raise UserError(f"{error}; all {len(issues)} lines are in {path}") from error
        raise


class Rejections(Issues):
    """`rejected.csv`: files and images left out, each with its reason."""

    columns = ("file", "reason")

    def add(self, file: str, reason: str) -> None:
        """Note that `file` was left out."""
        self.rows.append((file, reason))

    def counted(self, most: int = 8) -> list[str]:
        """How many there are for each reason, the most frequent first, with the names of three."""
        kinds: dict[str, list[tuple[str, str]]] = {}
        for file, reason in sorted(self.rows):
            kinds.setdefault(kind_of(reason), []).append((file, reason))
        ranked = sorted(kinds.values(), key=lambda rows: -len(rows))
        lines = []
        for rows in ranked[:most]:
            names = ", ".join(file for file, _ in rows[:3]) + (", ..." if len(rows) > 3 else "")
            lines.append(f"{len(rows)} rejected: {rows[0][1]} ({names})")
        return lines + ([f"... and for {len(ranked) - most} more reasons"] if len(ranked) > most else [])

    def summary(self, most: int = 3) -> str:
        """The first few, for a message."""
        lines = [f"{file}: {reason}" for file, reason in sorted(self.rows)[:most]]
        more = len(self.rows) - len(lines)
        return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


class Remarks(Issues):
    """`boxes_remarks.csv`: boxes that are not as one would expect, what was done with them, and why."""

    columns = ("file", "box", "done", "reason")

    def add(self, file: str, box: str, done: str, reason: str) -> None:
        """Note what was `done` with a box of the image or annotation `file`; `box` is empty where it was all of it."""
        self.rows.append((file, box, done, reason))

    def counted(self, most: int = 10) -> list[str]:
        """How often each thing was done for each reason, the most frequent first."""
        kinds: dict[tuple[str, str, bool], list[tuple[str, str]]] = {}
        for file, box, done, reason in self.rows:
            kinds.setdefault((done, kind_of(reason), bool(box)), []).append((file, reason))
        ranked = sorted(kinds.items(), key=lambda item: -len(item[1]))
        lines = []
        for (done, _, of_box), rows in ranked[:most]:
            others = len({reason for _, reason in rows}) > 1
            things = _things(done, of_box, [file for file, _ in rows])
            lines.append(f"{things} {done}: {rows[0][1]}{' (the first of them)' if others else ''}")
        if len(ranked) > most:
            lines.append(f"... and for {len(ranked) - most} more reasons (boxes_remarks.csv)")
        return lines


def _things(done: str, box: bool, files: list[str]) -> str:
    if box:
        return f"{len(files)} box(es) of {len(set(files))} file(s)"
    return f"boxes of {len(files)} image(s)" if done == UNKNOWN else f"{len(files)} annotation(s)"


def kind_of(reason: str) -> str:
    """A reason without its names and numbers: those that differ in these alone are one."""
    return re.sub(r"`[^`]*`|\"[^\"]*\"|\d+", "", reason)
