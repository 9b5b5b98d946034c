"""NVIDIA's StyleGAN2 snapshots in the names and shapes of `stylegan2_ada`.

Both are written from the same papers (Karras et al. 2019, 2020a, 2020b), so nearly every tensor has its counterpart and
keeps its numbers. Two do not. A class there is a column of a linear layer, here a row of a table. A network without
classes has no such layer: here every class then begins as that network is, exactly.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.models.snapshot_formulas import foreign
from pipeline.models.snapshot_pickle import Module, read
from pipeline.models.stylegan2_discriminator import Discriminator
from pipeline.settings import ImageSpec, StyleGAN2ADASettings, UserError

LICENCE = (
    "NVIDIA Source Code License (non-commercial: for research or evaluation only), unless its maker says otherwise"
)
# Layers of a block by their names there and here, and what of them is kept.
SYNTHESIS = {"conv0": "up", "conv1": "same", "torgb": "image"}
LAYER = {
    "weight": "conv.conv.weight",
    "affine.weight": "conv.affine.weight",
    "affine.bias": "conv.affine.bias",
    "bias": "bias",
    "noise_strength": "strength",
}
DISCRIMINATION = {"conv0": "same", "conv1": "down", "skip": "skip"}
LAST = {"conv": "mix", "fc": "dense", "out": "features"}


@dataclass(frozen=True)
class Snapshot:
    """The networks of a file, their tensors by NVIDIA's names."""

    path: Path
    generator: dict[str, Tensor]
    average: dict[str, Tensor]
    discriminator: dict[str, Tensor]  # empty where the file has none, or one that cannot be read
    unread: str = ""  # why it cannot
    group: int = 4  # images of a group of its minibatch deviation, at most

    @property
    def size(self) -> int:
        """Pixels of a side."""
        return max(_resolutions(self.average, "synthesis."))

    @property
    def channels(self) -> int:
        return len(self.average["synthesis.b4.torgb.weight"])

    @property
    def classes(self) -> int:
        """0: it knows none."""
        table = self.average.get("mapping.embed.weight")
        return 0 if table is None else table.shape[1]

    def architecture(self) -> dict[str, bool]:
        """Of its discriminator, by the settings of `stylegan2_ada`; empty where it has none."""
        if not self.discriminator:
            return {}
        return {
            "discriminator_residual": any(name.endswith(".skip.weight") for name in self.discriminator),
            "discriminator_skips": "b4.fromrgb.weight" in self.discriminator,
            "discriminator_deviation": _deviations(self.discriminator) > 0,
        }

    def without_discriminator(self, why: str) -> Snapshot:
        return replace(self, discriminator={}, unread=why)

    def spec(self) -> ImageSpec:
        """Its images; the classes, which have no names there, by their numbers."""
        names = tuple(map(str, range(self.classes))) or ("all",)
        return ImageSpec(self.size, self.size, self.channels, names)

    def settings(self) -> dict[str, Any]:
        """Those of the networks that take all of it, by their names in `models`."""
        first = self.average["mapping.fc0.weight"].shape[1]
        wide = {"channel": _widths(self.average, "synthesis.", "conv1")}
        depth = _depth(self.average)
        found = {
            "z_dim": first - (len(self.average["mapping.embed.weight"]) if self.classes else 0),
            "w_dim": len(self.average["mapping.w_avg"]),
            "mapping_layers": depth,
        }
        if self.discriminator:
            wide["discriminator_channel"] = _widths(self.discriminator, "", "conv0", "conv")
            fields = StyleGAN2ADASettings.model_fields
            found |= {name: value for name, value in self.architecture().items() if value != fields[name].default}
            vector, last = (len(self.discriminator[f"b4.{name}.weight"]) for name in ("out", "fc"))
            if self.classes and vector != last:
                found["discriminator_class_width"] = vector
            if self.classes and _depth(self.discriminator) != depth:
                found["discriminator_mapping_layers"] = _depth(self.discriminator)
        for name, of in wide.items():
            found |= {f"{name}_base": max(r * count for r, count in of.items()), f"{name}_max": max(of.values())}
        same = [
            k
            for k in found
            if k.startswith("discriminator_") and found[k] == found.get(k.removeprefix("discriminator_"))
        ]
        return {name: value for name, value in found.items() if name not in same}

    def weights(self, classes: int, discriminator: Discriminator) -> dict[str, Tensor]:
        """By the names of a model's state, for that many classes.

        Args:
            classes: where the file knows another number of them, its classes are left out.
            discriminator: the model's; where the file has no classes, its last layer is put in terms of this one's
                class vectors.
        """
        found: dict[str, Tensor] = {}
        for place, tensors in (("generator", self.generator), ("ema", self.average)):
            found |= {f"{place}.{name}": value for name, value in _generator(tensors, classes).items()}
        named = _discriminator(self.discriminator, classes, discriminator)
        return found | {f"discriminator.{name}": value for name, value in named.items()}


def open_snapshot(path: Path) -> Snapshot:
    """A snapshot file, without its discriminator where that has another architecture.

    Raises:
        UserError: no such file, no snapshot, one that is refused, or none of a StyleGAN2 with skip connections.
    """
    body = read(path)
    if not isinstance(body, dict) or not isinstance(body.get("G_ema"), Module):
        raise UserError(f"{path}: no snapshot of NVIDIA's, it has no network `G_ema`")
    networks = {name: body[name] for name in ("G_ema", "G", "D") if isinstance(body.get(name), Module)}
    try:
        tensors = {name: {k: v.float() for k, v in network.tensors()} for name, network in networks.items()}
        differences = {name: foreign(network) for name, network in networks.items()}
    except Exception as error:
        raise UserError(f"{path}: refused, {error}; nothing in it was run") from None
    average, judge = tensors["G_ema"], tensors.get("D", {})
    generator = tensors.get("G", average)
    for name, network in (("G_ema", average), ("G", generator)):
        _check_generator(path, networks["G_ema"].name, network)
        if differences.get(name):
            raise UserError(f"{path}: its generator computes otherwise than stylegan2_ada does: {differences[name]}")
    unread = differences.get("D") or _unlike(judge)
    snapshot = Snapshot(path, generator, average, judge, group=_group(networks.get("D")))
    return snapshot.without_discriminator(unread) if unread else snapshot


def _check_generator(path: Path, name: str, network: dict[str, Tensor]) -> None:
    """Raises UserError for other architectures: of one network for the image at the end alone, or with residues."""
    needed = ("synthesis.b4.const", "synthesis.b4.torgb.weight", "mapping.fc0.weight", "mapping.w_avg")
    if missing := [place for place in needed if place not in network]:
        raise UserError(f"{path}: its network `{name}` is no generator of StyleGAN2, `{missing[0]}` is missing")
    for side in _resolutions(network, "synthesis."):
        if f"synthesis.b{side}.torgb.weight" not in network or f"synthesis.b{side}.skip.weight" in network:
            raise UserError(f"{path}: its generator is none with skip connections, see its block of {side} pixels")
    width = len(network["mapping.w_avg"])
    inner = [f"fc{i}" for i in range(1, _depth(network))] + ["embed"] * ("mapping.embed.weight" in network)
    for place in inner:
        shape = network[f"mapping.{place}.weight"].shape
        if shape[0] != width or (place != "embed" and shape[1] != width):
            raise UserError(f"{path}: its mapping network is not {width} wide throughout, see its `{place}`")


def _unlike(network: dict[str, Tensor]) -> str:
    """What of a discriminator's architecture `stylegan2_ada` has not, in words; empty where there is none."""
    if not network:
        return ""
    sides = _resolutions(network, "")
    if not sides[1:]:
        return "it has no blocks"
    if len({f"b{side}.skip.weight" in network for side in sides[1:]}) > 1:
        return "some of its blocks are residual and others not"
    if len({f"b{side}.fromrgb.weight" in network for side in sides[:-1]}) > 1:
        return "it looks at the image in some of its sizes and not in others"
    wide, given, out = (network.get(f"b4.{name}.weight") for name in ("fc", "conv", "out"))
    if wide is None or given is None or out is None:
        return "it has no last layers"
    if _deviations(network) not in (0, 1):
        return f"its last block has {_deviations(network)} channels of the minibatch's deviation, here 0 or 1"
    places = ["embed", *(f"fc{i}" for i in range(_depth(network)))] if "mapping.embed.weight" in network else []
    shapes = {place: network[f"mapping.{place}.weight"].shape for place in places}
    for place, shape in shapes.items():
        if shape[0] != len(out) or (place != "embed" and shape[1] != len(out)):
            return f"its network of the classes is not {len(out)} wide throughout, see its `{place}`"
    return ""


def _deviations(discriminator: dict[str, Tensor]) -> int:
    """Channels of the minibatch's deviation."""
    return discriminator["b4.conv.weight"].shape[1] - len(discriminator["b4.fc.weight"])


def _group(network: Module | None) -> int:
    """Images of a group of the minibatch deviation, at most; 4, the papers', where the file does not say."""
    states = [layer.state for _, layer in network.layers()] if network else []
    sizes = [state["group_size"] for state in states if "group_size" in state]
    if sizes == [None]:  # all
        return sys.maxsize
    return sizes[0] if sizes and type(sizes[0]) is int and sizes[0] > 0 else 4


def _generator(theirs: dict[str, Tensor], classes: int) -> dict[str, Tensor]:
    found = _mapping(theirs, classes)
    found["mapping.w_average"] = theirs["mapping.w_avg"].expand(classes, -1)
    found["synthesis.constant"] = theirs["synthesis.b4.const"]
    for name, value in theirs.items():
        parts = re.fullmatch(r"synthesis\.b(\d+)\.(\w+)\.(.+)", name)
        if parts and parts[2] in SYNTHESIS and parts[3] in LAYER:
            side, layer = int(parts[1]), SYNTHESIS[parts[2]]
            place = f"blocks.{_doublings(side) - 1}.{layer}" if side > 4 else {"same": "first"}.get(layer, layer)
            found[f"synthesis.{place}.{LAYER[parts[3]]}"] = value
    w = len(theirs["mapping.w_avg"])
    if "mapping.embed.weight" not in theirs:  # the class, which comes after z here, has no say yet
        first = theirs["mapping.fc0.weight"]
        z = first.shape[1]
        grown = torch.cat([first * math.sqrt((z + w) / z), first.new_zeros(len(first), w)], 1)
        found["mapping.layers.0.weight"] = grown
    return found


def _mapping(theirs: dict[str, Tensor], classes: int, at: str = "mapping.") -> dict[str, Tensor]:
    """The layers of a mapping network, and its table of classes where that has as many classes."""
    found = {}
    for i in range(_depth(theirs)):
        for part in ("weight", "bias"):
            found[f"{at}layers.{i}.{part}"] = theirs[f"mapping.fc{i}.{part}"]
    table = theirs.get("mapping.embed.weight")
    if table is not None and table.shape[1] == classes:
        found[f"{at}embedding.weight"] = table.T / math.sqrt(classes) + theirs["mapping.embed.bias"]
    return found


def _discriminator(theirs: dict[str, Tensor], classes: int, ours: Discriminator) -> dict[str, Tensor]:
    if not theirs:
        return {}
    sides = _resolutions(theirs, "")  # ascending
    found = {}
    for name, value in theirs.items():
        parts = re.fullmatch(r"b(\d+)\.(\w+)\.(weight|bias)", name)
        if not parts:
            continue
        side, layer, part = int(parts[1]), parts[2], parts[3]
        if layer == "fromrgb":
            halved = _doublings(sides[-1]) - _doublings(side)
            found[f"images.{halved - 1}.{part}" if halved else f"image.{part}"] = value
        elif side == 4 and layer in LAST:
            found[f"{LAST[layer]}.{part}"] = value
        elif side > 4 and layer in DISCRIMINATION:
            found[f"blocks.{_doublings(sides[-1]) - _doublings(side)}.{DISCRIMINATION[layer]}.{part}"] = value
    if "mapping.embed.weight" in theirs:
        mapping = _mapping(theirs, classes, "")
        return found | {re.sub(r"^layers\.", "mapping.", name): value for name, value in mapping.items()}
    return found | _without_classes(found.pop("features.weight"), found.pop("features.bias"), ours)


@torch.no_grad()
def _without_classes(weight: Tensor, bias: Tensor, ours: Discriminator) -> dict[str, Tensor]:
    """The last layer of a discriminator without classes, one logit of (1, C) features, in terms of ours, whose logit is
    the product of C features and a vector of the class, over √C: the least features that give every class that logit
    (exactly, if the vectors of the classes are independent)."""
    size = ours.features.weight.shape[0]
    vectors = ours.classes(torch.arange(ours.embedding.num_embeddings, device=ours.embedding.weight.device)).double()
    share = torch.linalg.pinv(vectors).sum(1).cpu() * math.sqrt(size)  # (C,): its product with each vector is √C
    return {
        "features.weight": (share[:, None] * weight.double()).float(),
        "features.bias": (share * bias.double()).float(),
    }


def _resolutions(tensors: dict[str, Tensor], at: str) -> list[int]:
    """Sides of the blocks, ascending."""
    return sorted({int(found[1]) for name in tensors if (found := re.match(rf"{re.escape(at)}b(\d+)\.", name))})


def _widths(tensors: dict[str, Tensor], at: str, *layers: str) -> dict[int, int]:
    """Channels by the side of a block, that of one of the layers."""
    names = {side: [f"{at}b{side}.{layer}.bias" for layer in layers] for side in _resolutions(tensors, at)}
    return {side: len(tensors[name]) for side, some in names.items() for name in some if name in tensors}


def _depth(tensors: dict[str, Tensor]) -> int:
    """Layers of the mapping network."""
    return sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in tensors)


def _doublings(side: int) -> int:
    return side.bit_length() - 3
