"""`python -m pyrite`: what is done from the command line and is no part of a run."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path

import pyrite
from pipeline.base.job import print_anywhere


def main(words: list[str] | None = None) -> None:
    """Raises SystemExit with a line that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m pyrite", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="image sets as one data set in the layout of another tool")
    export.add_argument("kind", help="yolo, yolo-seg, coco, imagefolder or huggingface")
    export.add_argument("folder", type=Path, help="a new or empty folder")
    export.add_argument("sets", type=Path, nargs="+", help="results/{dataset}/real, {model}/seed-{seed}/synthetic, …")
    export.add_argument("--files", default="png", help="png (default), tiff or jpeg")
    draw = commands.add_parser("draw", help="a page on this machine to draw from finished models")
    draw.add_argument("results", type=Path, nargs="*", default=[Path("results")], help="folders of results (results)")
    draw.add_argument("--port", type=int, default=8008, help="8008; 0 takes any that is free")
    plan = commands.add_parser("plan", help="what is here, and how long the generators of a configuration will take")
    plan.add_argument("configurations", type=Path, nargs="*", default=[Path("config/config.yaml")])
    plan.add_argument("--set", default="", help="as of `--config set=`")
    plan.add_argument("--threads", type=int, help="of a training; as many as its job will have without it")
    plan.add_argument("--seconds", type=float, default=10, help="of timed updates a generator (10)")
    given = parser.parse_args(words)
    try:
        {"draw": _draw, "export": _export, "plan": _plan}[given.command](given)
    except pyrite.UserError as error:
        sys.exit(f"ERROR: {error}")


def _export(given: argparse.Namespace) -> None:
    table = pyrite.export(given.sets, given.folder, given.kind, files=given.files)
    print(f"{given.folder}: {len(table)} images as {given.kind}")


def _plan(given: argparse.Namespace) -> None:
    from pyrite import plan

    settings = plan.read(given.configurations, given.set)
    print("\n".join(plan.facts()), flush=True)
    found: list[plan.Row] = []
    refused: list[str] = []
    for row in plan.rows(settings, given.seconds, given.threads):
        if isinstance(row, plan.Refusal):
            refused.append(f"{row.model} on {row.dataset} cannot be trained here: {row.reason}")
        else:
            print(f"timed {row.model} on {row.dataset}, {row.threads} thread(s)", file=sys.stderr, flush=True)
            found.append(row)
    print("\n".join([*plan.lines(found, Path(settings.results)), *plan.multiplied(settings)]))
    plan.keep(found, settings)
    if refused:
        raise pyrite.UserError("\n".join(refused))


def _draw(given: argparse.Namespace) -> None:
    from pyrite.draw_page import HOST, server

    with server(given.results, given.port) as running, suppress(KeyboardInterrupt):
        folders = ", ".join(map(str, given.results))
        print(f"http://{HOST}:{running.server_port}/ draws from {folders}; Ctrl-C ends it", flush=True)
        running.serve_forever()


if __name__ == "__main__":
    print_anywhere()
    main()
