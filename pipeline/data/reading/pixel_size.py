"""How long a pixel is, as the programs of microscopes write it, most of all into TIFF files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tifffile import RESUNIT, TiffFile, TiffPage

MICROMETRES = {
    "pm": 1e-6, "å": 1e-4, "angstrom": 1e-4, "nm": 1e-3, "nanometer": 1e-3, "µm": 1.0, "um": 1.0, "micron": 1.0,
    "micrometer": 1.0, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4, "in": 25400.0, "inch": 25400.0,
    "m": 1e6, "meter": 1e6,
}  # fmt: skip
OF_PRINTERS = ("in", "inch", "cm", "centimeter")  # units that ImageJ takes from TIFF's own resolution
RESOLUTION = {RESUNIT.INCH: 25400.0, RESUNIT.CENTIMETER: 1e4}
COARSEST_RESOLUTION = 10.0  # µm: what is coarser by these is the resolution of a printer or of a screen
SQUARE = 0.01  # relative difference of width and height
TESCAN = 50431  # the tag that holds the text of its program
ZEISS = ("ap_image_pixel_size", "ap_pixel_size")


def micrometres(file: TiffFile, page: TiffPage) -> float | None:
    """Side of a pixel of the specimen; None where the file does not tell it, or where pixels are not square.

    Asked in this order: Zeiss, FEI and Thermo Fisher, Tescan, OME, ImageJ, and the resolution of TIFF itself.
    """
    for ask in (_zeiss, _fei, _tescan, _ome, _imagej, _resolution):
        with suppress(Exception):  # text of any program, or none: what cannot be understood is not told
            if (side := square(*ask(file, page))) is not None:
                return side
    return None


def square(width: float, height: float) -> float | None:
    """Side of a pixel, of which these are the sides; None where they differ, or where there is none."""
    return width if width > 0 and abs(width - height) <= SQUARE * width else None


def length(value: Any, unit: str) -> float:
    """Micrometres. Raises KeyError where the unit is none of length."""
    return float(value) * MICROMETRES[_unit(unit)]


def _zeiss(file: TiffFile, page: TiffPage) -> tuple[float, float]:
    facts: dict[str, Any] = file.sem_metadata or {}
    *_, value, unit = next(facts[key] for key in ZEISS if key in facts)
    return (length(value, unit),) * 2


def _fei(file: TiffFile, page: TiffPage) -> tuple[float, float]:
    facts: dict[str, Any] = file.fei_metadata or {}
    width, height = (float(facts["Scan"][key]) * MICROMETRES["m"] for key in ("PixelWidth", "PixelHeight"))
    return width, height


def _tescan(file: TiffFile, page: TiffPage) -> tuple[float, float]:
    text = bytes(page.tags[TESCAN].value).decode("latin-1")
    found = [re.search(rf"PixelSize{axis}\s*=\s*([0-9.eE+-]+)", text) for axis in "XY"]
    width, height = (float(one[1]) * MICROMETRES["m"] for one in found if one)
    return width, height


def _ome(file: TiffFile, page: TiffPage) -> tuple[float, float]:
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", file.ome_metadata or "")
    width, height = (_attribute(pixels[0] if pixels else "", axis) for axis in "XY")
    return width, height


def _attribute(text: str, axis: str) -> float:
    value = re.search(rf'\bPhysicalSize{axis}="([^"]*)"', text)
    unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]*)"', text)
    return length(value[1] if value else "", unit[1] if unit else "µm")


def _imagej(file: TiffFile, page: TiffPage) -> tuple[float, float]:
    facts: dict[str, Any] = file.imagej_metadata or {}
    units = [_unit(facts["unit"]), _unit(facts.get("yunit", facts["unit"]))]
    width, height = (MICROMETRES[unit] / pixels for unit, pixels in zip(units, _pixels_a_unit(page), strict=True))
    return (0, 0) if units[0] in OF_PRINTERS and width > COARSEST_RESOLUTION else (width, height)


def _resolution(file: TiffFile, page: TiffPage) -> tuple[float, float]:
    unit = RESOLUTION[page.tags["ResolutionUnit"].value]
    width, height = (unit / pixels for pixels in _pixels_a_unit(page))
    return (width, height) if width <= COARSEST_RESOLUTION else (0, 0)


def _pixels_a_unit(page: TiffPage) -> Iterator[float]:
    for name in ("XResolution", "YResolution"):
        numerator, denominator = page.tags[name].value
        yield numerator / denominator


def _unit(text: Any) -> str:
    """As MICROMETRES writes a unit: `Micrometres`, `\\u00B5m`, `inches`."""
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), str(text)).strip().lower()
    plain = plain.replace("μ", "µ").replace("metre", "meter").replace("inches", "inch")  # of two letters mu one
    return plain.removesuffix("s")
