"""The other side of `pool`: takes tasks from a connection until it is closed."""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
from multiprocessing.connection import Connection


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
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                answer = (True, function(task))
            except Exception as error:
                answer = (False, error)
            signal.setitimer(signal.ITIMER_PROF, 0)
            try:
                connection.send(answer)
            except MemoryError as error:  # nothing of it was sent
                connection.send((False, error))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
