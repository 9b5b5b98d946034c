"""The device is the one asked for, and said; precision follows the hardware; memory errors name their setting."""

import re

import pytest
import torch

from pipeline.base import device
from pipeline.base.device import amp_dtype, is_memory, memory_limit
from pipeline.settings import UserError

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


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "MPS backend out of memory (MPS allocated: 1.00 GB)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "GET was unable to find an engine to execute this computation",
        "Unable to find a valid cuDNN algorithm to run convolution",
        "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
    ],
)
def test_what_libraries_say_without_memory_is_recognised(text):
    assert is_memory(RuntimeError(text))


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(handle)`",
        "cuDNN error: CUDNN_STATUS_BAD_PARAM",
        "CUDA error: no kernel image is available for execution on the device",
        "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
    ],
)
def test_other_errors_are_not_taken_for_too_little_memory(text):
    assert not is_memory(RuntimeError(text))


@pytest.mark.parametrize(
    ("capability", "built_for", "expected"),
    [
        ((9, 0), ["sm_80", "sm_90"], True),
        ((8, 9), ["sm_80", "sm_90"], True),  # kernels of 8.0 run on all of 8
        ((8, 0), ["sm_75", "sm_86"], False),
        ((7, 0), ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"], False),  # V100
        ((6, 1), ["sm_75"], False),
        ((10, 3), ["sm_90", "sm_100"], True),
        ((12, 1), ["sm_90"], False),
        ((12, 1), ["sm_90", "compute_90"], True),  # is compiled anew for a later card
        ((7, 0), ["compute_90"], False),
        ((9, 0), ["sm_90a"], True),
        ((9, 5), ["sm_90a"], False),  # architecture-specific
        ((9, 0), [], False),
    ],
)
def test_kernels_run_on_cards_of_their_architecture(capability, built_for, expected):
    assert device.has_kernels(capability, built_for) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            (535, "13.2"),
            "driver (535) is too old for CUDA 13.2 of this PyTorch, which needs 580: update the",
        ),
        ((535, "13.2"), "for CUDA 12"),
        ((470, "12.6"), "for CUDA 11"),
        ((580, None), "built without CUDA: install a build of torch "),
        ((580, None), "for CUDA 13"),
        ((580, "13.2"), "CUDA does not start"),
        ((None, "13.2"), "CUDA does not start"),
        ((580, "13.2", "Tesla V100", (7, 0), ["sm_75", "sm_80"]), "Tesla V100 (sm_70) is here, but this PyTorch has"),
        ((580, "13.2", "H100", (9, 0), ["sm_80", "sm_90"]), None),
    ],
)
def test_why_a_card_cannot_be_used_and_what_to_install(facts, expected):
    said = device.unusable(*facts)
    assert (said is None) if expected is None else (expected in said)


NVRM = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023
GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)
"""


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with an old driver, on which CUDA does not start."""
    monkeypatch.setattr(device, "DRIVER", tmp_path / "version")
    device.DRIVER.write_text(NVRM)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    for name in ("PYRITE_DEVICE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def test_a_card_with_an_old_driver_is_said_with_the_device_and_precision(machine, monkeypatch, capsys):
    assert device.device() == CPU
    device.say_device("train cgan", CPU, torch.bfloat16)
    said = capsys.readouterr().err
    assert said.startswith("train cgan: computes on cpu (")
    assert "), bf16; an NVIDIA card is here, but its driver (535) is too old for CUDA 13.2" in said
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # nobody wants it
    device.say_device("train cgan", CPU)
    assert capsys.readouterr().err.endswith("), fp32\n")


def test_a_card_is_not_missed_where_the_user_asked_for_the_cpu_or_there_is_none(machine, monkeypatch, capsys):
    monkeypatch.setenv("PYRITE_DEVICE", "cpu")
    device.say_device("draw", CPU)
    monkeypatch.delenv("PYRITE_DEVICE")
    device.DRIVER.unlink()
    device.say_device("draw", CPU)
    assert all(line.endswith("), fp32") for line in capsys.readouterr().err.splitlines())


def test_a_device_that_is_asked_for_and_cannot_be_used_is_an_error_that_says_why(machine, monkeypatch):
    monkeypatch.setenv("PYRITE_DEVICE", "cuda")
    with pytest.raises(
        UserError, match=r"device: `cuda` cannot be used: an NVIDIA card is here, but its driver \(535\)"
    ):
        device.device()
    device.DRIVER.unlink()
    with pytest.raises(UserError, match="device: `cuda` cannot be used: no NVIDIA card is visible here"):
        device.device()
    monkeypatch.setenv("PYRITE_DEVICE", "mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match="device: `mps` cannot be used"):
        device.device()


@pytest.fixture
def hopper(monkeypatch):
    """What torch says of a machine with one H100."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "sm_90"])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "H100")
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.delenv("PYRITE_DEVICE", raising=False)
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    yield monkeypatch
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before[1:]


def test_devices_are_chosen_in_order_and_as_asked(hopper):
    assert device.device().type == "cuda"
    hopper.setattr(torch.cuda, "get_device_capability", lambda: (7, 0))
    assert device.device().type == "cpu"  # no kernel would run; and MPS is for those who ask for it
    hopper.setenv("PYRITE_DEVICE", "mps")
    assert device.device().type == "mps"


def test_a_card_without_kernels_is_said(hopper, tmp_path, capsys):
    hopper.setattr(device, "DRIVER", tmp_path / "version")
    device.DRIVER.write_text(NVRM)
    hopper.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    hopper.setattr(torch.cuda, "get_device_capability", lambda: (7, 0))
    device.say_device("draw", device.device())
    assert "; H100 (sm_70) is here, but this PyTorch has kernels for sm_80, sm_90 alone" in capsys.readouterr().err


def test_tf32_is_set_so_that_both_of_torchs_ways_to_ask_agree(hopper):
    """Inductor asks the older way (pytorch#166387)."""
    assert device.best_device().type == "cuda"
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # as features are computed
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32


def test_memory_is_what_was_taken_of_what_there_is():
    held = torch.ones(1 << 26)  # 0.25 GiB
    taken, there = re.fullmatch(r"(\d+\.\d) of (\d+\.\d) GiB", device.memory(CPU)).groups()
    assert 0.2 < float(taken) < 100
    assert float(there) >= held.nbytes / 2**30
