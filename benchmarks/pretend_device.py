"""An accelerator that is none: does anything here assume that what computes is the CPU?

    python -m benchmarks.pretend_device

needs a C++ compiler and half a minute for it. The device `pretend` computes by the CPU's kernels, and refuses what a
card refuses: tensors of two devices in one call, random numbers of another device. Under autocast it lowers what CUDA
lowers. Updates, trainings, drawing, features and detectors of small networks run on it as `pipeline.gpu_check` runs
them on a card; the last rows count how often the CPU waits for the device in an update. What asks for CUDA by name
(pinned memory, cuDNN, its kernels) is not seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from unittest import mock

import torch
from torch.utils import cpp_extension

from pipeline.gpu_check import looks, rows, trainings, updates
from pipeline.gpu_check.rows import Case, Finding
from pipeline.gpu_check.subjects import built, narrow, noise
from pipeline.models import FAMILIES
from pipeline.models.batch import Batch

NAME = "pretend"


def started(folder: Path) -> tuple[torch.device, ModuleType]:
    """The device, and the module that counts its `calls` and `waits`; built in `folder`."""
    source = str(Path(__file__).with_suffix(".cpp"))
    counts = cpp_extension.load(NAME, [source], extra_cflags=["-O0"], build_directory=str(folder))
    counts.start()
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, _module(counts))
    torch.utils.generate_methods_for_privateuse1_backend()
    return torch.device(NAME), counts


def _module(counts: ModuleType) -> ModuleType:
    """What torch asks a device's module for."""
    module = ModuleType(f"torch.{NAME}")
    answers = {
        "is_available": True,
        "is_initialized": True,
        "device_count": 1,
        "current_device": 0,
        "_is_in_bad_fork": False,
        "get_amp_supported_dtype": [torch.bfloat16, torch.float16],
    }
    for name, answer in answers.items():
        setattr(module, name, lambda answer=answer: answer)
    vars(module)["manual_seed_all"] = counts.seed
    return module


def cases(device: torch.device, counts: ModuleType) -> Iterator[Case]:
    yield Case("control", "what must be refused and counted", partial(control, device, counts))
    for size in (32, 128):
        for family in FAMILIES:
            for precision in ("fp32", "bf16", "fp16") if size == 32 else ("fp32", "bf16"):
                work = partial(updates.check, family, size, device, precision)
                yield Case("update", f"{family} {size} px, {precision}", work)
    for family in FAMILIES:
        yield Case("training", f"{family} 32 px", partial(trainings.check, family, 32, device, "bf16", 16))
        yield Case("drawing", f"{family} 32 px", partial(looks.drawing, narrow(family), 32, device, torch.bfloat16, 16))
    for kind in ("classes", "boxes"):
        yield Case("detector", f"of {kind}, 64 px", partial(looks.detector, kind, 64, device, 8, 8))
    yield Case("features", "64 px", partial(looks.features, 64, device))
    for family in FAMILIES:
        yield Case("waits", f"{family} 32 px, bf16", partial(waits, family, device, counts))


def control(device: torch.device, counts: ModuleType) -> Finding:
    """Whether the device says no where a card would, and counts a wait where there is one."""
    wrong: tuple[Callable[[], object], ...] = (
        lambda: torch.ones(3, device=device) + torch.ones(3),
        lambda: torch.randn(3, device=device, generator=torch.Generator()),
        lambda: torch.ones(3, device=device).numpy(),
        lambda: torch.conv2d(torch.ones(1, 1, 3, 3, device=device).half(), torch.ones(1, 1, 3, 3, device=device)),
    )
    refused, waited = sum(_refused(call) for call in wrong), counts.waits()
    torch.ones(3, device=device).sum().item()
    found = {"refused": refused, "waits": counts.waits() - waited}
    return Finding(found, found == {"refused": len(wrong), "waits": 1}, f"{len(wrong)} and 1")


def _refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except (RuntimeError, TypeError):
        return True
    return False


def waits(family: str, device: torch.device, counts: ModuleType) -> Finding:
    """How often the CPU waits in five updates, after the first; and the calls of the device in each."""
    model = built(narrow(family), 32, device, torch.bfloat16)
    batches = [Batch(*noise(4, 32, device), seed=seed) for seed in range(6)]
    model.update(batches[0])
    waited, called = counts.waits(), counts.calls()
    for batch in batches[1:]:
        model.update(batch)
    waited = counts.waits() - waited
    return Finding({"waits": waited, "calls": (counts.calls() - called) / 5}, waited == 0, "0")


def main() -> int:
    """Returns 1 where a row is wrong or failed, else 0."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        device, counts = started(Path(folder))
        with mock.patch("pipeline.base.device.device", return_value=device):
            found = rows.run(cases(device, counts), seconds=3600)
    print(rows.table(found))
    return int(rows.wrong(found))


if __name__ == "__main__":
    sys.exit(main())
