"""The folder of results as a whole: by which names its files and numbers go, and which run is at work on it."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TextIO

from pipeline.base.files import read_json, write_json, writing
from pipeline.settings import UserError
from pipeline.settings.places import REAL

NAMES = 3
"""Raised when settings, metrics or files are renamed: a plan would take finished work of the old names for undone."""
MARK = "names.json"
PLAN = "plan.json"
"""How long its jobs should take, where that was asked."""
LOCK = ".lock"


def check_names(results: Path) -> None:
    """Refuse results of another version before anything of them is touched.

    Raises:
        UserError: the folder holds results whose settings, metrics and files go by other names.
    """
    mark = results / MARK
    there = read_json(mark, "names")["names"] if mark.exists() else 1
    if there != NAMES and (mark.exists() or any(results.glob(f"{REAL.format(dataset='*')}/meta.json"))):
        raise UserError(
            f"results: `{results}` was made by a version of Pyrite with other names of settings and numbers (names "
            f"{there}, these are {NAMES}), and would be made anew; nothing was touched. Go on with that version, or "
            "give `results:` a new folder"
        )


def is_marked(folder: Path) -> bool:
    """Whether a folder is one of results, of whatever run."""
    try:
        mark = read_json(folder / MARK)
    except UserError:
        return False
    return mark.keys() == {"names"} and isinstance(mark["names"], int)


def mark_names(results: Path) -> None:
    """Say by which names the files of a folder of results go."""
    write_json(results / MARK, {"names": NAMES})


def claim(results: Path) -> TextIO:
    """Take the folder for this process, until the returned file is closed: the kernel drops the lock of a dead process.

    Raises:
        UserError: another process has it, which the message names; or the folder cannot be written.
    """
    with writing(results / LOCK):
        results.mkdir(parents=True, exist_ok=True)
        lock = open(results / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 (held open for as long as the run)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "which does not say its name"
            lock.close()
            raise UserError(
                f"results: another run is at work on `{results}` ({holder}); wait for its end, or give `results:` "
                "another folder"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%Y-%m-%d %H:%M}\n")
        lock.flush()
    return lock


def of_the_future(results: Path) -> bool:
    """Whether a job wrote here at a later time than now: the clock was set back since."""
    now = time.time()
    return any(log.stat().st_mtime > now for log in (results / "logs").rglob("*.log"))


def bring_to_present(results: Path) -> None:
    """Give files of the future the present time: Snakemake deletes what is made of them, because it would be older.

    Raises:
        Unwritable: a file belongs to somebody else.
    """
    now = time.time()
    for path in results.rglob("*"):
        if path.is_file() and path.stat().st_mtime > now:
            with writing(path):
                os.utime(path, (now, now))


def forecasts(results: Path) -> dict[str, float]:
    """Seconds that jobs should take, as far as that was asked, by their file `benchmarks/….tsv` of what they took."""
    return read_json(results / PLAN) if (results / PLAN).is_file() else {}


def keep_forecasts(results: Path, seconds: Mapping[str, float]) -> None:
    """Add some to them.

    Raises:
        UserError: the folder cannot be written.
    """
    write_json(results / PLAN, forecasts(results) | {job: round(value, 1) for job, value in seconds.items()}, indent=2)
