"""The other side of `sandbox`: takes tasks from a connection until it is closed."""

from __future__ import annotations

import contextlib
import inspect
import resource
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

RESULT, PART, END, ERROR = "result", "part", "end", "error"  # what an answer is: PARTs are followed by an END


def main(fd: int, seconds: float, memory: int) -> None:
    """Serve tasks; SIGPROF's default action ends the process, whatever code it is in."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer; it closes the connection
    with contextlib.suppress(ValueError, OSError):  # some systems have no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Connection(fd) as connection:
        while True:
            try:
                function, task = connection.recv()
            except EOFError:
                return
            answer: tuple[str, Any] = (END, None)
            result = part = None  # of the task before: the memory is this one's
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                result = function(task)
                if inspect.isgenerator(result):
                    for part in result:
                        connection.send((PART, part))
                else:
                    answer = (RESULT, result)
            except Exception as error:
                answer = (ERROR, error)
            signal.setitimer(signal.ITIMER_PROF, 0)
            try:
                connection.send(answer)
            except MemoryError as error:  # nothing of it was sent
                connection.send((ERROR, error))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
