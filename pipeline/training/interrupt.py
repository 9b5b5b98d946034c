"""A request to stop, taken at the end of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None

STATUS = 75  # EX_TEMPFAIL: try again later


class Interrupt:
    """While the block runs, SIGTERM and SIGINT are noted in `signal` instead of ending the process.

    A second one does what it did before. Outside the main thread nothing can be caught, and nothing is.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._before: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame) -> None:
        self.signal = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def __exit__(self, kind, error, traceback) -> None:
        self._restore()
