"""Compiled networks have the gradients of the uncompiled ones in float64; what is compiled."""

import importlib.util
import shutil
from functools import partial

import pytest
import torch

from pipeline import models
from pipeline.models.batch import Batch, BatchRng
from pipeline.settings import FAMILY_SETTINGS
from tests.models.tiny import batch, spec, tiny_settings

COMPILED = [family for family in models.FAMILIES if family != "projected_gan"]  # which compiles nothing


@pytest.fixture
def traced(monkeypatch):
    """torch.compile with its graphs but without its C++, which takes minutes for a network: the graphs are what a
    family's code can get wrong."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("family", COMPILED)
def test_gradients_of_traced_networks_are_those_of_float64(family, traced, monkeypatch):
    assert_exact(family, monkeypatch)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on CPUs")
@pytest.mark.filterwarnings("ignore")
def test_compiled_gradients_are_those_of_float64(monkeypatch):
    """Of the family that is compiled fastest."""
    assert_exact("cgan", monkeypatch)


def assert_exact(family, monkeypatch):
    """The gradients of a compiled update in float32 are those of an uncompiled one in float64."""
    drawn = {kind: getattr(BatchRng, kind) for kind in ("normal", "uniform")}
    images, labels = batch(spec())
    still = {"dropout": 0.0} if "dropout" in FAMILY_SETTINGS[family].model_fields else {}
    gradients = {}
    for compiled, dtype in ((False, torch.float64), (True, torch.float32)):
        torch.manual_seed(0)
        model = models.build(tiny_settings(family, compile=compiled, **still), spec()).to(dtype)
        for kind, original in drawn.items():
            monkeypatch.setattr(BatchRng, kind, lambda *a, o=original, d=dtype: o(*a).to(d))
        gradients[compiled] = found = []

        def keep(optimizer, *_, found=found):
            grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
            found.append([None if g is None else g.clone() for g in grads])

        for optimizer in model.optimizers.values():
            optimizer.register_step_pre_hook(keep)
        model.lr_scale = 0.0  # every step sees the weights of the start
        model.update(Batch(images.to(dtype), labels, 1))
        assert bool(model._compiled) is compiled or family == "projected_gan"  # which compiles nothing
    assert len(gradients[True]) == len(gradients[False]) > 0
    for ours, theirs in zip(gradients[True], gradients[False], strict=True):
        for single, double in zip(ours, theirs, strict=True):
            assert (single is None) == (double is None)
            if single is not None:
                scale = double.abs().max().item()
                torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3 * scale + 1e-8)


CUDA = torch.device("cuda")


@pytest.mark.parametrize(
    ("changes", "device", "tools", "compiled"),
    [
        ({"compile": "on"}, torch.device("cpu"), False, True),
        ({"compile": True}, torch.device("cpu"), False, True),
        ({"compile": False, "total_images": 10**6}, CUDA, True, False),
        ({"total_images": 10**6}, CUDA, True, True),
        ({"total_images": 499_999}, CUDA, True, False),  # too short
        ({"total_images": 10**6}, CUDA, False, False),  # without a compiler it trains as ever
        ({"total_images": 10**6}, torch.device("cpu"), True, False),
        ({"total_images": 10**6, "checkpoint_activations": True}, CUDA, True, False),  # cannot be compiled
    ],
)
def test_what_is_compiled(changes, device, tools, compiled, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/cc" if tools else None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if tools else None)
    monkeypatch.setattr(models.FAMILIES["stylegan2_ada"], "device", device)
    model = models.build(tiny_settings("stylegan2_ada", **changes), spec())
    assert model.compiles is compiled


def test_small_networks_are_not_compiled_unasked(monkeypatch):
    monkeypatch.setattr(models.base, "_has_compiler", lambda: True)
    for family, worth in {"dcgan": False, "cgan": False, "wgan_gp": False, "stylegan2_ada": True, "ddpm": True}.items():
        monkeypatch.setattr(models.FAMILIES[family], "device", CUDA)
        assert models.build(tiny_settings(family, total_images=10**6), spec()).compiles is worth


def test_projected_gan_trains_as_ever(traced):
    model = models.build(tiny_settings("projected_gan", compile="on"), spec())
    model.update(Batch(*batch(spec()), 1))
    assert not model._compiled
