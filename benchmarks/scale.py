"""What preparing and evaluating cost as data sets grow: memory and processor time.

    python -m benchmarks.scale large --side 16000 --tile 128    # one TIFF cut into tiles, split by region
    python -m benchmarks.scale flat --side 8000 --tile 32       # the same, three quarters of it without any detail
    python -m benchmarks.scale files --count 60000              # what planning asks of so many files
    python -m benchmarks.scale images --count 5000              # PNG of 128 pixels to 64, without near-duplicates
    python -m benchmarks.scale evaluate --count 20000 --made 20000    # synthetic images of 64 pixels against real ones
    python -m benchmarks.scale jobs --count 4000                # a run whose jobs do nothing: what Snakemake takes

Everything is drawn into a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import tifffile
from PIL import Image
from scipy import ndimage

from pipeline.base.null_journal import NullJournal
from pipeline.data.image_set import ImageSetWriter
from pipeline.data.preparing.prepare import prepare
from pipeline.data.reading.inputs import fingerprint, remember
from pipeline.data.reading.source import files
from pipeline.evaluation import panel
from pipeline.settings import Dataset, Evaluate

Result = TypeVar("Result")
BAND = 500  # rows that are drawn at a time
WIDTHS = (0.8, 1.2, 1.8, 2.7)  # of the blobs of each class, pixels


def micrograph(path: Path, side: int, detail: float) -> None:
    """Write a TIFF of noise, 8 bit, whose rows below a share of `detail` are of one gray value."""
    picture = np.full((side, side), 90, np.uint8)
    rng = np.random.default_rng(0)
    for row in range(0, round(detail * side), BAND):
        picture[row : row + BAND] = rng.integers(0, 255, picture[row : row + BAND].shape, np.uint8)
    tifffile.imwrite(path, picture, photometric="minisblack")


def one_picture(root: Path, side: int, tile: int, detail: float) -> Callable[[], None]:
    if os.fork() == 0:  # drawing takes more memory than what is measured
        micrograph(root / "large.tif", side, detail)
        os._exit(0)
    os.wait()
    settings = Dataset.model_validate(
        {"source": str(root / "large.tif"), "size": tile, "fit": "tile", "tile_overlap": 0, "split": {"by": "region"}}
    )
    return lambda: prepare(settings, root / "out", workers=2)


def many_images(root: Path, count: int) -> Callable[[], None]:
    _write_images(root / "images", count)
    settings = Dataset.model_validate({"source": str(root / "images"), "size": 64, "split": {"near_duplicates": "off"}})
    return lambda: prepare(settings, root / "out", workers=2)


def _write_images(folder: Path, count: int) -> None:
    folder.mkdir()
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 255, (128, 128), np.uint8)
        Image.fromarray(noise).save(folder / f"{i:06d}.png")


def planning(root: Path, count: int) -> None:
    """Ask for the fingerprint of files before they were read, after, and when all were copied."""
    source = root / "files"
    source.mkdir()
    body = np.random.default_rng(0).bytes(12_000)
    for i in range(count):
        (source / f"{i:06d}.png").write_bytes(i.to_bytes(4, "big") + body)
    settings, noted = Dataset(source=str(source)), root / "noted"
    paths = measured("listing", lambda: files(settings))
    before = measured("first plan", lambda: fingerprint(paths, noted))
    measured("noting what was read", lambda: remember(paths, noted))
    measured("second plan", lambda: fingerprint(paths, noted))
    for path in paths.values():
        os.utime(path)
    assert measured("plan after a copy", lambda: fingerprint(paths, noted)) == before
    measured("the one after", lambda: fingerprint(paths, noted))


def textures(folder: Path, count: int, seed: int) -> None:
    """An image set of filtered noise of 64 pixels in four classes, a fifth of it held out and a fifth of that chosen
    by."""
    labels = np.arange(count) % len(WIDTHS)
    splits = np.random.default_rng(seed).choice(["test", "val", "train"], count, p=[0.2, 0.08, 0.72])
    names = np.arange(count).astype(str)
    columns = {"id": names, "label": labels.astype(str), "source": names, "row": 0, "col": 0, "group": names}
    meta = {"classes": ["0", "1", "2", "3"], "symmetry": "none", "dtype": "uint8", "unit": "px", "pixel_size": None}
    meta |= {"scaling": {"rule": "dtype", "low": 0, "high": 255}}
    with ImageSetWriter(folder, count, 64, 64, 1, "uint8") as writer:
        for i, label in enumerate(labels):
            noise = np.random.default_rng([seed, i]).standard_normal((64, 64))
            field = ndimage.gaussian_filter(noise, WIDTHS[label], mode="wrap")
            writer[i] = np.clip(128 + 35 * field / field.std(), 0, 255).astype(np.uint8)[..., None]
        writer.finish(pd.DataFrame(columns | {"split": splits}), meta)


def evaluating(root: Path, count: int, made: int) -> None:
    """Measure so many synthetic images against so many real ones, and before them the noise floor of these."""
    settings, real, synthetic = Evaluate(inception="off", lpips="off"), root / "real", root / "synthetic"
    apart("drawing", lambda: (textures(real, count, 1), textures(synthetic, made, 2)))
    apart("the floor", lambda: panel.evaluate_real(settings, real, real / "evaluation.json", "drawn"))
    out, journal = synthetic / "evaluation.json", NullJournal()
    apart("a generator", lambda: panel.evaluate(settings, real, synthetic, out, "drawn", "copy", 0, journal))


STUB = """
import shutil
from pathlib import Path

for path in map(Path, snakemake.output):
    if not path.suffix:
        path.mkdir(parents=True, exist_ok=True)
    elif path.name == "images.npy":
        shutil.copy("some.npy", path)
    else:
        path.touch()
"""
TIMED = """
import atexit, resource
from snakemake.cli import main

def say():
    spent = [sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print("Snakemake %.0f s of the processor, its jobs %.0f s" % tuple(spent))

atexit.register(say)
main()
"""


def bookkeeping(root: Path, count: int) -> None:
    """Run the real workflow with scripts that make empty files: of four jobs a generator, and few beside them."""
    here = Path(__file__).parents[1]
    for folder in ("workflow", "envs"):
        shutil.copytree(here / folder, root / folder)
    for script in (root / "workflow" / "scripts").glob("*.py"):
        script.write_text(STUB)
    np.save(root / "some.npy", np.zeros((1000, 32, 32, 1), np.uint8))
    drawn = {
        "source": "voronoi",
        "size": 32,
        "labels": {"rule": "hdf5"},
        "hdf5": {"images": "images", "labels": "labels"},
    }
    config = {
        "seeds": list(range(count // 320)),
        "datasets": {f"d{i}": drawn for i in range(8)},
        "models": {f"m{i}": {"family": "cgan"} for i in range(10)},
    }
    (root / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-c", TIMED, "--configfile", "config.json", "--cores", "2"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(here)})
    steps = re.findall(r"(\d+) of \d+ steps", done.stdout + done.stderr)
    print(f"{steps[-1] if steps else 0} jobs, {time.perf_counter() - start:.0f} s: {done.stdout.splitlines()[-1]}")


def apart(what: str, work: Callable[[], object]) -> None:
    """Do it in a process of its own, and say what that cost."""
    start = time.perf_counter()
    if not (child := os.fork()):
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, f"{what} failed"
    spent, wall = usage.ru_utime + usage.ru_stime, time.perf_counter() - start
    print(f"{what}: {spent:.0f} s of the processor, {wall:.0f} s; {usage.ru_maxrss / 1e6:.2f} GB", flush=True)


def measured(what: str, work: Callable[[], Result]) -> Result:
    """Do it, and say what it cost: processor time and largest memory, of this process and of its children."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    before, start = [resource.getrusage(kind) for kind in kinds], time.perf_counter()
    result = work()
    after = [resource.getrusage(kind) for kind in kinds]
    spent = sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after, strict=True))
    own, child = (usage.ru_maxrss / 1e6 for usage in after)
    wall = time.perf_counter() - start
    print(f"{what}: {spent:.1f} s of the processor, {wall:.0f} s; {own:.2f} GB here, {child:.2f} GB the largest child")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["large", "flat", "files", "images", "evaluate", "jobs"])
    parser.add_argument("--side", type=int, default=8000)
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--made", type=int, default=5000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if given.what == "files":
            planning(root, given.count)
        elif given.what == "images":
            measured("prepare", many_images(root, given.count))
        elif given.what == "jobs":
            bookkeeping(root, given.count)
        elif given.what == "evaluate":
            evaluating(root, given.count, given.made)
        else:
            detail = 1.0 if given.what == "large" else 0.25
            measured("prepare", one_picture(root, given.side, given.tile, detail))


if __name__ == "__main__":
    main()
