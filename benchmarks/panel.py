"""The panel's time, and its distances beside clean-fid, torch-fidelity and prdc: time and difference.

    .venv/bin/python -m benchmarks.panel --threads 2 --out docs/results/panel.md

Images are smooth noise made here. The panel judges 5 000 of them by 1 440 training and 360 held-out ones, 128 pixels,
one channel, six classes, and no features are kept from before. The peers get the same features as we do, in turn with
us. For FID of several models both sides use Inception's architecture with random weights, so that nothing is fetched:
it costs what the real one does, and its distances mean nothing but that both find the same. clean-fid is called once
for each model, as its page says; what it finds of the real images is not kept from call to call.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import fft
from torch import nn
from torchvision.models import inception_v3

from benchmarks.peers import busy, duel, seconds
from benchmarks.throughput import cpu
from pipeline.base.device import use_threads
from pipeline.base.null_journal import NullJournal
from pipeline.data.image_set import ImageSetWriter
from pipeline.evaluation import distances, features, panel, structure
from pipeline.evaluation.inception import inception_features
from pipeline.metrics import distances as metrics
from pipeline.settings import Evaluate

SCALES = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0)  # of the noise of each class, pixels
WEIGHTS_FILE = "inception-2015-12-05.pt"  # as clean-fid names it
REPEATS = 3  # turns of the short comparisons
PARTS: dict[str, tuple[ModuleType, str]] = {
    "distances over all classes": (distances, "overall"),
    "distances class by class": (distances, "by_class"),
    "texture and spectrum": (structure, "textures"),
    "microstructure": (structure, "microstructure"),
    "search for copies": (panel, "nearest_training"),
    "copies": (panel, "copies"),
    "diversity": (panel, "diversity"),
    "power spectra's figure": (panel, "plot_psd"),
    "sheet of samples": (panel, "plot_samples"),
}


class Sizes(NamedTuple):
    """Of all comparisons; smaller ones are for tests."""

    made: int = 5000
    training: int = 1440
    heldout: int = 360
    pixels: int = 128
    frechet: tuple[int, int] = (500, 2048)  # images, features
    kid: tuple[int, int] = (1000, 2048)
    prdc: tuple[int, int] = (1440, 2048)
    models: int = 5
    calls: int = 2  # of clean-fid that are timed
    images: int = 32  # of each model


def noise(n: int, pixels: int, seed: int) -> NDArray[np.uint8]:
    """(n, pixels, pixels, 1): smooth patterns of two phases, their scale that of the class i mod 6, with grain."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(pixels)[:, None], np.fft.rfftfreq(pixels)[None])
    images = np.empty((n, pixels, pixels, 1), np.uint8)
    for i in range(n):
        smooth = np.exp(-2 * (np.pi * frequency * SCALES[i % len(SCALES)]) ** 2)
        field = fft.irfft2(fft.rfft2(rng.standard_normal((pixels, pixels))) * smooth, (pixels, pixels))
        grain = 6 * rng.standard_normal((pixels, pixels))
        images[i, ..., 0] = np.clip(128 + 45 * np.tanh(2 * field / field.std()) + grain, 0, 255)
    return images


def write_set(path: Path, images: NDArray[np.uint8], splits: list[str]) -> None:
    n, height, width, channels = images.shape
    labels = [f"scale {SCALES[i % len(SCALES)]:g}" for i in range(n)]
    table = {"id": [str(i) for i in range(n)], "label": labels, "source": "made", "row": 0, "col": 0}
    table |= {"group": [str(i) for i in range(n)], "split": splits}
    meta = {"classes": sorted(set(labels)), "symmetry": "none", "unit": "px", "dtype": "uint8", "pixel_size": None}
    with ImageSetWriter(path, n, height, width, channels, "uint8") as writer:
        writer[:] = images
        writer.finish(pd.DataFrame(table), meta | {"scaling": {"rule": "dtype", "low": 0, "high": 255}})


# ---------------------------------------------------------------- the panel


class Clock:
    """Seconds of the wall and of the processor that functions take, by name."""

    def __init__(self):
        self.spent: dict[str, NDArray] = {}

    def timed(self, name: Callable[..., str], function: Callable) -> Callable:
        """The function, its time counted under a name made from its arguments; of an iterator, that of running it."""

        def call(*args: Any, **kwargs: Any) -> Any:
            start = now()
            found = function(*args, **kwargs)
            if isinstance(found, Iterator):
                found = iter(list(found))
            key = name(*args, **kwargs)
            self.spent[key] = self.spent.get(key, np.zeros(2)) + now() - start
            return found

        return call


def now() -> NDArray:
    return np.array([time.perf_counter(), time.process_time()])


def panel_times(sizes: Sizes) -> tuple[dict[str, NDArray], NDArray]:
    """(wall, processor) seconds of each part, and of the whole."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patched:
        root = Path(folder)
        splits = ["train"] * sizes.training + ["test"] * sizes.heldout
        write_set(root / "real", noise(len(splits), sizes.pixels, 0), splits)
        write_set(root / "made", noise(sizes.made, sizes.pixels, 1), ["train"] * sizes.made)
        for part, (module, name) in PARTS.items():
            timed = clock.timed(lambda *_, part=part, **__: part, getattr(module, name))
            patched.enter_context(mock.patch.object(module, name, timed))
        timed = clock.timed(lambda images, name, *_: f"features: {name}", features.computed)
        patched.enter_context(mock.patch.object(features, "computed", timed))
        start = now()
        out = root / "evaluation.json"
        panel.evaluate(Evaluate(inception="off"), root / "real", root / "made", out, "noise", "model", 0, NullJournal())
        whole = now() - start
    return clock.spent | {"all else": whole - sum(clock.spent.values())}, whole


# ---------------------------------------------------------------- single distances


def feature_sets(n: int, d: int) -> tuple[NDArray, NDArray]:
    """Judged and reference features: positive, skewed, with a spectrum that falls, as a network's are."""
    rng = np.random.default_rng(0)
    x, y = rng.gamma(0.5, size=(2, n, d)) / np.sqrt(np.arange(1, d + 1))
    return 1.1 * x + 0.01, y


def frechet(sizes: Sizes) -> tuple[tuple[float, float], float]:
    """Theirs gets means and covariances, which are not timed; ours gets the features. Timed once: theirs is slow."""
    from cleanfid.fid import frechet_distance

    x, y = feature_sets(*sizes.frechet)
    moments = [part for z in (x, y) for part in (z.mean(axis=0), np.cov(z, rowvar=False))]
    found = []
    theirs = seconds(lambda: found.append(float(frechet_distance(*moments))))
    times = theirs, seconds(lambda: found.append(metrics.frechet(x, y)))
    return times, abs(found[1] / found[0] - 1)


def kid(sizes: Sizes) -> tuple[tuple[float, float], float]:
    """Of one subset that holds all images."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = feature_sets(*sizes.kid)
    given = [torch.from_numpy(z) for z in (x, y)]
    found = []

    def theirs() -> None:
        result = kid_features_to_metric(*given, kid_subsets=1, kid_subset_size=len(x), verbose=False)
        found.append(result["kernel_inception_distance_mean"])

    times = duel(theirs, lambda: found.append(metrics.kid(x, y)), REPEATS)
    return times, abs(found[1] / found[0] - 1)


def prdc(sizes: Sizes) -> tuple[tuple[float, float], float]:
    """All four numbers, k = 5."""
    from prdc import compute_prdc

    x, y = feature_sets(*sizes.prdc)
    found = []
    times = duel(lambda: found.append(compute_prdc(y, x, 5)), lambda: found.append(metrics.prdc(x, y)), REPEATS)
    return times, max(abs(found[1][name] - found[0][name]) for name in found[0])


class StandIn(nn.Module):
    """Inception v3 by torchvision with random weights, in the form of the file that clean-fid loads."""

    def __init__(self):
        super().__init__()
        whole = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False).eval()
        for weight in whole.parameters():
            if weight.dim() == 4:
                nn.init.kaiming_normal_(weight)
        parts = [module for name, module in whole.named_children() if name not in ("dropout", "fc")]
        self.layers = torch.jit.trace(nn.Sequential(*parts, nn.Flatten()), torch.zeros(2, 3, 299, 299))
        self.output = nn.Linear(2048, 1008)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def several_models(sizes: Sizes) -> tuple[tuple[float, float], float]:
    """Seconds for FID of all models, theirs from the calls that are timed; the largest relative difference."""
    from cleanfid.fid import compute_fid
    from cleanfid.inception_torchscript import InceptionV3W

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        torch.manual_seed(0)
        torch.jit.script(StandIn()).save(root / WEIGHTS_FILE)
        names = ["real", *(f"model-{i}" for i in range(sizes.models))]
        for seed, name in enumerate(names):
            (root / name).mkdir()
            for i, image in enumerate(noise(sizes.images, sizes.pixels, seed)):
                Image.fromarray(image[..., 0]).save(root / name / f"{i:04d}.png")
        theirs, ours = [], []

        def one_by_one() -> None:
            network = InceptionV3W(str(root), download=False)
            device = torch.device("cpu")
            for name in names[1 : sizes.calls + 1]:
                given = {"num_workers": 0, "device": device, "custom_feat_extractor": network, "verbose": False}
                theirs.append(float(compute_fid(str(root / name), str(root / "real"), mode="clean", **given)))

        def all_at_once() -> None:
            found = [inception_features(read(root / name), name, root / WEIGHTS_FILE).vectors for name in names]
            ours.extend(metrics.frechet(vectors, found[0]) for vectors in found[1:])

        times = seconds(one_by_one) * sizes.models / sizes.calls, seconds(all_at_once)
    return times, max(abs(b / a - 1) for a, b in zip(theirs, ours, strict=False))


def read(folder: Path) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.open(path))[..., None] for path in sorted(folder.iterdir())])


# ---------------------------------------------------------------- the page


def table(sizes: Sizes) -> Iterator[tuple[str, float]]:
    """Lines, and in how many times less time we find the same; a peer that is not here gets a line that says so."""
    calls = f"{sizes.calls} of its {sizes.models} calls timed"
    rows = [
        ("Fréchet distance", "clean-fid", "{} images, {} features".format(*sizes.frechet), frechet),
        ("KID", "torch-fidelity", "{} images, {} features".format(*sizes.kid), kid),
        ("precision, recall, density, coverage", "prdc", "{} images, {} features".format(*sizes.prdc), prdc),
        (f"FID of {sizes.models} models", "clean-fid", f"{sizes.images} images each; {calls}", several_models),
    ]
    for what, peer, size, compare in rows:
        try:
            version = importlib.metadata.version(peer)
        except importlib.metadata.PackageNotFoundError:
            yield f"| {what} | {peer} | left out, not installed: `pip install -e '.[dev]'` |  |  |  |", np.nan
            continue
        times, difference = compare(sizes)
        ratio = times[0] / times[1]
        cells = [what, f"{peer} {version}", size, f"{times[0]:.3g} / {times[1]:.3g}", f"**{ratio:.3g}**"]
        yield "| " + " | ".join([*cells, f"{difference:.1e}"]) + " |", ratio


def page(sizes: Sizes) -> Iterator[str]:
    yield "# The panel's time"
    yield ""
    yield (
        f"`python -m benchmarks.panel {' '.join(sys.argv[1:])}`, torch {torch.__version__}, NumPy {np.__version__}, "
        f"{cpu()}, {torch.get_num_threads()} threads, no GPU. {busy()}"
    )
    yield ""
    parts, whole = panel_times(sizes)
    yield (
        f"{sizes.made} synthetic images against {sizes.training} training and {sizes.heldout} held-out ones of "
        f"{sizes.pixels} × {sizes.pixels} pixels, one channel, {len(SCALES)} classes; all features computed anew."
    )
    yield ""
    yield "| part | wall, s | processor, s |"
    yield "| --- | ---: | ---: |"
    for name, spent in sorted(parts.items(), key=lambda item: -item[1][1]):
        yield f"| {name} | {spent[0]:.1f} | {spent[1]:.1f} |"
    yield f"| **together** | **{whole[0]:.1f}** | **{whole[1]:.1f}** |"
    yield ""
    yield "Theirs / ours on the same input; above 1 ours is faster. The difference is relative, of PRDC absolute."
    yield ""
    yield "| what | peer | size | s | ratio | difference |"
    yield "| --- | --- | --- | ---: | ---: | ---: |"
    for line, _ in table(sizes):
        yield line
    yield ""
    yield (
        "Fréchet distance: clean-fid's is given means and covariances, ours the features. FID: Inception's architecture"
        " with random weights on both sides, which costs what the real one does; clean-fid is called once a model and"
        " computes the real images' features each time. Its root of a matrix as singular as that of so few images is"
        " off by the difference shown: given the same features in the space that they span, it finds what we find"
        " (`tests/metrics/test_distances.py`)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--out", type=Path, help="write the page to this Markdown file as well")
    wish = parser.parse_args()
    use_threads(wish.threads)
    lines = []
    for line in page(Sizes()):
        lines.append(line)
        print(line, flush=True)
    if wish.out:
        wish.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of what theirs calls
    main()
