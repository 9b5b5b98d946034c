"""One image as a file: in the type and range of values of its source, with the size of its pixels and what made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from pipeline.base.units import MILLIMETRES
from pipeline.data.preparing.scaling import restore
from pipeline.sampling.provenance import TIFF_TAG, Provenance, in_png

# By the format wished for: what types of pixels it holds, and the suffix. All other types become TIFF.
HOLDS = {"tiff": (), "png": ("uint8", "uint16"), "jpeg": ("uint8",)}
SUFFIXES = {"tiff": ".tif", "png": ".png", "jpeg": ".jpg"}
OME_TYPES = {"float32": "float", "float64": "double"} | {
    name: name for name in ("uint8", "uint16", "uint32", "int8", "int16", "int32")
}
OME_UNITS = {"um": "µm", "μm": "µm"}  # as the schema writes it


def suffix(wish: str, dtype: str) -> str:
    """Of files of images whose source has a type."""
    return SUFFIXES[wish if str(np.dtype(dtype)) in HOLDS[wish] else "tiff"]


def write_file(
    path: Path, stored: np.ndarray, meta: dict[str, Any], provenance: Provenance | None, seed: int | None
) -> None:
    """Write an image in the format of the path's suffix.

    Args:
        stored: (H, W, C) unsigned integers.
        meta: `dtype`, `scaling`, `pixel_size` and `unit` of its image set.
        provenance: what made it; None of a real image.
        seed: what it was drawn from.

    Raises:
        OSError: it cannot be written.
    """
    pixels = restore(stored, meta)
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    if path.suffix == ".tif":
        options = tiff_options(meta, pixels.shape, pixels.dtype, provenance, seed)
        tifffile.imwrite(path, pixels, compression="zlib", **options)
        return
    packet = provenance.packet(seed) if provenance else b""
    if path.suffix == ".png":
        payload = bytes(imagecodecs.png_encode(pixels))
        path.write_bytes(in_png(payload, packet) if packet else payload)
    else:
        Image.fromarray(pixels).save(path, "JPEG", quality=95, subsampling=0, xmp=packet)


def tiff_options(
    meta: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype, provenance: Provenance | None, seed: int | None
) -> dict[str, Any]:
    """What every TIFF says of itself: the colours, what made it, and where it is known the size of a pixel, as
    resolution and as OME-XML."""
    options: dict[str, Any] = {
        "photometric": "rgb" if len(shape) == 3 else "minisblack",
        "metadata": None,
        "software": "Pyrite",
    }
    description = ""
    if provenance:
        packet = provenance.packet(seed)
        options["extratags"] = [(TIFF_TAG, "B", len(packet), packet, True)]
        description = f"synthetic: {provenance.real_pixels}" if provenance.real_pixels else "synthetic"
        options["description"] = description
    if meta.get("pixel_size") and meta.get("unit") in MILLIMETRES:
        per_centimetre = 10 / (meta["pixel_size"] * MILLIMETRES[meta["unit"]])
        options |= {"resolution": (per_centimetre, per_centimetre), "resolutionunit": "CENTIMETER"}
        if dtype.name in OME_TYPES:
            options["description"] = _ome(meta, shape, dtype, description).encode()
    return options


def _ome(meta: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype, description: str) -> str:
    """OME-XML (Goldberg et al. 2005, schema 2016-06) of one plane (H, W) or (H, W, 3)."""
    samples = shape[2] if len(shape) == 3 else 1
    unit = quoteattr(OME_UNITS.get(meta["unit"], meta["unit"]))
    size = "".join(f' PhysicalSize{axis}="{meta["pixel_size"]:.9g}" PhysicalSize{axis}Unit={unit}' for axis in "XY")
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.openmicroscopy.org/Schemas/'
        'OME/2016-06 http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd" Creator="Pyrite"><Image ID="Image:0">'
        f"<Description>{escape(description)}</Description>"
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="{OME_TYPES[dtype.name]}" SizeX="{shape[1]}" '
        f'SizeY="{shape[0]}" SizeC="{samples}" SizeZ="1" SizeT="1"{size}>'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="{samples}"/><TiffData IFD="0" PlaneCount="1"/>'
        "</Pixels></Image></OME>"
    )
