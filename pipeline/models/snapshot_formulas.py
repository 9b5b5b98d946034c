"""Whether the layers of a snapshot compute what those of `stylegan2_ada` do, by the attributes that they were written
with: equal shapes alone would let other formulas through, and other images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pipeline.models.snapshot_pickle import Module

CLAMP = 256.0  # "an order of magnitude wider than the range of activations" of trained networks (Karras et al. 2020b)


def foreign(network: Module) -> str:
    """The first attribute of a layer that has another value than it would need here, in words; "" where all agree.

    An attribute that is not there, as in files of few layers, is no difference.
    """
    for name, layer in network.layers():
        known = layer.state | dict(layer.own_tensors())
        for attribute, (fits, here) in NEEDED.items():
            value = known.get(attribute)
            if value is not None and not fits(name, value):
                return f"`{attribute}` of `{name}` is {_shown(value)}, here {here}"
    return ""


def _filter(_: str, taps: Any) -> bool:
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return isinstance(taps, Tensor) and taps.shape == (4, 4) and torch.allclose(taps.float(), torch.outer(row, row))


def _rate(name: str, rate: Any) -> bool:
    """0.01 in the layers of a mapping network, after Karras et al. 2019, appendix C; elsewhere 1."""
    return _number(rate) and math.isclose(rate, 0.01 if ".fc" in f".{name}" and "mapping" in name else 1.0)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return str([round(v, 4) for v in value.flatten().tolist()[:4]]) if isinstance(value, Tensor) else repr(value)[:60]


# By the attribute: whether its value, of a layer of this name, fits; and what it is here, in words.
NEEDED: dict[str, tuple[Callable[[str, Any], bool], str]] = {
    "activation": (lambda _, value: value in ("lrelu", "linear"), "lrelu"),
    "bias_gain": (_rate, "0.01 in a mapping network and 1 elsewhere"),
    "conv_clamp": (lambda _, value: _number(value) and value >= CLAMP, f"none, or one from {CLAMP:g} on, out of reach"),
    "num_channels": (lambda _, value: value == 1, "1"),
    "resample_filter": (_filter, "that of [1, 3, 3, 1]"),
}
