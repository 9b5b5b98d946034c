"""Strip files: their type, values and size, whatever the blocks they were drawn in; read back by tifffile."""

import json
import tracemalloc

import numpy as np
import pytest
import tifffile
import torch

from pipeline import models
from pipeline.sampling import strips
from pipeline.sampling.seams import gradient_energy, ratio_by_place
from pipeline.sampling.strips import StripFile, write_strip
from pipeline.settings import STRIPS, ImageSpec
from tests.models.tiny import spec, tiny_settings
from tests.sampling.fakes import QUICK, SOURCE, SPEC, Endless


def meta(dtype="uint8", low=0.0, high=255.0):
    return {"dtype": dtype, "scaling": {"rule": "fixed", "low": low, "high": high}, "pixel_size": 0.5, "unit": "µm"}


def write(tmp_path, block, width, values=None, of=SPEC, seed=7):
    path = tmp_path / f"{block}.tif"
    facts, preview = write_strip(Endless(block, of), of, 1, seed, width, values or meta(), path, SOURCE)
    return tifffile.imread(path), facts, preview


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "low", "high", "step"),
    [("uint8", 0, 255, 1), ("uint16", 0, 65535, 1), ("uint16", 100, 4195, 1), ("float32", -2.5, 7.5, 2e-4)],
)
def test_type_and_range_of_the_source(tmp_path, channels, dtype, low, high, step):
    of = ImageSpec(4, 4, channels, ("a", "b"))
    pixels, facts, _ = write(tmp_path, 7, 30, meta(dtype, low, high), of)
    drawn = Endless(1, of).columns(1, 7, torch.arange(30)).permute(1, 2, 0).double().numpy()
    expected = low + (drawn + 1) / 2 * (high - low)
    assert pixels.dtype == dtype == facts["dtype"]
    assert pixels.shape == ((4, 30, 3) if channels == 3 else (4, 30))
    assert np.abs(pixels.reshape(4, 30, channels) - expected).max() <= step


def test_true_and_false_become_white_and_black(tmp_path):
    pixels, *_ = write(tmp_path, 5, 20, meta("bool", 0, 1))
    drawn = Endless(1).columns(1, 7, torch.arange(20))[0].numpy()
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.where(drawn > 0, 255, 0))


@pytest.mark.parametrize("block", [1, 4, 7, 50])
def test_blocks_leave_no_trace(tmp_path, block):
    whole, facts, preview = write(tmp_path, 49, 49)
    parts, their_facts, their_preview = write(tmp_path, block, 49)
    assert np.array_equal(whole, parts)
    assert np.array_equal(preview, their_preview)
    assert facts["seam_ratio"] == pytest.approx(their_facts["seam_ratio"])
    assert not np.array_equal(whole, write(tmp_path, 49, 49, seed=8)[0])


def test_what_is_known_stands_beside_the_strip(tmp_path):
    pixels, facts, preview = write(tmp_path, 6, 40)
    assert json.loads((tmp_path / "6.json").read_text(encoding="utf-8")) == facts
    assert facts["seam_ratio"] == pytest.approx(ratio_by_place(gradient_energy(pixels), 4, 1)[0])
    assert (facts["width"], facts["height"], facts["seed"], facts["class"]) == (40, 4, 7, "b")
    assert preview.shape == (4, 40, 1)


@pytest.mark.parametrize(("block", "width"), [(3, 7), (4, 4)])
def test_no_ratio_of_a_strip_without_borders(tmp_path, block, width):
    assert write(tmp_path, block, width)[1]["seam_ratio"] is None


def test_pixel_size_and_no_compression(tmp_path):
    write(tmp_path, 6, 40)
    with tifffile.TiffFile(tmp_path / "6.tif") as file:
        page = file.pages[0]
        assert (page.compression, page.tags["ResolutionUnit"].value) == (1, 3)
        above, below = page.tags["XResolution"].value
        assert b"trainedAlgorithmicMedia" in bytes(page.tags[700].value)  # XMP
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
    assert above / below == pytest.approx(20000)  # 0.5 µm a pixel


def test_too_few_or_too_many_columns_are_an_error(tmp_path):
    class Short(Endless):
        def strip(self, label, seed, width):
            yield from super().strip(label, seed, width - 1)

    with pytest.raises(ValueError, match="29 columns were drawn, not 30"):
        write_strip(Short(8), SPEC, 0, 0, 30, meta(), tmp_path / "x.tif", SOURCE)
    file = StripFile(tmp_path / "y.tif", SPEC, 5, meta(), SOURCE, 0)
    file.add(np.zeros((4, 3, 1), np.uint8))
    with pytest.raises(ValueError, match="a block of 3 columns at 3 of 5"):
        file.add(np.zeros((4, 3, 1), np.uint8))


def test_memory_does_not_grow_with_the_width(tmp_path):
    """Only some numbers a column are kept: 80 000 more columns of 64 rows are 5 MB as bytes, 20 MB as floats."""
    of = ImageSpec(64, 64, 1, ("a", "b"))
    peaks = []
    for width in (20_000, 100_000):
        tracemalloc.start()
        write_strip(Endless(512, of), of, 0, 0, width, meta(), tmp_path / "long.tif", SOURCE)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 80_000 * 64 / 2
    assert (tmp_path / "long.tif").stat().st_size > 6_400_000


def test_previews_are_wide_enough_to_see_and_no_wider():
    low = np.zeros((32, 512, 1), np.uint8)
    high = np.zeros((256, 2048, 3), np.uint16)
    assert strips.preview_rows(low).shape == (64, 1024, 1)
    assert strips.preview_rows(high).shape == (128, 1024, 3)
    assert strips.preview_rows(np.zeros((32, 96, 1), np.uint8)).shape == (128, 384, 1)
    assert strips.preview_rows(np.zeros((512, 1000, 1), np.uint8)).shape == (512, 1000, 1)


@pytest.mark.parametrize("family", sorted(STRIPS))
def test_nothing_happens_where_training_images_would_meet(tmp_path, family):
    """Untrained networks draw the lattice of their own upsampling: the borders may not stand out from other columns."""
    torch.manual_seed(0)
    of = spec()
    model = models.build(tiny_settings(family, **QUICK.get(family, {})), of)
    facts, _ = write_strip(model, of, 1, 3, 2048, meta("uint16", 0, 65535), tmp_path / "strip.tif", SOURCE)
    pixels = tifffile.imread(tmp_path / "strip.tif")
    assert pixels.shape == (16, 2048)
    assert pixels.std() > 100
    ratios = ratio_by_place(gradient_energy(pixels), 16, facts["grid"])
    assert 0.9 * ratios[1:].min() < ratios[0] < 1.1 * ratios[1:].max()
    assert facts["seam_ratio"] == pytest.approx(ratios[0])
