"""What is to be said of failed jobs at the end of a run: which were killed, and what their logs say last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

LAST = 10  # lines
# The script is called as its rule; the second end is what a shell says of a job that it waited for.
_KILLED = re.compile(r"\.(\w+)\.py' (?:died with <Signals\.\w+: |returned non-zero exit status )(9|15|137|143)\b")
_BY = {
    9: "was killed by SIGKILL, which the kernel sends where memory runs out; the same command goes on, with fewer jobs "
    "at once (`--cores 1`) where memory is short",
    15: "was stopped by SIGTERM, which schedulers and machines that shut down send; the same command goes on",
}
_BAR = re.compile(r"^\s*$|\d%\|.*\[\d\d:\d\d")  # a progress bar, or nothing
_LOGS = re.compile(r"^ +log: (.+) \(check log file\(s\) for error details\)$", re.MULTILINE)


def killed(run: str) -> Iterator[str]:
    """A line for each stage of which a job was killed: such a job can say nothing itself.

    Args:
        run: the log of Snakemake.
    """
    for stage, end in dict.fromkeys(_KILLED.findall(run)):
        yield f"ERROR: {stage}: {_BY[int(end) % 128]}"


def last_lines(run: str) -> Iterator[str]:
    """The last ten lines, without bars of progress, of every log of a failed job that is not empty, each log once.

    Args:
        run: the log of Snakemake, which names them.
    """
    named = (path for found in _LOGS.findall(run) for path in found.split(", "))
    for path in map(Path, dict.fromkeys(named)):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if lines := [line for line in text.splitlines() if not _BAR.search(line)][-LAST:]:
            yield f"{path} ends with:"
            yield from (f"    {line}" for line in lines)


def way_on(run: str) -> Iterator[str]:
    """How to come to a report although jobs failed, in a line; nothing where none failed by itself.

    Args:
        run: the log of Snakemake.
    """
    if logs := dict.fromkeys(_LOGS.findall(run)):
        yield (
            f"{len(logs)} job(s) failed, and the report needs all. Mend what the lines above name and give the same "
            "command again: what is done stays. With `-k` it goes on with what needs no failed job. For a report of "
            "the rest, take the data set out of `datasets:`, or the model out of `models:`."
        )
