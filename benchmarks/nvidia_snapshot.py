"""A trained `stylegan2_ada` of ours as a file of NVIDIA's layout, for trials of transfer without one of theirs.

    .venv/bin/python -m benchmarks.nvidia_snapshot results/steel/gan/seed-0 steel.pkl

A model of one class becomes networks without classes, as most of NVIDIA's are. The writer is the tests' second
implementation of such files (`tests/models/nvidia.py`).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor

from pipeline.models.stylegan2_ada import StyleGAN2ADA
from pipeline.models.stylegan2_discriminator import Discriminator
from pipeline.models.stylegan2_generator import Generator
from pipeline.training import model_files
from pipeline.training.transfer import Start
from tests.models import nvidia


@torch.no_grad()
def snapshot(model: StyleGAN2ADA) -> dict[str, nvidia.Persistent]:
    """G, D and G_ema that compute what the model does, whose classes, if it has several, are those in their order.

    Args:
        model: with noise in all layers or the coarsest ones (the others get noise of strength zero), and a mapping
            network of the discriminator as deep as the generator's.
    """
    chosen, spec = model.settings, model.spec
    classes = len(spec.classes) if len(spec.classes) > 1 else 0
    shape = {"img_resolution": spec.height, "img_channels": spec.channels}
    wide = {"base": chosen.channel_base, "most": chosen.channel_max}
    judge = nvidia.Discriminator(
        classes,
        **shape,
        layers=chosen.discriminator_mapping_layers or chosen.mapping_layers,
        base=chosen.discriminator_channel_base or chosen.channel_base,
        most=chosen.discriminator_channel_max or chosen.channel_max,
        residual=chosen.discriminator_residual,
        skips=chosen.discriminator_skips,
        deviation=int(chosen.discriminator_deviation),
        vector=chosen.discriminator_class_width,
    )
    _fill(judge, _discriminator(model.discriminator, classes))
    networks = {"D": judge}
    for name, ours in (("G", model.generator), ("G_ema", model.ema)):
        networks[name] = nvidia.Generator(
            chosen.z_dim, classes, chosen.w_dim, **shape, layers=chosen.mapping_layers, **wide
        )
        _fill(networks[name], _generator(ours, classes))
    return networks


def _generator(ours: Generator, classes: int) -> dict[str, Tensor]:
    found = {f"mapping.{name}": value for name, value in _mapping(ours.mapping, classes).items()}
    found["mapping.w_avg"] = ours.mapping.w_average.mean(0)
    if not classes:
        vector = ours.mapping.embedding.weight[0]
        first = ours.mapping.layers[0]
        z = first.weight.shape[1] - len(vector)
        known = vector / (vector.square().mean() + 1e-8).sqrt()
        found["mapping.fc0.weight"] = first.weight[:, :z] * math.sqrt(z / first.weight.shape[1])
        found["mapping.fc0.bias"] = first.bias + first.weight[:, z:] @ known / math.sqrt(first.weight.shape[1])
    synthesis = ours.synthesis
    found["synthesis.b4.const"] = synthesis.constant
    layers = {"b4.conv1": synthesis.first, "b4.torgb": synthesis.image}
    for i, block in enumerate(synthesis.blocks, 1):
        layers |= {
            f"b{4 << i}.{name}": layer
            for name, layer in (("conv0", block.up), ("conv1", block.same), ("torgb", block.image))
        }
    for name, layer in layers.items():
        part = {
            "weight": layer.conv.conv.weight,
            "affine.weight": layer.conv.affine.weight,
            "affine.bias": layer.conv.affine.bias,
            "bias": layer.bias,
        }
        if not name.endswith("torgb"):
            part["noise_strength"] = torch.zeros(()) if layer.strength is None else layer.strength
        found |= {f"synthesis.{name}.{key}": value for key, value in part.items()}
    return found


def _mapping(ours, classes: int) -> dict[str, Tensor]:
    layers = ours.mapping if isinstance(ours, Discriminator) else ours.layers
    found = {f"fc{i}.{part}": getattr(layer, part) for i, layer in enumerate(layers) for part in ("weight", "bias")}
    if classes:
        found["embed.weight"] = ours.embedding.weight.T * math.sqrt(classes)
        found["embed.bias"] = torch.zeros(ours.embedding.weight.shape[1])
    return found


def _discriminator(ours: Discriminator, classes: int) -> dict[str, Tensor]:
    finest = 4 << len(ours.blocks)
    layers = {f"b{finest}.fromrgb": ours.image, "b4.conv": ours.mix, "b4.fc": ours.dense, "b4.out": ours.features}
    layers |= {f"b{finest >> i}.fromrgb": layer for i, layer in enumerate(ours.images, 1)}
    for i, block in enumerate(ours.blocks):
        layers |= {
            f"b{finest >> i}.{name}": layer
            for name, layer in (("conv0", block.same), ("conv1", block.down), ("skip", block.skip))
            if layer is not None
        }
    found = {
        f"{name}.{part}": getattr(layer, part)
        for name, layer in layers.items()
        for part in ("weight", "bias")
        if getattr(layer, part) is not None
    }
    if classes:
        return found | {f"mapping.{name}": value for name, value in _mapping(ours, classes).items()}
    vector = ours.classes(torch.zeros(1, dtype=torch.int64)) / math.sqrt(ours.features.weight.shape[0])
    return found | {"b4.out.weight": vector @ ours.features.weight, "b4.out.bias": vector @ ours.features.bias}


def _fill(network: nvidia.Persistent, values: dict[str, Tensor]) -> None:
    """Raises KeyError: not what the network has."""
    places = dict(network.named_parameters()) | {
        name: value for name, value in network.named_buffers() if name.endswith("w_avg")
    }
    if places.keys() != values.keys():
        raise KeyError(str(sorted(places.keys() ^ values.keys())))
    for name, place in places.items():
        place.data = values[name].detach().clone().reshape(place.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a model, its checkpoints still there")
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    _, settings, spec = model_files.read(arguments.run)
    model = StyleGAN2ADA(settings, spec)
    outcome = Start.of(arguments.run).give(model)
    if outcome.anew:
        raise SystemExit(f"{arguments.run}: not whole, missing are {', '.join(outcome.anew)}")
    nvidia.write(arguments.file, snapshot(model))


if __name__ == "__main__":
    main()
