"""Exported files: type, range of values, names, pixel size; read back by another library where there is one."""

import errno
import time
import unicodedata

import imagecodecs
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from pipeline.data.image_set import ImageSet
from pipeline.sampling.export import export, safe_names
from tests import image_sets
from tests.sampling.fakes import SOURCE


def image_set(path, stored, dtype, low, high, classes=("a",)):
    """An image set of one image a class, all with the pixels `stored` (H, W, C)."""
    ids = [f"{name}_{0:06d}" for name in classes]
    meta = {"dtype": dtype, "scaling": {"rule": "fixed", "low": low, "high": high}, "pixel_size": 0.5}
    images = np.stack([stored] * len(classes))
    return ImageSet.open(image_sets.write(path, images, classes, ids=ids, columns={"source": "m", "seed": 1}, **meta))


RAMP8 = np.arange(0, 256, 17, dtype=np.uint8).reshape(4, 4, 1)
RAMP16 = np.arange(0, 65536, 4369, dtype=np.uint16).reshape(4, 4, 1)
CASES = [
    (RAMP8, "uint8", 0, 255),
    (RAMP16, "uint16", 0, 65535),
    (RAMP16, "uint16", 100, 4195),  # a 12-bit camera's range
    (RAMP16, "int16", -32768, 32767),
    (RAMP16, "float32", -2.5, 7.5),
    (np.repeat(RAMP8, 3, axis=2), "uint8", 0, 255),
    (np.repeat(RAMP16, 3, axis=2), "uint16", 0, 65535),
]


@pytest.mark.parametrize(("stored", "dtype", "low", "high"), CASES)
@pytest.mark.parametrize("wish", ["tiff", "png"])
def test_type_and_range_of_the_source(tmp_path, stored, dtype, low, high, wish):
    export(image_set(tmp_path / "set", stored, dtype, low, high), tmp_path / "export", wish, SOURCE)
    table = pd.read_csv(tmp_path / "export" / "metadata.csv")
    path = tmp_path / "export" / table["file"][0]
    assert path.suffix == (".png" if wish == "png" and dtype in ("uint8", "uint16") else ".tif")
    if path.suffix == ".tif":
        pixels = tifffile.imread(path)
    elif dtype == "uint16" and stored.shape[2] == 3:
        pixels = imagecodecs.png_decode(path.read_bytes())  # Pillow reads 16-bit colour as 8 bit
    else:
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
    expected = low + stored.squeeze().astype(np.float64) / np.iinfo(stored.dtype).max * (high - low)
    assert pixels.dtype == dtype
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= (0.5 if pixels.dtype.kind in "iu" else 1e-6)


def test_pixel_size_is_the_tiff_resolution(tmp_path):
    export(image_set(tmp_path / "set", RAMP8, "uint8", 0, 255), tmp_path / "export", "tiff", SOURCE)
    with tifffile.TiffFile(tmp_path / "export" / "a" / "a_000000.tif") as file:
        above, below = file.pages[0].tags["XResolution"].value
        assert file.pages[0].tags["ResolutionUnit"].value == 3  # centimetre
    assert above / below == pytest.approx(20000)  # 0.5 µm a pixel


def test_class_names_that_are_no_folder_names(tmp_path):
    classes = [
        "../up",
        "a b#[c]",
        "a_b__c_",
        "Riß µ",
        "..",
        "riß µ",
        "x" * 300,
        "x" * 301,
        "metadata.csv",
        "a\rb",
        "a\nb",
    ]
    classes += ["é", "e\u0301", "é" * 200, "", "a_b_2"]  # written with one character, and with two
    export(image_set(tmp_path / "set", RAMP8, "uint8", 0, 255, classes), tmp_path / "export", "tiff", SOURCE)
    table = pd.read_csv(tmp_path / "export" / "metadata.csv", keep_default_na=False)
    assert table["label"].tolist() == classes
    assert max(len(part.encode()) for name in table["file"] for part in name.split("/")) < 144  # of encrypted disks
    assert table["file"].is_unique
    files = {p.relative_to(tmp_path / "export").as_posix() for p in (tmp_path / "export").rglob("*.tif")}
    assert files == set(table["file"])
    safe = safe_names(classes).values()
    assert len({unicodedata.normalize("NFC", name).casefold() for name in safe}) == len(classes)


def test_files_of_an_earlier_export_are_gone(tmp_path):
    (tmp_path / "export" / "old").mkdir(parents=True)
    (tmp_path / "export" / "old" / "x.tif").touch()
    export(image_set(tmp_path / "set", RAMP8, "uint8", 0, 255), tmp_path / "export", "tiff", SOURCE)
    assert not (tmp_path / "export" / "old").exists()


@pytest.mark.parametrize("wish", ["tiff", "png"])
def test_threads_write_the_same_files(tmp_path, wish):
    images = image_set(tmp_path / "set", RAMP16, "uint16", 0, 65535, [f"c{i}" for i in range(9)])
    for threads in (1, 4):
        export(images, tmp_path / str(threads), wish, SOURCE, threads)
    one, four = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")} for n in "14")
    assert one == four
    assert len(one) == 10


def test_a_full_disk_ends_the_export_at_once(tmp_path, monkeypatch):
    tried = []

    def full(path, pixels, **options):
        tried.append(path)
        time.sleep(0.01)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    images = image_set(tmp_path / "set", RAMP8, "uint8", 0, 255, [f"c{i}" for i in range(200)])
    with pytest.raises(OSError, match="No space left on device"):
        export(images, tmp_path / "export", "tiff", SOURCE, 2)
    assert len(tried) < 200
    assert not (tmp_path / "export" / "metadata.csv").exists()
