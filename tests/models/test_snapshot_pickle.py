"""NVIDIA's snapshot files are read without running anything: hostile and damaged ones end in one clear line."""

import io
import os
import pickle
import sys

import pytest
import torch

from pipeline.models import snapshot_pickle
from pipeline.models.stylegan2_snapshot import open_snapshot
from pipeline.settings import UserError
from tests.models import nvidia


class Calls:
    """Pickles as the call of any function, by its name."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class Global:
    """The pickle of a name alone: protocol 4, STACK_GLOBAL."""

    def __init__(self, module, name):
        parts = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
        self.payload = b"\x80\x04" + parts + b"\x93."


def refused(tmp_path, payload, name):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(payload)
    with pytest.raises(UserError, match="nothing in it was run") as caught:
        open_snapshot(path)
    assert name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (os.system, ("touch {folder}/run",), "posix.system"),
        (eval, ("open('{folder}/run', 'w')",), "builtins.eval"),
        (getattr, (os, "system"), "builtins.getattr"),
        (torch.load, ("{folder}/other.pkl",), "torch.serialization.load"),
        (pickle.loads, (b"",), "_pickle.loads"),
        (__import__, ("os",), "builtins.__import__"),
    ],
)
def test_a_function_that_no_snapshot_needs_is_named_and_not_called(tmp_path, function, args, name):
    args = [a.format(folder=tmp_path) if isinstance(a, str) else a for a in args]
    args = [a for a in args if a is not os]  # modules do not pickle
    refused(tmp_path, pickle.dumps({"G_ema": Calls(function, *args)}), f"`{name}`")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch_utils.persistence", "_reconstruct_persistent_obj.__globals__"),
        ("torch._utils", "_rebuild_tensor"),
        ("collections", "OrderedDict.fromkeys"),
        ("torch.storage", "torch"),
        ("dnnlib.util", "open_url"),
        ("dnnlib.tflib.network", "Network"),
    ],
)
def test_neighbours_of_what_is_known_are_unknown(tmp_path, module, name):
    refused(tmp_path, Global(module, name).payload, f"`{module}.{name}`")


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_hostile_call_inside_the_bytes_of_a_tensor_is_not_made(tmp_path, protocol):
    """Such bytes are a pickle of their own, inside the file's."""
    inner = pickle.dumps(Calls(os.system, f"touch {tmp_path}/run"), 2)
    refused(tmp_path, pickle.dumps(Calls(torch.storage._load_from_bytes, inner), protocol), "system")
    whole = io.BytesIO()
    torch.save(Calls(os.system, f"touch {tmp_path}/run"), whole)
    refused(tmp_path, pickle.dumps(Calls(torch.storage._load_from_bytes, whole.getvalue()), protocol), "system")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [((10**9,), (1,), 0), ((4,), (1,), 2**40), ((10**6, 10**6), (0, 0), 0), ((-1,), (1,), 0), ((2.0,), (1,), 0)],
)
def test_a_tensor_is_no_larger_than_its_bytes(tmp_path, size, stride, offset):
    storage = torch.zeros(4)._typed_storage()
    call = Calls(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, None)
    refused(tmp_path, pickle.dumps(call), "one of its tensors")


@pytest.mark.parametrize("made", [b"", b"\x80", b"not a pickle", b"\x80\x04]" * 5])
def test_what_is_no_pickle_is_said_to_be_no_snapshot(tmp_path, made):
    refused(tmp_path, made, "no snapshot that is whole")


def test_weights_of_other_programs_are_said_to_be_none_of_nvidias(tmp_path):
    written = io.BytesIO()
    torch.save({"g_ema": {"weight": torch.zeros(2)}}, written)
    refused(tmp_path, written.getvalue(), "no snapshot of NVIDIA's (*.pkl) but a file of torch.save")


def test_a_truncated_file_is_never_half_read(tmp_path):
    path = nvidia.write(tmp_path / "whole.pkl", nvidia.networks(2, 1, 16))
    payload = path.read_bytes()
    for length in range(1, len(payload), len(payload) // 40):
        path.write_bytes(payload[:length])
        with pytest.raises(UserError, match=r"whole\.pkl: (no snapshot that is whole|refused)"):
            open_snapshot(path)


def test_reading_imports_nothing_and_leaves_the_source_of_the_networks_text(tmp_path):
    """That source would end this process."""
    path = nvidia.write(tmp_path / "s.pkl", nvidia.networks(2, 1, 16))
    before = set(sys.modules)
    body = snapshot_pickle.read(path)
    assert not {name for name in set(sys.modules) - before if "torch_utils" in name or "dnnlib" in name}
    assert type(body["G"]) is snapshot_pickle.Module
    assert body["G"].name == "Generator"
    assert body["training_set_kwargs"] == {"path": "images.zip", "xflip": False}


def test_modules_within_themselves_have_an_end(tmp_path):
    """A loop, which a pickle may hold."""
    module = snapshot_pickle.Module("Loop", {})
    module.state["_modules"] = {"again": module}
    with pytest.raises(snapshot_pickle.Refused, match="deep"):
        list(module.tensors())


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        open_snapshot(tmp_path / "none.pkl")
