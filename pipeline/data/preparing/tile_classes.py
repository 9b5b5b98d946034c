"""The class of each tile of a picture whose defects are known: a tile without any is background."""

from __future__ import annotations

from pipeline.base.job import say
from pipeline.data.annotations import attach
from pipeline.data.annotations.showing import Showing
from pipeline.data.preparing.issues import Rejections
from pipeline.data.preparing.labels import BACKGROUND
from pipeline.data.preparing.squares import Picture
from pipeline.data.reading.sandbox import SandboxPool
from pipeline.settings import Dataset


def told(pool: SandboxPool, settings: Dataset, pictures: list[Picture], rejected: Rejections) -> list[Picture]:
    """The pictures with the classes of their tiles, where `boxes` tell the defects of any.

    Tiles that show a defect (`boxes.visible`) keep the class of their picture; those of a picture with defects that
    show nothing of any are of the class `good`, or of `background`; those that show too little of one are left out. The
    tiles of a picture without a defect, or whose defects are not known, keep its class.
    """
    if not settings.tells_tiles:
        return pictures
    of = {p.candidate.header.source: p for p in pictures}
    headers = {source: p.candidate.header for source, p in of.items()}
    found = attach.shown_by(settings, headers, {source: p.facts.boxes for source, p in of.items()}, pool)
    result = [_classed(settings, p, found.get(p.candidate.header.source), rejected) for p in pictures]
    _tell(pictures, result)
    _tell_unknown(pictures, found)
    return [picture for picture in result if picture.labels]


def _classed(settings: Dataset, picture: Picture, found: list[list[Showing]] | None, rejected: Rejections) -> Picture:
    assert settings.boxes is not None  # or nothing tells the tiles
    if not any(found or ()):
        return picture
    kept = []
    good = settings.good or BACKGROUND
    for box, label, some in zip(picture.facts.boxes, picture.labels, found or (), strict=True):
        share = max((one.seen.share for one in some), default=0)
        label = label if share >= settings.boxes.visible else good
        if 0 < share < settings.boxes.visible:
            reason = "shows too little of a defect to be of its class, and is no background (boxes.visible)"
        elif settings.labels.classes is not None and label not in settings.labels.classes:
            reason = f"has the class `{label}`, which labels.classes does not name"
        else:
            kept.append((box, label))
            continue
        rejected.add(picture.candidate.header.source, f"its tile at row {box.row}, column {box.col} {reason}")
    boxes, labels = [box for box, _ in kept], [label for _, label in kept]
    return picture._replace(facts=picture.facts._replace(boxes=boxes), labels=labels)


def _tell_unknown(pictures: list[Picture], found: dict[str, list[list[Showing]]]) -> None:
    """A warning of pictures that lack an annotation, where others of their class have defects that tell their tiles."""
    of_defects = {p.candidate.label for p in pictures if any(found.get(p.candidate.header.source, ()))}
    unknown = [p for p in pictures if p.candidate.label in of_defects and p.candidate.header.source not in found]
    if unknown:
        say(
            f"WARNING: {sum(len(p.labels) for p in unknown)} tile(s) of {len(unknown)} picture(s) keep their class "
            f"without a defect in sight, for these have no annotation that can be used (first: "
            f"{unknown[0].candidate.header.source}): annotate them or take them out of `source`"
        )


def _tell(before: list[Picture], after: list[Picture]) -> None:
    changed = sum(new != p.candidate.label for p in after for new in p.labels)
    gone = sum(len(p.labels) for p in before) - sum(len(p.labels) for p in after)
    if changed or gone:
        say(
            f"{changed} tile(s) of pictures with defects show none and are background; {gone} show too little of one "
            "and are left out"
        )
