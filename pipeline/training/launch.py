"""Several processes that train one model together, each on a card of its own, or all on the CPU."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import connection, parent_process

import torch
import torch.distributed as dist
import torch.multiprocessing

from pipeline.base.device import device
from pipeline.base.job import say
from pipeline.base.null_journal import NullJournal
from pipeline.settings import UserError

MEETING = 300.0  # seconds within which all must be there; reading torch from a slow disk takes one or two minutes
GRACE = 120.0  # seconds that rank 0 has to notice that another has died
ENDING = 5.0  # seconds between the last word of a process that dies and its status
LOOK = 0.1  # seconds between looks for them
FIRST = "first"  # in the store: rank and last words of the first that failed


def launch(processes: int, function: Callable[..., None], *args, journal, **options) -> None:
    """Run `function(*args, journal=..., **options)` as rank 0 here and as the other ranks in processes of their own.

    Where RANK and WORLD_SIZE are set (torchrun, or a line of a SLURM script), this process is one rank of many that
    somebody else has started, on one node or several.

    Args:
        processes: on this machine; each has a CUDA card of its own, or all compute on the CPU. 0 and 1 start no other.
        journal: for rank 0; the others get one that forgets.

    Raises:
        UserError: what the function raises; more processes than cards; one of the other ranks ended before its time, or
            was not there in time.
    """
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        rank, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        _join(rank, processes, int(os.environ.get("LOCAL_RANK", "0")), _met(processes))
        return _as_rank(function, args, options | {"journal": NullJournal() if rank else journal})
    if processes <= 1:
        return function(*args, journal=journal, **options)
    check_cards(processes)
    crew = Crew(processes, function, args, options)
    try:
        crew.meet()
        _join(0, processes, 0, crew.store)
        _as_rank(function, args, options | {"journal": journal}, lambda error: crew.why())
    finally:
        crew.dismiss()


def check_cards(processes: int) -> None:
    """Raises UserError where there are CUDA cards, but fewer than processes, and on MPS."""
    if device().type == "mps":
        raise UserError(f"gpu: {processes} processes cannot share one `mps` device; --set-resources train:gpu=1")
    if device().type == "cuda" and processes > torch.cuda.device_count():
        raise UserError(
            f"gpu: {processes} processes want a card each, CUDA shows {torch.cuda.device_count()}; "
            f"--set-resources train:gpu={torch.cuda.device_count()} is the most"
        )


def card_of(local_rank: int, cards: int) -> int:
    """The card of a process: the one with its number on the node, or the only one that its scheduler shows it.

    Raises:
        UserError: several cards, but none for this process.
    """
    if local_rank >= cards > 1:
        raise UserError(f"LOCAL_RANK: {local_rank} has no card, CUDA shows {cards}; start {cards} processes a node")
    return local_rank if cards > 1 else 0


class Crew:
    """The other ranks of a training, seen from rank 0, and the store through which they find each other."""

    def __init__(self, processes: int, function: Callable, args: tuple, options: dict):
        self.processes, self.over = processes, threading.Event()
        self.store = _store(0, master=True)
        context = torch.multiprocessing.get_context("spawn")
        self.others = [
            context.Process(
                target=_other, args=(rank, processes, self.store.port, function, args, options), daemon=True
            )
            for rank in range(1, processes)
        ]
        with _nameless_main():
            for other in self.others:
                other.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def meet(self) -> None:
        """Wait until all are there.

        Raises:
            UserError: one has died, or too much time has passed.
        """
        begun = time.monotonic()
        while not self.store.check([f"here {rank}" for rank in range(1, self.processes)]):
            if any(other.exitcode is not None for other in self.others):
                raise UserError(self.why())
            if time.monotonic() - begun > MEETING:
                raise UserError(f"not all of {self.processes} processes were there after {MEETING:.0f} s")
            time.sleep(LOOK)

    def why(self) -> str | None:
        """Which rank ended before its time and what it said last; None where all are at work."""
        limit = time.monotonic() + ENDING
        while time.monotonic() < limit and all(other.exitcode is None for other in self.others):
            time.sleep(LOOK)
        ends = {rank: other.exitcode for rank, other in enumerate(self.others, 1) if other.exitcode}
        killed = {rank: code for rank, code in ends.items() if code < 0}
        for rank, code in killed.items():
            return self._said(rank, f"killed by {signal.Signals(-code).name}")
        if self.store.check([FIRST]):
            first, _, text = self.store.get(FIRST).decode().partition(" ")
            return self._said(int(first), text)
        for rank, code in ends.items():
            return self._said(rank, f"status {code}")
        return None

    def dismiss(self) -> None:
        self.over.set()
        for other in self.others:
            other.join(10)
            other.kill()  # no harm to one that has ended

    def _said(self, rank: int, text: str) -> str:
        return f"rank {rank} of {self.processes} processes ended before its time: {text}"

    def _watch(self) -> None:
        """Rank 0 may wait on its card for one that has died: give it time to notice, then end it."""
        # Asked once a round: one that dies after it was asked is still waited for.
        while not any(ends := [other.exitcode for other in self.others]):
            alive = [other.sentinel for other, end in zip(self.others, ends, strict=True) if end is None]
            if not alive:
                return
            connection.wait(alive)
        if not self.over.wait(GRACE):
            say(f"ERROR: {self.why()}")
            os._exit(1)


# ---------------------------------------------------------------- the other ranks


def _other(rank: int, processes: int, port: int, function: Callable, args: tuple, options: dict) -> None:
    threading.Thread(target=_end_with_rank_0, daemon=True).start()
    store = _store(port, master=False)
    store.set(f"here {rank}", "")

    def tell(error: Exception) -> None:
        store.compare_set(FIRST, "", f"{rank} {_line(error)}")

    try:
        _join(rank, processes, rank, store)
        _as_rank(function, args, options | {"journal": NullJournal()}, tell)
    except Exception:
        traceback.print_exc()
        sys.exit(1)  # rank 0 says it


def _end_with_rank_0() -> None:
    rank_0 = parent_process()
    assert rank_0 is not None  # it has started this process
    rank_0.join()
    os._exit(1)


def _line(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Spawned processes run the file of the main module once more, and a script of Snakemake's cannot run by itself."""
    main = sys.modules["__main__"].__dict__
    file = main.pop("__file__", None)
    try:
        yield
    finally:
        if file is not None:
            main["__file__"] = file


# ---------------------------------------------------------------- every rank


def _store(port: int, master: bool) -> dist.TCPStore:
    limit = timedelta(seconds=MEETING)
    return dist.TCPStore("127.0.0.1", port, is_master=master, wait_for_workers=False, timeout=limit)


def _met(processes: int) -> dist.Store:
    """The store of ranks that somebody else has started; all are there."""
    try:
        return next(dist.rendezvous("env://", timeout=timedelta(seconds=MEETING)))[0]
    except RuntimeError as error:
        place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise UserError(
            f"not all of {processes} processes (WORLD_SIZE) were at {place} (MASTER_ADDR, MASTER_PORT) after "
            f"{MEETING:.0f} s"
        ) from error


def _join(rank: int, processes: int, local_rank: int, store: dist.Store) -> None:
    if torch.cuda.is_available():  # before anything else is asked of CUDA, which would be asked of card 0
        torch.cuda.set_device(card_of(local_rank, torch.cuda.device_count()))
    backend = "cpu:gloo,cuda:nccl" if device().type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=processes)


def _as_rank(
    function: Callable, args: tuple, options: dict, failed: Callable[[Exception], str | None] = lambda error: None
) -> None:
    """Run the function; `failed` is told of an error while the other ranks can still be asked, and may know better."""
    if dist.get_rank() == 0:
        where = "each on a card of its own" if device().type == "cuda" else "all on the CPU"
        say(f"{dist.get_world_size()} processes train together, {where}")
    try:
        function(*args, **options)
    except Exception as error:
        better = failed(error)
        if better is None or isinstance(error, UserError):
            raise
        raise UserError(better) from error
    finally:
        dist.destroy_process_group()
