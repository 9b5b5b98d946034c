"""What a job takes of its machine: processor, memory and cards, under the names that MLflow's page of them reads."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from pipeline.tracking.journal import Journal

PERIOD = 10.0  # seconds between two looks
QUERY = [
    "nvidia-smi",
    "--query-gpu=index,uuid,utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
]


@contextmanager
def watched(journal: Journal, period: float = PERIOD) -> Iterator[None]:
    """Write to the journal every `period` seconds, and once at the end. A look that fails is left out."""
    if not journal.watches:
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(journal, period, done), daemon=True)
    psutil.cpu_percent()  # the next says of the time since
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(journal: Journal, period: float, done: threading.Event) -> None:
    last = False
    while not last:
        last = done.wait(period)
        try:
            journal.system(machine() | cards())
        except (psutil.Error, OSError, ValueError):
            continue


def machine() -> dict[str, float]:
    """Of all processors since the last call, in percent; of all memory; and of this process and its children, in MB."""
    memory = psutil.virtual_memory()
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return {
        "cpu_utilization_percentage": psutil.cpu_percent(),
        "system_memory_usage_megabytes": memory.used / 1e6,
        "system_memory_usage_percentage": memory.percent,
        "process_memory_usage_megabytes": sum(_resident(process) for process in family) / 1e6,
    }


def cards() -> dict[str, float]:
    """Of each NVIDIA card that this process may see; nothing without their driver, or where it does not answer."""
    try:
        said = subprocess.run(QUERY, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return of_cards(said, None if seen is None else seen.split(","))


def of_cards(said: str, seen: list[str] | None) -> dict[str, float]:
    """What `nvidia-smi` said of those cards whose index or UUID is among the seen ones; None: of all. What it does not
    know of a card (`[N/A]`, of one that is divided) is left out."""
    found: dict[str, float | None] = {}
    for line in said.splitlines():
        index, uuid, *numbers = (word.strip() for word in line.split(","))
        if seen is None or index in seen or uuid in seen:
            used, taken, total = map(_number, numbers)
            name = f"gpu_{index}"
            found[f"{name}_utilization_percentage"] = used
            found[f"{name}_memory_usage_megabytes"] = taken and taken * 1.048576  # of MiB
            found[f"{name}_memory_usage_percentage"] = 100 * taken / total if taken is not None and total else None
    return {name: value for name, value in found.items() if value is not None}


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
