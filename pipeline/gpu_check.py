"""`python -m pipeline.gpu_check`: every family for some steps on whatever accelerator is here.

Needs neither Snakemake nor MLflow. For each family and size it trains on procedural images through the one loop, stops
half-way, goes on from the checkpoint, loads the written model, draws a sheet, and measures. Exits with status 1 where
anything failed.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pipeline.data.imageset import ImageSet, ImageSetWriter
from pipeline.device import best_device
from pipeline.models import FAMILIES
from pipeline.settings import FAMILY_SETTINGS, Training, UserError
from pipeline.training import grids, sentinels, store
from pipeline.training.launch import Forgetful
from pipeline.training.loop import train
from pipeline.training.snapshots import draw_classes

HEADER = ("family", "size", "device", "precision", "parameters", "s/kimg", "peak GB", "result")


@dataclass
class Curves(Forgetful):
    """A journal that keeps the curves and nothing else."""

    points: list[dict[str, float]] = field(default_factory=list)

    def metrics(self, values: dict[str, float], images: int) -> None:
        self.points.append(dict(values))


def stripes(path: Path, size: int, n: int = 64) -> Path:
    """An image set of two classes, horizontal and vertical stripes of random phase and period."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    names = np.array(["horizontal", "vertical"])[np.arange(n) % 2]
    ids = [f"stripes_{i:03d}" for i in range(n)]
    columns_of = {"id": ids, "label": names, "source": ids, "row": 0, "col": 0, "group": ids, "split": "train"}
    meta = {
        "classes": ["horizontal", "vertical"],
        "symmetry": "both",
        "dtype": "uint8",
        "scaling": {"rule": "dtype", "low": 0, "high": 255},
        "pixel_size": None,
        "unit": "px",
    }
    with ImageSetWriter(path, n, size, size, 1, "uint8") as writer:
        for i, name in enumerate(names):
            along = rows if name == "horizontal" else columns
            wave = np.sin(2 * np.pi * (along / (size / rng.uniform(2, 6)) + rng.uniform()))
            pixels = 127.5 + 80 * wave + rng.normal(0, 5, (size, size))
            writer[i] = np.clip(pixels, 0, 255).astype(np.uint8)[..., None]
        writer.finish(pd.DataFrame(columns_of), meta)
    return path


def check(settings: Training, size: int, folder: Path) -> tuple[str, ...]:
    """Train, stop, resume, load and draw one family at one size; returns a row of the table.

    Raises:
        UserError: the training was sick, or did not go on where it had stopped.
    """
    data, out, state = stripes(folder / "data", size), folder / "out", folder / "state"
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    journal = Curves()
    half = settings.model_copy(update={"total_images": settings.total_images // 2})
    train(half, data, out, state, 0, journal)
    train(settings, data, out, state, 0, journal)
    seen = store.read_recipe(out)["images_trained"]
    rows = pd.read_csv(out / "training.csv")
    if seen != settings.total_images or len(rows) != len(journal.points):
        raise UserError(
            f"{settings.family}: went on to {seen} images of {settings.total_images}, not from its checkpoint"
        )
    model = store.load(out)
    samples = draw_classes(model, settings.batch)
    for label, (name, images) in enumerate(samples.items()):
        sentinels.check_samples(name, images, _real(data, label), seen // settings.batch)
    grids.sheet({name: x.permute(0, 2, 3, 1).numpy() for name, x in samples.items()}).save(folder / "samples.png")
    speed = rows["speed/images_per_second"].iloc[len(rows) // 2 :].median()  # the first updates choose algorithms
    recipe = store.read_recipe(out)
    count = sum(recipe["parameters"].values())
    cells = (settings.family, size, recipe["device"], recipe["precision"], f"{count / 1e6:.1f} M")
    return (*map(str, cells), f"{1000 / speed:.2f}", f"{_peak():.2f}", "ok")


def _real(data: Path, label: int) -> torch.Tensor:
    images = ImageSet.open(data)
    levels = images.images[images.labels == label].astype(np.float32) / 127.5 - 1
    return torch.from_numpy(levels).permute(0, 3, 1, 2)


def _peak() -> float:
    """GB used at most: of the card, else of the whole process so far."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e9 if sys.platform == "darwin" else 1e6)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, help="images a training (default: 12800 on an accelerator, 16 on a CPU)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 128], help="pixels (default: 32 128)")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--out", type=Path, help="folder for the sheets and models (default: a new temporary one)")
    wish = parser.parse_args()
    cpu = best_device().type == "cpu"
    batch = 4 if cpu else 32
    images = (wish.images or (16 if cpu else 12800)) // (2 * batch) * (2 * batch)
    folder = wish.out or Path(tempfile.mkdtemp(prefix="gpu-check-"))
    table = []
    for family in wish.families:
        for size in wish.sizes:
            settings = FAMILY_SETTINGS[family](
                family=family, total_images=images, batch=batch, precision=wish.precision, snapshots=2
            )
            try:
                table.append(check(settings, size, folder / f"{family}-{size}"))
            except Exception as error:
                if not isinstance(error, UserError):
                    traceback.print_exc()
                table.append((family, str(size), *["-"] * 5, f"FAILED: {error}"))
    print(f"torch {torch.__version__}, CUDA {torch.version.cuda or 'no'}, {images} images each; files in {folder}")
    for row in (HEADER, *table):
        print(" | ".join(cell.ljust(w) for cell, w in zip(row, _widths([HEADER, *table]), strict=True)))
    return int(any(row[-1] != "ok" for row in table))


def _widths(table: list[tuple[str, ...]]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(*table, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
