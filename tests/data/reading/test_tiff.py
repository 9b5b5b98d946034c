"""TIFF: what is written is read, whatever its encoding; what is broken is refused."""

import csv
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from pipeline.base.colour import to_gray
from pipeline.data.reading import readers
from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.orientation import upright
from tests.data.reading import decoded


def read(path, settings):
    """The frames of a file; of a page that cannot be decoded its Rejected."""
    return decoded.frames(path, settings)[1]


def reason(path, settings):
    """Why a file, or its first image, is refused."""
    try:
        frame = read(path, settings)[0]
    except Rejected as error:
        return str(error)
    assert isinstance(frame, Rejected), "was read"
    return str(frame)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "packbits", "lzma"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "float32", "float64"])
def test_types_and_compressions(tmp_path, dataset, picture, dtype, compression):
    pixels = picture(1, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=compression)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", dataset())[0].pixels, pixels)


@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"byteorder": ">"},
        {"tile": (16, 16)},
        {"rowsperstrip": 5, "predictor": 2, "compression": 8},
    ],
    ids=["bigtiff", "big-endian", "tiled", "strips-predictor"],
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_layouts(tmp_path, dataset, picture, options, planar):
    pixels = picture(2, (24, 40, 3), "uint16")
    written = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", written, photometric="rgb", planarconfig=planar, **options)
    frame = read(tmp_path / "a.tif", dataset())[0]
    np.testing.assert_array_equal(frame.pixels, pixels)
    assert frame.pixels.dtype.isnative


def test_pages_one_by_number_or_all(tmp_path, dataset, picture):
    pages = [picture(i, (20, 20 + i)) for i in range(3)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page in pages:
            tiff.write(page)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", dataset(pages=2))[0].pixels, pages[2])
    frames = read(tmp_path / "a.tif", dataset(pages="all"))
    for frame, page in zip(frames, pages, strict=True):
        np.testing.assert_array_equal(frame.pixels, page)
    assert "no page 3" in reason(tmp_path / "a.tif", dataset(pages=3))


def test_a_thumbnail_is_no_page(tmp_path, dataset, picture):
    pixels = picture(7, (40, 60))
    for first in (False, True):
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            for small in (first, not first):
                tiff.write(pixels[::4, ::4] if small else pixels, subfiletype=int(small))
        for pages in (0, "all"):
            found = read(tmp_path / "a.tif", dataset(pages=pages))
            np.testing.assert_array_equal([frame.pixels for frame in found], [pixels])
    assert readers.headers(str(tmp_path / "a.tif"), "a.tif", dataset())[0].pages == 1


@pytest.mark.parametrize("program", ["ome", "imagej"])
def test_pages_that_are_channels_are_told(tmp_path, dataset, picture, program):
    def scene(axes, shape):
        tifffile.imwrite(tmp_path / "a.tif", picture(8, (*shape, 20, 30)), **{program: True}, metadata={"axes": axes})
        return readers.headers(str(tmp_path / "a.tif"), "a.tif", dataset())[0].scene

    assert scene("ZCYX", (3, 2)) == 2
    assert scene("ZYX", (6,)) == 1


def test_files_that_an_ome_file_names_are_not_opened(tmp_path, dataset, picture):
    """Two of four channels are here, the others in a file outside the source."""
    blocks = "".join(
        f'<TiffData FirstC="{c}" IFD="{c % 2}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        for c, name in enumerate(["a.tif", "a.tif", "../secret.tif", "../secret.tif"])
    )
    said = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{}"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="30" SizeY="20" SizeC="4" SizeZ="1" '
        'SizeT="1">{}</Pixels></Image></OME>'
    )
    (tmp_path / "in").mkdir()
    for path, key in ((tmp_path / "in" / "a.tif", "a.tif"), (tmp_path / "secret.tif", "../secret.tif")):
        tifffile.imwrite(path, picture(8, (2, 20, 30)), description=said.format(key, blocks), metadata=None)
    path = str(tmp_path / "in" / "a.tif")
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].shape == (4, 20, 30)  # so it names them
    assert readers.headers(path, "a.tif", dataset())[0].scene == 1


def test_alpha_is_dropped_and_white_is_zero_inverted(tmp_path, dataset, picture):
    pixels = picture(3, (20, 20, 4))
    tifffile.imwrite(tmp_path / "alpha.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read(tmp_path / "alpha.tif", dataset())[0].pixels, pixels[..., :3])
    tifffile.imwrite(tmp_path / "white.tif", np.array([[0, 1], [254, 255]], np.uint8), photometric="miniswhite")
    assert read(tmp_path / "white.tif", dataset())[0].pixels.tolist() == [[255, 254], [1, 0]]


def test_palette_is_applied(tmp_path, dataset):
    palette = np.zeros((3, 256), np.uint16)
    palette[:, 7] = 10 * 257, 20 * 257, 30 * 257
    palette[:, 9] = 65535, 0, 128 * 257
    tifffile.imwrite(tmp_path / "a.tif", np.array([[7, 9]], np.uint8), photometric="palette", colormap=palette)
    assert read(tmp_path / "a.tif", dataset())[0].pixels.tolist() == [[[10, 20, 30], [255, 0, 128]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_agrees_with_pillow(tmp_path, dataset, orientation):
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.fromarray(stored)
    image.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(upright(stored, orientation), expected)
    tag = (274, 3, 1, orientation, True)
    tifffile.imwrite(tmp_path / "a.tif", stored, extratags=[tag])
    np.testing.assert_array_equal(read(tmp_path / "a.tif", dataset())[0].pixels, expected)


def test_orientation_6_by_hand():
    # Row 0 of the file is the right side of the picture, column 0 its top.
    assert upright(np.array([[1, 2, 3], [4, 5, 6]]), 6).tolist() == [[4, 1], [5, 2], [6, 3]]


def test_claims_are_judged_before_decoding(tmp_path, dataset, picture):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), compression="zlib")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        width, height = (tiff.pages[0].tags[code].valueoffset for code in (256, 257))
    struct.pack_into("<H", data, width, 60000)
    struct.pack_into("<H", data, height, 50000)
    path.write_bytes(data)
    assert "50000 x 60000 pixels, more than max_pixels (400000000)" in reason(path, dataset())
    assert "3.0 GB" in reason(path, dataset(max_pixels=4_000_000_000))
    tifffile.imwrite(path, picture(shape=(24, 32)))
    assert "more than max_pixels (767)" in reason(path, dataset(max_pixels=767))


def test_truncated_and_empty(tmp_path, dataset, picture):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), compression=None)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    assert "truncated" in reason(path, dataset())
    path.write_bytes(b"")
    assert "empty" in reason(path, dataset())
    path.write_bytes(b"II*\0\x08\0\0\0")
    assert "holds no image" in reason(path, dataset())


# Pillow divides the colours of the first by their alpha, and scrambles the rows of the second, which lies on its side.
PILLOW_DIFFERS = ("strike.tif", "poppies.tif")

# What may be refused of the valid cases, with the word that must be in the reason.
REFUSED = {"hopper.Lab.tif": "CIELAB", "shapes_hyper.tif": "7 channels"}


def test_every_valid_case_reads_as_its_index_says(shared_data, dataset):
    root = shared_data("tiff_cases")
    with open(root / "index.csv") as file:
        cases = [case for case in csv.DictReader(file) if case["file"].startswith("valid/")]
    assert len(cases) == 53
    for case in cases:
        path = root / case["file"]
        if path.name in REFUSED:
            assert REFUSED[path.name] in reason(path, dataset())
            continue
        frame = read(path, dataset())[0]
        if case["shape"]:
            _check_against_index(frame, case)
        if frame.pixels.dtype == np.uint8 and path.name not in PILLOW_DIFFERS:
            _check_against_pillow(frame, path)


def _check_against_index(frame, case):
    raw = [int(n) for n in case["shape"].split("x")]
    height, width = raw[1:] if case["planar"] == "2" else raw[:2]
    if case["orientation"] == "6":
        height, width = width, height
    assert frame.pixels.shape[:2] == (height, width), case["file"]
    assert frame.pixels.dtype.name == case["dtype"], case["file"]
    if case["photometric"] in ("PALETTE", "SEPARATED") or "alpha" in case["what"] or raw[-1] == 4:
        return  # other numbers than those stored: compared with Pillow
    low, high, mean = (float(case[k]) for k in ("min", "max", "mean"))
    if case["photometric"] == "MINISWHITE" and case["dtype"] != "float32":
        top = 1 if case["dtype"] == "bool" else 255
        low, high, mean = top - high, top - low, top - mean
    pixels = frame.pixels.astype(np.float64)
    pixels = pixels[np.isfinite(pixels)]
    assert frame.pixels.size - pixels.size == int(case["nonfinite"])
    if case["nonfinite"] == "0":
        assert pixels.mean() == pytest.approx(mean, abs=1e-5), case["file"]
        assert (pixels.min(), pixels.max()) == pytest.approx((low, high), rel=1e-6), case["file"]


def _check_against_pillow(frame, path):
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            ours = np.asarray(image.convert("RGB")).astype(int)
    except OSError:
        return  # a format that only tifffile knows
    if frame.bits == 4:
        ours = ours // 17  # Pillow stretches 4 bits to 8
    theirs = np.broadcast_to(frame.pixels.reshape(*frame.pixels.shape[:2], -1), ours.shape)
    # One level: palettes of 16 bits and inks are rounded differently, and so does each JPEG decoder.
    assert np.mean(np.abs(theirs - ours) <= 2) > 0.99, path.name


def test_every_broken_case_is_refused_with_a_reason(shared_data, dataset):
    paths = sorted((shared_data("tiff_cases") / "broken").iterdir())
    assert len(paths) == 15
    for path in paths:
        text = reason(path, dataset())
        assert len(text) > 10, path.name
        assert "Traceback" not in text


def test_white_is_zero_shows_the_same_picture(shared_data, dataset):
    # The libtiff samples jim___cg and jim___dg are one picture, stored black-is-zero and white-is-zero.
    root = shared_data("tiff_cases") / "valid"
    black, white = (to_gray(read(root / f"jim___{k}.tif", dataset())[0].pixels).ravel() for k in ("cg", "dg"))
    assert np.corrcoef(black, white)[0, 1] > 0.9


def test_the_family_of_shapes_is_one_picture(shared_data, dataset):
    root: Path = shared_data("tiff_cases") / "valid"
    reference = read(root / "shapes_uncompressed.tif", dataset())[0].pixels
    for name in ("deflate", "zstd", "lzw_planar", "lzw_tiled"):
        np.testing.assert_array_equal(read(root / f"shapes_{name}.tif", dataset())[0].pixels, reference)
    palette = read(root / "shapes_lzw_palette.tif", dataset())[0].pixels  # reduced to 32 colours
    assert np.corrcoef(palette.ravel(), reference.ravel())[0, 1] > 0.98


def test_the_images_of_a_compressed_lsm_are_read_without_their_thumbnails(tmp_path, dataset, picture):
    images, zeiss = [picture(i) for i in range(3)], (34412, 1, 500, bytes(500), True)
    with tifffile.TiffWriter(tmp_path / "a.lsm.tif") as file:
        for i, pixels in enumerate(images):
            file.write(pixels, compression="zlib", metadata=None, extratags=[] if i else [zeiss])
            file.write(pixels[::4, ::4], compression="zlib", metadata=None, subfiletype=1)
    found = read(tmp_path / "a.lsm.tif", dataset(pages="all"))
    np.testing.assert_array_equal([frame.pixels for frame in found], images)


@pytest.mark.parametrize(("imagej", "order"), [(True, ">"), (False, "<"), (False, ">")])
def test_a_stack_with_one_directory_is_read_whole(tmp_path, dataset, picture, order, imagej):
    """As ImageJ writes those above 4 GB, and others to save time."""
    pixels = picture(7, (5, 20, 30), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels.astype(f"{order}u2"), imagej=imagej, truncate=True, byteorder=order)
    settings = dataset(pages="all")
    headers = readers.headers(str(tmp_path / "a.tif"), "a.tif", settings)
    assert [(h.source, h.pages) for h in headers] == [(f"a.tif[{i}]", 5) for i in range(5)]
    frames = list(readers.frames(headers[::2], settings))
    np.testing.assert_array_equal([frame.pixels for frame in frames], pixels[::2])
    (third,) = readers.headers(str(tmp_path / "a.tif"), "a.tif", dataset(pages=3))
    np.testing.assert_array_equal(next(readers.frames([third], dataset(pages=3))).pixels, pixels[3])
    if imagej:  # tifffile takes such a stack for one image where the file is too short
        return
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:-700])
    with pytest.raises(Rejected, match="is truncated"):
        readers.headers(str(tmp_path / "a.tif"), "a.tif", settings)


def test_a_channel_more_that_is_not_said_to_be_alpha_is_asked_about(tmp_path, dataset, picture):
    pixels = picture(8, (20, 30, 2))
    tifffile.imwrite(tmp_path / "b.tif", pixels, photometric="minisblack", planarconfig="contig")
    with pytest.raises(Rejected, match=r"has 2 channels, and the last is not said to be alpha: .* `channels: gray`"):
        read(tmp_path / "b.tif", dataset())
    np.testing.assert_array_equal(read(tmp_path / "b.tif", dataset(channels="gray"))[0].pixels, pixels[..., 0])
    pixels = picture(8, (20, 30, 4))
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    with pytest.raises(Rejected, match=r"has 4 channels, and the last is not said to be alpha: .* `channels: rgb`"):
        read(tmp_path / "a.tif", dataset())
    np.testing.assert_array_equal(read(tmp_path / "a.tif", dataset(channels="rgb"))[0].pixels, pixels[..., :3])
