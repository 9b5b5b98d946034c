"""What went into a data set's part of the page: images, classes, split, rejected files, generators."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.data import box_store
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import splits
from pipeline.report.inputs import DatasetInputs
from pipeline.report.labels import joined, number
from pipeline.settings import model_settings

SPLITS = {"train": "training", "val": "validation", "test": "held out"}
THINGS = {"region": "picture", "slices": "stack"}
SCALINGS = {
    "dtype": "the full range of the file type",
    "fixed": "a fixed range",
    "percentile": "percentiles of the training images",
    "image_percentile": "percentiles of each image by itself",
}


def dataset(real: ImageSet, settings: Mapping[str, Any]) -> dict[str, Any]:
    """`source`, `procedural`, `facts` (phrases), `shots` (None: all images), `counts` of a class and split, `totals`,
    `groups` and `overlaps` (sentences), `same_pictures`, `rejected`."""
    table = real.metadata
    shown = SPLITS | ({"control": "positive control"} if len(real.rows("control")) else {})
    counts = [
        {"label": label}
        | {split: int(((table["label"] == label) & (table["split"] == split)).sum()) for split in shown}
        for label in real.meta["classes"]
    ]
    source = f"patches of {of}" if (of := settings.get("patches_of")) else settings.get("source", "")
    return {
        "source": source if isinstance(source, str) else ", ".join(source),
        "procedural": source == "voronoi",
        "facts": _facts(real),
        "shots": real.meta.get("settings", {}).get("shots"),
        "splits": shown,
        "counts": counts,
        "totals": {split: sum(row[split] for row in counts) for split in shown},
        "groups": _groups(real),
        "same_pictures": same_pictures(real),
        "overlaps": _overlaps(real.meta.get("near_duplicates")),
        "rejected": _rejected(real.path / "rejected.csv"),
    }


def _facts(real: ImageSet) -> list[str]:
    meta = real.meta
    color = "gray" if meta["channels"] == 1 else f"{meta['channels']} channels"
    facts = [f"{meta['width']} × {meta['height']} pixels, {color}, from {meta['dtype']} files"]
    if meta.get("pixel_size"):
        facts.append(f"one pixel is {number(meta['pixel_size'])} {meta['unit']}")
    scaling = meta.get("scaling") or {}
    if scaling.get("rule") in SCALINGS:
        facts.append(f"black and white are set by {SCALINGS[scaling['rule']]}")
    facts += meta.get("framing", []) + box_store.lost(real.path) + meta.get("noticed", [])
    if shots := meta.get("settings", {}).get("shots"):
        what = "bad source image" if meta.get("good") is not None else "source image a class"
        what = what if shots == 1 else what.replace("image", "images")
        facts.append(f"few shots: at most {shots} {what} to train, and as many to choose by")
    if meta.get("symmetry", "none") != "none":
        facts.append(f"augmented by its symmetry ({meta['symmetry']})")
    return facts


def same_pictures(real: ImageSet) -> str:
    """`the same 8 pictures (split.by: region)`, where parts of each train and others judge; else empty."""
    by = real.meta.get("settings", {}).get("split", {}).get("by", "source")
    if by == "source":
        return ""
    n, thing = real.metadata["group"].str.rsplit(", ", n=1).str[0].nunique(), THINGS[by]
    return f"the same {thing if n == 1 else f'{n} {thing}s'} (split.by: {by})"


def _groups(real: ImageSet) -> str:
    """A sentence on what the split keeps together."""
    table = real.metadata
    if same := same_pictures(real):
        return (
            f"{table['group'].nunique()} pieces of {same}, with gaps between them: they share specimen and microscope,"
            " and numbers on them say nothing about other specimens."
        )
    text = f"{table['group'].nunique()} independent sources or groups; "
    if divided := splits.divided(table["group"].tolist(), table["split"].tolist()):
        text += f"the split that was given divides {len(divided)} of them: its sides are not independent."
    else:
        text += "all images of one stay on one side of the split."
    if alone := splits.judged_by_one(*(table[column].tolist() for column in ("label", "group", "split"))):
        text += f" The held-out images of {joined(alone)} are of one group: numbers on them say nothing about others."
    chosen_by = set(table["label"][table["split"] == "val"])
    if chosen_by and (others := [label for label in real.meta["classes"] if label not in chosen_by]):
        text += f" No validation image is of {joined(others)}: what they choose is chosen for the other classes."
    return text


def _overlaps(found: Mapping[str, Any] | None) -> str:
    """A sentence on the near-duplicates among the source images; empty where they were not looked for."""
    if found is None:
        return ""
    compared = f"{found['compared'][:1].upper()}{found['compared'][1:]}."
    if not found["pairs"]:
        return f"No two source images were found to overlap. {compared}"
    text = f"{found['images']} of {found['of']} source images overlap another ({found['pairs']} pairs); "
    if found["crossing"]:
        crossing = f"the split that was given leaves {found['crossing']} pairs across its sides"
        return f"{text}{crossing}: test images are not all new to the generators. {compared}"
    text += "they stay on one side of the split."
    if found["leak_at_random"] is not None:
        text += f" In a random split {found['leak_at_random']:.0%} of the test images would have a partner in training."
    return f"{text} {compared}"


def _rejected(path: Path) -> list[dict[str, str]]:
    """Rows of `file` and `reason`; file names may hold anything."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return [{"file": row.get("file") or "", "reason": row.get("reason") or ""} for row in csv.DictReader(file)]


def generators(
    models: Mapping[str, Mapping[str, Any]], inputs: DatasetInputs, training_images: int
) -> list[dict[str, Any]]:
    """Rows of `name`, `family`, `images` (the budget), `passes` over the training images, `batch`, `kept`, `seeds`,
    `real_pixels` (what of the training images is in what it makes; empty for nothing).

    Args:
        inputs: of the data set; `kept` is how many images the weights in use of each seed had seen.
    """
    rows = []
    for name in inputs.models():
        model, runs = models.get(name, {}), inputs.of(name)
        total = model.get("total_images")
        rows.append(
            {
                "name": name,
                "family": model.get("family", "–"),
                "images": _number(total),
                "kept": ", ".join(_number(run.recipe().get("images_seen")) for run in runs),
                "seeds": len(runs),
                "passes": f"{total / training_images:.0f}" if total and training_images else "–",
                "batch": model.get("batch", "–"),
                "real_pixels": model_settings(dict(model)).real_pixels if model else "",
            }
        )
    return rows


def _number(n: int | None) -> str:
    return f"{n:,}".replace(",", "\u202f") if n else "–"
