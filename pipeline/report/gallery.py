"""The sheets, films and strips of the generators, with what to look for in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.base.files import read_json
from pipeline.report import images
from pipeline.report.inputs import RunInputs

STRIPS_NAMED = 4  # seam ratios in a caption


class Kind(NamedTuple):
    """A kind of picture that a gallery may hold, and how to read it."""

    title: str
    reading: str


KINDS = {
    "truncation": Kind(
        "Truncation",
        "A seed a line, from the most typical image of the class (0) to its full variety (1). Where the right end "
        "shows faults and the middle none, setting generate.truncation to the middle value buys better images with "
        "variety.",
    ),
    "interpolation": Kind(
        "Interpolation",
        "From one image to another, and back. Structures should grow, move and fade; one that stands still and then "
        "jumps was learnt by heart.",
    ),
    "mixing": Kind(
        "Style mixing",
        "Each image takes its coarse structure from the image at the left of its line and all else from the one at the "
        "top of its column. What follows the line is what the generator takes for coarse.",
    ),
    "directions": Kind(
        "Directions of the styles",
        "One image along directions of the style space, in standard deviations, each named by the descriptor that it "
        "changes the most. In brackets: how it was found, the correlation of the step with the descriptor, and by how "
        "many standard deviations of the images a step changes it. Setting generate.move draws along them.",
    ),
    "strips": Kind(
        "Strips",
        "Drawn in one piece as wide as asked for. Look for features that come again at equal distances, and for "
        "vertical lines. Seams: the change from pixel to pixel where training images would meet, as a multiple of that "
        "at like places elsewhere (in brackets: what chance makes of it at other places).",
    ),
}


def context(runs: Sequence[RunInputs]) -> list[dict[str, Any]]:
    """Each kind of picture that any of the runs has: `name`, `title`, `reading`, and `figures`.

    A figure has `uri`, `alt` and `caption`.
    """
    galleries = [(run, _facts(run)) for run in runs]
    found = []
    for name, kind in KINDS.items():
        figures = [_figure(run, name, facts[name]) for run, facts in galleries if name in facts]
        if figures := [figure for figure in figures if figure["uri"]]:
            found.append({"name": name, "title": kind.title, "reading": kind.reading, "figures": figures})
    return found


def _facts(run: RunInputs) -> dict[str, Any]:
    path = run.folder / "gallery" / "gallery.json"
    return read_json(path) if path.is_file() else {}


def _figure(run: RunInputs, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    title = f"{run.model}, seed {run.seed}"
    caption = ": ".join(text for text in (title, _note(name, facts)) if text)
    return {"uri": _embedded(run, facts["file"]), "alt": f"{KINDS[name].title} of {title}", "caption": caption}


def _note(name: str, facts: Mapping[str, Any]) -> str:
    if name == "interpolation":
        return f"{facts['frames']} steps; also as interpolation.mp4"
    if name == "directions":
        return ", ".join(map(_direction, facts["directions"]))
    return _strips(facts) if name == "strips" else ""


def _direction(facts: Mapping[str, Any]) -> str:
    name = facts["name"]
    descriptor = name if name in facts["effects"] else name.rpartition("_")[0]
    told = f"{facts['method']} {facts['number']}"
    if descriptor in facts["effects"]:
        told += f", r {facts['correlations'][descriptor]:.2f}, {facts['effects'][descriptor]:+.2f} σ"
    return f"{name} ({told})"


def _embedded(run: RunInputs, file: str) -> str | None:
    path = run.folder / "gallery" / file
    if path.suffix != ".gif":
        return images.file(path) if path.is_file() else None
    embedded = images.animation(path)
    return embedded and embedded[0]


def _strips(facts: Mapping[str, Any]) -> str:
    part = f"the first {facts['shown']} of " if facts["shown"] < facts["width"] else ""
    known = [s for s in facts["strips"].values() if s["seam_ratio"] is not None][:STRIPS_NAMED]
    seams = ["{:.2f} ({:.2f} to {:.2f})".format(s["seam_ratio"], *s["seam_ratio_elsewhere"]) for s in known]
    text = f"{part}{facts['width']} pixels; the files, in the type of the source, are in gallery/strips"
    return f"{text}; seams {', '.join(seams)}" if seams else text
