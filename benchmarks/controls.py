"""Does the comparison of detectors say *helps* of images that must help, and never of those that cannot?

    python -m benchmarks.controls --draws 10 --out docs/results/controls.md
    python -m benchmarks.controls --images results-neu-shots/neu_5/real --out neu.md
    python -m benchmarks.controls --pool results-neu/neu/real --control 0 --draws 20 --shots 5 --out neu.md

Textures with faint defects are drawn (no photograph, no licence): six classes of 64 pixels, K images of each to
train and as many to choose by, 60 for the positive control and 100 to judge. For each draw both controls go through
selection, training and comparison as a generator's images do. The positive one should *help*, the negative one never.
With `--images` it is done for prepared few-shot sets with a split `control` in the place of drawn ones, and with
`--pool` for few-shot sets of a prepared image set, split by another seed in each draw (`--control 0`: the negative
control alone, which needs no images held back).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import chain, starmap
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.data.image_set import COLUMNS, ImageSet, ImageSetWriter
from pipeline.data.preparing import splits
from pipeline.downstream.classifier import frozen
from pipeline.downstream.classifier.device_dataset import DeviceDataset
from pipeline.downstream.experiment import run_arms
from pipeline.downstream.paired_gain import compare
from pipeline.downstream.records import read_results
from pipeline.downstream.registry import TASKS
from pipeline.settings import Detect, FewShots, Split

SIZE = 64
CLASSES = ("good", "line", "spot", "ring", "band", "dots")
COUNTS = {"control": 60, "test": 100}  # of each class, beside K to train and K to choose by
Look = Callable[..., NDArray[np.float32]]
CONTRAST = 1.4  # of a defect, in standard deviations of the texture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10])
    parser.add_argument(
        "--images", type=Path, nargs="+", default=[], help="prepared image sets, in place of drawn ones"
    )
    parser.add_argument("--pool", type=Path, help="a prepared image set to draw few-shot sets from")
    parser.add_argument("--control", type=int, default=60, help="with --pool: images a class for the positive control")
    parser.add_argument("--out", type=Path, help="page to write; without it the rows are only printed")
    given = parser.parse_args()
    controls = ["more real images", "the real images again"][given.pool is not None and not given.control :]
    lines = [
        "# Controls of the comparison of detectors",
        "",
        f"`python -m benchmarks.controls {' '.join(sys.argv[1:])}`: frozen backbone, ten repetitions. Macro F1 in "
        "percent, gains in points.",
        "",
        f"| images a class | draw | strongest plain arm | {' | '.join(controls)} |",
        f"| ---: | ---: | ---: |{' --- |' * len(controls)}",
    ]
    drawn = [] if given.images else [(shots, draw) for shots in given.shots for draw in range(given.draws)]
    if given.pool:
        frozen._look = remembering(frozen._look)
        few = FewShots(given.shots[0], max(given.shots), given.control)
        draw: Callable[[int, int], str] = partial(_pool_row, ImageSet.open(given.pool), few)
    else:
        draw = _drawn_row
    for row in chain(starmap(draw, drawn), (_row(path.parent.name, "–", path) for path in given.images)):
        lines.append(row)
        print(row, flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _drawn_row(shots: int, draw: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), shots, np.random.default_rng([shots, draw]))
        return _row(f"{shots}", f"{draw}", Path(folder))


def _pool_row(pool: ImageSet, few: FewShots, shots: int, draw: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        write_shots(Path(folder), pool, few._replace(shots=shots), draw)
        return _row(f"{shots}", f"{draw}", Path(folder), few.control > 0)


def _row(shots: str, draw: str, real: Path, more_real: bool = True) -> str:
    task, plan = TASKS["classification"].load(), TASKS["classification"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "arms.json")
        arms = list(plan.arms([], more_real).values())
        run_arms(task, Detect(), real, {}, arms, out, Path(folder, "state"), f"{shots}, draw {draw}")
        rows = compare(task, read_results([out], task.result))
    base, controls = rows[0], [row for row in rows if row.result.control]
    cells = [shots, draw, f"{100 * base.estimates[0].score:.1f}"]
    for row in controls:
        gain, low, high = (100 * getattr(row.estimates[0], name) for name in ("gain", "low", "high"))
        cells.append(f"{gain:+.1f} ({low:+.1f} to {high:+.1f}), {row.verdict}")
    return "| " + " | ".join(cells) + " |"


def write_shots(path: Path, pool: ImageSet, few: FewShots, seed: int) -> None:
    """A few-shot set of a prepared one, whose own split is of no account."""
    table = pool.metadata
    names, groups = table["label"].tolist(), table["group"].tolist()
    sides = splits.assign(names, groups, [None] * len(names), Split(seed=seed))
    drawn = splits.few_shot(names, groups, sides, few, seed)
    height, width, channels = pool.images.shape[1:]
    with ImageSetWriter(path, len(drawn), height, width, channels, str(pool.images.dtype)) as writer:
        for i, row in enumerate(drawn):
            writer[i] = pool.images[row]
        writer.finish(table.iloc[list(drawn)].assign(split=list(drawn.values())), dict(pool.meta))


def remembering(look: Look) -> Look:
    """What is seen in an image that is not augmented is looked at once: draws of one pool share most of them."""
    known: dict[tuple[bytes, int], NDArray[np.float32]] = {}

    def remembered(network, of: DeviceDataset, orientations: np.ndarray, *augment) -> NDArray[np.float32]:
        if augment:
            return look(network, of, orientations, *augment)
        keys = [(image.numpy().tobytes(), int(turn)) for image, turn in zip(of.stored, orientations, strict=True)]
        new = [i for i, key in enumerate(keys) if key not in known]
        if new:
            some = DeviceDataset(of.stored[new], of.labels[new], 0)
            known.update(zip([keys[i] for i in new], look(network, some, orientations[new]), strict=True))
        return np.stack([known[key] for key in keys])

    return remembered


def write(path: Path, shots: int, rng: np.random.Generator) -> None:
    """An image set of drawn textures, each a group of its own."""
    counts = {"train": shots, "val": shots} | COUNTS
    store(
        path, [(drawn(label, rng), label, split) for split, n in counts.items() for label in CLASSES for _ in range(n)]
    )


def store(path: Path, rows: list[tuple[NDArray[np.uint8], str, str]]) -> None:
    """An image set of images, their classes and splits."""
    with ImageSetWriter(path, len(rows), SIZE, SIZE, 1, "uint8") as writer:
        for i, (image, *_) in enumerate(rows):
            writer[i] = image[..., None]
        names = [f"i{i:06d}" for i in range(len(rows))]
        table = pd.DataFrame(
            [(name, label, name, 0, 0, name, split) for name, (_, label, split) in zip(names, rows, strict=True)],
            columns=COLUMNS,
        )
        meta = {"classes": list(CLASSES), "symmetry": "both", "dtype": "uint8", "pixel_size": None, "unit": "µm"}
        writer.finish(table, meta | {"scaling": {"rule": "type", "low": 0, "high": 255}})


def drawn(label: str, rng: np.random.Generator, contrast: float = CONTRAST) -> NDArray[np.uint8]:
    """(64, 64) gray texture of grain and direction of its own, with a faint defect somewhere."""
    grain, stretch = rng.uniform(0.8, 1.6), rng.uniform(1.0, 2.5)
    texture = gaussian_filter(rng.normal(size=(SIZE, SIZE)), (grain, grain * stretch))
    texture /= texture.std()
    sign = rng.choice([-1, 1])
    faint = texture + sign * contrast * rng.uniform(0.8, 1.6) * gaussian_filter(_defect(label, rng), 0.7)
    return np.clip(128 + 32 * faint, 0, 255).astype(np.uint8)


def _defect(label: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """(64, 64) in [0, 1]."""
    y, x = np.mgrid[:SIZE, :SIZE] - rng.uniform(SIZE / 4, 3 * SIZE / 4, (2, 1, 1))
    angle = rng.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    away = np.hypot(x, y)
    shapes = {
        "good": np.zeros((SIZE, SIZE)),
        "line": (abs(across) < 1.2) & (abs(along) < 22),
        "spot": away < rng.uniform(5, 8),
        "ring": abs(away - rng.uniform(8, 12)) < 1.5,
        "band": abs(across) < rng.uniform(5, 8),
        "dots": (away < 18) & (np.sin(x * 1.1) * np.sin(y * 1.1) > 0.55),
    }
    return shapes[label].astype(float)


if __name__ == "__main__":
    main()
