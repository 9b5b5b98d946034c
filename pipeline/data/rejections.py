"""What was left out, and why."""

from __future__ import annotations

import csv
from pathlib import Path

from pipeline.files import whole


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

    def summary(self, most: int = 3) -> str:
        """The first few, for a message."""
        lines = [f"{file}: {reason}" for file, reason in sorted(self.rows)[:most]]
        more = len(self.rows) - len(lines)
        return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
