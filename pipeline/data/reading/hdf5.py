"""Reads images from HDF5 files: stacks, flat rows, or one data set an image."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import re
from collections.abc import Iterator

import h5py
import numpy as np
from h5py.h5z import filter_avail

from pipeline.data.reading.frame import Frame, Header, Rejected, check_claim, one_more
from pipeline.data.reading.source import natural, printable
from pipeline.settings import HDF5, Dataset

with contextlib.suppress(ImportError):
    import hdf5plugin  # noqa: F401 (where it is installed: its import makes HDF5 know more filters)

CACHE = 64 * 2**20  # bytes of decompressed chunks kept
TOGETHER = 256 * 2**20  # bytes of images that share chunks, decoded at once
SMALLEST_SIDE = 8  # pixels; narrower arrays are tables
LONG = 2  # times as wide as high, or the other way round, from which a table of pixels may be rows of images
COLOURS = (1, 3, 4)
READ = (
    "read are (N, H, W), and (N, H, W, C) or (N, C, H, W) of 1, 3 or 4 channels; with `hdf5.layout: hwn` or `hwcn` "
    "also (H, W, N) and (H, W, C, N)"
)
MATLAB = b"MATLAB 7.3"  # begins its files, in which axes stand the other way round
MOST_CLASSES = 1000  # columns of a table of zeros and ones
LINKS = 16  # soft links followed in one path, as many as HDF5 itself does
UNREAD = "and only this file is read"
LABELS = re.compile(r"^(labels?|class(es)?|targets?|y)$", re.IGNORECASE)


def headers(path: str, name: str, settings: Dataset) -> list[Header]:
    """Every image of a file, undecoded, in the order of the data set or the natural order of names. Raises Rejected."""
    with h5py.File(path, "r") as file:
        options = _of_program(file, settings.hdf5)
        settings = settings.model_copy(update={"hdf5": options})
        sets = _chosen(file, options)
        turned = _of_matlab(path)
        _check_rows(sets, options)
        labels = _labels(file, sets, options, settings)
        if len(sets) == 1 and _stacked(sets[0], options):
            return _stack(path, name, sets[0], labels, settings, turned)
        found: list[Header] = []
        of_stacks = _of_stacks(sets, options)
        folders = _folders([data.name if of_stacks else data.parent.name for data in sets])
        for position, (data, folder) in enumerate(zip(sets, folders, strict=True)):
            label = labels[position] if labels else _attribute(data)
            source = name + data.name if len(sets) > 1 else name
            if of_stacks:
                some = _stack(path, source, data, None, settings, turned)
                own = folder if options.images else ""  # films of Velox, whose group nobody named, are no classes
                found += [header._replace(label=label, folder=own) for header in some]
                continue
            shape, order = _layout(data.shape, options, stacked=False)
            shape = _upright(shape, turned and order != "flat")
            _check(data, shape, 1, path, settings)
            found.append(Header(path, source, _read_as(shape), data.dtype.name, None, data.name, label, folder))
        return found


def _folders(paths: list[str]) -> list[str]:
    """Of each path the last part; where all have the same one, the part next to it that tells them apart."""
    parts = [path.split("/")[::-1] for path in paths]
    return next((list(same) for same in zip(*parts, strict=False) if len(set(same)) > 1), [own[0] for own in parts])


def frames(wanted: list[Header], options: HDF5) -> Iterator[Frame]:
    """Decode images of one file, one at a time. Raises Rejected at one that cannot be."""
    with h5py.File(wanted[0].path, "r", rdcc_nbytes=CACHE, rdcc_nslots=10007) as file:
        options, turned = _of_program(file, options), _of_matlab(wanted[0].path)
        for key, headers in itertools.groupby(wanted, key=lambda header: header.key):
            data, run = _inside(_node(file, key)), list(headers)
            for header, pixels in zip(run, _pixels(data, run, options), strict=True):
                yield Frame.of(_arranged(pixels, header, data.shape, options, turned))


def _pixels(data: h5py.Dataset, run: list[Header], options: HDF5) -> Iterator[np.ndarray]:
    """The images of a data set as they are stored; those that share chunks are decoded together, if they are few."""
    rows = [header.index for header in run if header.index is not None]
    if not rows:
        yield from (data[()] for _ in run)
        return
    axis = _number_axis(data.shape, options)
    if axis == -1:
        yield from _columns(data, rows)
        return
    if axis == 1:
        yield from (data[0, row] for row in rows)
        return
    share = len(rows) > 1 and data.chunks is not None and data.chunks[0] > 1
    size = len(rows) * int(np.prod(data.shape[1:])) * data.dtype.itemsize
    if share and size <= TOGETHER and all(a < b for a, b in itertools.pairwise(rows)):
        try:
            together = data[rows]
        except OSError:
            pass  # a chunk is damaged: those without it are found one by one
        else:
            yield from together
            return
    for row in rows:
        yield data[row]


def _columns(data: h5py.Dataset, rows: list[int]) -> Iterator[np.ndarray]:
    """Images of a stack (H, W, N) or (H, W, C, N), as many at once as TOGETHER holds: each alone would read the whole
    file."""
    together = max(1, TOGETHER // (int(np.prod(data.shape[:-1])) * data.dtype.itemsize))
    for _, block in itertools.groupby(rows, key=lambda row: row // together):
        wanted = list(block)
        first = min(wanted)
        pixels = np.moveaxis(data[..., first : max(wanted) + 1], -1, 0)
        yield from (pixels[row - first] for row in wanted)


def _of_program(file: h5py.File, options: HDF5) -> HDF5:
    """The settings, completed by what the program that wrote the file is known to do.

    Velox (Thermo Fisher, `.emd`) keeps frames along the last axis, below `Data/Image`. NeXus says by attributes which
    data set is the one to look at (NeXus manual, "Finding the plottable data").
    """
    if options.images is not None:
        return options
    if options.layout == "auto" and _of_velox(file):
        return options.model_copy(update={"layout": "hwn"})
    found = _plotted(file)
    return options.model_copy(update={"images": found}) if found else options


def _of_velox(file: h5py.File) -> list[h5py.Dataset]:
    """The images of a file of Velox, without the other arrays that it stores beside them; nothing of other files."""
    sets = [d for d in _datasets(file) if re.fullmatch("/Data/Image/[^/]+/Data", d.name) and d.ndim == 3]
    return sets if "Version" in file else []


def _of_matlab(path: str) -> bool:
    """Whether MATLAB wrote the file: what is (H, W, N) to it is stored as (N, W, H)."""
    with open(path, "rb") as file:
        return file.read(len(MATLAB)) == MATLAB


def _upright(shape: tuple[int, int, int], turned: bool) -> tuple[int, int, int]:
    height, width, channels = shape
    return (width, height, channels) if turned else shape


def _plotted(file: h5py.File) -> str | None:
    """Path of the data set that a NeXus file calls its signal; None where it calls none so."""
    node: h5py.Group | h5py.Dataset | None = file
    for _ in range(LINKS):
        if not isinstance(node, h5py.Group):
            break
        name = _attribute_text(node, "signal") or _attribute_text(node, "default")
        node = _node(node, name) if name else None
    return node.name if isinstance(node, h5py.Dataset) and node.dtype.kind in "buif" else None


def _attribute_text(node: h5py.Group, key: str) -> str | None:
    value = node.attrs.get(key)
    return _text(value) if isinstance(value, str | bytes) and value else None


def _chosen(file: h5py.File, options: HDF5) -> list[h5py.Dataset]:
    if options.images is None:
        films = _of_velox(file)
        if films and (len(films) == 1 or all(film.shape[2] == 1 for film in films)):
            return sorted(map(_inside, films), key=lambda d: natural(d.name))
        return _looked_for(file, options)
    node = _node(file, options.images)
    if not isinstance(node, (h5py.Dataset, h5py.Group)):
        near = ", ".join(sorted((d.name for d in _datasets(file)), key=natural)[:8])
        raise Rejected(f"holds no `{options.images}` (hdf5.images); it holds {near or 'nothing'}")
    if isinstance(node, h5py.Dataset):
        if node.dtype.kind not in "buif":
            raise Rejected(f"`{options.images}` (hdf5.images) holds {node.dtype}, not numbers")
        return [_inside(node)]
    sets = _datasets(node)
    stacks = [d for d in sets if _stacked(d, options)] if _of_stacks(sets, options) else []
    single = [d for d in sets if _single(d) and d not in stacks]
    if single and stacks:
        raise Rejected(
            f"the group `{options.images}` (hdf5.images) holds {len(stacks)} stack(s), as `{stacks[0].name}`, and "
            f"{len(single)} single image(s), as `{single[0].name}`; name one of them, or a group of one kind"
        )
    if not single and not stacks:
        raise Rejected(f"the group `{options.images}` (hdf5.images) holds no images{_elsewhere(node)}")
    return sorted(map(_inside, single or stacks), key=lambda d: natural(d.name))


def _of_stacks(sets: list[h5py.Dataset], options: HDF5) -> bool:
    """Whether those of some data sets that may be stacks are: (3, H, W) may be one image in colour, too."""
    stacks = [d for d in sets if _stacked(d, options)]
    return any(options.layout != "auto" or not _single(d) for d in stacks)


def _looked_for(file: h5py.File, options: HDF5) -> list[h5py.Dataset]:
    """The one stack that looks like images; failing that the images of the one group that holds some."""
    sets = _datasets(file)
    stacks = [d for d in sets if _stacked(d, options)]
    named = [d for d in stacks if d.name.rsplit("/", 1)[-1].lower() in ("images", "image", "imgs")]
    stacks = named if len(named) == 1 else stacks
    if len(stacks) == 1:
        return [_inside(stacks[0])]
    groups: dict[str, list[h5py.Dataset]] = {}
    for data in sets:
        if _single(data) and not _stacked(data, options):
            groups.setdefault(data.name.rsplit("/", 1)[0], []).append(data)
    if not stacks and len(groups) == 1:
        return sorted(map(_inside, next(iter(groups.values()))), key=lambda d: natural(d.name))
    names = [f"`{d.name}`" for d in stacks] or [f"`{name or '/'}`" for name in groups]
    if not names:
        shapes = [f"`{d.name}` {d.shape}" for d in sorted(sets, key=lambda d: -d.size) if d.ndim > 1][:4]
        there = f"; it holds {', '.join(shapes)}: {READ}" if shapes else ""
        raise Rejected(
            f"holds nothing that looks like images{_elsewhere(file)}{there}; name the data set with hdf5.images"
        )
    which = "name one with hdf5.images, or `/` for all"
    if stacks:
        parents = {d.name.rsplit("/", 1)[0] for d in stacks}
        group = (parents.pop() if len(parents) == 1 else "") or "/"
        which = (
            f"name one with hdf5.images, or the group for all of them, `hdf5.images: {group}`, where `labels.rule: "
            "folder` makes a class of each"
        )
    raise Rejected(f"several data sets look like images ({', '.join(names[:8])}); {which}")


# ---------------------------------------------------------------- nothing outside the file is ever opened


def _node(group: h5py.Group, path: str, turns: int = LINKS) -> h5py.Group | h5py.Dataset | None:
    """What is at a path, soft links followed `turns` times; None where there is nothing.

    Raises:
        Rejected: the path leads out of the file.
    """
    node = group.file if path.startswith("/") else group
    for name in filter(lambda part: part not in ("", "."), path.split("/")):
        link = node.get(name, getlink=True) if isinstance(node, h5py.Group) else None
        if link is None or turns == 0:
            return None
        if isinstance(link, h5py.HardLink):
            node = node[name]
        elif isinstance(link, h5py.SoftLink):
            node = _node(node, link.path, turns - 1)
        else:
            raise Rejected(f"`{path}` is a link to another file ({printable(link.filename)[:200]}), {UNREAD}")
    return node


def _inside(data: h5py.Dataset) -> h5py.Dataset:
    """The data set, where all its pixels are in its file. Raises Rejected for others."""
    if data.id.get_create_plist().get_external_count():
        outside = printable(data.external[0][0])[:200]
        raise Rejected(f"`{data.name}` has its pixels in another file ({outside}), {UNREAD}")
    for source in data.virtual_sources() if data.is_virtual else ():
        if source.file_name != ".":
            raise Rejected(f"`{data.name}` is a view of another file ({printable(source.file_name)[:200]}), {UNREAD}")
        part = _node(data.file, f"/{source.dset_name}")
        if not isinstance(part, h5py.Dataset) or part.is_virtual:
            raise Rejected(f"`{data.name}` is a view of `{source.dset_name}`, which has no pixels of its own")
        _inside(part)
    return data


def _elsewhere(group: h5py.Group) -> str:
    """What to add where nothing was found: links to other files are passed over."""
    links: list = []
    group.visititems_links(lambda _, link: links.append(link))
    count = sum(isinstance(link, h5py.ExternalLink) for link in links)
    return f" (but {count} link(s) to other files, which are not read)" if count else ""


def _datasets(group: h5py.Group) -> list[h5py.Dataset]:
    """All data sets of numbers below a group."""
    found: list[h5py.Dataset] = []

    def visit(_, node):
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "buif":
            found.append(node)

    group.visititems(visit)
    return found


def _stacked(data: h5py.Dataset, options: HDF5) -> bool:
    """Whether a data set is (N, ...) images rather than one image."""
    shape = data.shape
    if options.layout != "auto":
        return len(shape) == (2 if options.layout == "flat" else len(options.layout)) and options.layout != "hw"
    if len(shape) == 2:
        return options.shape is not None and shape[1] == np.prod(options.shape)
    if len(shape) == 3:
        return min(shape[1:]) >= SMALLEST_SIDE
    return len(shape) == 4 and (_places(shape) is not None or _led(shape, options))


def _led(shape: tuple[int, ...], options: HDF5) -> bool:
    """Whether an axis of length 1 stands before those of a stack (N, H, W)."""
    one = options.layout == "auto" and len(shape) == 4 and shape[0] == 1
    return one and _places(shape) is None and min(shape[2:]) >= SMALLEST_SIDE


def _single(data: h5py.Dataset) -> bool:
    """Whether a data set can be one image, (H, W), (H, W, C) or (C, H, W)."""
    shape = data.shape
    return min(shape) >= SMALLEST_SIDE if len(shape) == 2 else len(shape) == 3 and _places((1, *shape)) is not None


def _places(shape: tuple[int, ...]) -> str | None:
    """`nhwc` or `nchw` for a 4-D shape; None where it is neither."""
    _, first, middle, last = shape
    if last in COLOURS and min(first, middle) >= SMALLEST_SIDE:
        return "nhwc"
    return "nchw" if first in COLOURS and min(middle, last) >= SMALLEST_SIDE else None


def _layout(shape: tuple[int, ...], options: HDF5, stacked: bool) -> tuple[tuple[int, int, int], str]:
    """Shape (H, W, C) of one image as stored, and the order of its axes: `hw`, `hwc`, `chw` or `flat`."""
    axis = _number_axis(shape, options) if stacked else None
    one = shape if axis is None else shape[:-1] if axis == -1 else shape[axis + 1 :]
    if len(one) == 1:
        return _flat(one[0], options), "flat"
    if len(one) == 2:
        return (*one, 1), "hw"
    order = {"hwcn": "nhwc", "nhwc": "nhwc", "nchw": "nchw"}.get(options.layout) or _places((1, *one))
    if order is None or len(one) != 3:
        raise Rejected(f"a data set of shape {shape} is no stack of gray or RGB images; see hdf5.layout")
    height, width, channels = one if order == "nhwc" else (one[1], one[2], one[0])
    if channels not in COLOURS:
        raise Rejected(f"{channels} channels; 1, 3 or 4 (with alpha) are read; see hdf5.layout")
    return (height, width, channels), order[1:]


def _flat(length: int, options: HDF5) -> tuple[int, int, int]:
    if options.shape is None:
        side = math.isqrt(length)
        square = f": [{side}, {side}] would be square" if side * side == length else ""
        raise Rejected(f"rows of {length} pixels need hdf5.shape, the shape of one image{square}")
    if len(options.shape) not in (2, 3) or np.prod(options.shape) != length:
        raise Rejected(f"rows of {length} values do not make images of hdf5.shape {options.shape}")
    height, width, channels = (*options.shape, 1)[:3]
    if _planes(options.shape):
        channels, height, width = options.shape
    if channels not in COLOURS:
        raise Rejected(f"hdf5.shape {options.shape} has {channels} channels; 1, 3 or 4 (with alpha) are read")
    return height, width, channels


def _planes(shape: list[int]) -> bool:
    """Whether the shape of a flat row is (C, H, W)."""
    return len(shape) == 3 and shape[0] in COLOURS and shape[2] not in COLOURS


def _number_axis(shape: tuple[int, ...], options: HDF5) -> int:
    """Along which the images of a stack follow one another: the first, the last, or 1 behind one of length 1."""
    return -1 if options.layout in ("hwn", "hwcn") else int(_led(shape, options))


def _check_axes(data: h5py.Dataset, options: HDF5) -> None:
    """Raises Rejected where the images may lie along the last axis, or may be the colours of one: either reading makes
    a picture of any stack."""
    if options.layout != "auto" or data.ndim != 3:
        return
    a, b, c = data.shape
    if a in COLOURS[1:]:
        raise Rejected(
            f"`{data.name}` of shape {data.shape} can be {a} images of {b} x {c} pixels (then set hdf5.layout: nhw) or "
            f"one of {a} channels (hdf5.layout: hw)"
        )
    if min(a, b) >= SMALLEST_SIDE and _elongation(a, b) <= _elongation(b, c):
        raise Rejected(
            f"`{data.name}` of shape {data.shape} can be {a} images of {b} x {c} pixels (then set hdf5.layout: nhw) or "
            f"{c} images of {a} x {b} (hdf5.layout: hwn)"
        )


def _check_rows(sets: list[h5py.Dataset], options: HDF5) -> None:
    """Raises Rejected where the one data set can be an image, or rows of pixels of square images."""
    if len(sets) != 1 or sets[0].ndim != 2 or options.layout != "auto" or options.shape is not None:
        return
    count, length = sets[0].shape
    side, coloured = math.isqrt(length), math.isqrt(length // 3)
    shapes = [f"[{side}, {side}]"] if side * side == length else []
    if 3 * coloured * coloured == length:
        shapes.append(f"[{coloured}, {coloured}, 3], or [3, {coloured}, {coloured}] where planes follow one another")
        side = coloured
    if shapes and side >= SMALLEST_SIDE and _elongation(count, length) >= LONG:
        raise Rejected(
            f"`{sets[0].name}` of shape {sets[0].shape} can be {count} images of {side} x {side} pixels, a row each "
            f"(then set hdf5.layout: flat and hdf5.shape: {shapes[0]}) or one image of {count} x {length} "
            "(hdf5.layout: hw)"
        )
    side = math.isqrt(count)
    if side * side == count and side >= SMALLEST_SIDE and count >= LONG * length:
        raise Rejected(
            f"`{sets[0].name}` of shape {sets[0].shape} can be {length} images of {side} x {side} pixels, a column "
            f"each (then store it turned, as ({length}, {count})) or one image of {count} x {length} (hdf5.layout: hw)"
        )


def _elongation(height: int, width: int) -> float:
    """Longer over shorter side, at least 1."""
    return max(height, width) / max(1, min(height, width))


def _stack(
    path: str, name: str, data: h5py.Dataset, labels: list[str | None] | None, settings: Dataset, turned: bool
) -> list[Header]:
    _check_axes(data, settings.hdf5)
    axis = _number_axis(data.shape, settings.hdf5)
    count = data.shape[axis]
    shape, order = _layout(data.shape, settings.hdf5, stacked=True)
    shape = _upright(shape, turned and order != "flat")
    _check(data, shape, count, path, settings)
    chunk = data.chunks[axis] if data.chunks else 1
    return [
        Header(
            path, f"{name}[{i}]", _read_as(shape), data.dtype.name, i, data.name, labels[i] if labels else None,
            block=i // chunk if chunk > 1 else None,
        )
        for i in range(count)
    ]  # fmt: skip


def _read_as(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Without alpha."""
    return (*shape[:2], min(shape[2], 3))


def _check(data: h5py.Dataset, shape: tuple[int, int, int], count: int, path: str, settings: Dataset) -> None:
    if settings.channels == "auto" and shape[2] == 4:
        raise Rejected(one_more(4, "HDF5 does not say whether the last is alpha"))
    bits = 8 * data.dtype.itemsize * shape[2]
    check_claim(settings, shape[0], shape[1], count, bits, os.path.getsize(path))
    if data.id.get_storage_size() == 0 and not data.is_virtual:
        raise Rejected(f"`{data.name}` was declared but never filled")
    if lacking := _lacking(data):
        raise Rejected(f"is compressed with {lacking}, which HDF5 cannot read here: `pip install hdf5plugin` adds it")
    if data.chunks and np.prod(data.chunks, dtype=float) * data.dtype.itemsize > 4 * settings.max_pixels:
        raise Rejected(f"`{data.name}` is stored in chunks of {data.chunks}, too large to be read in parts")


def _lacking(data: h5py.Dataset) -> str:
    """The filters that it takes to read a data set and that are not installed; bitshuffle of detectors, for one."""
    recipe = data.id.get_create_plist()
    filters = [recipe.get_filter(i) for i in range(recipe.get_nfilters())]
    missing = [f"{name.decode(errors='replace')} ({code})" for code, _, _, name in filters if not filter_avail(code)]
    return " and ".join(missing)


def _arranged(pixels: np.ndarray, header: Header, shape: tuple[int, ...], options: HDF5, turned: bool) -> np.ndarray:
    """(H, W) or (H, W, 3); `turned` where a program counts the pixels of a column first, and wrote them so."""
    _, order = _layout(shape, options, stacked=header.index is not None)
    if order == "flat":
        assert options.shape is not None  # or its layout is not known
        pixels = pixels.reshape(options.shape[::-1]).T if turned else pixels.reshape(options.shape)
        order = "hw" if pixels.ndim == 2 else "chw" if _planes(options.shape) else "hwc"
    elif turned:
        pixels = pixels.swapaxes(*((1, 2) if order == "chw" else (0, 1)))
    if order == "hw":
        return pixels
    pixels = np.moveaxis(pixels, 0, -1) if order == "chw" else pixels
    return pixels[..., 0] if header.shape[2] == 1 else pixels[..., :3]


def _labels(file: h5py.File, sets: list, options: HDF5, settings: Dataset) -> list[str | None] | None:
    """One label an image, None where it has none, if `labels.rule` is `hdf5`; None where each data set carries its
    own."""
    if settings.labels.rule != "hdf5":
        return None
    stacked = len(sets) == 1 and _stacked(sets[0], options)
    count = sets[0].shape[_number_axis(sets[0].shape, options)] if stacked else len(sets)
    data = _label_set(file, sets[0].parent, options, count)
    if data is None:
        if stacked or any(_attribute(d) is None for d in sets):
            others = [f"`{d.name}` has shape {d.shape}" for d in _named_labels(sets[0].parent)]
            there = f" (for {count} images {', '.join(others)})" if others else ""
            raise Rejected(f"holds no data set of labels{there}; name it with hdf5.labels")
        return None
    if not _one_an_image(data, count):
        raise Rejected(f"`{data.name}` (hdf5.labels) has shape {data.shape} for {count} images")
    return _label_texts(data, count)


def _one_an_image(data: h5py.Dataset, count: int) -> bool:
    """Whether a data set may hold one label an image: (N,), (N, 1), (1, N), or (N, K) of zeros and ones."""
    if data.shape == (1, count):
        return True
    return data.ndim in (1, 2) and data.shape[0] == count and (data.ndim == 1 or data.shape[1] <= MOST_CLASSES)


def _label_texts(data: h5py.Dataset, count: int) -> list[str | None]:
    if data.dtype.kind in "Vc" or h5py.check_ref_dtype(data.dtype) is not None:
        of = f", but {', '.join(data.dtype.names)} in one" if data.dtype.names else ""
        raise Rejected(f"`{data.name}` (hdf5.labels) holds neither numbers nor texts{of}")
    values = data[()]
    if values.shape == (1, count):
        values = values.reshape(-1)
    if values.ndim == 2 and values.shape[1] > 1:  # one-hot: the place of the one is the class
        ones = values == 1
        if values.dtype.kind not in "buif" or not (ones.sum(axis=1) == 1).all() or (values[~ones] != 0).any():
            raise Rejected(f"`{data.name}` (hdf5.labels) of shape {data.shape} has rows that are not one 1 among zeros")
        return [str(place) for place in ones.argmax(axis=1)]
    values = values.reshape(-1)
    if values.dtype.kind == "f":
        whole = bool((values == np.rint(values)).all(where=~np.isnan(values)) and not np.isinf(values).any())
        # whole numbers of classes, as MATLAB writes them
        return [None if math.isnan(v) else str(int(v)) if whole else str(v) for v in values.tolist()]
    words = {number: word for word, number in (h5py.check_enum_dtype(data.dtype) or {}).items()}
    return [words.get(value, _text(value)) for value in values.tolist()]


def _label_set(file: h5py.File, group: h5py.Group, options: HDF5, count: int) -> h5py.Dataset | None:
    if options.labels is not None:
        node = _node(file, options.labels)
        if not isinstance(node, h5py.Dataset):
            raise Rejected(f"holds no data set `{options.labels}` (hdf5.labels)")
        return _inside(node)
    found = [data for data in _named_labels(group) if _one_an_image(data, count)]
    return _inside(found[0]) if len(found) == 1 else None


def _named_labels(group: h5py.Group) -> list[h5py.Dataset]:
    """The data sets of a group that are called as labels are."""
    named = [_node(group, name) for name in group if LABELS.match(name)]
    return [node for node in named if isinstance(node, h5py.Dataset)]


def _attribute(data: h5py.Dataset) -> str | None:
    found = [_text(value) for key, value in data.attrs.items() if LABELS.match(key) and np.ndim(value) == 0]
    return found[0] if len(found) == 1 else None


def _text(value) -> str:
    """A text without the blanks that fill it up; bytes of no UTF-8 are read as Latin-1, which has a letter for each."""
    if not isinstance(value, bytes):
        return str(value).strip()
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()
