"""Image sets with boxes, written as the pipeline writes them."""

import pandas as pd

from pipeline.data import box_store
from pipeline.data.image_set import COLUMNS, ImageSet, ImageSetWriter

META = {"scaling": {"rule": "dtype", "low": 0.0, "high": 255.0}, "pixel_size": None, "unit": "µm"}


def write(path, images, split, labels=None, symmetry="none", marks=None, classes=(), unknown=()):
    """An image set of (N, H, W, C) integers, with boxes where there are `marks`.

    `marks` are (place of the image, class, x0, y0, x1, y1), `classes` those of the boxes, `unknown` places of images
    whose boxes are not known. The group of image i is `group i // 2`.
    """
    n, height, width, channels = images.shape
    labels = labels or ["all"] * n
    ids = [f"real_{i:06d}" for i in range(n)]
    columns = [
        ids,
        labels,
        [f"{i}.png" for i in range(n)],
        [0] * n,
        [0] * n,
        [f"group {i // 2}" for i in range(n)],
        split,
    ]
    meta = META | {"classes": list(dict.fromkeys(labels)), "symmetry": symmetry, "dtype": images.dtype.name}
    with ImageSetWriter(path, n, height, width, channels, images.dtype.name) as writer:
        writer[:] = images
        writer.finish(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))), meta)
    if marks is not None:
        table = pd.DataFrame([(ids[i], *mark) for i, *mark in marks], columns=box_store.COLUMNS)
        seal = ImageSet.open(path).meta["data_hash"]
        box_store.write(path, seal, table, list(classes), [ids[i] for i in unknown])
    return path
