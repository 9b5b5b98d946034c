"""What the check asks, and what it says: cases, their findings, a line of JSON and a line of a table for each."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

HEADER = ("section", "what", "result", "limit", "found", "s")
OK, WRONG, FAILED, MEASURED, LEFT_OUT = "ok", "WRONG", "FAILED", "measured", "left out"


class Finding(NamedTuple):
    """What a case found, by name; whether that is right (None: a measurement, which cannot be wrong); its limit."""

    found: dict[str, Any]
    right: bool | None = None
    limit: str = ""


class Case(NamedTuple):
    section: str
    what: str
    work: Callable[[], Finding]


class LeftOut(Exception):
    """A case that means nothing on this machine; the message says why."""


def run(cases: Iterable[Case], seconds: float, out: Path | None = None) -> list[dict[str, Any]]:
    """Rows of the cases, in their order; those that would begin after so many seconds are left out.

    A case that fails costs no other. Each row is on the console, and in the file `out` as a line of JSON, at once.
    """
    start, rows = time.monotonic(), []
    for case in cases:
        begun = time.monotonic()
        row = {"section": case.section, "what": case.what} | _row(case.work, begun - start < seconds)
        rows.append(row | {"seconds": round(time.monotonic() - begun, 1)})
        print(f"{case.section}: {case.what}: {row['result']}", flush=True)
        if out is not None:
            with open(out, "a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    return rows


def _row(work: Callable[[], Finding], in_time: bool) -> dict[str, Any]:
    try:
        if not in_time:
            raise LeftOut("no time left")
        finding = work()
    except LeftOut as reason:
        return {"result": LEFT_OUT, "limit": "", "found": {"because": str(reason)}}
    except torch.OutOfMemoryError:
        return {"result": LEFT_OUT, "limit": "", "found": {"because": "it does not fit into the card's memory"}}
    except Exception as error:
        traceback.print_exc()
        return {"result": FAILED, "limit": "", "found": {"error": f"{type(error).__name__}: {error}"[:400]}}
    result = {None: MEASURED, True: OK, False: WRONG}[finding.right]
    return {"result": result, "limit": finding.limit, "found": finding.found}


def wrong(rows: list[dict[str, Any]]) -> bool:
    return any(row["result"] in (WRONG, FAILED) for row in rows)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as aligned text."""
    lines: list[tuple[str, ...]] = [HEADER]
    for row in rows:
        found = ", ".join(f"{name} {_text(value)}" for name, value in row["found"].items())
        cells = (row["section"], row["what"], row["result"], row["limit"], found, row["seconds"])
        lines.append(tuple(map(str, cells)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(" | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
