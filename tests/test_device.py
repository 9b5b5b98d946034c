"""Precision follows the hardware; memory errors name their setting; signals are put back."""

import os
import signal

import pytest
import torch

from pipeline.device import amp_dtype, memory_limit
from pipeline.settings import UserError
from pipeline.training.interrupt import Interrupt

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"),
    [(False, False, None), (True, False, torch.bfloat16), (False, True, torch.bfloat16)],
)
def test_bf16_on_a_cpu_only_where_it_is_computed_in(monkeypatch, amx, avx512, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert amp_dtype("auto", CPU) is expected
    assert amp_dtype("fp32", CPU) is None
    assert amp_dtype("bf16", CPU) is torch.bfloat16


def test_memory_errors():
    with (
        pytest.raises(UserError, match="batch: 32 images at once do not fit into memory; try 16"),
        memory_limit("batch", 32),
    ):
        torch.empty(2**62, dtype=torch.uint8)
    with pytest.raises(UserError, match=r"batch: 2 .* smaller"), memory_limit("batch", 2):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="shapes"), memory_limit("batch", 2):
        raise RuntimeError("shapes differ")


@pytest.fixture
def interruptible():
    """As a program in front of a terminal; one that was started in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_first_signal_is_noted_and_handlers_are_put_back(interruptible):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert interrupt.signal is None
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.signal == "SIGINT"
        with pytest.raises(KeyboardInterrupt):  # the second one is not held back
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
