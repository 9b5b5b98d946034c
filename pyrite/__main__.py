"""`python -m pyrite`: what is done from the command line and is no part of a run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pyrite


def main(words: list[str] | None = None) -> None:
    """Raises SystemExit with a line that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m pyrite", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="image sets as one data set in the layout of another tool")
    export.add_argument("kind", help="yolo, coco, imagefolder or huggingface")
    export.add_argument("folder", type=Path, help="a new or empty folder")
    export.add_argument("sets", type=Path, nargs="+", help="results/{dataset}/real, {model}/seed-{seed}/synthetic, …")
    export.add_argument("--files", default="png", help="png (default), tiff or jpeg")
    given = parser.parse_args(words)
    try:
        table = pyrite.export(given.sets, given.folder, given.kind, files=given.files)
    except pyrite.UserError as error:
        sys.exit(f"ERROR: {error}")
    print(f"{given.folder}: {len(table)} images as {given.kind}")


if __name__ == "__main__":
    main()
