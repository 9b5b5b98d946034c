"""Image sets, real and synthetic, as one data set in the layout of the tools that users go on with.

YOLO (Ultralytics' folders and data.yaml, of boxes or of polygons), COCO (Lin et al. 2014, object detection), one folder
a class as ImageNet has them, and the image folder of Hugging Face's datasets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from PIL import Image

from pipeline.base import csvfile
from pipeline.base.files import whole, write_whole, writing
from pipeline.base.job import progress
from pipeline.data.image_set import ImageSet
from pipeline.sampling.export import TABLE, safe_names
from pipeline.sampling.files import suffix, write_file
from pipeline.sampling.outlines import outline
from pipeline.sampling.provenance import Provenance
from pipeline.settings import UserError
from pipeline.training import model_files

SPLITS = ("train", "val", "test")
REAL = "digitalCapture"  # IPTC's term for a photograph by a camera


class Source(NamedTuple):
    """An image set of several, and what made it (None: a camera)."""

    images: ImageSet
    provenance: Provenance | None


class Layout(NamedTuple):
    """How a tool wants its files."""

    place: Callable[[pd.Series], str]
    """From an image to the folder of its file."""
    describe: Callable[[Path, pd.DataFrame, dict[str, pd.DataFrame], list[str]], None]
    """Write all that is no image: into a folder, of a table of images, their boxes by `file`, and classes of boxes."""
    needs: Literal["", "boxes", "masks"]
    """Images of which these are not known are left out, and sets without any refused."""


def write_dataset(sets: list[Path], folder: Path, kind: str, files: str = "png") -> pd.DataFrame:
    """Write image sets into one folder. Synthetic images carry what made them, as all exported files do.

    Args:
        sets: `results/{dataset}/real`, and the folders `synthetic`, `missed`, `blended` or `pseudo` of models.
        folder: a new or empty one.
        kind: `yolo`, `yolo-seg`, `coco`, `imagefolder` or `huggingface`.
        files: `png`, `tiff` or `jpeg`; what PNG and JPEG cannot hold becomes TIFF.

    Returns:
        One row an image: `file`, `split`, `label`, `source` (the model, or the source file of a real image), `seed` (of
        synthetic ones), `digital_source_type`.

    Raises:
        UserError: no image set, one without boxes or masks where they are wanted, a folder that holds something or
            cannot be written.
    """
    if kind not in LAYOUTS:
        raise UserError(f"kind: `{kind}` is not one of {', '.join(LAYOUTS)}")
    if len({path.resolve() for path in sets}) < len(sets):
        raise UserError(f"sets: {', '.join(map(str, sets))} names one set twice")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: there is something in it; name a new or empty folder")
    layout, sources = LAYOUTS[kind], [_opened(path) for path in sets]
    known = {"boxes": lambda images: images.boxes, "masks": lambda images: images.masks}
    without = [str(s.images.path) for s in sources if layout.needs and known[layout.needs](s.images) is None]
    if without:
        raise UserError(f"{', '.join(without)}: without {layout.needs}, which `{kind}` is made of")
    table = _table(sources, layout, files)
    with writing(folder):
        with progress(kind, len(table)) as bar:
            for row in table.itertuples():
                images, provenance = sources[row.set]
                (folder / row.file).parent.mkdir(parents=True, exist_ok=True)
                seed = None if provenance is None else row.seed
                write_file(folder / row.file, images.images[row.row], images.meta, provenance, seed)
                bar.update()
        classes = list(dict.fromkeys(name for source in sources for name in source.images.box_classes))
        layout.describe(folder, table, _boxes(sources, table), classes)
    return table[["file", "split", "label", "source", "seed", "digital_source_type"]]


def _opened(path: Path) -> Source:
    images = ImageSet.open(path)
    if "seed" not in images.metadata:
        return Source(images, None)
    folder = path.resolve().parent
    if not (folder / model_files.RECIPE).is_file():
        raise UserError(
            f"{path}: its model is not beside it ({folder / model_files.RECIPE}); nothing would say what made it"
        )
    return Source(images, Provenance.of(folder, blended=path.resolve().name == "blended"))


def _table(sources: list[Source], layout: Layout, files: str) -> pd.DataFrame:
    """One row an image: what the layouts need to know of it, and its `file`."""
    heads = [f"{s.provenance.model}_{s.images.path.name}" if s.provenance else "real" for s in sources]
    parts = []
    for number, (images, provenance) in enumerate(sources):
        part = images.metadata[["id", "label", "source", "split"]].copy()
        part["seed"] = images.metadata["seed"].astype("Int64") if provenance else pd.array([pd.NA] * len(part), "Int64")
        part["set"], part["row"] = number, range(len(part))
        part["digital_source_type"] = provenance.source_type if provenance else REAL
        head = heads[number] if heads.count(heads[number]) == 1 else f"{heads[number]}_{number + 1}"
        ending = suffix(files, images.meta["dtype"])
        part["name"] = [f"{head}_{row:06d}{ending}" for row in range(len(part))]
        part["masked"] = images.masked
        parts.append(part[{"": slice(None), "boxes": images.annotated, "masks": images.masked}[layout.needs]])
    table = pd.concat(parts, ignore_index=True)
    table["class"] = table["label"].map(safe_names(list(dict.fromkeys(table["label"]))))
    places = [layout.place(row) for _, row in table.iterrows()]
    table["file"] = [f"{place}/{name}" for place, name in zip(places, table["name"], strict=True)]
    table["height"] = [sources[number].images.meta["height"] for number in table["set"]]
    table["width"] = [sources[number].images.meta["width"] for number in table["set"]]
    return table


def _boxes(sources: list[Source], table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The boxes of each image that has some, by its file, with the column `covered`: what of a box the defect covers;
    None where nobody knows."""
    found: dict[str, pd.DataFrame] = {}
    for number, (images, _) in enumerate(sources):
        if images.boxes is not None:
            rows = table[table["set"] == number].set_index("id")
            for name, own in images.boxes.groupby("id"):
                if name in rows.index:
                    found[rows["file"][name]] = own.assign(covered=_covered(images, rows["row"][name], own))
    return found


def _covered(images: ImageSet, row: int, boxes: pd.DataFrame) -> list[Callable[[], NDArray[np.bool_]] | None]:
    """Of each box of an image what reads its pixels (H, W): all boxes at once may be more than memory holds."""
    if images.masks is None or not images.masked[row]:
        return [None] * len(boxes)
    values = [1 + images.box_classes.index(label) for label in boxes["label"]]
    return [
        partial(_inside, images.masks[row], value, box) for value, box in zip(values, boxes.itertuples(), strict=True)
    ]


def _inside(mask: NDArray[np.uint8], value: int, box: Any) -> NDArray[np.bool_]:
    """(H, W): the pixels within a box to which the mask gives its class; boxes that overlap share pixels."""
    part = slice(math.floor(box.y0), math.ceil(box.y1)), slice(math.floor(box.x0), math.ceil(box.x1))
    inside = np.zeros(mask.shape, bool)
    inside[part] = mask[part] == value
    return inside


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's uncompressed code of a mask (H, W): how many pixels outside, inside, outside … follow one another, column
    by column; the first number is 0 where the first pixel is inside."""
    flat = mask.ravel(order="F").astype(np.int8)
    return np.diff(np.flatnonzero(np.diff(flat, prepend=0)), prepend=0, append=len(flat)).tolist()


# ---------------------------------------------------------------- the layouts


def _centre_and_size(box: Any) -> list[tuple[float, float]]:
    return [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2), (box.x1 - box.x0, box.y1 - box.y0)]


def _polygon(box: Any) -> list[tuple[int, int]]:
    return outline(box.covered())


def _yolo(
    folder: Path,
    table: pd.DataFrame,
    boxes: dict[str, pd.DataFrame],
    classes: list[str],
    described: Callable[[Any], Sequence[tuple[float, float]]],
) -> None:
    """A text file an image, one line a box, none for background: class, then pairs of shares of the image.

    Args:
        described: a box in pairs along x and y, in pixels; one without any, as of an empty mask, is left out.
    """
    numbers = {name: i for i, name in enumerate(classes)}
    for row in table.itertuples():
        lines = []
        for box in boxes[row.file].itertuples() if row.file in boxes else ():
            shares = [f"{x / row.width:.8f} {y / row.height:.8f}" for x, y in described(box)]
            lines += [" ".join([str(numbers[box.label]), *shares]) + "\n"] if shares else []
        place = (folder / "labels" / Path(row.file).relative_to("images")).with_suffix(".txt")
        write_whole(place, "".join(lines).encode())
    there = [split for split in SPLITS if split in set(table["split"])]
    paths = {split: f"images/{split}" for split in there}
    # Ultralytics wants images to choose by; without any it gets those that it learns from.
    paths = {"train": paths.get("train", f"images/{there[0]}"), "val": paths.get("val", f"images/{there[0]}")} | paths
    write_whole(
        folder / "data.yaml", yaml.safe_dump(paths | {"names": dict(enumerate(classes))}, sort_keys=False).encode()
    )
    _sources(folder, table)


def _coco(folder: Path, table: pd.DataFrame, boxes: dict[str, pd.DataFrame], classes: list[str]) -> None:
    """`annotations/instances_{split}.json`; ids count from 1. Masks, where there are, as run lengths."""
    categories = [{"id": i, "name": name, "supercategory": "defect"} for i, name in enumerate(classes, 1)]
    numbers = {category["name"]: category["id"] for category in categories}
    for split, part in table.groupby("split"):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, row in enumerate(part.itertuples(), 1):
            file = Path(row.file).name
            images.append({"id": number, "file_name": file, "width": row.width, "height": row.height})
            images[-1]["digital_source_type"] = row.digital_source_type
            for box in boxes[row.file].itertuples() if row.file in boxes else ():
                width, height = box.x1 - box.x0, box.y1 - box.y0
                head = {"id": len(annotations) + 1, "image_id": number, "category_id": numbers[box.label]}
                at = {"bbox": [box.x0, box.y0, width, height], "area": width * height, "segmentation": [], "iscrowd": 0}
                if box.covered:
                    inside = box.covered()
                    at["area"] = int(inside.sum())
                    at["segmentation"] = {"size": inside.shape, "counts": run_lengths(inside)}
                annotations.append(head | at)
        body = {"info": {"description": "written by Pyrite"}, "licenses": [], "images": images}
        body |= {"annotations": annotations, "categories": categories}
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        write_whole(folder / "annotations" / f"instances_{split}.json", text.encode())
    _sources(folder, table)


def _huggingface(folder: Path, table: pd.DataFrame, boxes: dict[str, pd.DataFrame], classes: list[str]) -> None:
    """`metadata.csv` in each split's folder; boxes, where there are, as JSON in a column of their own: x, y, width and
    height in pixels, and the class. Masks, where each split has some, as PNG files of gray values, named in a column:
    0, or 1 + the place of the class in `classes.csv`."""
    masks = table.groupby("split")["masked"].any().all()  # `load_dataset` refuses a column that is empty in one split
    if masks:
        csvfile.write(pd.DataFrame({"value": range(1, 1 + len(classes)), "class": classes}), folder / "classes.csv")
    for split, part in table.groupby("split"):
        columns = part[["label", "source", "seed", "digital_source_type"]].copy()
        columns.insert(0, "file_name", [Path(file).name for file in part["file"]])
        if classes:
            columns["objects"] = [_objects(boxes.get(file)) for file in part["file"]]
        if masks:
            columns["mask_file_name"] = [_mask(folder, row, boxes.get(row.file), classes) for row in part.itertuples()]
        csvfile.write(columns, folder / str(split) / TABLE)


def _mask(folder: Path, row: Any, boxes: pd.DataFrame | None, classes: list[str]) -> str:
    """Write the mask of an image, all its boxes together; its path from the folder of the split, "" of none."""
    if not row.masked:
        return ""
    mask = np.zeros((row.height, row.width), np.uint8)
    for box in () if boxes is None else boxes.itertuples():
        mask[box.covered()] = 1 + classes.index(box.label)
    place = (folder / row.split / "masks" / row.name).with_suffix(".png")
    with whole(place) as part:
        Image.fromarray(mask).save(part, "PNG")
    return f"masks/{place.name}"


def _objects(boxes: pd.DataFrame | None) -> str:
    if boxes is None:
        return json.dumps({"bbox": [], "category": []})
    ends = boxes[["x0", "y0", "x1", "y1"]].to_numpy().tolist()
    placed = [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in ends]
    return json.dumps({"bbox": placed, "category": boxes["label"].tolist()}, ensure_ascii=False)


def _sources(folder: Path, table: pd.DataFrame) -> None:
    """Where each file comes from, beside the layouts that have no place for it."""
    csvfile.write(table[["file", "split", "label", "source", "seed", "digital_source_type"]], folder / TABLE)


LAYOUTS = {
    "yolo": Layout(lambda row: f"images/{row['split']}", partial(_yolo, described=_centre_and_size), needs="boxes"),
    "yolo-seg": Layout(lambda row: f"images/{row['split']}", partial(_yolo, described=_polygon), needs="masks"),
    "coco": Layout(lambda row: row["split"], _coco, needs="boxes"),
    "imagefolder": Layout(
        lambda row: f"{row['split']}/{row['class']}", lambda folder, table, *_: _sources(folder, table), needs=""
    ),
    "huggingface": Layout(lambda row: row["split"], _huggingface, needs=""),
}
