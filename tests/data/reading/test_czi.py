"""CZI files of Zeiss, written here segment by segment."""

import struct
import sys
from contextlib import suppress
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pytest

from pipeline.data.reading.frame import Rejected
from tests.data.reading.decoded import read

TYPES = {("uint8", 2): 0, ("uint16", 2): 1, ("float32", 2): 2, ("uint8", 3): 3, ("uint16", 3): 4}
SCALING = (
    "<ImageDocument><Metadata><Scaling><Items>"
    '<Distance Id="X"><Value>{}</Value></Distance><Distance Id="Y"><Value>{}</Value></Distance>'
    "</Items></Scaling></Metadata></ImageDocument>"
)


def segment(name, content):
    room = -len(content) % 32
    return struct.pack("<16sqq", name, len(content) + room, len(content)) + content + bytes(room)


def directory_entry(tile, position):
    """Of schema DV: type of a pixel, place of the data, part of the file, compression; then its dimensions."""
    pixels, places = tile["pixels"], tile.get("places", {})
    code = tile.get("code", TYPES[pixels.dtype.name, pixels.ndim])
    height, width = pixels.shape[:2]
    size = tile.get("size", (width, height))
    x, y = tile.get("at", (0, 0))
    sides = [(b"X", x, size[0], width), (b"Y", y, size[1], height)]
    sides += [(axis.encode(), start, tile.get("depth", 1), tile.get("depth", 1)) for axis, start in places.items()]
    head = (b"DV", code, position, tile.get("part", 0), tile.get("compression", 0), 0, 0, b"", len(sides))
    dimensions = b"".join(struct.pack("<4siifi", axis, start, size, 0, stored) for axis, start, size, stored in sides)
    return struct.pack("<2siqiiBB4si", *head) + dimensions


def czi(path, *tiles, scaling=None):
    """Writes tiles: `pixels` as they shall be read, `data` as they are stored, `places` along other dimensions."""
    blocks, entries, position = b"", b"", 32 + 512
    for tile in tiles:
        stored = tile["pixels"][..., ::-1] if tile["pixels"].ndim == 3 else tile["pixels"]
        data = tile.get("data", stored.tobytes())
        entry = directory_entry(tile, position)
        head = struct.pack("<iiq", 0, 0, len(data)) + entry
        block = segment(b"ZISRAWSUBBLOCK", head.ljust(256, b"\0") + data)
        blocks, entries, position = blocks + block, entries + entry, position + len(block)
    xml = scaling.encode() if scaling else b""
    metadata = segment(b"ZISRAWMETADATA", struct.pack("<ii", len(xml), 0).ljust(256, b"\0") + xml)
    directory = segment(b"ZISRAWDIRECTORY", struct.pack("<i", len(tiles)).ljust(128, b"\0") + entries)
    places = (position + len(metadata), position if xml else 0)
    header = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"", b"", 0, *places, 0, 0).ljust(512, b"\0")
    path.write_bytes(segment(b"ZISRAWFILE", header) + blocks + metadata + directory)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.czi"


@pytest.mark.parametrize(("dtype", "sides"), TYPES)
def test_every_type_of_pixel(path, dataset, picture, dtype, sides):
    pixels = picture(1, (24, 32, 3)[:sides], dtype)
    (header,), (found,) = read(czi(path, {"pixels": pixels}), dataset())
    np.testing.assert_array_equal(found, pixels)
    assert (header.source, header.index, header.scene, header.micrometres) == ("a.czi", None, 1, None)


def test_alpha_is_left_out(path, dataset, picture):
    stored = picture(2, (6, 5, 4))  # blue, green, red, alpha
    tile = {"pixels": stored[..., 2::-1], "code": 9, "data": stored.tobytes()}
    np.testing.assert_array_equal(read(czi(path, tile), dataset())[1][0], tile["pixels"])


def high_bytes_last(pixels):
    return pixels.view("uint8").reshape(-1, 2).T.tobytes()


@pytest.mark.parametrize(("compression", "packed"), [
    (4, lambda pixels: imagecodecs.jpegxr_encode(pixels, level=1.0)),
    (5, lambda pixels: imagecodecs.zstd_encode(pixels.tobytes())),
    (6, lambda pixels: b"\1" + imagecodecs.zstd_encode(pixels.tobytes())),
    (6, lambda pixels: b"\3\1\0" + imagecodecs.zstd_encode(pixels.tobytes())),
    (6, lambda pixels: b"\3\1\1" + imagecodecs.zstd_encode(high_bytes_last(pixels))),
])  # fmt: skip
def test_compressions(path, dataset, picture, compression, packed):
    pixels = picture(3, (24, 32), "uint16")
    tile = {"pixels": pixels, "data": packed(pixels), "compression": compression}
    np.testing.assert_array_equal(read(czi(path, tile), dataset())[1][0], pixels)


def test_slices_times_and_scenes_are_pages(path, dataset, picture):
    order = [(s, t, z) for z in range(2) for t in range(2) for s in range(2)]
    tiles = [{"pixels": picture(100 * s + 10 * t + z), "places": {"Z": z, "T": t, "S": s}} for s, t, z in order]
    headers, found = read(czi(path, *tiles), dataset(pages="all"))
    np.testing.assert_array_equal(found, [picture(100 * s + 10 * t + z) for s, t, z in sorted(order)])
    assert [(h.source, h.pages, h.scene) for h in headers] == [(f"a.czi[{i}]", 8, 1) for i in range(8)]
    np.testing.assert_array_equal(read(path, dataset(pages=1))[1][0], picture(1))


def test_channels_are_pages_of_one_scene(path, dataset, picture):
    tiles = [{"pixels": picture(c), "places": {"C": c, "Z": z}} for c in range(3) for z in range(2)]
    headers, found = read(czi(path, *tiles), dataset(pages="all"))
    assert [header.scene for header in headers] == [3] * 6
    np.testing.assert_array_equal(found, [picture(c) for _ in range(2) for c in range(3)])


def test_a_mosaic_is_put_together_without_its_coarser_copies(path, dataset, picture):
    whole = picture(5, (10, 16))
    tiles = [
        {"pixels": whole[:, :9], "at": (-4, 3), "places": {"M": 0}},
        {"pixels": whole[:, 7:], "at": (3, 3), "places": {"M": 1}},
        {"pixels": picture(6, (5, 8)), "at": (-4, 3), "size": (16, 10)},
    ]
    (header,), (found,) = read(czi(path, *tiles), dataset())
    np.testing.assert_array_equal(found, whole)
    assert header.pages == 1
    tiles[1]["at"] = (6, 3)
    with pytest.raises(Rejected, match="mosaic of 2 tiles with gaps"):
        read(czi(path, *tiles), dataset())


@pytest.mark.parametrize(("x", "y", "length"), [("1.5e-07", "1.5e-07", 0.15), ("1e-7", "2e-7", None), ("", "", None)])
def test_the_length_of_a_pixel(path, dataset, picture, x, y, length):
    (header,), _ = read(czi(path, {"pixels": picture()}, scaling=SCALING.format(x, y)), dataset())
    assert header.micrometres == (length and pytest.approx(length))


@pytest.mark.parametrize(("words", "why"), [
    ({"code": 10}, "complex numbers"), ({"part": 1}, "one of several files"), ({"compression": 1}, "with JPEG, which"),
    ({"compression": 104}, r"a method \(104\) of its camera"), ({"places": {"Z": 0}, "depth": 2}, "several images"),
    ({"size": (99, 99)}, "holds no image"), ({"compression": 5}, "damaged: its decoder says ZSTD"),
    ({"data": b"short"}, "damaged"), ({"compression": 5, "data": imagecodecs.zstd_encode(bytes(10**7))}, "damaged"),
    ({"compression": 4, "data": imagecodecs.jpegxr_encode(np.ones((1, 1), "uint8"), level=1.0)}, "decodes to"),
    ({"at": (2**31 - 40, 0)}, None),
])  # fmt: skip
def test_what_is_not_read_is_said(path, dataset, picture, words, why):
    czi(path, {"pixels": picture()} | words)
    if why is None:
        assert len(read(path, dataset())[1]) == 1
        return
    with pytest.raises(Rejected, match=why):
        read(path, dataset())


def test_a_plane_as_large_as_its_tiles_are_apart(path, dataset, picture):
    tiles = [{"pixels": picture()}, {"pixels": picture(), "at": (2**31 - 40, 0), "places": {"M": 1}}]
    with pytest.raises(Rejected, match="more than max_pixels"):
        read(czi(path, *tiles), dataset())


@pytest.mark.filterwarnings("ignore")  # of czifile, as in the processes that read
def test_damaged_files_are_refused_in_words(path, dataset, picture):
    whole = czi(path, {"pixels": picture(7, (8, 8))}, scaling=SCALING.format(1, 1)).read_bytes()
    for end in range(len(whole) - 80, 20, -41):
        path.write_bytes(whole[:end])
        with pytest.raises(Rejected, match=r"truncated|damaged"):
            read(path, dataset())
    rng = np.random.default_rng(0)
    for place in rng.integers(32, len(whole), 100):
        path.write_bytes(whole[:place] + rng.bytes(4) + whole[place + 4 :])
        with suppress(Rejected):  # or what it changed is no part of the picture
            read(path, dataset())


@pytest.mark.parametrize("module", [None, SimpleNamespace(__version__="2026.10.14")])
def test_without_its_package(path, dataset, picture, monkeypatch, module):
    monkeypatch.setitem(sys.modules, "czifile", module)
    with pytest.raises(Rejected, match=r"takes czifile of 2019: `pip install 'pyrite\[microscopy\]'`"):
        read(czi(path, {"pixels": picture()}), dataset())
