"""Where a model runs, in which precision, and what is said when it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from pipeline.settings import UserError


def best_device() -> torch.device:
    """The current CUDA card before Apple's MPS before the CPU; TF32 and the search for fast convolutions are on."""
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        torch.backends.cudnn.conv.fp32_precision = "tf32"
        torch.backends.cudnn.benchmark = True
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


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
    try:
        work()
    except (RuntimeError, MemoryError) as error:
        if not is_memory(error):
            raise
        return False
    return True


def is_memory(error: Exception) -> bool:
    """Whether an error means that there was too little memory."""
    # The CPU allocator raises a bare RuntimeError ("DefaultCPUAllocator: can't allocate memory", "not enough memory").
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        text in str(error) for text in ("can't allocate memory", "not enough memory", "out of memory")
    )
