"""The boxes of an image set as layouts, as models are shown them."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.data.box_store import ENDS
from pipeline.data.image_set import ImageSet
from pipeline.models.layouts import Layout


def layouts_of(data: ImageSet, rows: np.ndarray) -> list[Layout]:
    """The layouts of images by their positions (n,) in the set; boxes of other images are not looked at."""
    ids = data.metadata["id"].to_numpy()[rows]
    kinds = {name: i for i, name in enumerate(data.box_classes)}
    boxes = data.boxes
    assert boxes is not None  # asked for of sets with boxes alone
    table = boxes[boxes["id"].isin(ids)]
    found = {
        name: Layout(torch.tensor([kinds[label] for label in own["label"]]), torch.tensor(own[ENDS].to_numpy()))
        for name, own in table.groupby("id")
    }
    background = Layout(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4, dtype=torch.float64))
    return [found.get(name, background) for name in ids]
