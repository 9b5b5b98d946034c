"""Data sets whose images are the defects of another: which there are, and what may be set of them."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.settings.datasets import Dataset

OWN = {"patches_of", "patches", "size", "models"}  # what may be set of them; all else is as in the other data set


def patch_sets(datasets: dict[str, Dataset]) -> dict[str, str]:
    """The name of the data set of its patches, by the name of each data set that has one."""
    return {d.patches_of: name for name, d in datasets.items() if d.patches_of is not None}


def faults(datasets: dict[str, Dataset]) -> Iterator[str]:
    """Data sets without images to come from: neither `source` nor `patches_of`; patches with a setting that is not
    theirs, of a data set that has no boxes, or of one that has patches already."""
    boxed = [name for name, d in datasets.items() if d.boxes is not None]
    cut: dict[str, str] = {}
    for name, d in datasets.items():
        if d.patches_of is None:
            if d.source is None:
                yield f"datasets.{name}.source: must be given, or `patches_of`"
            continue
        yield from _of_patches(name, d, boxed)
        if d.patches_of in cut:
            yield (
                f"datasets.{name}.patches_of: `{d.patches_of}` has its patches in `{cut[d.patches_of]}` already, and "
                "can have one such data set"
            )
        cut[d.patches_of] = name


def _of_patches(name: str, patches: Dataset, boxed: list[str]) -> Iterator[str]:
    for key, field in Dataset.model_fields.items():
        if key not in OWN and getattr(patches, key) != field.default:
            yield (
                f"datasets.{name}.{key}: cannot be set beside `patches_of`, it is that of `{patches.patches_of}`; only "
                f"{', '.join(sorted(OWN))} can"
            )
    if patches.patches_of not in boxed:
        known = f"those are {', '.join(boxed)}" if boxed else "there is none, see `boxes`"
        yield f"datasets.{name}.patches_of: `{patches.patches_of}` is no data set with boxes; {known}"
