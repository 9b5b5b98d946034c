"""Weights of a StyleGAN2 of other images in the places where they belong: another size, other channels."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from pipeline.base.colour import LUMA

SHOWN = re.compile(r"(?:generator|ema)\.synthesis\.(?:blocks\.\d+\.)?image\.(?:conv\.conv\.weight|bias)")
SEEN = re.compile(r"discriminator\.(?:image|images\.\d+)\.weight")
MAPPINGS = ("generator.mapping.layers.", "ema.mapping.layers.", "discriminator.mapping.")


def resized(weights: dict[str, Tensor], more: int) -> dict[str, Tensor]:
    """Weights for images of 2^more times the side. The generator's blocks are counted from the coarsest and keep their
    numbers. The discriminator's are counted from the finest and move, as do its layers that see the image."""
    places = {name: _resized(name, more) for name in weights}
    return {place: weights[name] for name, place in places.items() if place}


def _resized(name: str, more: int) -> str:
    """Where a tensor belongs; empty: nowhere."""
    if block := re.fullmatch(r"discriminator\.blocks\.(\d+)\.(.+)", name):
        place = int(block[1]) + more
        return f"discriminator.blocks.{place}.{block[2]}" if place >= 0 else ""
    if image := re.fullmatch(r"discriminator\.image(?:s\.(\d+))?\.(.+)", name):  # the finest, then the others from 0 on
        place = int(image[1] or -1) + more
        return f"discriminator.{'image' if place == -1 else f'images.{place}'}.{image[2]}" if place >= -1 else ""
    return name


def recoloured(weights: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Weights for images of 1 or 3 channels: the generator's images are exactly those of before made gray, or repeated
    in all three; the discriminator sees gray images repeated in all three, or the gray of coloured ones."""
    luma = torch.tensor(LUMA)
    found = dict(weights)
    for name, value in weights.items():
        if SHOWN.fullmatch(name) and len(value) != channels:  # (channels, ...)
            gray = torch.tensordot(luma, value, 1)[None] if len(value) == 3 else value
            found[name] = gray.expand(channels, *value.shape[1:])
        elif SEEN.fullmatch(name) and value.shape[1] != channels:  # (C, channels, 1, 1)
            # The network divides them by the root of the number of channels.
            scale = (channels / value.shape[1]) ** 0.5
            if channels == 1:
                found[name] = value.sum(1, keepdim=True) * scale
            else:
                found[name] = value * luma[:, None, None] * scale
    return found


def same_depth(weights: dict[str, Tensor], own: set[str]) -> dict[str, Tensor]:
    """The weights without mapping networks whose number of layers differs from that in `own` (names of the model's
    tensors), and without the mean styles that they made."""
    found = dict(weights)
    for place in MAPPINGS:
        if {name for name in own if name.startswith(place)} != {name for name in weights if name.startswith(place)}:
            mean = place.replace("layers.", "w_average")
            found = {name: value for name, value in found.items() if not name.startswith((place, mean))}
    return found
