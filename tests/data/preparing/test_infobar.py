"""Information bars, painted and real."""

import numpy as np
import pytest
from PIL import Image

from pipeline.base.colour import to_gray
from pipeline.data.preparing.infobar import bar_rows
from pipeline.data.reading import readers


def grains(seed, shape=(480, 640)):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(120, 30, shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("height", [24, 60])
def test_a_painted_bar_is_measured_to_the_row(value, height):
    image = grains(0)
    image[-height:] = value
    image[-height + 5 : -5, 100:300:2] = 255 - value  # text
    assert bar_rows(image) == height


def test_a_rim_all_round_is_no_bar():
    image = grains(0)
    for side in (image[:30], image[-30:], image[:, :30], image[:, -30:]):
        side[...] = 0
    assert bar_rows(image) == 0
    image[:30] = grains(1)[:30]  # no rim above: a bar, and a margin at its sides
    assert bar_rows(image) == 30


def test_pictures_without_a_bar():
    assert bar_rows(grains(1)) == 0
    dark = grains(2)
    dark[dark < 110] = 0  # much of one value, but everywhere
    assert bar_rows(dark) == 0
    assert bar_rows(np.repeat(np.arange(480, dtype=np.uint16)[:, None], 640, axis=1)) == 0


# Rows from the bar's upper edge to the bottom, as the finder said once its finds had been looked at. A change of these
# is a change of behaviour; they are no measurement of its accuracy elsewhere.
REAL = {
    "UB19_14.tif": 91, "WF56_1_20.tif": 91, "WF67_1_06.tif": 91, "fei-sem-rbc.tif": 70,
    "test_tiff_Zeiss_SEM_1k.tif": 76, "test_tiff_Zeiss_SEM_512pix.tif": 33, "ADB1_28.tif": 0,
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_instruments(shared_data, dataset, name):
    path = shared_data("sem_infobar_tiff") / "images" / name
    frame = next(readers.frames(readers.headers(str(path), name, dataset()), dataset()))
    assert abs(bar_rows(to_gray(frame.pixels)[..., 0]) - REAL[name]) <= 3


def test_real_pictures_without_a_bar(shared_data):
    for name, pattern in (("neu_det", "IMAGES/*_1.jpg"), ("coating_sem_tiff", "images/*.tif")):
        for path in shared_data(name).glob(pattern):
            with Image.open(path) as image:
                assert bar_rows(np.asarray(image.convert("L"))) == 0, path.name
