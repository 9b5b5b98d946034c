"""Runs functions in processes that a bad file may hang, crash or fill without harm to this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]  # where `pipeline` is found, installed or not


class Failed(NamedTuple):
    """A task that gave no result."""

    reason: str


class Pool:
    """`workers` processes, started when first needed; a context manager.

    Fresh interpreters and not forks: a fork of a process with threads may deadlock, and its address space, which is
    limited here, would hold all of the parent's.

    Args:
        seconds: longest time a task may take; the kernel ends the process then, even inside a decoder.
        memory: bytes of address space a process may have.
    """

    def __init__(self, workers: int, seconds: float, memory: int):
        self._workers = [_Worker(seconds, memory) for _ in range(max(1, workers))]

    def map(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """(task, result or `Failed`) of each task, in the order they finish; results are not gathered.

        `function` is a module's own and `tasks` can be pickled. An exception of `function` is raised here.
        """
        waiting = iter(tasks)
        idle = list(self._workers)
        busy: dict[Connection, tuple[_Worker, Any]] = {}
        for task in waiting:
            worker = idle.pop()
            busy[worker.send(function, task)] = (worker, task)
            if not idle:
                yield from self._finished(busy, idle)
        while busy:
            yield from self._finished(busy, idle)

    def _finished(self, busy: dict, idle: list) -> Iterator[tuple[Any, Any]]:
        for connection in wait(list(busy)):
            worker, task = busy.pop(connection)
            result = worker.receive()
            idle.append(worker)
            yield task, result

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_) -> None:
        for worker in self._workers:
            worker.stop()


class _Worker:
    def __init__(self, seconds: float, memory: int):
        self.seconds, self.memory = seconds, memory
        self.process: subprocess.Popen | None = None
        self.connection: Connection | None = None

    def send(self, function: Callable, task: Any) -> Connection:
        if self.process is None:
            self._start()
        try:
            self.connection.send((function, task))
        except OSError:  # it was killed from outside while it had nothing to do
            self.stop()
            self._start()
            self.connection.send((function, task))
        return self.connection

    def receive(self) -> Any:
        try:
            fine, result = self.connection.recv()
        except (EOFError, ConnectionResetError):
            status = self.process.wait()
            self.stop()
            if status == -signal.SIGALRM:
                return Failed(f"took longer than {self.seconds:g} s to decode")
            return Failed(f"crashed its decoder (exit status {status})")
        if not fine:
            raise result
        return result

    def _start(self) -> None:
        self.connection, theirs = Pipe()
        fd = theirs.fileno()
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        # Sources lie on read-only and network file systems, which know no locks.
        env = os.environ | threads | {"PYTHONPATH": paths, "HDF5_USE_FILE_LOCKING": "FALSE"}
        command = [sys.executable, "-W", "ignore", "-m", "pipeline.data.worker"]
        self.process = subprocess.Popen(
            [*command, str(fd), str(self.seconds), str(self.memory)], pass_fds=[fd], env=env, stdin=subprocess.DEVNULL
        )
        theirs.close()

    def stop(self) -> None:
        if self.process is not None:
            self.connection.close()
            self.process.kill()
            self.process.wait()
            self.process = None
