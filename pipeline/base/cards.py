"""Which graphics cards a job may use: cards have slots, a job takes some before it computes and frees them as it ends.

Imports no torch: CUDA reads CUDA_VISIBLE_DEVICES once, when it is first used.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from pipeline.base.job import say
from pipeline.settings import DEVICES, UserError

DEVICE, JOBS, VISIBLE = "PYRITE_DEVICE", "PYRITE_JOBS_PER_GPU", "CUDA_VISIBLE_DEVICES"
ROOM = 3 << 29  # bytes of a card that a job wants at least, where several share it: the context alone takes 0.5 GB
SCHEDULED = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")  # what a scheduler calls the job whose cards these are
WAIT = 0.2  # seconds between looks for a free slot
PATIENCE = 5.0  # seconds of waiting that nobody needs to know of

# Bytes of each card that CUDA shows, asked in a process of its own, so that this one has not used CUDA.
_ASK = """
import ctypes
cuda, n, size = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.c_size_t()
sizes = []
if not cuda.cuInit(0) and not cuda.cuDeviceGetCount(ctypes.byref(n)):
    for k in range(n.value):
        device = ctypes.c_int()
        if not cuda.cuDeviceGet(ctypes.byref(device), k) and not cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device):
            sizes.append(size.value)
print(sizes)
"""


def environment(device: str, jobs_per_gpu: int) -> dict[str, str]:
    """Two settings as variables for every job of a run, which need not be done again when they change; those that the
    user has set override.

    Raises:
        UserError: a variable of the user's has an impossible value.
    """
    given = {DEVICE: device, JOBS: str(jobs_per_gpu)} | {k: os.environ[k] for k in (DEVICE, JOBS) if k in os.environ}
    if given[DEVICE] not in DEVICES:
        raise UserError(f"{DEVICE}: `{given[DEVICE]}` is not one of {', '.join(DEVICES)}")
    if not given[JOBS].isdecimal() or int(given[JOBS]) < 1:
        raise UserError(f"{JOBS}: `{given[JOBS]}` is not a whole number of at least 1")
    return given


def wanted_device() -> str:
    """`auto`, `cpu`, `cuda` or `mps`."""
    return environment("auto", 1)[DEVICE]


def visible() -> dict[str, int]:
    """Memory in bytes of each card that CUDA shows here, by its name in CUDA_VISIBLE_DEVICES."""
    asked = subprocess.run([sys.executable, "-I", "-S", "-c", _ASK], capture_output=True, text=True, check=False)
    sizes = json.loads(asked.stdout) if asked.returncode == 0 else []  # without a driver there is no such library
    listed = os.environ.get(VISIBLE)
    names = map(str, range(len(sizes))) if listed is None else map(str.strip, listed.split(","))
    return dict(zip(names, sizes, strict=False))  # CUDA stops at the first name that it does not know


@contextmanager
def claimed(slots: int, cards: int = 1) -> Iterator[None]:
    """Show the block's CUDA only cards on which it holds slots, `slots` of them in all, the same number on each card.

    Waits until there are as many. A slot is a file that is locked: whatever ends the process frees it. No slot, or a
    device that is not CUDA, hides all cards. Where no card is, and where another program has started this process as
    one of several (RANK), nothing is claimed.

    Args:
        slots: resource `gpu` of the job.
        cards: to spread them over.

    Raises:
        UserError: more than there are, whoever holds them.
    """
    if slots == 0 or wanted_device() in ("cpu", "mps"):
        os.environ[VISIBLE] = ""
    found = {} if "RANK" in os.environ or os.environ.get(VISIBLE) == "" else _capacity(visible())
    if not found:
        yield
        return
    each = slots // cards
    _check(found, each, cards)
    with ExitStack() as held:
        os.environ[VISIBLE] = ",".join(_wait(found, each, cards, held))
        yield


def _capacity(cards: dict[str, int]) -> dict[str, int]:
    """Slots of each card: as many as the settings say, where its memory has room for them."""
    jobs = int(environment("auto", 1)[JOBS])
    return {name: max(1, min(jobs, size // ROOM)) for name, size in cards.items()}


def _check(found: dict[str, int], each: int, cards: int) -> None:
    if cards > len(found):
        raise UserError(
            f"gpu: {cards} processes want a card each, here are {len(found)} ({VISIBLE}={','.join(found)}); "
            f"--set-resources train:gpu={len(found)} is the most"
        )
    if each > max(found.values()):
        most = f"a card has {max(found.values())} (jobs_per_gpu, and its memory)"
        raise UserError(f"gpu: {each} slots of one card wanted, {most}")


def _wait(found: dict[str, int], each: int, cards: int, held: ExitStack) -> list[str]:
    """Names of the cards; `held` keeps their slots."""
    folder = _folder()
    begun, said = time.monotonic(), False
    while not (names := _take(folder, found, each, cards, held)):
        if not said and time.monotonic() - begun >= PATIENCE:
            held_by_others = f"{cards * each} of {sum(found.values())} slots wanted, others hold them"
            say(f"waits for a graphics card: {held_by_others} (--resources gpu=)")
            said = True
        time.sleep(WAIT)
    return names


def _take(folder: Path, found: dict[str, int], each: int, cards: int, held: ExitStack) -> list[str]:
    """All slots that are wanted, on the cards with the most free ones, or none."""
    with _locked(folder / "all", wait=True):  # one looks at a time: of two that want two cards, none gets one
        free = {name: _free(folder, name, count) for name, count in found.items()}
        able = sorted((name for name in free if len(free[name]) >= each), key=lambda name: -len(free[name]))
        chosen = able[:cards] if len(able) >= cards else []
        for name, files in free.items():
            for k, file in enumerate(files):
                if name in chosen and k < each:
                    held.enter_context(file)
                else:
                    file.close()
    return chosen


def _free(folder: Path, card: str, count: int) -> list[IO]:
    """Locked files of a card's slots that nobody held."""
    files = (_locked(folder / f"{quote(card, safe='')}-{k}", wait=False) for k in range(count))
    return [file for file in files if file is not None]


def _locked(path: Path, wait: bool) -> Any:
    """An open file with a lock that goes when it is closed; None where another process has it."""
    file = open(path, "w")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        file.close()
        return None
    return file


def _folder() -> Path:
    """Of this user's locks on this machine, and of this job where a scheduler has given it cards of its own."""
    job = next((f"-{os.environ[name]}" for name in SCHEDULED if os.environ.get(name)), "")
    folder = Path(tempfile.gettempdir()) / f"pyrite-cards-{os.getuid()}{quote(job, safe='')}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); TMPDIR names another folder") from error
    return folder
