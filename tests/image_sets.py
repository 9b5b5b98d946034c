"""Image sets, written as the pipeline writes them."""

import numpy as np
import pandas as pd

from pipeline.data import box_store
from pipeline.data.image_set import ImageSet, ImageSetWriter


def write(path, images, labels=None, split="train", ids=None, columns=None, **meta):
    """An image set of (N, H, W, C) integers in `path`, which is returned.

    Args:
        labels: of each image; None is a single class, `all`.
        split: of each image, or of all.
        columns: in place of a source, a group for each image alone, or beside them.
        meta: in place of what 8 or 16-bit files without a length of a pixel have.
    """
    ids = [f"real_{i:06d}" for i in range(len(images))] if ids is None else ids
    labels = ["all"] * len(images) if labels is None else labels
    table = {"id": ids, "label": labels, "source": ids, "row": 0, "col": 0, "group": ids, "split": split}
    known = {"classes": list(dict.fromkeys(labels)), "symmetry": "none", "dtype": images.dtype.name}
    known |= {"scaling": {"rule": "dtype", "low": 0.0, "high": float(np.iinfo(images.dtype).max)}}
    with ImageSetWriter(path, *images.shape, images.dtype.name) as writer:
        writer[:] = images
        writer.finish(pd.DataFrame(table | (columns or {})), known | {"pixel_size": None, "unit": "µm"} | meta)
    return path


def mark(path, marks, classes, unknown=()):
    """Boxes of an image set: `marks` are (place of the image, class, x0, y0, x1, y1), `classes` those of the boxes,
    `unknown` places of images whose boxes are not known."""
    images = ImageSet.open(path)
    ids = images.metadata["id"]
    table = pd.DataFrame([(ids[i], *of) for i, *of in marks], columns=box_store.COLUMNS)
    box_store.write(path, images.meta["data_hash"], table, list(classes), [ids[i] for i in unknown])
