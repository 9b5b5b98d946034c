"""Where a synthetic image comes from, as XMP that its file carries: machines can tell it from a photograph.

The property is IPTC's DigitalSourceType with a term of its news codes (IPTC Photo Metadata Standard 2025.1); XMP (ISO
16684-1) stands in tag 700 of a TIFF, in an iTXt chunk of a PNG and in an APP1 segment of a JPEG. The pixels stay as
they are: no watermark.
"""

from __future__ import annotations

import importlib.metadata
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from pipeline.base.files import sha256
from pipeline.models.stylegan2_snapshot import LICENCE
from pipeline.settings import FAMILY_SETTINGS
from pipeline.training import model_files

TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# With patches of a generator of the first kind blended into a photograph, a photograph becomes one of the second.
BLENDED = {"trainedAlgorithmicMedia": "compositeWithTrainedAlgorithmicMedia"}
NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "pyrite": "urn:pyrite:provenance/",
}
TIFF_TAG, PNG_KEYWORD = 700, b"XML:com.adobe.xmp"


@dataclass(frozen=True)
class Provenance:
    """What made images."""

    source_type: str
    """A term of IPTC's digital source types."""
    model: str
    family: str
    weights: str
    """SHA-256 of the model's file."""
    data: str
    """SHA-256 of the images that it learned from; empty where that is not known."""
    real_pixels: str = ""
    """What of them is in its images."""
    licence: str = ""
    """Of what its training began with."""

    @classmethod
    def of(cls, folder: Path, blended: bool = False) -> Provenance:
        """Of images that the generator in a folder draws, or whose patches are blended into real images.

        Raises:
            UserError: no model is there.
        """
        recipe = model_files.read_recipe(folder)
        family = recipe["settings"]["family"]
        kind = FAMILY_SETTINGS[family].digital_source
        return cls(
            source_type=BLENDED.get(kind, "compositeCapture") if blended else kind,
            model=folder.parent.name,
            family=family,
            weights=recipe["sha256"],
            data=recipe["data"].get("data_hash") or "",
            real_pixels="real images around synthetic patches" if blended else recipe.get("real_pixels", ""),
            licence=recipe.get("started_from", {}).get("licence", ""),
        )

    @classmethod
    def of_snapshot(cls, path: Path) -> Provenance:
        """Of images that a snapshot of NVIDIA's draws."""
        settings = FAMILY_SETTINGS["stylegan2_ada"]
        return cls(settings.digital_source, path.stem, "stylegan2_ada", sha256(path), data="", licence=LICENCE)

    def packet(self, seed: int | None = None) -> bytes:
        """XMP of an image that was drawn from a seed; UTF-8."""
        version = importlib.metadata.version("pyrite")
        properties: dict[str, Any] = {
            "Iptc4xmpExt:DigitalSourceType": TERMS + self.source_type,
            "Iptc4xmpExt:AISystemUsed": f"Pyrite, {self.family}" if "rained" in self.source_type else "",
            "Iptc4xmpExt:AISystemVersionUsed": version if "rained" in self.source_type else "",
            "xmp:CreatorTool": f"Pyrite {version}",
            "pyrite:Model": self.model,
            "pyrite:Family": self.family,
            "pyrite:ModelSHA256": self.weights,
            "pyrite:DataSHA256": self.data,
            "pyrite:Seed": "" if seed is None else seed,
            "pyrite:RealPixels": self.real_pixels,
            "pyrite:Licence": self.licence,
        }
        spaces = "".join(f' xmlns:{name}="{uri}"' for name, uri in NAMESPACES.items())
        body = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in properties.items() if value != "")
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
            f'<rdf:RDF{spaces}><rdf:Description rdf:about="">{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
            '<?xpacket end="r"?>'
        ).encode()


def in_png(file: bytes, packet: bytes) -> bytes:
    """The PNG with an XMP packet in a chunk after its header."""
    text = b"iTXt" + PNG_KEYWORD + b"\0\0\0\0\0" + packet  # not compressed, of no language
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    header = 8 + 25  # signature and IHDR
    return file[:header] + chunk + file[header:]
