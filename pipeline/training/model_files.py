"""A generator as files: averaged weights, or training images, (safetensors) and their recipe (JSON)."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

import pipeline.models
from pipeline.base.device import amp_dtype, best_device, device_name, precision_name
from pipeline.base.files import read_json, write_whole
from pipeline.models.base import GenerativeModel, Sampler
from pipeline.models.untrained import Recombination
from pipeline.settings import FAMILY_SETTINGS, ImageSpec, Training, Untrained, UserError
from pipeline.settings.places import RECIPE, WEIGHTS

VERSION = 1
LAST = "last.safetensors"


def save(
    model: GenerativeModel,
    out: Path,
    seed: int,
    data: dict[str, Any],
    seconds: float,
    kept_weights: dict[str, Tensor],
    kept: tuple[float, int] | None,
    started_from: dict[str, str] | None = None,
) -> None:
    """Write `model.safetensors` (the `ema` module alone, as it is kept or at last) and `model.json` into `out`.

    Args:
        data: `meta` of the image set the model was trained on.
        seconds: duration of the training.
        kept_weights: of `ema` at the snapshot that is kept.
        kept: held-out KID of that snapshot and the images seen by then; None keeps the last weights. Where the kept
            are not the last, the last are written to `last.safetensors`.
        started_from: the model that the training began with: its path, SHA-256 and licence.

    Raises:
        UserError: the folder cannot be written.
    """
    images = int(model.images_seen)
    last = safetensors.torch.save(averaged_weights(model))
    seen = images if kept is None else min(kept[1], images)
    earlier = seen < images
    training = {
        "images_seen": seen,
        "images_trained": images,
        "held_out_kid": kept and kept[0],
        "features": model.features,
        "parameters": parameters(model),
        "seconds": round(seconds, 1),
        "device": device_name(model.device),
        "precision": precision_name(model.amp),
        **({"started_from": started_from} if started_from else {}),
    }
    payload = safetensors.torch.save(kept_weights) if earlier else last
    _write(out, payload, _recipe(model, seed, data, payload) | training, last if earlier else None)


def save_untrained(model: Recombination, out: Path, seed: int, data: dict[str, Any]) -> None:
    """Write `model.safetensors`, which holds training images, and `model.json`, which says so, into `out`.

    Args and error as of `save`.
    """
    payload = safetensors.torch.save(averaged_weights(model))
    _write(out, payload, _recipe(model, seed, data, payload))


def _recipe(model: Sampler, seed: int, data: dict[str, Any], payload: bytes) -> dict[str, Any]:
    real = model.settings.real_pixels
    return {
        "version": VERSION,
        "settings": model.settings.model_dump(mode="json"),
        "spec": model.spec.described(),
        "seed": seed,
        **({"real_pixels": real} if real else {}),
        "data": {key: data.get(key) for key in ("data_hash", "dtype", "scaling", "pixel_size", "unit")},
        "versions": versions(),
        "sha256": hashlib.sha256(payload).hexdigest(),
    }


def _write(out: Path, payload: bytes, recipe: dict[str, Any], last: bytes | None = None) -> None:
    text = json.dumps(recipe, indent=2, ensure_ascii=False) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / LAST).unlink(missing_ok=True)
        if last is not None:
            write_whole(out / LAST, last)
        write_whole(out / WEIGHTS, payload)
        write_whole(out / RECIPE, text.encode())
    except OSError as error:
        raise UserError(f"{out}: the model cannot be written ({os.strerror(error.errno or 0)})") from error


def load(folder: Path) -> Sampler:
    """The model of a folder, ready to `sample`, in eval mode on the best device.

    Its networks beside `ema` are untrained. Precision follows the settings and this machine.

    Raises:
        UserError: a missing, damaged or foreign file.
    """
    payload, settings, spec = read(folder)
    if isinstance(settings, Untrained):
        model: Sampler = pipeline.models.build_untrained(settings, spec)
        device = model.device
    else:
        device = best_device()
        trained = pipeline.models.build(settings, spec, amp_dtype(settings.precision, device))
        trained.images_seen.fill_(read_json(folder / RECIPE, "images_seen")["images_seen"])
        model = trained
    model.load_average(safetensors.torch.load(payload))
    return model.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def read(folder: Path) -> tuple[bytes, Training | Untrained, ImageSpec]:
    """The weights of a folder, as safetensors has them, and what model they are of.

    Raises:
        UserError: a missing, damaged or foreign file.
    """
    recipe = read_recipe(folder)
    payload = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(payload).hexdigest() != recipe["sha256"]:
        raise UserError(f"{folder / WEIGHTS}: damaged, its SHA-256 is not the one in {RECIPE}")
    return payload, *_described(folder / RECIPE, recipe)


def _described(path: Path, recipe: dict[str, Any]) -> tuple[Training | Untrained, ImageSpec]:
    try:
        family = recipe["settings"]["family"]
        if family not in FAMILY_SETTINGS:
            raise UserError(f"{path}: family `{family}` is not one of {', '.join(FAMILY_SETTINGS)}")
        settings = FAMILY_SETTINGS[family].model_validate(recipe["settings"])
        spec: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe["spec"].items()}
        return settings, ImageSpec(**spec)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged, it describes no model ({' '.join(str(error).split())[:200]})") from None


def read_recipe(folder: Path) -> dict[str, Any]:
    """`model.json` of a folder that holds a whole model.

    Raises:
        UserError: a file is missing or unreadable.
    """
    for name in (WEIGHTS, RECIPE):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: not a model, {name} is missing")
    recipe = read_json(folder / RECIPE, "version", "settings", "spec", "sha256", "data")
    if recipe["version"] != VERSION:
        raise UserError(f"{folder / RECIPE}: version {recipe['version']}, this program reads {VERSION}")
    return recipe


def parameters(model: GenerativeModel) -> dict[str, int]:
    """Trainable numbers by network (the model's direct children, without the averaged copy)."""
    return {
        name: count
        for name, child in model.named_children()
        if child is not model.ema and (count := sum(p.numel() for p in child.parameters()))
    }


def averaged_weights(model: Sampler) -> dict[str, Tensor]:
    """A copy of the module that images are drawn from, on the CPU, row-major."""
    model.settle()
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous(memory_format=torch.contiguous_format)
        for name, tensor in model.ema.state_dict().items()
    }


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    found = {"python": platform.python_version()}
    for name in ("pyrite", "torch", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
