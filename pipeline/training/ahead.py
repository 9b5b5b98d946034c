"""Work on the next thing while the caller is busy with this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Made = TypeVar("Made")


def ahead(make: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
    """`make(part)` of each part, in their order, in one thread that is a part ahead of the caller.

    The parts themselves are taken from the iterable in the caller's thread. An error of `make` is raised in place of
    its result.
    """
    with ThreadPoolExecutor(1) as thread:
        waiting: Future[Made] | None = None
        for part in parts:
            ready, waiting = waiting, thread.submit(make, part)
            if ready is not None:
                yield ready.result()
        if waiting is not None:
            yield waiting.result()
