"""Series files of TIA, written here from their published layout."""

import struct

import numpy as np
import pytest

from pipeline.data.reading.frame import Rejected
from tests.data.reading.decoded import read

CODES = {"uint8": 1, "uint16": 2, "uint32": 3, "int8": 4, "int16": 5, "int32": 6, "float32": 7, "float64": 8}
IMAGES, SPECTRA, TIMES, POSITIONS = 0x4122, 0x4120, 0x4152, 0x4142


@pytest.fixture(params=[0x210, 0x220])
def wrote(request, tmp_path):
    """Writes images, the lowest row of each first, as the program does; the path."""
    wide = request.param == 0x220

    def write(images, step=1e-9, kind=IMAGES, tags=TIMES, code=None, places=None):
        number = "q" if wide else "i"
        dimension = struct.pack("<iddii", len(images), 0, 1, 0, 6) + b"Number" + struct.pack("<i", 0)
        begin = 30 + struct.calcsize(f"<{number}") - 8 + 4 + len(dimension)
        table = 2 * len(images) * struct.calcsize(f"<{number}")
        head = struct.pack("<HHHIIII", 0x4949, 0x0197, request.param, kind, tags, len(images), len(images))
        head += (
            struct.pack(f"<{number}i", len(head) + struct.calcsize(f"<{number}") + 4 + len(dimension), 1) + dimension
        )
        begin, content, offsets = len(head) + table, b"", []
        for pixels in images:
            offsets.append(begin + len(content))
            content += 2 * struct.pack("<ddi", 0, step, 0)
            content += struct.pack("<hii", code or CODES[pixels.dtype.name], *pixels.shape[::-1])
            content += pixels[::-1].tobytes()
        offsets = places or offsets
        path = tmp_path / "a_1.ser"
        path.write_bytes(head + struct.pack(f"<{2 * len(images)}{number}", *offsets, *offsets) + content)
        return path

    return write


@pytest.mark.parametrize("dtype", CODES)
def test_every_type_of_number_upright(wrote, dataset, picture, dtype):
    pixels = picture(1, dtype=dtype)
    (header,), (found,) = read(wrote([pixels]), dataset())
    np.testing.assert_array_equal(found, pixels)
    assert (header.source, header.index, header.micrometres) == ("a_1.ser", None, pytest.approx(0.001))


def test_a_series_has_pages(wrote, dataset, picture):
    images = [picture(i, (6, 5), "uint16") for i in range(3)]
    (header,), (last,) = read(wrote(images), dataset(pages=2))
    np.testing.assert_array_equal(last, images[2])
    assert (header.source, header.index, header.pages) == ("a_1.ser[2]", 2, 3)
    np.testing.assert_array_equal(read(wrote(images), dataset(pages="all"))[1], images)


@pytest.mark.parametrize("step", [1.7e8, 0.0, -1e-9, float("nan")])  # the first is of a diffraction pattern: 1/m
def test_steps_that_are_no_length_of_a_pixel(wrote, dataset, picture, step):
    (header,), _ = read(wrote([picture()], step=step), dataset())
    assert header.micrometres is None


@pytest.mark.parametrize(("words", "why"), [
    ({"kind": SPECTRA}, "holds 2 spectra"), ({"kind": 0x4121}, "of the kind 0x4121"),
    ({"tags": POSITIONS}, "holds 2 .* one at each position of a scan"), ({"code": 9}, "complex numbers"),
    ({"code": 77}, "type 77 of TIA"), ({"places": [-9, 10**6]}, "is truncated"), ({"places": [10**6] * 2}, "truncated"),
])  # fmt: skip
def test_what_is_no_image_is_said(wrote, dataset, picture, words, why):
    with pytest.raises(Rejected, match=why):
        read(wrote([picture(), picture(1)], **words), dataset())


def test_an_image_of_one_position_is_read(wrote, dataset, picture):
    assert len(read(wrote([picture()], tags=POSITIONS), dataset())[1]) == 1


def test_truncated_series_and_claims_that_cannot_be(wrote, dataset, picture):
    path = wrote([picture(shape=(8, 8)), picture(shape=(8, 8))])
    whole = path.read_bytes()
    for end in range(len(whole) - 1, 20, -7):
        path.write_bytes(whole[:end])
        with pytest.raises(Rejected, match=r"truncated|damaged"):
            read(path, dataset(pages="all"))
    path.write_bytes(whole[:18] + struct.pack("<i", 2**31 - 1) + whole[22:])  # valid elements
    with pytest.raises(Rejected, match="truncated"):
        read(path, dataset())
    path.write_bytes(whole[:18] + bytes(4) + whole[22:])
    with pytest.raises(Rejected, match="never filled"):
        read(path, dataset())
    sides = whole.index(struct.pack("<ii", 8, 8))
    path.write_bytes(whole[:sides] + struct.pack("<ii", 19000, 19000) + whole[sides + 8 :])
    with pytest.raises(Rejected, match="which cannot be"):
        read(path, dataset())
