"""Tiny data sets of each task, and arms run on them."""

from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.downstream.arms import Arm, SyntheticSet
from pipeline.downstream.experiment import run_arms
from pipeline.downstream.records import Chosen, read_results
from pipeline.downstream.registry import TASKS
from pipeline.downstream.task import Task
from pipeline.settings import Detect, DetectBoxes

X, Y = SyntheticSet("x", "synthetic"), SyntheticSet("y", "synthetic")
REAL, WITH, ALL = Arm(), Arm((X,)), Arm((X, Y))
COUNTS = {"train": 12, "val": 6, "test": 8}
SPLIT = np.repeat(list(COUNTS), list(COUNTS.values()))
TRAIN, VAL, TEST = (np.flatnonzero(split == SPLIT).tolist() for split in COUNTS)
MADE = list(range(8))
CHOSEN = Chosen(False, False, None, None, None, [], None, [])


def shapes(n, seed, size=16, noise=40.0):
    """(n, size, size, 1) uint8 and labels: 0 a bright bar, 1 a bright disc, somewhere on noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    y, x = np.mgrid[:size, :size]
    images = np.empty((n, size, size, 1), np.uint8)
    for i, label in enumerate(labels):
        cy, cx = rng.uniform(5, size - 5, 2)
        shape = (abs(y - cy) < 1.2) & (abs(x - cx) < 6) if label == 0 else (y - cy) ** 2 + (x - cx) ** 2 < 9
        images[i, :, :, 0] = np.clip(100 + 60 * shape + noise * rng.standard_normal((size, size)), 0, 255)
    return images, labels


def scenes(n, seed, size=32):
    """(n, size, size, 1) uint8 and marks: in each image one or two bright discs or squares, apart, on noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] + 0.5
    images, marks = np.empty((n, size, size, 1), np.uint8), []
    for i in range(n):
        shown = np.zeros((size, size), bool)
        for side in rng.permutation(2)[: rng.integers(1, 3)]:  # in the left or the right half
            half = rng.uniform(size / 7, size / 4 - 1)
            cx, cy = size / 4 + side * size / 2 + rng.uniform(-1, 1) * (size / 4 - half), rng.uniform(half, size - half)
            disc = rng.random() < 0.5
            away = np.hypot(x - cx, y - cy) if disc else np.maximum(abs(x - cx), abs(y - cy))
            shown |= away < half
            marks.append((i, "disc" if disc else "square", cx - half, cy - half, cx + half, cy + half))
        images[i, :, :, 0] = np.clip(80 + 90 * shown + 20 * rng.standard_normal((size, size)), 0, 255)
    return images, marks


def stub(task, arm, validation=None, **fields):
    """The result of an arm that has nothing but what chose it."""
    boxes = task.name == "boxes"
    body = {"version": 1, "task": task.name, "dataset": "plates", "arm": arm.name, "real": arm.real, "settings": {}}
    body |= {"synthetic": [asdict(one) for one in arm.synthetic], "classes": [], "steps": 1}
    body |= {"chosen": asdict(replace(CHOSEN, augmented=arm.augmented, balanced=arm.balanced, validation=validation))}
    body |= {"n_real": 0, "n_synthetic": 0, "n_test": 0, "groups": [], "mean": {}, "spread": {}, "repetitions": []}
    truth = {"image": [], "class_id": [], "box": []} if boxes else []
    return body | {"truth": truth, "ids": [], "n_background": 0} | fields


def run(folder, task, settings, real, synthetic=None, arm=REAL, journal=None):
    """The result of an arm that ran in `folder`."""
    out, state = folder / f"{arm.name}.json", folder / "state"
    journals = journal and (lambda arm: nullcontext(journal))
    run_arms(task, settings, real, synthetic or {}, [arm], out, state, "plates", journals)
    assert not any(state.glob("*"))
    (result,) = read_results([out], task.result)
    return result


def timeless(result):
    return replace(result, repetitions=[replace(one, seconds=0) for one in result.repetitions])


def watched(monkeypatch, task, watch):
    """Call `watch(mix, seed)` before each training."""
    train = type(task).train

    def spy(self, settings, real, data, mix, seed, tick):
        watch(mix, seed)
        return train(self, settings, real, data, mix, seed, tick)

    monkeypatch.setattr(type(task), "train", spy)


@dataclass(frozen=True)
class Case:
    """A task with a data set of as many images as COUNTS, and a synthetic one of as many as MADE."""

    task: Task
    settings: Detect | DetectBoxes
    folder: Path | None = None
    writers: tuple = ()

    def within(self, *places):
        folder, *writers = places
        return replace(self, folder=folder, writers=tuple(writers))

    def sets(self, name="real", altered=(), split=SPLIT):
        """The two image sets; the images of the rows `altered` inverted, and their ground truth another one."""
        image_set, boxed = self.writers
        altered = list(altered)
        if self.task.name == "boxes":
            images, marks = scenes(len(split), seed=1)
            made, known = scenes(len(MADE), seed=2)
            images[altered] = 255 - images[altered]
            swapped = {"disc": "square", "square": "disc"}
            marks = [(i, swapped[k], 1, 2, 9, 12) if i in altered else (i, k, *box) for i, k, *box in marks]
            real = boxed(name, images, split, marks, symmetry="both")
            return real, boxed("made", made, ["train"] * len(MADE), known)
        images, labels = shapes(len(split), 0)
        images[altered], labels[altered] = 255 - images[altered], 1 - labels[altered]
        made, asked = shapes(len(MADE), 1)
        return image_set(name, images, labels, split, symmetry="both"), image_set(
            "made", made, asked, ["train"] * len(MADE)
        )

    def run(self, real, made=None, arm=REAL, folder=None, settings=None, **more):
        sets = {one: made for one in arm.synthetic if one.made != "control"}
        return run(folder or self.folder, self.task, settings or self.settings, real, sets, arm, **more)


CASES = [
    Case(
        TASKS["classification"].load(),
        Detect(
            backbone="scratch",
            repetitions=2,
            steps=3,
            batch=4,
            width=4,
            ratios=[0.5, 1.0],
            keep_fractions=[1.0, 0.5],
            selection_runs=1,
        ),
    ),
    Case(
        TASKS["boxes"].load(),
        DetectBoxes(repetitions=2, steps=3, batch=4, width=2, ratios=[0.5, 1.0], selection_runs=1),
    ),
]
