"""What was left out, and why."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pipeline.base.files import whole
from pipeline.settings import UserError


class Notes(Protocol):
    """A list of what was noticed of the user's files."""

    def __len__(self) -> int: ...

    def write(self, path: Path) -> None: ...


@contextmanager
def surviving(notes: Notes, path: Path) -> Iterator[None]:
    """Leave the list at `path` where the block fails, for Snakemake deletes the outputs of a failed job.

    Raises:
        UserError: that of the block, which then says where the list is.
    """
    path.unlink(missing_ok=True)  # of an earlier failure
    try:
        yield
    except BaseException as error:
        if not len(notes):
            raise
        try:
            notes.write(path)
        except OSError:
            raise error from None
        if isinstance(error, UserError):
            raise UserError(f"{error}; all {len(notes)} lines are in {path}") from error
        raise


class Rejections:
    """Files and images left out, each with its reason."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    def add(self, file: str, reason: str) -> None:
        """Note that `file` was left out."""
        self.rows.append((file, reason))

    def __len__(self) -> int:
        return len(self.rows)

    def write(self, path: Path) -> None:
        """`rejected.csv`: columns file, reason; only these two names where nothing was rejected."""
        with whole(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("file", "reason"), *sorted(self.rows)])

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


def kind_of(reason: str) -> str:
    """A reason without its names and numbers: those that differ in these alone are one."""
    return re.sub(r"`[^`]*`|\"[^\"]*\"|\d+", "", reason)
