"""DM3 and DM4 files of DigitalMicrograph, written here tag by tag."""

import struct
import sys
from contextlib import suppress

import numpy as np
import pytest

from pipeline.data.reading import readers
from pipeline.data.reading.frame import Rejected
from tests.data.reading.decoded import read

CODES = {"int16": (1, 2), "float32": (2, 6), "uint8": (6, 8), "int32": (7, 3), "int8": (9, 9), "uint16": (10, 4),
         "uint32": (11, 5), "float64": (12, 7), "bool": (14, 8)}  # fmt: skip
# of the list of images, and of the tree of tags: DigitalMicrograph numbers types in two ways
THUMBNAIL = {"data": np.full((4, 4), 0x7F7F7F, "int32"), "code": 23}


def body(tags, wide):
    """Bytes of a group: of names and values, or of values without names."""
    count = ">Q" if wide else ">I"
    named = tags.items() if isinstance(tags, dict) else [("", tag) for tag in tags]
    entries = b"".join(entry(name, value, wide) for name, value in named)
    return b"\1\0" + struct.pack(count, len(tags)) + entries


def entry(name, value, wide):
    number, label = ">Q" if wide else ">I", name.encode("latin-1")
    if isinstance(value, dict | list):
        kind, content = 20, body(value, wide)
    else:
        value = np.frombuffer(value.encode("utf-16-le"), "uint16") if isinstance(value, str) else np.asarray(value)
        code = CODES[value.dtype.name][1]
        info = [code] if value.ndim == 0 else [20, code, value.size]
        kind, content = 21, b"%%%%" + b"".join(struct.pack(number, n) for n in (len(info), *info)) + value.tobytes()
    size = struct.pack(">Q", len(content)) if wide else b""
    return struct.pack(">BH", kind, len(label)) + label + size + content


def image(data, code=None, scale=(1.0, 1.0), units=("", ""), meta=None):
    """An entry of the list of images; scale and units of its width, height, and further sides."""
    sides = zip(np.float32([*scale, 1.0, 1.0]), [*units, "", ""], strict=True)
    calibration = [{"Origin": np.float32(0), "Scale": step, "Units": unit} for step, unit in sides][: data.ndim]
    facts = {
        "Calibrations": {"Dimension": calibration},
        "Data": data.reshape(-1),
        "DataType": np.uint32(code or CODES[data.dtype.name][0]),
        "Dimensions": [np.uint32(side) for side in data.shape[::-1]],
        "PixelDepth": np.uint32(data.dtype.itemsize),
    }
    return {"ImageData": facts, "ImageTags": {"Meta Data": meta or {}}, "Name": "drawn"}


@pytest.fixture(params=["dm3", "dm4"])
def wrote(request, tmp_path):
    """Writes a file that shows images, with a thumbnail before them; its path."""
    wide = request.param == "dm4"

    def write(*images, thumbnail=True, order=1):
        first = [image(**THUMBNAIL)] if thumbnail else []
        tags = {"ImageList": first + list(images)}
        if thumbnail:
            shown = [{"ImageRef": np.uint32(place)} for place in range(1, len(images) + 1)]
            tags |= {"ImageSourceList": shown, "Thumbnails": [{"ImageIndex": np.uint32(0)}]}
        content = body(tags, wide) + bytes(8)
        length = struct.pack(">Q" if wide else ">I", len(content))
        path = tmp_path / f"a.{request.param}"
        path.write_bytes(struct.pack(">I", 4 if wide else 3) + length + struct.pack(">I", order) + content)
        return path

    return write


@pytest.mark.parametrize("dtype", CODES)
def test_every_type_of_number(wrote, dataset, picture, dtype):
    pixels = picture(1, dtype="uint8" if dtype == "bool" else dtype)
    pixels = pixels > 99 if dtype == "bool" else pixels
    path = wrote(image(pixels))
    (header,), (found,) = read(path, dataset())
    (frame,) = readers.frames([header], dataset())
    np.testing.assert_array_equal(found, pixels)
    assert (header.index, header.pages) == (None, 1)
    assert frame.bits == {"bool": 1, "float32": None, "float64": None}.get(dtype, 8 * pixels.itemsize)


def test_colours_lie_as_blue_green_red(wrote, dataset, picture):
    stored = picture(2, (6, 5, 4))
    _, (found,) = read(wrote(image(stored.view("int32")[..., 0], code=23)), dataset())
    np.testing.assert_array_equal(found, stored[..., [2, 1, 0]])


def test_a_stack_has_pages(wrote, dataset, picture):
    stack = picture(3, (3, 6, 5), "int16")
    path = wrote(image(stack, scale=(2.0, 2.0), units=("nm", "nm")))
    (header,), (first,) = read(path, dataset())
    np.testing.assert_array_equal(first, stack[0])
    assert (header.source, header.index, header.pages) == (f"{path.name}[0]", 0, 3)
    headers, found = read(path, dataset(pages="all"))
    np.testing.assert_array_equal(found, stack)
    assert [header.micrometres for header in headers] == [pytest.approx(0.002)] * 3
    with pytest.raises(Rejected, match=r"has 3 page\(s\), so no page 3"):
        read(path, dataset(pages=3))


def test_several_images_are_pages_and_spectra_beside_them_are_left_out(wrote, dataset, picture):
    small, wide = picture(4, (6, 5), "uint16"), picture(5, (6, 9), "float32")
    path = wrote(image(small), image(np.ones(64, "float32")), image(wide))
    headers, (first, second) = read(path, dataset(pages="all"))
    np.testing.assert_array_equal(first, small)
    np.testing.assert_array_equal(second, wide)
    assert [header.pages for header in headers] == [2, 2]


def test_without_a_list_of_what_is_shown_all_are(wrote, dataset, picture):
    _, (found,) = read(wrote(image(picture(6)), thumbnail=False), dataset())
    np.testing.assert_array_equal(found, picture(6))


@pytest.mark.parametrize(("scale", "units", "length"), [
    ((0.25, 0.25), ("nm", "nm"), 2.5e-4), ((1.5, 1.5), ("µm", "µm"), 1.5), ((2.0, 0.002), ("nm", "µm"), 0.002),
    ((0.17, 0.17), ("1/nm", "1/nm"), None), ((1.0, 2.0), ("nm", "nm"), None), ((1.0, 1.0), ("", ""), None),
])  # fmt: skip
def test_the_length_of_a_pixel_but_not_of_a_diffraction_pattern(wrote, dataset, picture, scale, units, length):
    (header,), _ = read(wrote(image(picture(), scale=scale, units=units)), dataset())
    assert header.micrometres == (length and pytest.approx(length))


@pytest.mark.parametrize(("entry", "why"), [
    (image(np.ones(64, "float32")), "spectrum or profile of 64 values"),
    (image(np.ones((1, 64), "float32"), units=("eV", "")), "spectrum or profile of 64 values"),
    (image(np.ones((9, 3, 4), "float32"), meta={"Format": "Spectrum image"}), "spectrum image, 4 x 3 x 9 values"),
    (image(np.ones((8, 64), "float32"), units=("keV", "nm")), "spectrum image, 64 x 8 values"),
    (image(np.ones((8, 8), "float64"), code=3), "complex numbers"),
    (image(np.ones((2, 3, 4, 5), "uint16")), "data of 4 dimensions, 5 x 4 x 3 x 2 values"),
    (image(np.ones((8, 8), "float64"), code=15), "type 15 of DigitalMicrograph"),
    (image(np.ones((8, 8), "uint8"), code=10), "fewer values than the 8 x 8"),
])  # fmt: skip
def test_what_is_no_image_is_said(wrote, dataset, entry, why):
    with pytest.raises(Rejected, match=f"^holds .*{why}"):
        read(wrote(entry), dataset())


def test_only_a_thumbnail(wrote, dataset):
    with pytest.raises(Rejected, match="holds no image, only a thumbnail"):
        read(wrote(), dataset())


def test_big_endian_and_other_files_that_begin_so(wrote, dataset, tmp_path, picture):
    with pytest.raises(Rejected, match="big-endian"):
        read(wrote(image(picture()), order=0), dataset())
    (tmp_path / "b.dm3").write_bytes(b"\0\0\0\3 of another program")
    with pytest.raises(Rejected, match=r"is no TIFF, .* DM3"):
        read(tmp_path / "b.dm3", dataset())


def test_damaged_files_are_refused_in_words(wrote, dataset, picture):
    path = wrote(image(picture(7, (8, 8), "uint16")))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for end in range(len(whole) - 40, 20, -97):
        path.write_bytes(whole[:end])
        with pytest.raises(Rejected, match="is truncated"):
            read(path, dataset())
    for place in rng.integers(0, len(whole), 60):
        path.write_bytes(whole[:place] + rng.bytes(4) + whole[place + 4 :])
        with suppress(Rejected):  # or what it changed is no part of the picture
            read(path, dataset())


def test_without_its_package(wrote, dataset, picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "ncempy", None)
    with pytest.raises(Rejected, match=r"takes ncempy: `pip install 'pyrite\[microscopy\]'`"):
        read(wrote(image(picture())), dataset())


def test_of_the_package_only_the_module_of_the_format_is_run(wrote, dataset, picture):
    read(wrote(image(picture())), dataset())
    assert not any(name.partition(".")[0] == "ncempy" for name in sys.modules)
