"""What the logs of failed jobs say last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

LAST = 10  # lines
_LOGS = re.compile(r"^ +log: (.+) \(check log file\(s\) for error details\)$", re.MULTILINE)


def last_lines(run: str) -> Iterator[str]:
    """The last ten lines of every log of a failed job that is there and not empty, each log once.

    Args:
        run: the log of Snakemake, which names them.
    """
    named = (path for found in _LOGS.findall(run) for path in found.split(", "))
    for path in map(Path, dict.fromkeys(named)):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if lines := text.splitlines()[-LAST:]:
            yield f"{path} ends with:"
            yield from (f"    {line}" for line in lines)
