"""The folder of results as a whole: by which names its files and numbers go."""

from __future__ import annotations

from pathlib import Path

from pipeline.base.files import read_json, write_json
from pipeline.settings import UserError
from pipeline.settings.places import REAL

NAMES = 3
"""Raised when settings, metrics or files are renamed: a plan would take finished work of the old names for undone."""
MARK = "names.json"
PLAN = "plan.json"
"""How long its trainings should take, where that was asked: `trainings`, seconds by data set and generator."""


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


def mark_names(results: Path) -> None:
    """Say by which names the files of a folder of results go."""
    write_json(results / MARK, {"names": NAMES})
