"""Transfer: a model begins with the weights of another one, as far as they fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.models.base import GenerativeModel
from pipeline.settings import ImageSpec, Training, UserError


@dataclass(frozen=True)
class Source:
    """Another model of the same family."""

    spec: ImageSpec
    weights: dict[str, Tensor]  # by the names of `state_dict`; where there is no live network, that of the average
    settings: Mapping[str, Any]  # its networks', by their names in `models`
    unread: str = ""  # a network of it that is not among the weights, and why, in words


@dataclass(frozen=True)
class Outcome:
    """What a model has taken over."""

    taken: int  # tensors of its networks, the average apart
    count: int  # that there are
    anew: tuple[str, ...]  # the places below which nothing has been taken
    classes: tuple[str, ...]  # that the other model does not know
    settings: tuple[str, ...]  # that differ, where a tensor has another shape, or no place here
    unread: str  # a network that is left out, and why

    def lines(self) -> list[str]:
        """To be said."""
        found = [f"{self.taken} of {self.count} tensors of the networks are taken over"]
        if self.unread:
            found.append(
                f"WARNING: {self.unread}; it starts anew, and most of the advantage is lost until it has learnt"
            )
        if self.anew:
            found.append(f"what is not there or does not fit starts anew: {', '.join(self.anew)}")
        if self.classes:
            found.append(f"classes that start anew, for it does not know them: {', '.join(self.classes)}")
        if self.settings:
            found.append(f"it was made with other settings: {', '.join(self.settings)}")
        return found


@torch.no_grad()
def adopt(model: GenerativeModel, source: Source) -> Outcome:
    """Take over every tensor of the networks that has its counterpart, of the same shape, in the source.

    Tables of classes are taken row by row, by the classes' names. Optimisers, the count of images and what a family
    calls `begun_anew` stay as they are.

    Raises:
        UserError: nothing fits.
    """
    own = {name: tensor for name, tensor in model.state_dict().items() if _is_network(model, name)}
    weights = model.fitted(_completed(model, source.weights), source.spec)
    tables = _tables(model)
    anew, classes = set(), set()
    unlike = any(_is_network(model, name) and name not in own for name in source.weights)
    for name, tensor in own.items():
        given = weights.get(name)
        if given is not None and name in tables and given.shape[1:] == tensor.shape[1:]:
            missing = _take_rows(tensor, given, model.spec.classes, source.spec.classes)
            classes |= missing
            anew |= {name} if len(missing) == len(model.spec.classes) else set()
        elif given is not None and given.shape == tensor.shape:
            tensor.copy_(given)
        else:
            anew.add(name)
            unlike |= name in source.weights
    live = {name for name in own if not name.startswith("ema.")}
    if live <= anew:
        differing = ", ".join(_differences(model, source)) or "its images are of another shape"
        raise UserError(f"init_from: nothing of it fits this model ({differing})")
    return Outcome(
        taken=len(live - anew),
        count=len(live),
        anew=tuple(_places(sorted(anew & live), live)),
        classes=tuple(name for name in model.spec.classes if name in classes),
        settings=tuple(_differences(model, source)) if unlike else (),
        unread=source.unread,
    )


def _is_network(model: GenerativeModel, name: str) -> bool:
    """Whether a tensor of the state is one of a network: not a count, nor what a network keeps of training images."""
    return "." in name and not name.endswith("_extra_state") and not name.startswith(model.begun_anew)


def _completed(model: GenerativeModel, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """With the live network, where only its average is there."""
    average = model.ema.state_dict().keys()
    for place, child in model.named_children():
        if child is not model.ema and child.state_dict().keys() == average:
            copies = {f"{place}.{name[4:]}": value for name, value in weights.items() if name.startswith("ema.")}
            return copies | weights
    return weights


def _tables(model: GenerativeModel) -> set[str]:
    """Names of the tensors (classes, ...) that have a row for each class."""
    found = {name for name, _ in model.named_buffers() if name.endswith("w_average")}
    for place, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            found |= {
                f"{place}.{name}" for name, value in module.state_dict().items() if getattr(value, "ndim", 0) == 2
            }
    return found


def _take_rows(ours: Tensor, theirs: Tensor, names: tuple[str, ...], known: tuple[str, ...]) -> set[str]:
    """Of the classes that both know, and of a last row for none of them; returns the others."""
    for row, name in enumerate(names):
        if name in known and known.index(name) < len(theirs):
            ours[row].copy_(theirs[known.index(name)])
    if len(ours) == len(names) + 1 and len(theirs) == len(known) + 1:
        ours[-1].copy_(theirs[-1])
    return set(names) - set(known[: len(theirs)])


def _differences(model: GenerativeModel, source: Source) -> list[str]:
    """`z_dim: 512, here 64` for the settings of the family's own."""
    own = type(model.settings).model_fields.keys() - Training.model_fields.keys()
    pairs = {k: (theirs, getattr(model.settings, k)) for k, theirs in source.settings.items() if k in own}
    return [f"{k}: {theirs}, here {_word(ours)}" for k, (theirs, ours) in pairs.items() if theirs != ours]


def _word(value: Any) -> Any:
    """As a configuration says it."""
    return "null" if value is None else value


def _places(names: Iterable[str], every: set[str]) -> list[str]:
    """The shortest dotted beginnings that cover the names and no other of them all."""
    kept = [name.split(".") for name in every.difference(names)]
    found = {}
    for name in names:
        parts = name.split(".")
        depths = range(1, len(parts) + 1)
        depth = next((d for d in depths if not any(k[:d] == parts[:d] for k in kept)), len(parts))
        found[".".join(parts[:depth])] = True
    return list(found)
