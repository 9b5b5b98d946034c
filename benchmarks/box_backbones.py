"""What the small detector of boxes finds with each backbone, and what it learns of one image set alone.

    python -m benchmarks.box_backbones --images results-boxes64/neu/real --per-class 40 --backbones scratch frozen
    python -m benchmarks.box_backbones --images results-boxes64/neu/real --split test \\
        --learn-from results-boxes64/neu/boxes_around/seed-0/synthetic

A row a training: CPU seconds of one thread, and mAP50 and mAP50-95 in percent on the images of a split of `--images`,
whose training images are learnt from where no other set is named.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from benchmarks.time_to_quality import few
from pipeline.base.device import use_threads
from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import box_dataset, fit, scoring
from pipeline.settings import DetectBoxes

CPU = torch.device("cpu")


def found(
    settings: DetectBoxes, learnt: ImageSet, judges: ImageSet, split: str, seed: int
) -> tuple[float, float, float]:
    """Seconds of a training on the images of `learnt`, then mAP50 and mAP50-95 in percent on a split of `judges`."""
    tested = box_dataset.choosing(judges, CPU) if split == "val" else box_dataset.judging(judges, "judges", CPU)
    assert tested is not None  # the split has boxes
    pool, began = box_dataset.training(learnt, [], "learnt", CPU), time.process_time()
    network = fit.train(settings, learnt.spec, len(learnt.box_classes), pool, seed)
    seconds = time.process_time() - began
    scores = scoring.validation_scores(network, tested, len(judges.box_classes), settings.batch)
    return seconds, *(100 * score for score in scores.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a prepared image set with boxes")
    parser.add_argument("--split", choices=["val", "test"], default="val", help="that judges")
    parser.add_argument("--learn-from", type=Path, help="another image set with boxes; its training images are learnt")
    parser.add_argument("--per-class", type=int, help="training images of each class; all without it")
    parser.add_argument("--backbones", nargs="+", default=["frozen"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--learning-rate", type=float, default=DetectBoxes().learning_rate)
    given = parser.parse_args()
    use_threads(1)
    judges = ImageSet.open(given.images)
    print("| backbone | seed | CPU s | mAP50 | mAP50-95 |\n| --- | ---: | ---: | ---: | ---: |")
    for backbone in given.backbones:
        settings = DetectBoxes(backbone=backbone, steps=given.steps, learning_rate=given.learning_rate)
        for seed in given.seeds:
            learnt = ImageSet.open(given.learn_from) if given.learn_from else judges
            learnt = few(learnt, given.per_class, seed) if given.per_class else learnt
            row = found(settings, learnt, judges, given.split, seed)
            print(f"| {backbone} | {seed} | {row[0]:.0f} | {row[1]:.1f} | {row[2]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
