"""The command; see the package's own words."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import pipeline.gpu_check
from pipeline.base.device import best_device
from pipeline.gpu_check import plan, rows
from pipeline.models import FAMILIES

SECTIONS = ("facts", "update", "training", "detector", "features", "rate", "drawing", "compiled", "two processes")


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 where a row is wrong or failed, else 0."""
    parser = argparse.ArgumentParser(description=pipeline.gpu_check.__doc__)
    parser.add_argument("--minutes", type=float, help="after these no row begins (default: 10, on a CPU 2)")
    parser.add_argument("--sections", nargs="+", default=list(SECTIONS), choices=SECTIONS)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--out", type=Path, help="file to add each row to, as a line of JSON")
    wish = parser.parse_args(arguments)
    device = best_device()
    minutes = wish.minutes if wish.minutes is not None else 2.0 if device.type == "cpu" else 10.0
    begun = time.monotonic()
    cases = (case for case in plan.cases(device, wish.families) if case.section in wish.sections)
    found = rows.run(cases, 60 * minutes, wish.out)
    print(rows.table(found))
    counts = Counter(row["result"] for row in found)
    print(
        ", ".join(f"{n} {result}" for result, n in counts.items()), f"in {time.monotonic() - begun:.0f} s on {device}"
    )
    return int(rows.wrong(found))


if __name__ == "__main__":
    sys.exit(main())
