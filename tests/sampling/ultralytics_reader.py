"""What Ultralytics' own loader reads of a data set: in a process of its own, for its import alters torch and Pillow.

python -m tests.sampling.ultralytics_reader data.yaml detect|segment found.json
"""

import json
import sys
from pathlib import Path

import numpy as np
from ultralytics.cfg import get_cfg
from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset

from tests.learning.plates import SIZE


def read(path: str, task: str) -> dict:
    """The classes, and of every image what a network would be given.

    Returns:
        `names`; `images` of each split: of each `file`, relative to the data set, the `levels` of the first channel
        (H, W), the `classes`, the `boxes` (x0, y0, x1, y1 in pixels) and, to segment, a mask (H, W) a defect.
    """
    data = check_det_dataset(path, autodownload=False)
    settings = get_cfg(overrides={"task": task, "imgsz": SIZE, "mask_ratio": 1, "overlap_mask": False})
    splits = {split: data[split] for split in ("train", "val", "test") if split in data}
    return {
        "names": list(data["names"].values()),
        "images": {
            split: [seen(item, data) for item in build_yolo_dataset(settings, folder, 1, data, mode="val")]
            for split, folder in splits.items()
        },
    }


def seen(item: dict, data: dict) -> dict:
    height, width = item["img"].shape[1:]
    x, y, w, h = item["bboxes"].numpy().astype(float).T
    ends = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1) * [width, height, width, height]
    return {
        "file": str(Path(item["im_file"]).relative_to(data["path"])),
        "levels": item["img"][0].tolist(),
        "classes": [data["names"][int(k)] for k in item["cls"]],
        "boxes": ends.tolist(),
        "masks": item["masks"].tolist() if "masks" in item else [],
    }


if __name__ == "__main__":
    path, task, found = sys.argv[1:]
    Path(found).write_text(json.dumps(read(path, task)))
