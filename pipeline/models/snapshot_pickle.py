"""NVIDIA's snapshot files (StyleGAN2-ADA, StyleGAN2-pytorch: `network-snapshot-*.pkl`), read without running them.

A pickle is a program that may call any function by its name. Here each name stands on a short list, and what it stands
for is a plain record, a container or a tensor; any other name ends the reading. The Python source of the networks,
which such a file carries along, stays text.
"""

from __future__ import annotations

import io
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.settings import UserError

ZIP = b"PK\x03\x04"  # how a file of torch.save begins
DEEPEST = 16  # modules within one another; the networks have four


@dataclass(frozen=True)
class Module:
    """A network or layer of a snapshot: the name of its class, and its attributes as they were written."""

    name: str
    state: dict[str, Any]

    def layers(self, name: str = "", depth: int = 0) -> Iterator[tuple[str, Module]]:
        """This one and all within it, by their dotted names; its own is empty. Raises Refused beyond DEEPEST."""
        if depth > DEEPEST:
            raise Refused(f"its modules stand more than {DEEPEST} deep within one another")
        yield name, self
        for key, value in self._entries("_modules"):
            if isinstance(value, Module):
                yield from value.layers(f"{name}.{key}".lstrip("."), depth + 1)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers by their dotted names."""
        for name, layer in self.layers():
            yield from ((f"{name}.{key}".lstrip("."), value) for key, value in layer.own_tensors())

    def own_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers of this module alone, without those of modules within it."""
        for kind in ("_parameters", "_buffers"):
            yield from ((key, value) for key, value in self._entries(kind) if isinstance(value, Tensor))

    def _entries(self, kind: str) -> Iterator[tuple[Any, Any]]:
        found = self.state.get(kind, {})
        if not isinstance(found, dict):
            raise Refused(f"{kind} of its {self.name} is no table")
        yield from found.items()


class Refused(Exception):
    """Why a file is not taken for a snapshot."""


class Options(dict):
    """An EasyDict: a dict, and nothing else."""

    __slots__ = ()


class Unread:
    """A number, an array or a dtype of numpy, none of which is needed."""

    def __new__(cls, *args: Any) -> Unread:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def read(path: Path) -> Any:
    """What a snapshot file holds, its networks as `Module`.

    Raises:
        UserError: the file cannot be read, is no pickle or not whole, or asks for what no snapshot needs; nothing of it
            has been run.
    """
    try:
        with open(path, "rb") as file:
            if file.peek(4)[:4] == ZIP:
                raise Refused("it is no snapshot of NVIDIA's (*.pkl) but a file of torch.save, as others give theirs")
            return _Reader(file).load()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except Refused as refused:
        raise UserError(f"{path}: refused, {refused}; nothing in it was run") from None
    except Exception as error:  # a damaged pickle fails in every way that there is
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: no snapshot that is whole ({why}); nothing in it was run") from None


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable:
        try:
            return KNOWN[module, name]
        except KeyError:
            raise Refused(f"it asks for `{module}.{name}`, which no snapshot needs") from None


def _module(meta: Any) -> Module:
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict) or meta.get("type") != "class":
        raise Refused("one of its modules has no class or no state")
    return Module(str(meta.get("class_name")), meta["state"])


def _storage(data: Any) -> torch.storage.TypedStorage:
    if not isinstance(data, bytes):
        raise Refused("one of its tensors has no bytes")
    try:
        storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch says which name it does not know, and how to run it all the same
        found = re.search(r"GLOBAL (\S+)", str(error))
        wish = f"ask for `{found[1]}`" if found else "are no numbers"
        raise Refused(f"the bytes of one of its tensors {wish}") from None
    if not isinstance(storage, torch.storage.TypedStorage):
        raise Refused(f"the bytes of one of its tensors hold a {type(storage).__name__}")
    return storage


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    numbers = [offset, *size, *stride]
    if not isinstance(storage, torch.storage.TypedStorage) or any(type(n) is not int or n < 0 for n in numbers):
        raise Refused("one of its tensors is described by no whole numbers")
    count, last = 1, offset
    for n, step in zip(size, stride, strict=True):
        count, last = count * n, last + max(0, n - 1) * step
    held = storage._untyped_storage.nbytes() // storage.dtype.itemsize
    if count and (last >= held or count > held):
        raise Refused(f"one of its tensors is said to be {list(size)}, its bytes are {held} numbers")
    return torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage, offset, size, stride)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _encode(text: Any, encoding: Any = None) -> bytes:
    """How old protocols write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused(f"it encodes text as {encoding!r}")
    return text.encode("latin1")


KNOWN: dict[tuple[str, str], Callable] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _module,
    ("dnnlib.util", "EasyDict"): Options,
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,  # its name in old protocols
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): Unread,
    ("numpy", "ndarray"): Unread,
    **{
        (f"numpy.{core}.{module}", name): Unread
        for core in ("core", "_core")
        for module, name in (("multiarray", "scalar"), ("multiarray", "_reconstruct"), ("numeric", "_frombuffer"))
    },
}
