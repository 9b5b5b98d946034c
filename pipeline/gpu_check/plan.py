"""What is asked, in the order in which a short time answers most."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

import torch

from pipeline.base.device import amp_dtype
from pipeline.gpu_check import looks, rates, trainings, updates
from pipeline.gpu_check.rows import Case, Finding, LeftOut
from pipeline.gpu_check.subjects import narrow
from pipeline.settings import model_settings

# Pixels, and what is set beside the family's defaults (batches as large as the official code's).
FULL = {
    "stylegan2_ada": (
        (128, {"batch": 32}),
        (64, {"batch": 32}),
        (256, {"batch": 16}),
        (512, {"batch": 8, "channel_base": 32768, "mapping_layers": 8}),
    ),
    "ddpm": ((128, {"batch": 32}),),
    "cgan": ((128, {"batch": 32}),),
    "dcgan": ((128, {"batch": 128}),),
    "wgan_gp": ((128, {"batch": 64}),),
    "projected_gan": ((128, {"batch": 32}),),
}
COMPILED = (("stylegan2_ada", 128, {"batch": 32}), ("ddpm", 128, {"batch": 32}))


def cases(device: torch.device, families: list[str]) -> Iterator[Case]:
    """For a CPU some two minutes with small networks; for a card some ten, with those that people train."""
    yield Case("facts", str(device), partial(rates.facts, device))
    yield from (_on_a_cpu if device.type == "cpu" else _on_a_card)(device, families)


def _on_a_cpu(device: torch.device, families: list[str]) -> Iterator[Case]:
    yield from _updates(device, families, 32, ["fp32", "bf16", "fp16"])
    yield from _updates(device, families, 128, ["bf16"])  # convolutions in fp16 are slow on a CPU
    yield from _trainings(device, families, 32, "auto", 16)
    yield from _trainings(device, families[:1], 32, "fp16", 16)
    yield from _looks(device, 32, 8, 8)
    amp = amp_dtype("auto", device)
    for family in families:
        yield Case("drawing", f"{family} 32 px", partial(looks.drawing, narrow(family), 32, device, amp, 16))
    for family in families:
        yield Case("rate", f"{family} 32 px, narrow", partial(rates.rate, narrow(family), 32, device, amp, 8))
    yield from _processes(device, families[:1], 32, 16)
    yield from _compiled(device, families[:1], "fp32")


def _on_a_card(device: torch.device, families: list[str]) -> Iterator[Case]:
    tf32 = ["tf32"] if device.type == "cuda" else []
    precisions = ["fp32", *tf32, "bf16", "fp16"]
    for size in (32, 128):
        yield from _updates(device, families, size, precisions)
    for precision in ("auto", "fp16"):
        yield from _trainings(device, families, 64, precision, 32)
    yield from _looks(device, 128, 64, 100)
    amp = amp_dtype("auto", device)
    yield from _rates(device, families, amp, first=True)
    for family in families:
        settings = model_settings({"family": family})
        yield Case("drawing", f"{family} 128 px", partial(looks.drawing, settings, 128, device, amp, 64))
    yield from _rates(device, families, amp, first=False)
    yield from _compiled(device, families, *(tf32 or ["fp32"]))
    for size in (256, 512):
        yield from _updates(device, families, size, precisions)
    for family, size, changes in COMPILED:
        if family in families:
            settings = model_settings({"family": family, "compile": True} | changes)
            work = partial(rates.rate, settings, size, device, amp, 32)
            yield Case("rate", f"{family} {size} px, compiled", work)
    yield from _processes(device, families, 64, 32)


def _updates(device: torch.device, families: list[str], size: int, precisions: list[str]) -> Iterator[Case]:
    for family in families:
        for precision in precisions:
            work = partial(updates.check, family, size, device, precision)
            yield Case("update", f"{family} {size} px, {precision}", work)


def _trainings(device: torch.device, families: list[str], size: int, precision: str, count: int) -> Iterator[Case]:
    for family in families:
        work = partial(trainings.check, family, size, device, precision, count)
        yield Case("training", f"{family} {size} px, {precision}", work)


def _looks(device: torch.device, size: int, width: int, steps: int) -> Iterator[Case]:
    for kind in ("classes", "boxes"):
        side = max(size, 64) if kind == "boxes" else size
        yield Case("detector", f"of {kind}, {side} px", partial(looks.detector, kind, side, device, steps, width))
    yield Case("features", f"{max(size, 64)} px", partial(looks.features, max(size, 64), device))


def _rates(device: torch.device, families: list[str], amp: torch.dtype | None, first: bool) -> Iterator[Case]:
    """Of each family the size that most people train, or all the others."""
    for family in families:
        for size, changes in FULL[family][:1] if first else FULL[family][1:]:
            settings = model_settings({"family": family} | changes)
            what = f"{family} {size} px, batch {settings.batch}"
            yield Case("rate", what, partial(rates.rate, settings, size, device, amp, 32))


def _compiled(device: torch.device, families: list[str], precision: str) -> Iterator[Case]:
    for family in families:
        yield Case("compiled", f"{family} 32 px, {precision}", partial(_compiled_update, family, device, precision))


def _compiled_update(family: str, device: torch.device, precision: str) -> Finding:
    if device.type == "cpu" and shutil.which("g++") is None:
        raise LeftOut("torch.compile needs a C++ compiler on a CPU")
    return updates.check(family, 32, device, precision, compiled=True)


def _processes(device: torch.device, families: list[str], size: int, count: int) -> Iterator[Case]:
    for family in families:
        yield Case(
            "two processes", f"{family} {size} px", partial(trainings.two_processes, family, size, device, count)
        )
