"""Makes an image set of a source: two passes over the files, one to look, one to write.

Memory: each worker process holds one decoded image with its squares and the squares of the images before it in its
task (32 MB of source pixels at most, unless one image has more); an image that needs more than a worker's share is
done again alone. This process holds one answer of a worker, the facts
of every image (about 1 kB each), and 4 million sampled values where percentiles are asked for. Nothing grows with the
pixels of the set. Measured: 200 strips of 6144 x 1024, 16 bit, into 32 000 tiles of 256 (4.2 GB) with percentiles:
275 MB here, 170 MB in each worker. The search for near-duplicates adds some 50 kB an image here, and twice as much
while it compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.base.job import progress, say
from pipeline.data.annotations import attach
from pipeline.data.annotations.files import masks_of
from pipeline.data.annotations.records import Region
from pipeline.data.image_set import COLUMNS, ImageSet, ImageSetWriter
from pipeline.data.near_duplicates import correlate, report
from pipeline.data.near_duplicates.report import Overlaps, Sources
from pipeline.data.preparing import (
    found_masks,
    framing,
    labels,
    list_images,
    magnification,
    preview,
    scaling,
    splits,
    summary,
    tile_classes,
    tiling,
)
from pipeline.data.preparing.framing import Framed
from pipeline.data.preparing.issues import Rejections, surviving
from pipeline.data.preparing.list_images import Candidate
from pipeline.data.preparing.scan import CropTask, Facts, FailedCrops, ImageCrops, Plan, ScanTask, crop, scan
from pipeline.data.preparing.squares import Picture, Square, check_good, squares
from pipeline.data.preparing.tiling import Crop
from pipeline.data.reading import voronoi
from pipeline.data.reading.frame import Header
from pipeline.data.reading.sandbox import Failed, SandboxPool
from pipeline.data.reading.source import HOW_TO_READ, VORONOI, by_suffix, check_patterns, left_out, listing
from pipeline.settings import Dataset, FewShots, UserError

SECONDS = 120  # of the processor for a task: a damaged file may keep a decoder busy for ever
WORKERS = 0.7  # of the memory; this process needs the rest for the squares of an image and the facts of all
TASK_BYTES = 32 * 2**20  # of source pixels in a task of several images
TASK_IMAGES = 128
BLOCK_BYTES, BLOCK_IMAGES = 256 * 2**20, 1024  # in a task of images whose chunks are decoded together
SAMPLE = 4_000_000  # values for percentiles over the set
LATER = {"boxes", "patches_of", "patches"}  # settings of what is made of the images, none of which they change


def prepare(
    settings: Dataset,
    out: Path,
    source: str | list[str] | None = None,
    workers: int = 1,
    earlier: Path | None = None,
    memory: float = 8e9,
    kept: Path | None = None,
    few: FewShots | None = None,
) -> None:
    """Write the image set of a data set into the folder `out`, beside it what was noticed.

    That is `rejected.csv`, `near_duplicates.csv` and `preview.png`. Nothing that a few-shot set is made with is
    computed from the pixels of images that do not train but which images overlap, so that all few-shot sets of a source
    have the same split; whether the set is gray and the type of its values are decided by all images of the source.

    Args:
        source: read this in place of `settings.source`.
        workers: processes that decode.
        earlier: folder where jobs leave the near-duplicates they found for those after them; None searches always.
        memory: bytes that all processes together may use.
        kept: folder where `rejected.csv` is left when this fails; None is `out`.
        few: how a set with `settings.shots` is drawn; None leaves out what is left over.

    Raises:
        UserError: nothing to read, nothing usable, a class too small, an impossible setting.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    settings, place = _source(settings, out, source)
    check_patterns(settings)
    table = labels.read_table(settings)
    entries = listing(place, masks_of(settings))
    rejected = Rejections()
    _name_left_out(place, rejected)
    with surviving(rejected, (kept or out) / "rejected.csv"):
        with SandboxPool(workers, SECONDS, WORKERS * memory) as pool:
            entries = found_masks.left_out(pool, entries, settings, rejected)
            found_masks.offered(place, entries, settings)
            there = list_images.find(pool, entries, settings, table, rejected)
            skipped = report.reason_to_skip(settings, [c.label for c in there])
            reduced = None if skipped else correlate.usual_factor([c.header.shape for c in there])
            pictures = _look(pool, there, settings, rejected, _marks(pool, there, settings), reduced)
            pictures = tile_classes.told(pool, settings, pictures, rejected)
            while True:
                _check_usable(pictures, len(entries), rejected)
                check_good(settings, pictures)
                choices = _decide(settings, pictures, skipped, workers, earlier, few)
                lost = _write(pool, out, settings, choices)
                if not lost:
                    break
                for source, reason in lost.items():
                    rejected.add(source, f"could be read at first, but not again: {reason}")
                pictures = [p for p in pictures if p.candidate.header.source not in lost]
        rejected.write(out / "rejected.csv")
        report.write(out / "near_duplicates.csv", choices.sources, choices.found)
        _tell(settings, out, choices, rejected)


def _name_left_out(place: str | list[str], rejected: Rejections) -> None:
    """Name the folders of results in the source, and count the files that look like images and that nothing reads."""
    others, results = left_out(place)
    for folder in results:
        say(f"`{folder}` holds results of Pyrite: nothing of it is an image of the source")
    for name in others:
        rejected.add(name, f"is of a kind that is not read; {HOW_TO_READ}")
    if others:
        kinds = by_suffix(others)
        say(f"{len(others)} file(s) look like images and are of kinds that are not read: {kinds}; {HOW_TO_READ}")


def _check_usable(pictures: list[Picture], files: int, rejected: Rejections) -> None:
    """Say why most were rejected, if so. Raises UserError where all were."""
    if len(rejected) > len(pictures):
        for line in rejected.counted():
            say(line)
    if not pictures:
        raise UserError(f"source: none of {files} file(s) can be used: {rejected.summary()}")


def _tell(settings: Dataset, out: Path, choices: Choices, rejected: Rejections) -> None:
    images, squares = ImageSet.open(out), choices.squares
    lines = [summary.headline(images), *summary.classes(settings, images), *summary.few_shots(settings, images)]
    lines += summary.regions(settings, images.metadata, choices.parts)
    if settings.split.by == "source":
        lines += summary.divided_groups([s.picture.candidate.group for s in squares], [s.split for s in squares])
        lines += summary.judged_by_one(images.metadata)
    lines += summary.describe(settings, _facts(squares), choices.plan, len(rejected))
    lines += images.meta["framing"]
    lines += magnification.notes(settings, _shown(squares))
    lines += report.notes(choices.sources, choices.found)
    for line in lines:
        say(line)
    if rejected:
        say(f"the first of {len(rejected)} rejected (all in {out / 'rejected.csv'}): {rejected.summary()}")
    preview.write(images, lines, out / "preview.png")


def _source(settings: Dataset, out: Path, source: str | list[str] | None) -> tuple[Dataset, str | list[str]]:
    """The settings to read with, and what to read; procedural sets are drawn first, then read like a user's file."""
    if settings.source != VORONOI:
        place = source or settings.source
        assert place is not None  # patches are prepared from no source
        return settings, place
    if source is None:
        say(f"drawing {settings.voronoi.images_per_class} polycrystals each: {', '.join(settings.voronoi.classes)}")
        voronoi.write(settings.voronoi, settings.shape[0], out / "voronoi.h5")
    read = settings.hdf5.model_copy(update={"images": "images", "labels": "labels", "layout": "nhw"})
    rule = settings.labels.model_copy(update={"rule": "hdf5"})
    return settings.model_copy(update={"hdf5": read, "labels": rule}), source or str(out / "voronoi.h5")


# ---------------------------------------------------------------- the first pass


def _marks(pool: SandboxPool, found: list[Candidate], settings: Dataset) -> dict[str, list[Region]]:
    """Of each image what its square is to show, by its name."""
    if settings.boxes is None or not settings.boxes.place_cut:
        return {}
    return attach.regions(settings, {c.header.source: c.header for c in found}, pool)


def _look(
    pool: SandboxPool,
    found: list[Candidate],
    settings: Dataset,
    rejected: Rejections,
    marks: dict[str, list[Region]],
    reduced: int | None,
) -> list[Picture]:
    """Facts of every usable image, in order; with `limit`, of so many a class: those rejected are replaced.

    Args:
        marks, reduced: see `ScanTask`.
    """
    picks = max(64, SAMPLE // max(1, len(found)))
    order = splits.drawn_order([c.label for c in found], [c.split for c in found], settings.split.seed)
    limit = settings.limit or len(found)
    facts: dict[int, Facts] = {}
    extents = magnification.extents(settings, [c.header for c in found])
    seen = dict.fromkeys(order, 0)
    with progress("looking", sum(min(limit, len(rows)) for rows in order.values())) as bar:
        while turn := _next_turn(order, seen, facts, limit):
            runs = _runs(sorted(turn), [c.header for c in found])
            named = (([found[i].header for i in run], run) for run in runs)
            tasks = (
                ScanTask(
                    run, headers, settings, picks, [marks.get(h.source, []) for h in headers],
                    [extents.get(h.source) for h in headers], reduced,
                )
                for headers, run in named
            )  # fmt: skip
            for task, results in pool.map(scan, tasks, ScanTask.singly):
                bar.update(len(task.rows))
                for i, result in zip(task.rows, _each(results, len(task.rows)), strict=True):
                    if isinstance(result, Facts):
                        facts[i] = result
                    else:
                        rejected.add(found[i].header.source, result)
    for fact in facts.values():
        for box in fact.flat_boxes:
            rejected.add(fact.header.source, f"its tile at row {box.row}, column {box.col} is constant")
    return [Picture(found[i], facts[i], [found[i].label] * len(facts[i].boxes)) for i in sorted(facts)]


def _next_turn(order: dict[str, list[int]], seen: dict[str, int], facts: dict[int, Facts], limit: int) -> list[int]:
    """The images to look at next: of each class, as many as still lack."""
    turn = []
    for label, rows in order.items():
        lacking = limit - sum(i in facts for i in rows[: seen[label]])
        turn += rows[seen[label] : seen[label] + lacking]
        seen[label] = min(len(rows), seen[label] + lacking)
    return turn


def _runs(rows: list[int], headers: list[Header]) -> Iterator[list[int]]:
    """Positions cut into runs of one file each, small enough for one task."""
    run: list[int] = []
    size = 0
    for i in rows:
        header = headers[i]
        weight = int(np.prod(header.shape)) * np.dtype(header.dtype).itemsize
        if run and _ends(headers[run[-1]], header, size + weight, len(run)):
            yield run
            run, size = [], 0
        run.append(i)
        size += weight
    if run:
        yield run


def _ends(last: Header, header: Header, size: int, count: int) -> bool:
    """Whether a run of `count` images that would have `size` bytes with one more ends before this one."""
    if last.path != header.path:
        return True
    if header.block is not None and (last.key, last.block) == (header.key, header.block):
        return size > BLOCK_BYTES or count >= BLOCK_IMAGES
    return size > TASK_BYTES or count >= TASK_IMAGES


def _each(results: list | Failed, count: int) -> list:
    """The results of a task's images; a process that failed did so for all of them."""
    return [results.reason] * count if isinstance(results, Failed) else results


# ---------------------------------------------------------------- what is decided between the passes


class Choices(NamedTuple):
    """What the set will be."""

    squares: list[Square]
    parts: int
    """Squares of all pictures, those among them that `split.by` leaves out."""
    plan: Plan
    found: Overlaps
    sources: Sources
    meta: dict[str, Any]


def _decide(
    settings: Dataset,
    pictures: list[Picture],
    skipped: str | None,
    workers: int,
    earlier: Path | None,
    few: FewShots | None,
) -> Choices:
    found = report.find([p.facts for p in pictures], skipped, workers, earlier)
    cut = squares(settings, pictures, found, few)
    plan = _plan(settings, pictures, cut)
    sources = _sources(pictures, cut)
    classes = labels.classes(settings, {s.label for s in cut})
    meta = _meta(settings, plan, cut, classes) | {"near_duplicates": report.summary(sources, found)}
    scales = magnification.notes(settings, _shown(cut))
    warned = [line for line in scales if line.startswith("WARNING")]
    meta |= {"noticed": summary.noticed(settings, _facts(cut), plan) + warned}
    return Choices(cut, sum(len(p.labels) for p in pictures), plan, found, sources, meta)


def _plan(settings: Dataset, pictures: list[Picture], squares: list[Square]) -> Plan:
    """The form of the set, by all pictures of the source; its percentiles, by those that train."""
    facts = [p.facts for p in pictures]
    deepest = max(facts, key=lambda f: (np.dtype(f.dtype).kind == "f", np.dtype(f.dtype).itemsize, f.bits or 0))
    full = scaling.type_range(deepest.dtype, deepest.bits)
    sample = None
    if settings.scaling.rule == "percentile":
        train = _facts([s for s in squares if s.split == "train"])
        parts = [(f.sample, scaling.type_range(f.dtype, f.bits)) for f in train if f.sample is not None]
        sample = np.concatenate([scaling.converted(values, own, full) for values, own in parts])
    try:
        low, high = scaling.decide(settings.scaling, full, sample)
    except scaling.Rejected as reason:
        raise UserError(f"scaling: of the training images together, {reason}") from None
    gray = settings.channels == "gray" or (settings.channels == "auto" and not any(f.colour for f in facts))
    return Plan(1 if gray else 3, deepest.dtype, full, low, high, scaling.stored_dtype(deepest.dtype))


def _facts(squares: list[Square]) -> list[Facts]:
    """Of the pictures that the squares are of, each once."""
    return list({s.picture.candidate.header: s.picture.facts for s in squares}.values())


def _sources(pictures: list[Picture], squares: list[Square]) -> Sources:
    sides = {square.picture.candidate.header.source: square.split for square in squares}
    if len({(s.picture.candidate.header.source, s.split) for s in squares}) > len(sides):
        sides = {}  # of regions: a picture is on several
    names = [p.candidate.header.source for p in pictures]
    return Sources(names, [p.candidate.label for p in pictures], [sides.get(name, "") for name in names])


# ---------------------------------------------------------------- the second pass


def _write(pool: SandboxPool, out: Path, settings: Dataset, choices: Choices) -> dict[str, str]:
    """Write the set, unless an image of the source fails: then why, by its name."""
    squares, plan, meta = choices.squares, choices.plan, choices.meta
    n = len(squares)
    lows, highs = np.empty(n), np.empty(n)
    lost: dict[str, str] = {}
    tasks = _crop_tasks(settings, plan, squares)
    with ImageSetWriter(out, n, *settings.shape, plan.channels, plan.stored) as writer, progress("writing", n) as bar:
        for task, crops in pool.map(crop, tasks, CropTask.singly):
            if isinstance(crops, Failed):
                lost |= {image.header.source: crops.reason for image in task.images}
            elif isinstance(crops, FailedCrops):
                lost[crops.source] = crops.reason
            else:
                writer[crops.rows[0] : crops.rows[-1] + 1] = crops.images
                lows[crops.rows], highs[crops.rows] = crops.low, crops.high
                bar.update(len(crops.rows))
        if lost:
            return lost
        own = settings.scaling.rule == "image_percentile"
        table = framing.described(settings, _metadata(squares), _framed(settings, squares))
        if own:
            table = table.assign(low=lows, high=highs)
            train = (table["split"] == "train").to_numpy()
            ends = {"low": float(np.median(lows[train])), "high": float(np.median(highs[train]))}
            meta = meta | {"scaling": meta["scaling"] | ends}
        writer.finish(table, meta | {"framing": framing.notes(settings, table)})
    return lost


def _crop_tasks(settings: Dataset, plan: Plan, squares: list[Square]) -> Iterator[CropTask]:
    """Squares of one picture lie side by side, so the crops of an image are a run of rows."""
    images: list[ImageCrops] = []
    for row, square in enumerate(squares):
        header = square.picture.candidate.header
        if images and images[-1].header == header:
            images[-1].boxes.append(square.box)
            images[-1].rows.append(row)
        else:
            images.append(ImageCrops(header, [square.box], [row]))
    for run in _runs(list(range(len(images))), [image.header for image in images]):
        yield CropTask([images[i] for i in run], settings, plan)


def _metadata(squares: list[Square]) -> pd.DataFrame:
    rows = []
    for place, picture, box, label, group, side in squares:
        rows.append((f"real_{place:06d}", label, picture.candidate.header.source, box.row, box.col, group, side))
    return pd.DataFrame(rows, columns=COLUMNS)


def _framed(settings: Dataset, squares: list[Square]) -> list[Framed]:
    shapes = [square.picture.facts.shape for square in squares]
    heights = [tiling.cropped_height(settings, height) for height, _ in shapes]
    return [
        Framed(square.box, height, shape[1]) for square, height, shape in zip(squares, heights, shapes, strict=True)
    ]


def _shown(squares: list[Square]) -> list[tuple[Header, Crop]]:
    return [(square.picture.candidate.header, square.box) for square in squares]


def _meta(settings: Dataset, plan: Plan, squares: list[Square], classes: list[str]) -> dict[str, Any]:
    return {
        "classes": classes,
        "symmetry": settings.symmetry,
        "dtype": plan.dtype,
        "scaling": {"rule": settings.scaling.rule, "low": plan.low, "high": plan.high},
        "pixel_size": magnification.common(magnification.stored(settings, _shown(squares))),
        "unit": settings.unit,
        "sources": len({square.picture.candidate.header.source for square in squares}),
        "settings": settings.model_dump(mode="json", exclude=LATER),
    } | ({"good": settings.good} if settings.good is not None else {})
