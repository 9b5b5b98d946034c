"""Where a training begins that is given the weights of another model: a run of ours, or a snapshot of NVIDIA's."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from pydantic import ValidationError
from torch import Tensor

from pipeline.base.files import sha256
from pipeline.models.base import GenerativeModel
from pipeline.models.stylegan2_ada import StyleGAN2ADA
from pipeline.models.stylegan2_snapshot import LICENCE, Snapshot, open_snapshot
from pipeline.models.transfer import Outcome, Source, adopt
from pipeline.settings import ImageSpec, StyleGAN2ADASettings, Training, UserError
from pipeline.training import checkpoint, model_files


@dataclass(frozen=True)
class Start:
    """What a training begins with."""

    path: Path
    sha256: str  # of the weights
    licence: str = ""  # that comes with them, where it is known

    @classmethod
    def of(cls, path: Path) -> Start:
        """Raises UserError: there is no model."""
        if path.is_dir():
            return cls(path, model_files.read_recipe(path)["sha256"])
        if not path.is_file():
            raise UserError(f"init_from: {path} is neither a folder of a model nor a snapshot (*.pkl)")
        return cls(path, sha256(path), LICENCE)

    def described(self) -> dict[str, str]:
        """For `model.json`."""
        return {"path": str(self.path), "sha256": self.sha256} | ({"licence": self.licence} if self.licence else {})

    def give(self, model: GenerativeModel) -> Outcome:
        """Put the weights into a model, as far as they fit.

        Raises:
            UserError: another family, a damaged or refused file, or nothing fits.
        """
        source = _of_run(self.path, model) if self.path.is_dir() else _of_snapshot(self.path, model)
        return adopt(model, source)


def snapshot_model(path: Path) -> StyleGAN2ADA:
    """The model that a snapshot of NVIDIA's is, on the CPU, ready to draw. It judges as the file's discriminator does,
    where the file has one of this architecture; a warning says where it has another.

    Raises:
        UserError: no such file, no snapshot, or one that is refused.
    """
    snapshot = open_snapshot(path)
    try:
        settings = StyleGAN2ADASettings(family="stylegan2_ada", **snapshot.settings())
    except ValidationError as error:
        wrong = "; ".join(f"{e['loc'][0]}: {e['input']}, {e['msg']}" for e in error.errors())
        raise UserError(f"{path}: its networks are larger than those of stylegan2_ada may be ({wrong})") from None
    model = StyleGAN2ADA(settings, snapshot.spec())
    unread = adopt(model, _source(snapshot, model)).unread
    if unread:
        kept = "images are as the file's own networks draw them, logits mean nothing"
        warnings.warn(f"{path}: {unread}; {kept}, and `init_from` would start it anew", stacklevel=3)
    model.discriminator.group_apart(snapshot.group)
    return model.eval().requires_grad_(False)


def _of_snapshot(path: Path, model: GenerativeModel) -> Source:
    if not isinstance(model, StyleGAN2ADA):
        raise UserError(
            f"init_from: {path} is a file, which only `stylegan2_ada` begins with, not {model.settings.family}"
        )
    return _source(open_snapshot(path), model)


def _source(snapshot: Snapshot, model: StyleGAN2ADA) -> Source:
    """Its classes have no names: they are those of the model, in their order."""
    architecture = snapshot.architecture().items()
    wanted = [
        f"`{name}: {str(value).lower()}`" for name, value in architecture if value != getattr(model.settings, name)
    ]
    if wanted:
        snapshot = snapshot.without_discriminator(f"it is that of {', '.join(wanted)}")
    spec = snapshot.spec()._replace(classes=model.spec.classes)
    unread = f"its discriminator is left out: {snapshot.unread}" if snapshot.unread else ""
    try:
        return Source(spec, snapshot.weights(len(spec.classes), model.discriminator), snapshot.settings(), unread)
    except (KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"{snapshot.path}: its networks are not whole ({' '.join(str(error).split())[:200]})") from None


def _of_run(folder: Path, model: GenerativeModel) -> Source:
    payload, settings, spec = model_files.read(folder)
    if settings.family != model.settings.family or not isinstance(settings, Training):
        raise UserError(f"init_from: {folder} is a {settings.family}, this model is a {model.settings.family}")
    weights = {f"ema.{name}": value for name, value in safetensors.torch.load(payload).items()}
    return Source(spec, _live(folder.resolve(), settings, spec) | weights, settings.model_dump())


def _live(folder: Path, settings: Training, spec: ImageSpec) -> dict[str, Tensor]:
    """What was trained beside the average, discriminators above all, from the run's last checkpoint; empty where that
    is gone."""
    results, place = folder.parents[2:3], folder.parts[-3:]
    state = Path(*results, "state", *place)
    found = checkpoint.last(state, spec.described(), settings.family) if state.is_dir() else {}
    named = {name.removeprefix("model."): value for name, value in found.items() if name.startswith("model.")}
    return {name: value for name, value in named.items() if not name.startswith("ema.")}
