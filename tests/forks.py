"""Commands in children of a process that has imported what they need once: they start in a tenth of the time.

A child has arguments, a folder, an environment and an output of its own, and is alone in its session.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import weakref
from contextlib import suppress
from importlib import import_module
from multiprocessing.context import BaseContext
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
FORKS = multiprocessing.get_context("forkserver")
IMPORTED = ["snakemake.cli", "pipeline.settings"]
IMPORTED += ["snakemake.report.html_reporter", "smart_open", "nbformat"]  # which every run of Snakemake imports
LONGEST = 600  # seconds


def imported(*modules: str) -> None:
    """What children need besides; to be said before the first of them starts."""
    IMPORTED.extend(modules)


def context() -> BaseContext:
    """Of processes that start as children do."""
    FORKS.set_forkserver_preload(IMPORTED)
    return FORKS


class Child:
    """A run of a module's `main` with these words.

    Args:
        folder: in which it runs.
        variables: of its environment, besides those here; None takes one away.
    """

    def __init__(self, module: str, *words: str, folder: Path = ROOT, **variables: str | None):
        file, self._out = tempfile.mkstemp(prefix="pyrite-said-")
        os.close(file)
        weakref.finalize(self, os.unlink, self._out)
        environment = {name: value for name, value in (os.environ | variables).items() if value is not None}
        self._process = context().Process(target=_main, args=(module, words, self._out, folder, environment))
        self._process.start()
        self.pid = self._process.pid

    @property
    def said(self) -> str:
        """All that it has printed."""
        return Path(self._out).read_text(encoding="utf-8")

    def poll(self) -> int | None:
        """Its status; None as long as it runs."""
        return self._process.exitcode

    def wait(self, seconds: float = LONGEST) -> int:
        """Its status, when it has ended; as long as that it may take."""
        self._process.join(seconds)
        if self.poll() is None:
            self.kill()
            raise AssertionError(f"not within {seconds} s: {self.said}")
        return self.poll()

    def signal(self, number: int) -> None:
        """To all its processes, as a terminal or a machine that shuts down."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def jobs(self, rule: str) -> list[psutil.Process]:
        """Of a run of Snakemake, the processes that compute a job of a rule."""
        found = []
        for process in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.Error):
                words = process.cmdline()
                found += [process] if words and "python" in words[0] and words[-1].endswith(f".{rule}.py") else []
        return found


def _main(module, words, out, folder, environment):
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of cron ignores it
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with open(out, "w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv[1:] = words
    sys.exit(import_module(module).main())
