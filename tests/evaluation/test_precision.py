"""What looks at images computes in whole float32, whatever a training has switched on in the same process."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.evaluation import lpips
from pipeline.evaluation.extractors import extractors
from pipeline.evaluation.features import Extractor, computed
from pipeline.evaluation.phases import Binarisation
from pipeline.settings import Evaluate, UserError
from pipeline.training.validator import Validator
from tests.evaluation.conftest import blobs, label_list, write_set
from tests.models.tiny import tiny_settings

WHOLE = (False, False, False, "ieee", "ieee")


def flags():
    """Whether convolutions may use TF32 and are chosen by their speed; the precision of products of matrices."""
    backends = torch.backends
    return (
        backends.cudnn.allow_tf32,
        backends.cudnn.conv.fp32_precision == "tf32",
        backends.cudnn.benchmark,
        backends.cuda.matmul.fp32_precision,
        backends.mkldnn.matmul.fp32_precision,
    )


class Recorder(TorchDispatchMode):
    """The flags at every convolution, product and mean of tensors, whoever asks for it: Python or TorchScript."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if any(name in str(function) for name in ("conv", "mm", "mean")):
            self.seen.append(flags())
        return function(*args, **(kwargs or {}))


@pytest.fixture
def fast():
    """What a training switches on where there is a GPU."""
    products = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = [product.fp32_precision for product in products]
    for product in products:
        product.fp32_precision = "tf32"
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
        yield flags()
    for product, precision in zip(products, before, strict=True):
        product.fp32_precision = precision


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_every_extractor_looks_in_full_precision(stand_in, tmp_path, fast):
    assert fast == (True, True, True, "tf32", "tf32")
    real = write_set(tmp_path / "real", blobs(label_list(150), 0, size=32), label_list(150))
    found = extractors(
        Evaluate(weights=str(stand_in), class_feature_steps=1), real, Binarisation(0.5, False, False, 0.0, None, "µm")
    )
    for name in ("random", "inception", "classifier", "imagenet"):
        with Recorder() as recorder:
            computed(real.images[:4], name, found[name], "test")
        assert set(recorder.seen) == {WHOLE}, name
    assert flags() == fast  # as it was


def test_so_do_lpips_and_what_chooses_a_snapshot(tmp_path, fast):
    inputs, widths, sides = (3, 64, 192, 384, 256), (64, 192, 384, 256, 256), (11, 5, 3, 3, 3)
    backbone = {
        f"features.{n}.{what}": torch.zeros(o, *([i, k, k] if what == "weight" else []))
        for n, i, o, k in zip(lpips.CONVOLUTIONS, inputs, widths, sides, strict=True)
        for what in ("weight", "bias")
    }
    network = lpips.Lpips(backbone, {f"lin{i}.model.1.weight": torch.ones(1, w, 1, 1) for i, w in enumerate(widths)})
    with Recorder() as recorder:
        lpips.distances(network, *np.zeros((2, 2, 40, 40, 1)))
    assert set(recorder.seen) == {WHOLE}
    held_out = write_set(tmp_path / "real", blobs(label_list(30), 0, size=32), label_list(30), "val")
    validator = Validator(held_out, held_out.spec, torch.device("cpu"), tiny_settings("dcgan"))
    with Recorder() as recorder:
        validator._vectors(torch.zeros(2, 1, 32, 32))
    assert set(recorder.seen) == {WHOLE}


def raises(images, text):
    assert flags() == WHOLE
    raise UserError("never finite")


def test_an_error_puts_the_precision_back(fast):
    with pytest.raises(UserError, match="never finite"):
        computed(np.zeros((1, 32, 32, 1), np.uint8), "bad", Extractor("1", raises), "test")
    assert flags() == fast
