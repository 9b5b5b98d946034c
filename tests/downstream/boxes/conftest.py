import json

import numpy as np
import pandas as pd
import pytest

from pipeline.data import box_store
from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import run
from pipeline.downstream.boxes.arms import PLAIN, BoxArm, Made


@pytest.fixture
def boxed(image_set):
    """Writes an image set with boxes: boxed(name, images, split, marks, classes, unknown=..., symmetry=...) -> Path.

    `marks` are (place of the image, class, x0, y0, x1, y1), `unknown` places of images whose boxes are not known.
    """

    def write(name, images, split, marks, classes=("disc", "square"), unknown=(), symmetry="none"):
        path = image_set(name, images, [0] * len(images), split, classes=("all",), symmetry=symmetry)
        ids = ImageSet.open(path).metadata["id"]
        table = pd.DataFrame([(ids[i], *mark) for i, *mark in marks], columns=box_store.COLUMNS)
        images_hash = ImageSet.open(path).meta["data_hash"]
        box_store.write(path, images_hash, table, list(classes), [ids[i] for i in unknown])
        return path

    return write


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


WITH = BoxArm("real+x", [Made("x", "synthetic")])


def plain_files(folder, best):
    """What arms with synthetic sets read of the plain ones; `best` None: they had no validation images."""
    files = [folder / "plain" / f"{name}.json" for name in PLAIN]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    for file in files:
        scores = [{"map50": 0.9 if file.stem == best else 0.5, "map50_95": 0.3}]
        file.write_text(json.dumps({"arm": file.stem, "validation": scores if best else None}))
    return files


def result(folder, settings, real, synthetic=(), arm=PLAIN["real"], best="real"):
    """The JSON of an arm that ran in `folder`."""
    out, state = folder / f"{arm.name}.json", folder / "state" / f"{arm.name}.json"
    run.run_arm(settings, real, list(synthetic), plain_files(folder, best), arm, out, state, "steel")
    assert not state.exists()
    return json.loads(out.read_text(encoding="utf-8"))
