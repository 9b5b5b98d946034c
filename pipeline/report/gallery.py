"""The sheets, films and strips of a generator, with what to look for in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report import images
from pipeline.report.inputs import RunInputs

STRIPS_NAMED = 4  # seam ratios in a caption


def shown(run: RunInputs) -> dict[str, Any] | None:
    """`title` and `figures` (`uri`, `alt`, `caption` each) of a generator's gallery; None without one."""
    path = run.folder / "gallery" / "gallery.json"
    if not path.is_file():
        return None
    facts = json.loads(path.read_text(encoding="utf-8"))
    title = f"{run.model}, seed {run.seed}"
    figures = [
        {"uri": uri, "alt": f"{name} of {title}", "caption": caption(facts[name])}
        for name, caption in CAPTIONS.items()
        if name in facts and (uri := _embedded(run, facts[name]["file"]))
    ]
    return {"title": title, "figures": figures} if figures else None


def _embedded(run: RunInputs, file: str) -> str | None:
    path = run.folder / "gallery" / file
    if path.suffix != ".gif":
        return images.picture(path) if path.is_file() else None
    embedded = images.animation(path)
    return embedded and embedded[0]


def _truncation(facts: Mapping[str, Any]) -> str:
    return (
        "Truncation: a seed a line, from the most typical image of the class (0) to its full variety (1). Where the "
        "right end shows faults and the middle none, setting generate.truncation to the middle value buys better "
        "images with variety."
    )


def _interpolation(facts: Mapping[str, Any]) -> str:
    return (
        f"Interpolation: from one image to another in {facts['frames']} steps, and back. Structures should grow, move "
        "and fade; one that stands still and then jumps was learnt by heart. Also as interpolation.mp4."
    )


def _mixing(facts: Mapping[str, Any]) -> str:
    return (
        "Style mixing: each image takes its coarse structure from the image at the left of its line and all else from "
        "the one at the top of its column. What follows the line is what the generator takes for coarse."
    )


def _strips(facts: Mapping[str, Any]) -> str:
    part = f"the first {facts['shown']} of " if facts["shown"] < facts["width"] else ""
    return (
        f"Strips: {part}{facts['width']} pixels, drawn in one piece as wide as asked for. Look for features that come "
        f"again at equal distances, and for vertical lines. {_seams(list(facts['strips'].values()))}The files, in the "
        "type of the source, are in gallery/strips."
    )


def _seams(strips: Sequence[Mapping[str, Any]]) -> str:
    known = [s for s in strips if s["seam_ratio"] is not None][:STRIPS_NAMED]
    if not known:
        return ""
    texts = ("{:.2f} ({:.2f} to {:.2f})".format(s["seam_ratio"], *s["seam_ratio_elsewhere"]) for s in known)
    return (
        "Change from pixel to pixel where training images would meet, as a multiple of that at like places elsewhere "
        f"(in brackets: what chance makes of it at other places): {', '.join(texts)}. "
    )


CAPTIONS = {
    "truncation": _truncation,
    "interpolation": _interpolation,
    "mixing": _mixing,
    "strips": _strips,
}
