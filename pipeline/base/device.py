"""Where a model runs, in which precision, and what is said when it does not fit."""

from __future__ import annotations

import os
import platform
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from pipeline.base.cards import VISIBLE, wanted_device
from pipeline.base.job import say
from pipeline.settings import UserError

DRIVER = Path("/proc/driver/nvidia/version")
NEEDED = {11: 450, 12: 525, 13: 580}  # oldest driver of each CUDA (NVIDIA: CUDA compatibility, minor versions)
# What too little memory makes libraries say, beside torch's own errors; `not_initialized` is cuBLAS without room for
# its workspace, the last two are cuDNN without room for any algorithm's.
FULL = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "alloc_failed",
    "allocation_failed",
    "cublas_status_not_initialized",
    "unable to find an engine",
    "unable to find a valid cudnn algorithm",
)


def device() -> torch.device:
    """Where to compute: what the user asked for (PYRITE_DEVICE, else the setting `device`); `auto` is the first visible
    CUDA card that this PyTorch can use, else the CPU. Apple's MPS is used where it is asked for by name alone.

    Raises:
        UserError: the device that was asked for cannot be used.
    """
    wanted = wanted_device()
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"device: `mps` cannot be used, this machine or this PyTorch ({torch.__version__}) has none")
    if wanted == "cuda" and not _cuda():
        raise UserError(f"device: `cuda` cannot be used: {idle_card() or 'no NVIDIA card is visible here'}")
    if wanted == "auto":
        wanted = "cuda" if _cuda() else "cpu"
    return torch.device(wanted)


def best_device() -> torch.device:
    """`device`; on CUDA with TF32, in torch's older and newer words, and the search for fast convolutions."""
    found = device()
    if found.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    return found


def say_device(work: str, device: torch.device, amp: torch.dtype | None = None) -> None:
    """Say on the console where a job computes and how, and what keeps it from a card that is here."""
    idle = idle_card() if device.type == "cpu" and wanted_device() == "auto" else None
    say(f"{work}: computes on {device_name(device)}, {precision_name(amp)}{f'; {idle}' if idle else ''}")


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({platform.machine()})"


def precision_name(amp: torch.dtype | None) -> str:
    return {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[amp]


def _cuda() -> bool:
    """Whether CUDA can be used on the first visible card."""
    if not torch.cuda.is_available():
        return False
    return torch.version.cuda is None or has_kernels(torch.cuda.get_device_capability(), torch.cuda.get_arch_list())


def has_kernels(capability: tuple[int, int], built_for: list[str]) -> bool:
    """Whether kernels built for these architectures run on a card of this compute capability.

    `sm_86` runs on 8.6 and later of 8, `compute_86` on all later ones, `sm_90a` on 9.0 alone (NVIDIA: CUDA C++
    Programming Guide, Compute capabilities).
    """
    for kind, major, minor, own in re.findall(r"(sm|compute)_(\d+)(\d)([af]?)", " ".join(built_for)):
        least = int(major), int(minor)
        if capability == least or (not own and capability > least and (kind == "compute" or capability[0] == least[0])):
            return True
    return False


def idle_card() -> str | None:
    """Why the NVIDIA card that is here is not used, and what to do about it; None where there is none, or nobody is to
    use it."""
    if os.environ.get(VISIBLE) in ("", "-1") or not DRIVER.exists():
        return None
    version = re.search(r"\b(\d{3,})\.\d+", DRIVER.read_text(encoding="utf-8", errors="replace"))
    if torch.cuda.is_available():
        return unusable(int(version[1]) if version else None, torch.version.cuda, *_card())
    return unusable(int(version[1]) if version else None, torch.version.cuda)


def _card() -> tuple[str, tuple[int, int], list[str]]:
    return torch.cuda.get_device_name(), torch.cuda.get_device_capability(), torch.cuda.get_arch_list()


def unusable(
    driver: int | None,
    cuda: str | None,
    name: str = "",
    capability: tuple[int, int] | None = None,
    built_for: list[str] | None = None,
) -> str | None:
    """Why a card cannot be used, from facts.

    Args:
        driver: major version of NVIDIA's driver; None where it is not known.
        cuda: version of CUDA that PyTorch was built for; None is one without it.
        name: of the card, with its compute capability and the architectures PyTorch has kernels for, where CUDA starts.
    """
    fits = max((version for version, least in NEEDED.items() if (driver or 0) >= least), default=None)
    build = f"install a build of torch {torch.__version__.partition('+')[0]} and torchvision for CUDA {fits or 12}"
    needed = NEEDED.get(int(cuda.split(".")[0]), 0) if cuda else 0
    if cuda is None:
        return f"an NVIDIA card is here, but this PyTorch is built without CUDA: {build}"
    if capability is not None and built_for is not None:
        if has_kernels(capability, built_for):
            return None
        here = f"sm_{capability[0]}{capability[1]}"
        return (
            f"{name} ({here}) is here, but this PyTorch has kernels for {', '.join(built_for)} alone: install a build "
            f"of torch and torchvision whose `torch.cuda.get_arch_list()` names {here}"
        )
    if driver is not None and driver < needed:
        return (
            f"an NVIDIA card is here, but its driver ({driver}) is too old for CUDA {cuda} of this PyTorch, which "
            f"needs {needed}: update the driver, or {build}"
        )
    return "an NVIDIA card is here, but CUDA does not start: `nvidia-smi` and torch.cuda.init() say more"


def amp_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The dtype of autocast for `auto`, `fp32`, `bf16` or `fp16`; None is float32.

    `auto` is bf16 where the hardware computes in it: CUDA cards that say so, CPUs with AMX or AVX512-BF16. Elsewhere
    it is emulated and slower than float32.
    """
    if precision == "auto":
        return torch.bfloat16 if _has_bf16(device) else None
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False


def use_threads(threads: int | None) -> None:
    """Compute with this many CPU threads; None leaves torch's choice."""
    if threads is not None:
        torch.set_num_threads(max(1, threads))


def upload(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the CPU on the device; a CUDA card copies it in its turn, and nothing waits until it has."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


@contextmanager
def reproducible() -> Iterator[None]:
    """The same convolution algorithm in every training, and one that adds up in a fixed order."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield


@contextmanager
def memory_limit(setting: str, batch: int) -> Iterator[None]:
    """Turn an out-of-memory error of the block into a UserError that names `setting` and a smaller value."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_memory(error):
            raise
        mend = f"try {batch // 2}" if batch >= 4 else "make the images (size) or the networks smaller"
        raise UserError(f"{setting}: {batch} images at once do not fit into memory; {mend}") from error


def fits(work: Callable[[], object]) -> bool:
    """Whether some work can be done in the memory there is."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        work()
    except (RuntimeError, MemoryError) as error:
        if not is_memory(error):
            raise
        return False
    return True


def memory(device: torch.device) -> str:
    """How much of its memory was taken at most, and how much there is, such as `3.2 of 15.8 GiB`.

    On a CUDA card it is that of tensors since the process began or the last `fits`, of what is not others'; elsewhere
    the whole process's since it began, of what it and nobody else has.
    """
    if device.type == "cuda":
        taken = torch.cuda.max_memory_allocated(device)
        there = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    else:
        taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
        there = psutil.virtual_memory().available + psutil.Process().memory_info().rss
    return f"{taken / 2**30:.1f} of {there / 2**30:.1f} GiB"


def is_memory(error: BaseException) -> bool:
    """Whether an error means that there was too little memory."""
    # The CPU allocator raises a bare RuntimeError ("DefaultCPUAllocator: can't allocate memory", "not enough memory").
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(text in str(error).lower() for text in FULL)


@contextmanager
def full_precision() -> Iterator[None]:
    """Float32 is float32, without TF32, and no convolution is chosen by its speed: what looks at images says the same
    of them on a GPU as on a CPU, to about 1e-6."""
    onednn = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # torch puts it there when it is imported
    products = torch.backends.cuda.matmul, onednn
    before = [product.fp32_precision for product in products]
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
        try:
            for product in products:
                product.fp32_precision = "ieee"
            yield
        finally:
            for product, precision in zip(products, before, strict=True):
                product.fp32_precision = precision
