"""A film there and back, as a GIF for pages and an MP4 for talks."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image


def there_and_back(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """The pictures, then again backwards without the two ends, so that a player that begins anew does not jump."""
    return [*pictures, *pictures[-2:0:-1]]


def write_gif(pictures: Sequence[Image.Image], path: Path, fps: int) -> None:
    """An animation without end. GIF counts hundredths of a second."""
    reduced = [p if p.mode == "L" else p.quantize(256, dither=Image.Dither.NONE) for p in pictures]
    duration = round(100 / fps) * 10
    reduced[0].save(path, format="GIF", save_all=True, append_images=reduced[1:], duration=duration, loop=0)


def write_mp4(pictures: Sequence[Image.Image], path: Path, fps: int) -> None:
    """H.264, which every browser and presentation plays; a white line is added where a side is odd, for it wants even
    ones."""
    width, height = (n + n % 2 for n in pictures[0].size)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(fps), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            canvas = Image.new("RGB", (width, height), "white")
            canvas.paste(picture)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(canvas), format="rgb24")))
        file.mux(stream.encode())
