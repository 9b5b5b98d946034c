"""Films, read back by another program."""

import av
import numpy as np
import pytest
from PIL import Image

from pipeline.sampling.film import there_and_back, write_gif, write_mp4

GRAYS = [40, 90, 140, 190]


def pictures(mode="L", size=(33, 21)):
    return [Image.new(mode, size, (g,) * len(mode) if mode == "RGB" else g) for g in GRAYS]


def test_there_and_back_shows_each_end_once_a_round():
    assert there_and_back([1, 2, 3, 4]) == [1, 2, 3, 4, 3, 2]
    assert there_and_back([1, 2]) == [1, 2]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_gif(tmp_path, mode):
    write_gif(pictures(mode), tmp_path / "film.gif", fps=5)
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.info["loop"], film.info["duration"]) == (4, 0, 200)
        for i, gray in enumerate(GRAYS):
            film.seek(i)
            assert film.convert("L").getpixel((5, 5)) == gray


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_mp4_of_odd_size(tmp_path, mode):
    write_mp4(pictures(mode), tmp_path / "film.mp4", fps=5)
    with av.open(str(tmp_path / "film.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (34, 22, 5)
        assert stream.codec_context.name == "h264"
        frames = [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]
    assert np.abs([f[5, 5].mean() for f in frames] - np.array(GRAYS)).max() < 4
