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

from pipeline.data.reading.sandbox_worker import END, ERROR, PART, RESULT

ROOT = Path(__file__).resolve().parents[2]  # where `pipeline` is found, installed or not


KILLED = "was killed while it was read, as the kernel does where memory runs out"
TOO_LARGE = "needs more memory than its job may use (`mem_mb` of the rule)"
LEAST = 768 * 2**20  # bytes of address space of a process: a third is gone before it reads anything
ENOUGH = 3  # parts of a task that failed: those behind them are not tried


class Failed(NamedTuple):
    """A task that gave no result."""

    reason: str
    again: bool = False
    """Whether it may succeed where it has more memory."""


class SandboxPool:
    """At most `workers` processes, started when first needed; a context manager.

    Fresh interpreters and not forks: a fork of a process with threads may deadlock, and its address space, which is
    limited here, would hold all of the parent's.

    Args:
        seconds: processor time a task may take, whatever else the machine does; the kernel ends the process then, even
            inside a decoder.
        memory: bytes of address space that all processes together may have; there are fewer where they would have too
            little each.
    """

    def __init__(self, workers: int, seconds: float, memory: float):
        self._seconds, self._memory = seconds, int(memory)
        workers = max(1, min(workers, self._memory // LEAST))
        self._workers = [_Worker(seconds, self._memory // workers) for _ in range(workers)]

    def map(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Any],
        divide: Callable[[Any], list[Any]] = lambda task: [task],
    ) -> Iterator[tuple[Any, Any]]:
        """(task, result or `Failed`) of each task, in the order they finish; results are not gathered.

        A task whose process failed comes as its parts, each done again by itself, in a process that has all the memory.
        One whose function is a generator comes with each of the results, as soon as it is there; where its process
        fails, with the results until then too.

        Args:
            function: a module's own. Its exceptions are raised here, but for MemoryError.
            tasks: what can be pickled.
            divide: gives the parts of a task, of which one may have made the others fail.
        """
        lost = []
        for task, result in self._side_by_side(function, tasks):
            if isinstance(result, Failed) and (result.again or len(divide(task)) > 1):
                lost.append(task)
            else:
                yield task, result
        if lost:
            yield from self._alone(function, map(divide, lost))

    def _side_by_side(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        waiting = iter(tasks)
        idle = list(self._workers)
        busy: dict[Connection, tuple[_Worker, Any]] = {}
        for task in waiting:
            worker = idle.pop()
            busy[worker.send(function, task)] = (worker, task)
            while not idle:
                yield from self._finished(busy, idle)
        while busy:
            yield from self._finished(busy, idle)

    def _alone(self, function: Callable[[Any], Any], tasks: Iterable[list[Any]]) -> Iterator[tuple[Any, Any]]:
        for worker in self._workers:  # for their memory
            worker.stop()
        with _Worker(self._seconds, self._memory) as worker:
            for parts in tasks:
                failed: list[Failed] = []
                for part in parts:
                    if len(failed) == ENOUGH:
                        reason = f"was not tried, for {ENOUGH} others of its file failed: {failed[-1].reason}"
                        yield part, Failed(reason)
                        continue
                    worker.send(function, part)
                    kind = PART
                    while kind == PART:
                        kind, result = worker.receive()
                        failed += [result] if isinstance(result, Failed) else []
                        if kind != END:
                            yield part, result

    def _finished(self, busy: dict, idle: list) -> Iterator[tuple[Any, Any]]:
        for connection in wait(list(busy)):
            worker, task = busy[connection]
            kind, result = worker.receive()
            if kind != PART:
                del busy[connection]
                idle.append(worker)
            if kind != END:
                yield task, result

    def __enter__(self) -> SandboxPool:
        return self

    def __exit__(self, *_) -> None:
        for worker in self._workers:
            worker.stop()


class _Worker:
    def __init__(self, seconds: float, memory: int):
        self.seconds, self.memory = seconds, memory
        self.process: subprocess.Popen | None = None
        self.connection: Connection | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def send(self, function: Callable, task: Any) -> Connection:
        connection = self.connection or self._start()
        try:
            connection.send((function, task))
        except OSError:  # it was killed from outside while it had nothing to do
            self.stop()
            connection = self._start()
            connection.send((function, task))
        return connection

    def receive(self) -> tuple[str, Any]:
        """What its next answer is, and that; a process that failed has a `Failed` for a result."""
        assert self.connection is not None  # it was sent a task
        assert self.process is not None
        try:
            kind, result = self.connection.recv()
        except (EOFError, ConnectionResetError):
            status = self.process.wait()
            self.stop()
            if status == -signal.SIGPROF:
                return RESULT, Failed(f"took more than {self.seconds:g} s of processor time to decode")
            if status == -signal.SIGKILL:
                return RESULT, Failed(KILLED, again=True)
            return RESULT, Failed(f"crashed its decoder (exit status {status})", again=True)
        if isinstance(result, MemoryError):
            return RESULT, Failed(TOO_LARGE, again=True)
        if kind == ERROR:
            raise result
        return kind, result

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        fd = theirs.fileno()
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        # Sources lie on read-only and network file systems, which know no locks.
        env = os.environ | threads | {"PYTHONPATH": paths, "HDF5_USE_FILE_LOCKING": "FALSE"}
        command = [sys.executable, "-W", "ignore", "-m", "pipeline.data.reading.sandbox_worker"]
        self.process = subprocess.Popen(
            [*command, str(fd), str(self.seconds), str(self.memory)], pass_fds=[fd], env=env, stdin=subprocess.DEVNULL
        )
        theirs.close()
        self.connection = ours
        return ours

    def stop(self) -> None:
        if self.process is not None and self.connection is not None:
            self.connection.close()
            self.process.kill()
            self.process.wait()
        self.process = self.connection = None
