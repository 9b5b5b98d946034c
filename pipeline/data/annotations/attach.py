"""Brings the boxes of a source's annotations into its image set.

A step of its own after `prepare`: a box that is drawn anew must not train a generator again that knows no boxes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.base.job import progress, say
from pipeline.data import box_store
from pipeline.data.annotations import painting, tables, yolo
from pipeline.data.annotations.clip import judged
from pipeline.data.annotations.files import all_annotations, masks_of, names_files, with_masks
from pipeline.data.annotations.match_names import Ambiguous, Names
from pipeline.data.annotations.painting import Annotated, Square
from pipeline.data.annotations.parse import ReadTask, outcome, read_file
from pipeline.data.annotations.records import Fault, Reading, Record, Region, name_of
from pipeline.data.annotations.showing import Showing, shown
from pipeline.data.image_set import RIM, ImageSet
from pipeline.data.preparing import found_masks, list_images, preview, summary, tiling
from pipeline.data.preparing.issues import CLIPPED, KEPT, LEFT_OUT, UNKNOWN, Rejections, Remarks, surviving
from pipeline.data.preparing.labels import likely
from pipeline.data.preparing.tiling import Crop
from pipeline.data.reading.frame import Header, Rejected
from pipeline.data.reading.mask_names import folder_above, folder_of_several, one_of_several
from pipeline.data.reading.sandbox import SandboxPool
from pipeline.data.reading.source import Entry, listing
from pipeline.settings import Boxes, Dataset, UserError

SECONDS = 120  # of the processor for a file
MOST_VALUES = 8  # listed
MOST_CLASSES = 20  # listed
MOSTLY = 0.5  # share of defect from which masks seem inverted
NO_ANNOTATION = "has no annotation"
READERS = 0.7  # of the memory; this process needs the rest for the boxes of all files

Known = dict[str, list[Region]]  # of each image of the source whose boxes are known, in its pixels


class Placed(NamedTuple):
    """The boxes of a set."""

    rows: list[tuple]
    """As `box_store.COLUMNS`."""
    cut: int
    """Boxes that reach out of their prepared image."""
    slivers: int
    """Parts of boxes too small to count."""
    only_slivers: list[str]
    """Ids of the images that show such parts and no box: a detector would learn defects as background there."""
    shown: dict[str, float]
    """Of each picture with boxes the share of them that its prepared images show, 1 for all of each box."""


def annotate(settings: Dataset, folder: Path, workers: int = 1, memory: float = 4e9, kept: Path | None = None) -> None:
    """Write `boxes.csv` and `boxes.json` into the image set in `folder`, beside them what was noticed.

    That is `boxes_remarks.csv` and `boxes.png`.

    Args:
        memory: bytes that all processes together may use.
        kept: folder where `boxes_remarks.csv` is left when this fails; None is that of the set.

    Raises:
        UserError: no annotations, none that gives a box, a class that is asked for without a box.
    """
    images = ImageSet.open(folder)
    boxes, remarks = settings.boxes, Remarks()
    assert boxes is not None  # of a data set that is annotated
    with SandboxPool(workers, SECONDS, READERS * memory) as pool:
        listed = list_images.listed(pool, _entries(pool, settings), settings, Rejections())
        headers = {header.source: header for _, some in listed for header in some}
        readings = _read(pool, settings, headers)
    with surviving(remarks, (kept or folder) / "boxes_remarks.csv"):
        sound = set(images.metadata["source"][images.metadata["label"] == settings.good])
        known, told = _known(settings, images.metadata["source"], headers, readings, remarks, sound)
        squares = _squares(images)
        with SandboxPool(workers, SECONDS, READERS * memory) as pool:
            showing = shown(pool, settings, _boxes(squares), known, told)
        placed = _placed(boxes, images, squares, known, showing, remarks)
        _other_classes(images, known, remarks)
        held = Counter(r.label for reading in readings.values() for record in reading.records for r in record.regions)
        classes = _classes(boxes, placed, held, len(readings), remarks)
        remarks.write(folder / "boxes_remarks.csv")
        table = pd.DataFrame(placed.rows, columns=box_store.COLUMNS)
        unannotated = _ids(images, known.keys())
        unknown = unannotated + placed.only_slivers
        without = sum(done == UNKNOWN and reason == NO_ANNOTATION for _, _, done, reason in remarks.rows)
        lost = list(_lost(settings, placed))
        lines = [
            *_headline(images, table, unannotated, unknown, without),
            *_unboxed_sides(settings, images, table),
            *_edges(boxes, placed),
            *_drawn_out(settings, images, table),
            *(f"WARNING: {line}" for line in lost),
            *summary.alike(held, "classes of boxes"),
            *remarks.counted(),
        ]
        unmasked = None
        if with_masks(boxes):
            outlined = {source: one for source, one in told.items() if one.record.outlined}
            masked = known.keys() - told.keys() | outlined.keys()  # without an annotation, background has an empty mask
            unmasked = _ids(images, masked)
            with SandboxPool(workers, SECONDS, READERS * memory) as pool:
                painted = painting.write(pool, images, squares, outlined, classes, settings)
            lines += _masks(boxes, painted.shares, classes, len(unmasked) - len(unannotated))
            with_box = images.metadata["id"].isin(table["id"]).to_numpy()
            vanished = list(_vanished(settings, int((with_box & painted.empty).sum())))
            lost += vanished
            lines += (f"WARNING: {line}" for line in vanished)
            lines += _unnamed({value: None for one in told.values() for value in one.record.values})
            lines += _counted_from_0(boxes, {region.label for one in told.values() for region in one.record.regions})
        digest = images.meta["data_hash"]
        box_store.write(folder, digest, table, classes, unknown, unmasked, lost=lost, settings=boxes.model_dump())
        for line in lines:
            say(line)
        preview.write(ImageSet.open(folder), lines, folder / "boxes.png", boxes=True)


def _ids(images: ImageSet, known: Set[str]) -> list[str]:
    """Of the images whose source is not among these."""
    return images.metadata["id"][~images.metadata["source"].isin(list(known))].tolist()


def _entries(pool: SandboxPool, settings: Dataset) -> list[Entry]:
    """The files of the source that may be images."""
    assert settings.source is not None  # of a data set that is annotated
    entries = listing(settings.source, masks_of(settings))
    named, drawn = found_masks.found(pool, entries, settings)
    return [entry for entry in entries if entry.name not in named and entry.name not in drawn]


def _read(pool: SandboxPool, settings: Dataset, headers: dict[str, Header]) -> dict[str, Reading]:
    """What each annotation file holds, by its name."""
    boxes = settings.boxes
    assert boxes is not None  # of a data set that is annotated
    names = boxes.names if isinstance(boxes.names, list) else yolo.agreed_names(names_files(boxes))
    tasks = [ReadTask(annotation, settings, names) for annotation in all_annotations(boxes)]
    readings = _outcomes(pool, tasks)
    if asking := [task for task in tasks if readings[task.annotation.name].sizeless]:
        images, again = Names(list(headers.values())), []
        for task in asking:
            name = task.annotation.name
            again.append(task._replace(sizes=tables.asked_sizes(readings[name], name, images, headers)))
        readings |= _outcomes(pool, again)
    return readings


def _outcomes(pool: SandboxPool, tasks: list[ReadTask]) -> dict[str, Reading]:
    found = {}
    with progress("reading boxes", len(tasks), "file") as bar:
        for task, result in pool.map(read_file, tasks):
            found[task.annotation.name] = outcome(task, result)
            bar.update()
    return {task.annotation.name: found[task.annotation.name] for task in tasks}


# ---------------------------------------------------------------- which boxes an image of the source has


def regions(settings: Dataset, headers: dict[str, Header], pool: SandboxPool) -> Known:
    """The usable boxes of the images of a source, by the name of each, for those where they are known."""
    return _of_source(settings, headers, pool)[0]


def shown_by(
    settings: Dataset, headers: dict[str, Header], boxes: dict[str, list[Crop]], pool: SandboxPool
) -> dict[str, list[list[Showing]]]:
    """Which of their regions the boxes of the images of a source show, for those where regions are known; all by the
    name of the image."""
    return shown(pool, settings, boxes, *_of_source(settings, headers, pool))


def _of_source(settings: Dataset, headers: dict[str, Header], pool: SandboxPool) -> tuple[Known, dict[str, Annotated]]:
    return _known(settings, headers, headers, _read(pool, settings, headers), Remarks())


def _known(
    settings: Dataset,
    sources: Iterable[str],
    headers: dict[str, Header],
    readings: dict[str, Reading],
    remarks: Remarks,
    sound: Set[str] = frozenset(),
) -> tuple[Known, dict[str, Annotated]]:
    """The usable boxes of every one of some images that has an annotation, with this, or needs none; `sound` are those
    of the class without defects."""
    boxes = settings.boxes
    assert boxes is not None  # of a data set that is annotated
    records, possible = _by_image(headers, readings, remarks)
    background = boxes.missing == "background" or (boxes.missing == "auto" and boxes.format == "yolo")
    # The images of a lost file are not named: one that lacks an annotation may be one of them.
    background &= not any(reading.unreadable for reading in readings.values())
    known: Known = {}
    told: dict[str, Annotated] = {}
    for source in dict.fromkeys(sources):
        if source not in headers:
            raise UserError(f"{source}: was prepared a moment ago, but is not there now")
        try:
            if source in records:
                one = _upright(_agreed(records[source], remarks), headers[source], settings)
                known[source] = _usable(one, source, boxes, remarks)
                told[source] = one
            elif source in sound:
                known[source] = []
            elif source in possible:  # also where none means background: the file may mark a defect in it
                raise Rejected(f"has no annotation of its own, but {possible[source]} may mean it")
            elif background:
                known[source] = []
            else:
                raise Rejected(NO_ANNOTATION)
        except Rejected as reason:
            remarks.add(source, "", UNKNOWN, str(reason))
    return known, told


def _by_image(
    headers: dict[str, Header], readings: dict[str, Reading], remarks: Remarks
) -> tuple[dict[str, list[Record]], dict[str, str]]:
    """The records of each image, and of each that a record of several images' name may mean, the first such file."""
    names = Names(list(headers.values()))
    found: dict[str, list[Record]] = {}
    possible: dict[str, str] = {}
    for file, reading in readings.items():
        if reading.unreadable:
            remarks.add(file, "", LEFT_OUT, reading.unreadable)
        for fault in reading.faults:
            remarks.add(file, fault.box, LEFT_OUT, fault.reason)
        for record in reading.records:
            try:
                found.setdefault(_meant(record, file, names), []).append(record)
            except Rejected as reason:
                if isinstance(reason, Ambiguous):
                    possible = dict.fromkeys(reason.sources, record.where) | possible
                elif record.unreadable:  # why it names no image, and what to mend first
                    reason = Rejected(record.unreadable)
                remarks.add(record.where, "", LEFT_OUT, str(reason))
    return found, possible


def _meant(record: Record, file: str, names: Names) -> str:
    """The image of a record; of a mask that is a number the one that its folder is called as, if that says no less; of
    any other, where none is called as it is, the one called so without a number at its end, or as its folder. Raises as
    `Names.find`."""
    folder = folder_of_several(record.image) if record.masks else None
    if folder is not None and names.known(folder) >= max(1, names.known(record.image)):
        record = record._replace(image=folder)
    try:
        return names.find(record, file)
    except Ambiguous:
        raise
    except Rejected:
        others = (one_of_several(record.image), folder_above(record.image)) if record.masks else ()
        known = [other for other in others if other is not None and names.known(other)]
        if not known:
            raise
        return names.find(record._replace(image=known[0]), file)


def _agreed(records: list[Record], remarks: Remarks) -> Record:
    """The one of several that say the same; all together of masks, which may show a defect or a class each.

    Raises:
        Rejected: others do not say the same, for none is righter than another.
    """
    first, *others = records
    if others and all(record.masks and record.size == first.size for record in records):
        return first._replace(
            regions=[region for record in records for region in record.regions],
            masks=tuple(mask for record in records for mask in record.masks),
            values=tuple(dict.fromkeys(value for record in records for value in record.values)),
        )
    for other in others:
        if (other.size, other.regions, other.faults) != (first.size, first.regions, first.faults):
            raise Rejected(f"is annotated twice, and not alike: {first.where} and {other.where}")
        remarks.add(other.where, "", LEFT_OUT, f"says the same as {first.where}")
    return first


def _upright(record: Record, header: Header, settings: Dataset) -> Annotated:
    """A record and the (H, W) of what it tells of: the picture, or what `crop_bottom` leaves of it. Raises Rejected
    where that is something else, or nothing is known."""
    if record.unreadable:
        raise Rejected(record.unreadable)
    height, width = header.shape[:2]
    left = tiling.cropped_height(settings, height)
    if record.size in (None, (height, width)):
        return Annotated(record, (height, width))
    if record.size == (left, width):
        return Annotated(record, (left, width))
    was = " x ".join(f"{side:g}" for side in record.size)
    what = "its mask has" if record.masks else "its boxes were drawn on"
    raise Rejected(f"{what} {was} pixels, but the upright picture has {height} x {width}")


def _usable(one: Annotated, source: str, boxes: Boxes, remarks: Remarks) -> list[Region]:
    """The boxes of an image inside it, each once. Raises Rejected where none of them can be used."""
    record, (height, width) = one
    faults = list(record.faults)
    kept: dict[Region, None] = {}  # in order; a hostile file may hold hundreds of thousands
    for region in record.pixels(height, width):
        if boxes.classes is not None and region.label not in boxes.classes:
            remarks.add(source, str(region), LEFT_OUT, "is of a class that boxes.classes does not name")
            continue
        try:
            inside, cut = judged(region, height, width)
        except Rejected as reason:
            faults.append(Fault(str(region), str(reason)))
            continue
        if inside in kept:
            remarks.add(source, str(region), LEFT_OUT, "is the same as another of its image")
            continue
        if cut:
            remarks.add(source, str(region), CLIPPED, "reaches out of the image")
        kept[inside] = None
    for fault in faults:
        remarks.add(source, fault.box, LEFT_OUT, fault.reason)
    if faults and not kept:  # a defect is there: to call the image background would be wrong
        raise Rejected("none of its boxes can be used")
    return list(kept)


# ---------------------------------------------------------------- which boxes a prepared image has


def _boxes(squares: list[Square]) -> dict[str, list[Crop]]:
    found: dict[str, list[Crop]] = {}
    for square in squares:
        found.setdefault(square.source, []).append(square.box)
    return found


def _placed(
    boxes: Boxes,
    images: ImageSet,
    squares: list[Square],
    known: Known,
    showing: dict[str, list[list[Showing]]],
    remarks: Remarks,
) -> Placed:
    rows, found = [], set()
    cut = slivers = 0
    only_slivers = []
    most: dict[tuple[str, Region], float] = {(source, region): 0 for source in known for region in known[source]}
    parts = {source: iter(of_boxes) for source, of_boxes in showing.items()}
    for name, square in zip(images.metadata["id"], squares, strict=True):
        some = next(parts[square.source]) if square.source in parts else []
        if some and all(part.share < boxes.visible for _, part in some):
            only_slivers.append(name)
        for region, part in some:
            most[square.source, region] = max(most[square.source, region], part.share)
            if part.share < boxes.visible:
                slivers += 1
                continue
            rows.append((name, *part.region))
            found.add((square.source, region))
            cut += part.cut
    for source, regions in known.items():
        for region in regions:
            if (source, region) not in found:
                remarks.add(source, str(region), LEFT_OUT, "no prepared image shows enough of it (boxes.visible)")
    shares = {s: float(np.mean([most[s, region] for region in regions])) for s, regions in known.items() if regions}
    return Placed(rows, cut, slivers, only_slivers, shares)


def _squares(images: ImageSet) -> list[Square]:
    """The part of a source that became each image."""
    squares = []
    for place, image in enumerate(images.metadata.itertuples()):
        squares.append(Square(place, image.source, Crop(image.row, image.col, image.rows, image.cols)))
    return squares


def _other_classes(images: ImageSet, known: Known, remarks: Remarks) -> None:
    """A box of another class than its image's is one more defect in the picture, and stays what it is.

    Only where images and boxes have the same classes: a scratch on a `bad` part is nothing odd.
    """
    labels = dict(zip(images.metadata["source"], images.metadata["label"], strict=True))
    of_boxes = {region.label for regions in known.values() for region in regions}
    for source, regions in known.items():
        for region in regions:
            if labels[source] in of_boxes and region.label != labels[source]:
                remarks.add(source, str(region), KEPT, "is of another class than its image")


def _classes(boxes: Boxes, placed: Placed, held: Counter[str], files: int, remarks: Remarks) -> list[str]:
    """Those of the boxes, as asked for or in the alphabet's order; `held` counts what the annotations hold of each."""
    there = sorted({row[1] for row in placed.rows})
    absent = [label for label in boxes.classes or [] if label not in held]
    if not there and not (held and absent):
        raise UserError(f"boxes: none of {files} annotation file(s) gives a box: {_few(remarks.counted(3))}")
    missing = [label for label in boxes.classes or [] if label not in there]
    if missing:
        listed = ", ".join(f"{label} ({held[label]})" for label in sorted(held)[:MOST_CLASSES])
        more = ", ..." if len(held) > MOST_CLASSES else ""
        raise UserError(
            f"boxes.classes: no usable box of `{'`, `'.join(missing)}`; the annotations hold {listed}{more}"
            f"{likely(absent, sorted(held))}"
        )
    return list(boxes.classes) if boxes.classes is not None else there


# ---------------------------------------------------------------- what a person reads


def _headline(
    images: ImageSet, table: pd.DataFrame, unannotated: list[str], unknown: list[str], no_annotation: int
) -> Iterable[str]:
    counts = Counter(table["label"])
    with_boxes = table["id"].nunique()
    classes = ", ".join(f"{label} {n}" for label, n in sorted(counts.items()))
    yield f"{len(table)} boxes in {with_boxes} of {len(images)} images; {classes}"
    if empty := len(images) - with_boxes - len(unknown):
        yield f"{empty} image(s) without a box: background"
    if unannotated:
        yield (
            f"{len(unannotated)} image(s) whose boxes are not known: no detector learns from them or is judged on them"
        )
        if no_annotation:
            yield (
                f"{no_annotation} source image(s) have no annotation; if all defects were marked, they show none: say "
                "so by `boxes.missing: background`"
            )


def _unboxed_sides(settings: Dataset, images: ImageSet, table: pd.DataFrame) -> Iterable[str]:
    """A warning where the images that train, or those that judge, show no box: detectors of boxes need some on both."""
    sides = images.metadata["split"]
    shown = set(sides[images.metadata["id"].isin(table["id"])])
    for side, does in (("train", "learn"), ("test", "be judged")):
        if settings.good is None and side in set(sides) - shown:
            yield (
                f"WARNING: none of the {(sides == side).sum()} {side} images shows a known box, so no detector of "
                f"boxes can {does}; where a folder of the set has no annotations, let `source` name the others alone: "
                "a split is drawn of these"
            )


def _edges(boxes: Boxes, placed: Placed) -> Iterable[str]:
    if placed.cut:
        yield f"{placed.cut} boxes reach out of their prepared image and are cut at its edge"
    if placed.slivers:
        alone = f"; {len(placed.only_slivers)} image(s) show nothing else" if placed.only_slivers else ""
        left = ", and no detector of boxes learns from them or is judged on them" if placed.only_slivers else ""
        yield (
            f"{placed.slivers} smaller parts of boxes (boxes.visible: {boxes.visible:g}) are not counted as "
            f"boxes{alone}{left}"
        )


def _drawn_out(settings: Dataset, images: ImageSet, table: pd.DataFrame) -> Iterable[str]:
    """A warning of defects at the edge of their picture, which `padding: edge` draws out into the rim."""
    if settings.fit != "pad" or settings.padding != "edge" or RIM[0] not in images.metadata:
        return
    height, width = settings.shape
    of = table.merge(images.metadata[["id", *RIM]], on="id")
    top, left, bottom, right = (of[side] for side in RIM)
    touching = (top > 0) & (of["y0"] <= top) | (left > 0) & (of["x0"] <= left)
    touching |= (bottom > 0) & (of["y1"] >= height - bottom) | (right > 0) & (of["x1"] >= width - right)
    if n := of["id"][touching].nunique():
        yield (
            f"WARNING: {n} image(s) have boxes at an edge of the picture that `padding: edge` draws out into the rim, "
            "where the defect goes on without a box: `padding: constant` keeps the rim free"
        )


def _masks(boxes: Boxes, shares: NDArray[np.float64], classes: list[str], unmasked: int) -> Iterable[str]:
    """How many images have boxes and no mask, and a warning where masks may have black and white exchanged, or a class
    may be the background."""
    if unmasked:
        yield f"{unmasked} image(s) with boxes that have no outline: their masks are not known"
    if shares.sum() > MOSTLY and boxes.names is None:
        yield (
            f"WARNING: {shares.sum():.0%} of the pixels of the masks are of a defect; if the background is not black "
            "in them, name its value: `boxes.names: {255: null, 0: defect}`"
        )
    if boxes.format == "mask" and boxes.names is not None and shares.max() > MOSTLY:
        yield (
            f"WARNING: {shares.max():.0%} of the pixels of the masks are of the class `{classes[shares.argmax()]}`; if "
            "it is the background, give its value null in `boxes.names`, as in {0: null, 1: crack}"
        )


def _counted_from_0(boxes: Boxes, labels: Set[str]) -> Iterable[str]:
    """A warning where a list of names is one longer than the highest value of the masks."""
    names = boxes.names if boxes.format == "mask" and isinstance(boxes.names, list) else []
    if len(names) > 1 and name_of(names[-1]) not in labels and name_of(names[-2]) in labels:
        yield (
            f"WARNING: no mask holds the value {len(names)}, `{names[-1]}`: the list `boxes.names` names the values 1, "
            f"2, ...; if yours counts from 0, write {{1: {names[1]}, ...}}"
        )


def _unnamed(values: dict[str, None]) -> Iterable[str]:
    """A hint where the values of masks may be several classes."""
    if values:
        several = ", ".join(list(values)[:MOST_VALUES]) + (", ..." if len(values) > MOST_VALUES else "")
        yield (
            f"the masks hold the values {several}, which are all `defect`: if they are classes, name them, as in "
            f"`boxes.names: {{{next(iter(values))!r}: ...}}`"
        )


def _lost(settings: Dataset, placed: Placed) -> Iterable[str]:
    """What of the defects no image shows any more."""
    shares = np.array(list(placed.shown.values()))
    gone, little = int(np.sum(shares == 0)), int(np.sum((shares > 0) & (shares < 0.5)))
    if gone or little:
        yield (
            f"of {len(shares)} pictures with boxes {gone} show none of them now, {little} less than half,"
            f" for `fit: {settings.fit}` cuts them off: `pad` with `padding: edge`, `stretch` and `tile` keep all"
            f"{', `boxes.place_cut` cuts where they are' if settings.fit == 'resize' else ''}"
        )


def _vanished(settings: Dataset, images: int) -> Iterable[str]:
    """That masks are empty, though their images have boxes."""
    if images:
        height, width = settings.shape
        yield (
            f"the masks of {images} image(s) with boxes have no pixel left: their defects are thinner than a pixel of "
            f"{height} x {width}; a larger `size`, or `fit: tile`, keeps them"
        )


def _few(lines: list[str]) -> str:
    return "; ".join(lines) or "they name no box"
