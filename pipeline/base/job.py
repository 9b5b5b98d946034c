"""What surrounds a job: its log, its progress bar, and how it fails."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import cast

from tqdm import tqdm

from pipeline.settings import UserError

_console = sys.stderr


def print_anywhere() -> None:
    """From here on a character that the console's encoding lacks is printed as `?` and ends no program."""
    cast(io.TextIOWrapper, sys.stdout).reconfigure(errors="replace")


@contextmanager
def job(log: str | os.PathLike) -> Iterator[None]:
    """Send all output of the block to `log`; leave the console to progress bars and to one line for a failure.

    A `UserError` ends the process with its message on the console and status 1, an interrupt with a line and status
    130. Any other error adds where the traceback is.
    """
    global _console
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    _console = os.fdopen(os.dup(2), "w", buffering=1)
    try:  # around all of it: an interrupt may come as soon as the log is there
        with _interrupts(), open(log, "w", encoding="utf-8") as file:
            cast(io.TextIOWrapper, sys.stdout).reconfigure(line_buffering=True)
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            yield
    except UserError as error:
        say(f"ERROR: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted: the same command goes on")
        sys.exit(130)
    except Exception as error:
        say(f"ERROR: {type(error).__name__}: {error} (traceback in {log})")
        with suppress(OSError):
            traceback.print_exc()
        sys.exit(1)


@contextmanager
def _interrupts() -> Iterator[None]:
    """One that came in the block ends it as such, where a library swallows it or raises an error of its own for it."""
    came = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a job of cron ignores them
        signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt


def say(line: str) -> None:
    """Print a line where a person sees it, and in the job's log."""
    tqdm.write(line, file=_console)
    if _console is not sys.stderr:
        with suppress(OSError):  # the log's disk is full, which the person hears on the console
            print(line, file=sys.stderr, flush=True)


def progress(description: str, total: int, unit: str = "image", initial: int = 0, silent: bool = False) -> tqdm:
    """A progress bar with its ETA: live on a terminal, a line every half minute in a log, nothing where `silent`."""
    live = _console.isatty()
    return tqdm(
        desc=description,
        total=total,
        initial=initial,
        unit=unit,
        unit_scale=True,
        dynamic_ncols=live,
        file=_console if live else sys.stderr,
        mininterval=0.2 if live else 30,
        ascii=None if live else True,
        disable=silent,
    )
