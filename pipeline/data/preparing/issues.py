"""What was noticed of boxes, one line each."""

from __future__ import annotations

import csv
from pathlib import Path

from pipeline.base.files import whole
from pipeline.data.preparing.rejections import kind_of

LEFT_OUT = "left out"  # this box, or a file that belongs to no image
CLIPPED = "clipped"  # this box, at the edge of its image
KEPT = "kept"  # this box, though it is odd
UNKNOWN = "unknown"  # all boxes of this image


class Remarks:
    """Boxes and images that are not as one would expect, what was done with them, and why."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    def add(self, file: str, box: str, done: str, reason: str) -> None:
        """Note what was `done` with a box of the image or annotation `file`; `box` is empty where it was all of it."""
        self.rows.append((file, box, done, reason))

    def __len__(self) -> int:
        return len(self.rows)

    def write(self, path: Path) -> None:
        """`boxes_remarks.csv`: columns file, box, done, reason; only these names where all was well."""
        with whole(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("file", "box", "done", "reason"), *sorted(self.rows)])

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
