"""The length of a pixel, as each maker writes it."""

import numpy as np
import pytest
import tifffile

from pipeline.data.reading import readers

PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)
ZEISS = "{}\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = {} {}\r\nAP_HEIGHT\r\nHeight = 1 mm\r\n"
FEI = "[Scan]\r\nPixelWidth={}\r\nPixelHeight={}\r\n[Beam]\r\nHV=5000\r\n"


@pytest.fixture
def told(tmp_path, dataset):
    """Micrometres that a file tells; keyword arguments of tifffile."""

    def write(pixels=PIXELS, **words):
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", **words)
        (header, *_) = readers.headers(str(tmp_path / "a.tif"), "a.tif", dataset())
        return header.micrometres

    return write


def ascii_tag(code, text):
    return [(code, "s", 0, text, True)]


@pytest.mark.parametrize(("value", "unit", "length"), [(186.1, "nm", 0.1861), (2.615, "µm", 2.615), (5, "pm", 5e-6)])
def test_zeiss(told, value, unit, length):
    text = ZEISS.format("\r\n".join("0" * 30), value, unit).encode("cp1252")
    assert told(extratags=[(34118, 7, len(text), text, True)]) == pytest.approx(length)


@pytest.mark.parametrize(("width", "height", "length"), [(3.3724e-6, 3.3724e-6, 3.3724), (1e-9, 2e-9, None)])
def test_fei_and_pixels_that_are_not_square(told, width, height, length):
    assert told(extratags=ascii_tag(34682, FEI.format(width, height))) == (length and pytest.approx(length))


def test_tescan(told):
    text = b"\0\1\2[MAIN]\r\nDevice=MIRA\r\nPixelSizeX=4.5e-08\r\nPixelSizeY=4.5e-08\r\n"
    assert told(extratags=[(50431, 7, len(text), text, True)]) == pytest.approx(0.045)


@pytest.mark.parametrize(("unit", "length"), [
    ("micron", 0.5), ("nm", 5e-4), ("\\u00B5m", 0.5), ("\\u03BCm", 0.5), ("Micrometres", 0.5), ("mm", 500.0),
    ("pixel", None), ("inches", None), ("cm", None),
])  # fmt: skip
def test_imagej(told, unit, length):
    found = told(imagej=True, resolution=(2, 2), metadata={"unit": unit})
    assert found == (length and pytest.approx(length))


def test_imagej_in_inches_and_with_a_unit_of_its_own_for_y(told):
    assert told(imagej=True, resolution=(5080, 5080), metadata={"unit": "inch"}) == pytest.approx(5.0)
    assert told(imagej=True, resolution=(300, 300), metadata={"unit": "inch"}) is None  # of a printer
    for pixels, length in ((2, None), (0.002, 0.5)):
        found = told(imagej=True, resolution=(2, pixels), metadata={"unit": "um", "yunit": "nm"})
        assert found == (length and pytest.approx(length))


@pytest.mark.parametrize(("words", "length"), [
    ({"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}, 0.25),
    ({"PhysicalSizeX": 80, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 80, "PhysicalSizeYUnit": "nm"}, 0.08),
    ({}, None),
])  # fmt: skip
def test_ome(told, words, length):
    found = told(ome=True, metadata={"axes": "YX", **words}, resolution=(72, 72), resolutionunit="INCH")
    assert found == (length and pytest.approx(length))


@pytest.mark.parametrize(("pixels", "unit", "length"), [
    (20000, "CENTIMETER", 0.5), (254000, "INCH", 0.1), (300, "INCH", None), (1, "NONE", None), (0, "CENTIMETER", None),
])  # fmt: skip
def test_resolution_but_a_printers(told, pixels, unit, length):
    found = told(resolution=(pixels, pixels), resolutionunit=unit)
    assert found == (length and pytest.approx(length))


def test_every_page_of_a_stack(tmp_path, dataset):
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([PIXELS] * 3), photometric="minisblack", resolution=(1e4, 1e4),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    found = readers.headers(str(tmp_path / "a.tif"), "a.tif", dataset(pages="all"))
    assert [header.micrometres for header in found] == [pytest.approx(1.0)] * 3
