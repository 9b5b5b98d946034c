"""What choosing, detectors and their comparison cost with five generators, on a frozen backbone.

    python -m benchmarks.detector_cost --pool results-neu/neu/real --shots 5 10 40 --draws 3

Few-shot sets are drawn from a prepared image set, and five sets of 60 images a class stand in for generators: training
images as classical augmentation changes them, for what they show costs nothing. A row a data set: seconds of the
processor for all its arms, with what is chosen in them, and for the comparison.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.controls import write_shots
from pipeline.data.image_set import ImageSet, ImageSetWriter
from pipeline.downstream.arms import SyntheticSet
from pipeline.downstream.classifier import device_dataset
from pipeline.downstream.classifier.augment import Augmentation
from pipeline.downstream.experiment import run_arms
from pipeline.downstream.paired_gain import compare
from pipeline.downstream.records import read_results
from pipeline.downstream.registry import TASKS
from pipeline.settings import Detect, FewShots

GENERATORS = 5
DRAWN = 60  # images of each class


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="a prepared image set of 8 bits")
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10, 40])
    parser.add_argument("--draws", type=int, default=3)
    given = parser.parse_args()
    pool, total = ImageSet.open(given.pool), 0.0
    print("| images a class | draw | arms | their seconds | of the comparison |\n| ---: | ---: | ---: | ---: | ---: |")
    for shots in given.shots:
        for draw in range(given.draws):
            with tempfile.TemporaryDirectory() as folder:
                few = FewShots(shots, max(given.shots), DRAWN)
                arms, seconds, comparing = cost(pool, few, draw, Path(folder))
            total += seconds + comparing
            print(f"| {shots} | {draw} | {arms} | {seconds:.0f} | {comparing:.1f} |", flush=True)
    print(f"\n{total / 60:.1f} minutes of a processor")


def cost(pool: ImageSet, few: FewShots, seed: int, folder: Path) -> tuple[int, float, float]:
    """Number of arms; seconds of the processor that they take, and that their comparison takes."""
    write_shots(folder / "real", pool, few, seed)
    real = ImageSet.open(folder / "real")
    synthetic = {SyntheticSet(f"stand_in_{i}", "synthetic"): folder / f"drawn-{i}" for i in range(GENERATORS)}
    for i, path in enumerate(synthetic.values()):
        stand_in(path, real, i)
    task, planned = TASKS["classification"].load(), TASKS["classification"]
    arms, out = list(planned.arms(list(synthetic), more_real=True).values()), folder / "arms.json"
    began = time.process_time()
    run_arms(task, Detect(), folder / "real", synthetic, arms, out, folder / "state", f"{few.shots}, draw {seed}")
    trained = time.process_time()
    compare(task, read_results([out], task.result))
    return len(arms), trained - began, time.process_time() - trained


def stand_in(path: Path, real: ImageSet, seed: int) -> None:
    """Training images, each class in turn, changed by the augmentation of a seed."""
    rows = real.rows("train")
    places = np.concatenate([np.resize(np.flatnonzero(real.labels[rows] == k), DRAWN) for k in np.unique(real.labels)])
    shown = device_dataset.training(real, [], torch.device("cpu")).images(torch.from_numpy(places))
    changed = ((Augmentation(seed, shown.device)(shown) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
    height, width, channels = real.images.shape[1:]
    table = real.metadata.iloc[rows[places]].assign(id=[f"{seed}_{i:06d}" for i in range(len(places))])
    with ImageSetWriter(path, len(places), height, width, channels, "uint8") as writer:
        writer[0 : len(places)] = changed.numpy()
        writer.finish(table, dict(real.meta))


if __name__ == "__main__":
    main()
