"""Several processes that train one model together, each on a GPU of its own."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.multiprocessing

from pipeline.job import say
from pipeline.settings import UserError


def launch(processes: int, function: Callable[..., None], *args, journal, **options) -> None:
    """Run `function(*args, journal=..., **options)` as rank 0 here and as the other ranks in processes of their own.

    Where RANK and WORLD_SIZE are set (torchrun, or a line of a SLURM script), this process is one rank of many that
    somebody else has started, on one node or several.

    Args:
        processes: on this machine, at most one a GPU; 1 needs no other process.
        journal: for rank 0; the others get one that forgets.

    Raises:
        UserError: what the function raises; or one of the other ranks ended before its time.
    """
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        _join(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0")), None)
        return _as_rank(function, args, options | {"journal": journal if dist.get_rank() == 0 else Forgetful()})
    if processes <= 1:
        return function(*args, journal=journal, **options)
    address = f"tcp://127.0.0.1:{_free_port()}"
    context = torch.multiprocessing.get_context("spawn")
    others = [
        context.Process(target=_other, args=(rank, processes, address, function, args, options), daemon=True)
        for rank in range(1, processes)
    ]
    for other in others:
        other.start()
    _join(0, processes, 0, address)
    try:
        _as_rank(function, args, options | {"journal": journal})
    except RuntimeError as error:
        for other in others:
            other.join(5)
        dead = [other for other in others if other.exitcode]
        if not dead:
            raise
        raise UserError(f"{len(dead)} of {processes} processes of this training ended before their time") from error
    finally:
        for other in others:
            other.join(10)
            other.kill()  # no harm to one that has ended


class Forgetful:
    """The journal of a rank that writes none."""

    def __getattr__(self, kind: str) -> Callable[..., None]:
        return lambda *args, **options: None


def _other(rank: int, processes: int, address: str, function: Callable, args: tuple, options: dict) -> None:
    _join(rank, processes, rank, address)
    try:
        _as_rank(function, args, options | {"journal": Forgetful()})
    except UserError:
        sys.exit(1)  # rank 0 says it


def _join(rank: int, processes: int, device: int, address: str | None) -> None:
    if torch.cuda.is_available():
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    else:
        backend = "gloo"
    dist.init_process_group(backend, init_method=address, rank=rank, world_size=processes)


def _as_rank(function: Callable, args: tuple, options: dict) -> None:
    if dist.get_rank() == 0:
        say(f"{dist.get_world_size()} processes train together")
    try:
        function(*args, **options)
    finally:
        dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
