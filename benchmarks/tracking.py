"""What a tracking server that does not work costs a training: paired runs.

    nice -n 8 python -m benchmarks.tracking --images results/polycrystals/real --rounds 6

In each round one training runs three times: with a store that works (SQLite), with a server that is down and with one
that takes connections and never answers; the order is turned round from round to round. As in a run, the training
writes a journal and a process beside it sends that on. Told are the training's own seconds of the processor, its wall
time, which on a machine that others use says little, and the seconds of the processor that the process beside it took
meanwhile: no more can it take from a training, even one that has no core of its own.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from pipeline.data.image_set import ImageSet
from pipeline.settings import model_settings
from pipeline.tracking.stages import watched_training
from pipeline.training.loop import train

SERVERS = ("works", "down", "never answers")


class Took(NamedTuple):
    """Seconds of a training."""

    processor: float
    wall: float
    beside: float
    """Of the processor, by the process that sends."""


@contextmanager
def address(server: str) -> Iterator[str]:
    """Of a store of that kind: empty for SQLite."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        uri = f"http://127.0.0.1:{listening.getsockname()[1]}"
        if server == "never answers":
            yield uri
            return
    yield uri if server == "down" else ""


@contextmanager
def sending(server: str, results: Path) -> Iterator[psutil.Process]:
    """The process that a run of Snakemake starts beside its jobs."""
    with address(server) as uri:
        away = subprocess.DEVNULL
        parent = subprocess.Popen(["sleep", "infinity"])
        words = [sys.executable, "-m", "pipeline.tracking.sync", "follow", uri, str(results)]
        follower = subprocess.Popen([*words, "--parent", str(parent.pid)], stdout=away, stderr=away)
        try:
            yield psutil.Process(follower.pid)
        finally:
            parent.kill()
            parent.wait()
            follower.kill()
            follower.wait()


def one(server: str, images: Path, total: int) -> Took:
    """A training beside such a server."""
    settings = model_settings({"family": "cgan", "batch": 16, "total_images": total, "snapshots": 10, "compile": "off"})
    real = ImageSet.open(images)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        out = results / "polycrystals" / "cgan" / "seed-0"
        run = "polycrystals", "cgan", 0, settings.model_dump(), real.meta["data_hash"]
        journals = results / "journal" / "polycrystals" / "cgan" / "seed-0" / "train"
        with (
            sending(server, results) as sender,
            watched_training(journals, *run, images, real.split_sizes()) as journal,
        ):
            began = time.process_time(), time.monotonic()
            train(settings, images, out, results / "state", 0, journal, threads=1)
            took = time.process_time() - began[0], time.monotonic() - began[1]
            return Took(*took, sum(sender.cpu_times()[:4]))


def measured(server: str, images: Path, total: int) -> Took:
    """As `one`, in a process of its own, so that no training inherits what another has loaded."""
    words = [sys.executable, "-m", "benchmarks.tracking", "--images", str(images), "--total", str(total)]
    done = subprocess.run([*words, "--one", server], capture_output=True, text=True, check=True)
    return Took(*map(float, done.stdout.split()[-3:]))


def table(rounds: list[dict[str, Took]]) -> Iterator[str]:
    """Of each server, medians over the rounds, and of the ratios to the training whose store works with their range."""
    yield "| server | processor, s | ratio (range) | wall, s | ratio (range) | processor beside it, s |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for server in SERVERS:
        cells = []
        for i in range(2):
            ratios = [of[server][i] / of[SERVERS[0]][i] for of in rounds]
            median = statistics.median(of[server][i] for of in rounds)
            cells += [f"{median:.1f}", f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"]
        beside = statistics.median(of[server].beside for of in rounds)
        yield f"| {server} | {' | '.join(cells)} | {beside:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a prepared image set")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--total", type=int, default=6000, help="images that a training sees")
    parser.add_argument("--one", choices=SERVERS, help="a single training; prints its three numbers")
    wish = parser.parse_args()
    if wish.one:
        took = one(wish.one, wish.images, wish.total)
        print(*took)
        return
    rounds = []
    for number in range(wish.rounds):
        order = SERVERS if number % 2 == 0 else SERVERS[::-1]
        found = {server: measured(server, wish.images, wish.total) for server in order}
        rounds.append(found)
        print("\n".join(table(rounds)), flush=True)


if __name__ == "__main__":
    main()
