"""Every exported file says what it is: XMP and OME-XML, read back by other libraries."""

import io
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import ome_types
import pandas as pd
import pytest
import tifffile
from PIL import Image

from pipeline.sampling.export import export
from pipeline.sampling.files import suffix, write_file
from pipeline.sampling.provenance import NAMESPACES, TIFF_TAG, Provenance, in_png
from pipeline.settings import FAMILY_SETTINGS
from pipeline.training.collect import collect
from pipeline.training.loop import train
from tests.models.tiny import tiny_settings
from tests.sampling.fakes import SOURCE
from tests.sampling.test_export import RAMP8, RAMP16, image_set
from tests.tiny_family import Events
from tests.tiny_family import image_set as two_classes

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TERM = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


def properties(packet):
    """Of an XMP packet, by qualified name: ElementTree knows nothing of how it was written."""
    (description,) = ElementTree.fromstring(packet.strip(b"\0")).iter(f"{{{NAMESPACES['rdf']}}}Description")
    return {child.tag: child.text for child in description}


def metadata(exported):
    """The one TIFF, PNG or JPEG of a folder by Pillow, and its XMP by Pillow's own reader."""
    (path,) = [p for p in exported.rglob("*.*") if p.suffix != ".csv"]
    with Image.open(path) as picture:
        return picture.copy(), picture.getxmp()["xmpmeta"]["RDF"]["Description"], path


@pytest.mark.parametrize("wish", ["tiff", "png", "jpeg"])
@pytest.mark.parametrize("colour", [False, True])
def test_a_file_says_that_it_is_synthetic_and_of_what(tmp_path, wish, colour):
    pixels = np.repeat(RAMP8, 3, 2) if colour else RAMP8
    export(image_set(tmp_path / "set", pixels, "uint8", 0, 255), tmp_path / "export", wish, SOURCE)
    picture, said, path = metadata(tmp_path / "export")
    assert path.suffix == {"tiff": ".tif", "png": ".png", "jpeg": ".jpg"}[wish]
    assert said["DigitalSourceType"] == IPTC + "trainedAlgorithmicMedia"
    assert said["AISystemUsed"] == "Pyrite, cgan"
    wanted = {"Model": "steel_gan", "Seed": "1", "ModelSHA256": "ab12", "DataSHA256": "cd34"}
    assert {key: said[key] for key in wanted} == wanted
    assert "RealPixels" not in said
    difference = np.abs(np.asarray(picture).astype(int) - pixels.squeeze())
    assert difference.max() <= (25 if wish == "jpeg" else 0)
    assert difference.mean() < 3
    table = pd.read_csv(tmp_path / "export" / "metadata.csv")
    assert table["digital_source_type"].tolist() == ["trainedAlgorithmicMedia"]


def test_depth_that_a_format_does_not_hold_becomes_tiff():
    assert [suffix("jpeg", d) for d in ("uint8", "uint16", "float32")] == [".jpg", ".tif", ".tif"]
    assert [suffix("png", d) for d in ("uint8", "uint16", "int16")] == [".png", ".png", ".tif"]


def test_the_pixels_of_a_16_bit_png_stay_what_they_were(tmp_path):
    export(image_set(tmp_path / "set", RAMP16, "uint16", 0, 65535), tmp_path / "export", "png", SOURCE)
    _, said, path = metadata(tmp_path / "export")
    assert said["Seed"] == "1"
    assert np.array_equal(imagecodecs.png_decode(path.read_bytes()), RAMP16[..., 0])


def test_words_that_are_markup_stay_words():
    source = Provenance("trainedAlgorithmicMedia", "a<b>&\"'", "cgan", "", "", licence="</x:xmpmeta> µ")
    found = properties(source.packet())
    assert found["{urn:pyrite:provenance/}Model"] == "a<b>&\"'"
    assert found["{urn:pyrite:provenance/}Licence"] == "</x:xmpmeta> µ"
    assert "{urn:pyrite:provenance/}Seed" not in found


@pytest.mark.parametrize(
    ("family", "blended", "term"),
    [
        ("cgan", False, "trainedAlgorithmicMedia"),
        ("cgan", True, "compositeWithTrainedAlgorithmicMedia"),
        ("quilting", False, "compositeCapture"),
        ("quilting", True, "compositeCapture"),
        ("warp", False, "algorithmicallyEnhanced"),
    ],
)
def test_what_kind_of_source_a_family_is(tmp_path, family, blended, term):
    data = two_classes(tmp_path / "real", size=16)
    folder = tmp_path / "mine" / "seed-0"
    if family == "cgan":
        train(
            tiny_settings("cgan", total_images=4, snapshots=1), data, folder, tmp_path / "state", 0, Events(), threads=1
        )
    else:
        collect(FAMILY_SETTINGS[family](family=family), data, folder, 0, Events())
    source = Provenance.of(folder, blended)
    assert (source.source_type, source.model, source.family) == (term, "mine", family)
    said = properties(source.packet(3))
    assert said[TERM] == IPTC + term
    assert said["{urn:pyrite:provenance/}DataSHA256"] == source.data
    assert ("{urn:pyrite:provenance/}RealPixels" in said) == (family != "cgan" or blended)
    assert any("AISystem" in name for name in said) == ("rained" in term)


def test_every_family_has_a_term_of_the_vocabulary():
    known = {"trainedAlgorithmicMedia", "compositeCapture", "algorithmicallyEnhanced"}
    assert {settings.digital_source for settings in FAMILY_SETTINGS.values()} == known


def test_the_chunk_of_a_png_is_one_that_a_strict_reader_takes():
    file = in_png(imagecodecs.png_encode(RAMP8[..., 0]), SOURCE.packet(2))
    with Image.open(io.BytesIO(file)) as picture:
        picture.verify()  # of every chunk's checksum
    assert np.array_equal(imagecodecs.png_decode(file), RAMP8[..., 0])


@pytest.mark.parametrize(("unit", "stated", "unit_there"), [("µm", 0.5, "µm"), ("um", 0.5, "µm"), ("nm", 12.5, "nm")])
@pytest.mark.parametrize(("dtype", "kind"), [("uint8", "uint8"), ("uint16", "uint16"), ("float32", "float")])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixel_size_as_ome_xml(tmp_path, unit, stated, unit_there, dtype, kind, channels):
    stored = np.arange(2 * 3 * channels, dtype=np.uint16).reshape(2, 3, channels)
    stored = stored.astype(np.uint8) if dtype == "uint8" else stored
    high = float(np.iinfo(stored.dtype).max)
    meta = {"dtype": dtype, "scaling": {"low": 0.0, "high": high}, "pixel_size": stated, "unit": unit}
    write_file(tmp_path / "a.tif", stored, meta, SOURCE, 5)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_ome
        assert file.series[0].kind == "ome"  # the reader understands it
        assert file.series[0].axes == ("YXS" if channels == 3 else "YX")
        assert np.array_equal(file.series[0].asarray(), stored.squeeze().astype(dtype))
        packet = file.pages[0].tags[TIFF_TAG].value
    pixels = ome_types.from_tiff(tmp_path / "a.tif").images[0].pixels  # types of the schema, written apart from ours
    assert (pixels.physical_size_x, pixels.physical_size_x_unit.value, pixels.type.value) == (stated, unit_there, kind)
    assert (pixels.physical_size_y, pixels.physical_size_y_unit.value) == (stated, unit_there)
    assert (pixels.size_x, pixels.size_y, pixels.size_c) == (3, 2, channels)
    assert properties(bytes(packet))["{urn:pyrite:provenance/}Seed"] == "5"


@pytest.mark.parametrize("changes", [{"pixel_size": None}, {"unit": "pixel"}])
def test_without_a_length_there_is_no_ome_xml(tmp_path, changes):
    meta = {"dtype": "uint8", "scaling": {"low": 0.0, "high": 255.0}, "pixel_size": 1.0, "unit": "µm"} | changes
    write_file(tmp_path / "a.tif", RAMP8, meta, SOURCE, 5)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert not file.is_ome
        assert file.pages[0].description == "synthetic"
