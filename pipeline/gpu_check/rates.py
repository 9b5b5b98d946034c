"""How fast this machine is: its ceilings, and updates with their phases."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from pipeline.base.device import synchronise
from pipeline.gpu_check.rows import Finding
from pipeline.gpu_check.subjects import built, noise
from pipeline.models.batch import Batch
from pipeline.settings import Training

WARM = 2  # updates that choose algorithms, or compile


def seconds(work: Callable[[], object], times: int, device: torch.device) -> float:
    """Of one of so many, after two that are not counted."""
    for _ in range(WARM):
        work()
    synchronise(device)
    begun = time.perf_counter()
    for _ in range(times):
        work()
    synchronise(device)
    return (time.perf_counter() - begun) / times


def facts(device: torch.device) -> Finding:
    """What is here, and what its products of matrices, copies and calls cost at best."""
    card = device.type == "cuda"
    side, size = (8192, 1 << 30) if card else (512, 1 << 22)
    said: dict[str, Any] = {"torch": torch.__version__, "cuda": torch.version.cuda or "no", "cpus": os.cpu_count()}
    if card:
        said |= {"card": torch.cuda.get_device_name(), "cudnn": torch.backends.cudnn.version()}
        said["memory_GB"] = torch.cuda.get_device_properties(device).total_memory / 1e9
    for name, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32)):
        a = torch.randn(side, side, device=device).to(dtype)
        said[f"{name}_tflops"] = 2 * side**3 / seconds(partial(torch.matmul, a, a), 10, device) / 1e12
    x, z = torch.empty(size, device=device, dtype=torch.uint8), torch.empty(1, device=device)
    y = torch.empty_like(x)
    said["copy_GB_a_second"] = 2 * size / seconds(lambda: y.copy_(x), 10, device) / 1e9
    said["call_us"] = seconds(lambda: z.add_(1), 1000, device) * 1e6
    return Finding(said)


def rate(settings: Training, size: int, device: torch.device, amp: torch.dtype | None, updates: int) -> Finding:
    """Seconds a thousand images over whole updates, milliseconds of each of their phases, memory.

    A phase is one step of an optimiser, by the name of its loss; it is measured in updates of its own, in which the
    device is waited for after each phase.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    model = built(settings, size, device, amp)
    images, labels = noise(settings.batch, size, device)
    begun = time.perf_counter()
    logged = model.update(Batch(images, labels, 0))
    synchronise(device)
    said = {"first_s": time.perf_counter() - begun}
    per_update = seconds(lambda: model.update(Batch(images, labels, model.updates)), updates, device)
    said |= {"s_per_kimg": per_update / settings.batch * 1e3, "ms_an_update": per_update * 1e3}
    said |= _phases(model, Batch(images, labels, 1), device, updates)
    if device.type == "cuda":
        said["peak_GB"] = torch.cuda.max_memory_allocated() / 1e9
    bad = [name for name, value in logged.items() if not torch.isfinite(value)]
    return Finding(said | ({"not_finite": bad} if bad else {}), False if bad else None)


def _phases(model, batch: Batch, device: torch.device, updates: int) -> dict[str, float]:
    """Milliseconds a call by the name of the loss."""
    taken = defaultdict(list)
    optimizer_step = type(model).optimizer_step

    def timed(name, loss, *args, **options):
        synchronise(device)
        begun = time.perf_counter()
        scalars = optimizer_step(model, name, loss, *args, **options)
        synchronise(device)
        function = loss.func if isinstance(loss, partial) else loss
        taken[function.__name__.strip("_")].append(time.perf_counter() - begun)
        return scalars

    model.optimizer_step, model.updates = timed, 0
    for _ in range(updates):
        model.update(batch)
    return {f"ms_{name}": sorted(times)[len(times) // 2] * 1e3 for name, times in taken.items()}
