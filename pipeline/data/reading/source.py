"""Which files a `source` setting means. Light: it is asked while a run is planned, so standard library only."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipeline.base.results import MARK, is_marked
from pipeline.data.reading.file_type import START, kind
from pipeline.settings import Dataset, UserError

VORONOI = "voronoi"
SUFFIXES = {".tif", ".tiff", ".btf", ".tf8", ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".webp", ".gif"}
SUFFIXES |= {".h5", ".hdf5", ".hdf", ".he5", ".dm3", ".dm4", ".ser", ".czi"}
FORMATS = "TIFF, PNG, JPEG, BMP, WebP, GIF, HDF5, DM3, DM4, SER or CZI"
# Of images that nothing here reads: microscopes' and cameras' own, and those of other trades. Some are TIFF or HDF5 by
# content, and then they are read.
UNREAD = {
    ".dm2", ".emd", ".bcf", ".mib", ".blo", ".mrc", ".rec", ".zvi",
    ".lif", ".nd2", ".oib", ".oif", ".oir", ".vsi", ".ims", ".lsm", ".stk", ".svs", ".scn", ".ndpi", ".qptiff",
    ".spm", ".sxm", ".ibw", ".gwy", ".mi", ".nid", ".wdp", ".jxr", ".jp2", ".j2k", ".jpx", ".heic", ".heif",
    ".avif", ".jxl", ".exr", ".hdr", ".fits", ".fit", ".fts", ".pgm", ".ppm", ".pnm", ".pbm", ".pcx", ".tga",
    ".psd", ".xcf", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".dng", ".dcm", ".nii", ".img",
    ".im3", ".spe", ".tvips", ".npy", ".npz", ".mat", ".avi", ".mp4", ".mov",
}  # fmt: skip


ARCHIVES = {".zip", ".rar", ".7z", ".tar", ".tgz", ".gz", ".bz2", ".xz"}
APART = "give `results:` a folder that holds none of the images"
HOW_TO_READ = "export it as TIFF (Fiji with Bio-Formats opens most)"


class Entry(NamedTuple):
    """One file of a source."""

    path: str
    name: str
    """Path relative to the source, with `/`, printable: what messages and tables call the file."""
    folder: str
    """The class under `labels.rule: folder`: a folder that was named in a list, else the first folder below the
    source, else the source folder itself."""


def check_source(settings: Dataset, name: str) -> None:
    """Stop early where the data set called `name` cannot be read: no file is opened that has an image's name.

    Raises:
        UserError: the folder, glob or file is missing or holds no images; a CSV is missing; a pattern is none.
    """
    where = f"datasets.{name}"
    check_patterns(settings, f"{where}.")
    for table in settings.labels.csv:
        if not os.path.isfile(os.path.expanduser(table)):
            raise UserError(f"{where}.labels.csv: `{table}` does not exist")
    if settings.source == VORONOI:
        return
    assert settings.source is not None  # patches are looked for in no files
    for item in named_items(settings.source, f"{where}.source"):
        if next(walk(item, f"{where}.source", is_image), None) is None:
            raise UserError(f"{where}.source: {_none(item, where)}")


def check_patterns(settings: Dataset, where: str = "") -> None:
    """Raises UserError where a regular expression is none, or has no group."""
    patterns = {"labels.pattern": settings.labels.pattern, "split.group_pattern": settings.split.group_pattern}
    for name, pattern in patterns.items():
        try:
            if pattern is not None and re.compile(pattern).groups < 1:
                raise UserError(f"{where}{name}: `{pattern}` has no group, as in `(.+)_\\d+`")
        except re.error as error:
            raise UserError(f"{where}{name}: `{pattern}` is no regular expression ({error})") from None


def files(settings: Dataset, masks: frozenset[str] = frozenset()) -> dict[str, Path]:
    """The files to read, each once: those of the source in natural order, then the tables of the labels. By what a data
    set makes of each, its class under `labels.rule: folder` and its name, wherever it lies; `masks` as in `listing`."""
    assert settings.source is not None  # patches are looked for in no files
    pictures = {f"{entry.folder}: {entry.name}": Path(entry.path) for entry in listing(settings.source, masks)}
    tables = enumerate(settings.labels.csv)
    return pictures | {f"labels.csv {place}": Path(table).expanduser() for place, table in tables}


def listing(source: str | list[str], masks: frozenset[str] = frozenset()) -> list[Entry]:
    """Every file of a source, each once, in natural order.

    Args:
        masks: real paths of files that are no images, though they lie among them.

    Raises:
        UserError: an item is missing or empty.
    """
    items = named_items(source, "source")
    found: dict[str, tuple[str, str]] = {}  # path -> root, class
    for item in items:
        pictures = dict(walk(item, "source", is_image))
        some = {path: root for path, root in pictures.items() if os.path.realpath(path) not in masks}
        if pictures and not some:
            raise UserError(
                f"source: all {len(pictures)} pictures in `{item}` are among the masks of `boxes.path`, for none is "
                "called as a mask of another; let `boxes.path` name the folders of the masks alone"
            )
        if not some:
            raise UserError(f"source: {_none(item, 'source')}")
        whole = len(items) > 1 and os.path.isdir(item)
        for path, root in some.items():
            found.setdefault(path, (root, _name(root) if whole else _folder(path, root)))
    top = os.path.commonpath([os.path.abspath(root) for root, _ in found.values()])
    entries = [Entry(path, printable(os.path.relpath(path, top)), folder) for path, (_, folder) in found.items()]
    return sorted(entries, key=lambda entry: natural(entry.name))


def left_out(source: str | list[str]) -> tuple[list[str], list[str]]:
    """What is in a source and none of it, in natural order: files that are called like images of kinds that nothing
    here reads, and folders of results of Pyrite."""
    results: set[str] = set()
    items = named_items(source, "source")
    found = {path: root for item in items for path, root in walk(item, "source", _is_unread, results.add)}
    files = {printable(os.path.relpath(path, root)) for path, root in found.items() if _is_unread(path)}
    folders = {printable(os.path.normpath(folder)) for folder in results}
    return sorted(files, key=natural), sorted(folders, key=natural)


def by_suffix(paths: Iterable[str]) -> str:
    """`3 *.lif, 1 *.nd2`, the most frequent first."""
    counts = Counter(os.path.splitext(path)[1].lower() for path in paths)
    return ", ".join(f"{count} *{suffix}" for suffix, count in counts.most_common())


def _none(item: str, where: str) -> str:
    """That an item holds no images, and what it holds in their place."""
    passed: list[str] = []
    there = [path for path, _ in walk(item, where, lambda path: _is_unread(path) or _is_archive(path), passed.append)]
    packed = [path for path in there if _is_archive(path)]
    others = [path for path in there if _is_unread(path)]
    hint = f"; it holds {by_suffix(others)}, which are not read: {HOW_TO_READ}" if others else ""
    hint += f"; it holds {by_suffix(packed)}: unpack these" if packed else ""
    hint += f"; `{printable(passed[0])}` holds results of Pyrite, which are none: {APART}" if passed else ""
    return f"`{item}` holds no images ({FORMATS}){hint}"


def _is_unread(path: str) -> bool:
    name = os.path.basename(path)
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in UNREAD and not is_image(path)


def _is_archive(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in ARCHIVES


def natural(text: str) -> list:
    """Sorting key that puts `image2` before `image10`."""
    parts = re.split(r"([0-9]+)", text)  # at every other place a number
    return [(0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part]


def printable(path: str) -> str:
    """A path with `/`, whose bytes outside UTF-8 are spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace(os.sep, "/")


def named_items(source: str | list[str], where: str) -> list[str]:
    """The folders, globs and files that the setting `where` names. Raises UserError where it names none."""
    items = [source] if isinstance(source, str) else source
    if not items or not all(items):
        raise UserError(f"{where}: must name a folder, a glob or files; it is {source!r}")
    return [os.path.expanduser(item) for item in items]


def walk(
    item: str, where: str, wanted: Callable[[str], bool], passed: Callable[[str], object] = lambda folder: None
) -> Iterator[tuple[str, str]]:
    """(path, root) of every file that an item of the setting `where` means; in a folder or a glob, those `wanted`.

    Folders that cannot be listed, links that lead nowhere and pipes are among them; the reader rejects these.

    Args:
        passed: called with each folder of results of Pyrite in a folder or a glob, whose files are left out: a run
            would train on its own previews and on what it has drawn.

    Raises:
        UserError: there is no such name.
    """
    if os.path.isfile(item):  # also where its name has the characters of a glob
        yield item, os.path.dirname(item) or "."
    elif os.path.isdir(item):
        yield from ((path, item) for path in _below(item, wanted, passed))
    elif os.path.lexists(item):
        yield item, os.path.dirname(item) or "."
    elif glob.has_magic(item):
        root = _static_part(item)
        results = cache(lambda folder: _results_around(folder, root))
        for path in sorted(glob.glob(item, recursive=True)):
            if found := results(os.path.dirname(path) or "."):
                passed(found)
            elif os.path.isdir(path):
                yield from ((below, root) for below in _below(path, wanted, passed))
            elif wanted(path):
                yield path, root
    else:
        raise UserError(f"{where}: `{item}` does not exist")


def _results_around(folder: str, root: str) -> str | None:
    """The folder of results that a folder is in or is itself, below the one that a glob names."""
    parts = Path(os.path.relpath(folder, root)).parts
    above = (os.path.join(root, *parts[: depth + 1]) for depth in range(len(parts)))
    return next((path for path in above if is_marked(Path(path))), None)


def _below(folder: str, wanted: Callable[[str], bool], passed: Callable[[str], object]) -> Iterator[str]:
    """Files in a folder and the folders in it, links followed, hidden files (`.DS_Store`, `._a.tif`) and results of
    Pyrite left out.

    A folder that cannot be listed comes as itself.
    """
    seen: set[str] = set()
    closed: list[OSError] = []
    for top, folders, names in os.walk(folder, followlinks=True, onerror=closed.append):
        real = os.path.realpath(top)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        if MARK in names and is_marked(Path(top)):
            passed(top)
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(top, name) for name in sorted(names) if wanted(os.path.join(top, name)))
    yield from (error.filename for error in closed)


def is_image(path: str) -> bool:
    """Whether a file claims to be an image by its suffix, or is one by its content."""
    name = os.path.basename(path)
    if name.startswith("."):
        return False
    if os.path.splitext(name)[1].lower() in SUFFIXES:
        return True
    try:
        if not os.path.isfile(path):  # a pipe would keep its reader waiting for ever
            return False
        with open(path, "rb") as file:
            return kind(file.read(START)) is not None
    except OSError:
        return False


def _static_part(pattern: str) -> str:
    """The folder of a glob before its first wildcard."""
    folder = pattern
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder or "."


def _folder(path: str, root: str) -> str:
    parts = os.path.relpath(path, root).split(os.sep)
    return printable(parts[0]) if len(parts) > 1 else _name(root)


def _name(root: str) -> str:
    return printable(os.path.basename(os.path.abspath(root)))
