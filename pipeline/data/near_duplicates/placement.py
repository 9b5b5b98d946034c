"""How one image lies upon another: flipped or not, turned, zoomed and shifted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Placement(NamedTuple):
    """Takes places of the second image to those of the first, both as row + i column: z to a z + b, or to a conj(z) + b
    where the second is mirrored left to right."""

    a: complex
    """|a| is the zoom, its phase the turn from down the columns to along the rows."""
    b: complex
    mirrored: bool = False

    def __call__(self, places: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        return self.a * (places.conj() if self.mirrored else places) + self.b

    def inverse(self) -> Placement:
        """Takes places of the first to those of the second."""
        if self.mirrored:  # z = a conj(w) + b, so w = conj((z - b) / a)
            return Placement(1 / self.a.conjugate(), -(self.b / self.a).conjugate(), True)
        return Placement(1 / self.a, -self.b / self.a)

    def scaled(self, first: int, second: int) -> Placement:
        """The same in the pixels of images that were reduced, by means of whole squares, by these factors."""
        a, half = self.a * first / second, 0.5 + 0.5j
        place = -half.conjugate() if self.mirrored else -half  # of the outermost corner of the second's first pixel
        corner = first * (self.a * place + self.b + half)
        return Placement(a, corner - (a * place + half), self.mirrored)

    def laid(self, second: NDArray, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The second image (h, w) in the frame (H, W) of the first, between pixels linearly, and where it is."""
        back = self.inverse()
        if back.a == 1 and not back.mirrored and back.b == complex(round(back.b.real), round(back.b.imag)):
            return _shifted(second, shape, round(back.b.real), round(back.b.imag))
        rows, cols = np.arange(shape[0])[:, None], np.arange(shape[1])
        sign = -1 if back.mirrored else 1
        down = np.float32(back.a.real) * rows - np.float32(sign * back.a.imag) * cols + np.float32(back.b.real)
        right = np.float32(back.a.imag) * rows + np.float32(sign * back.a.real) * cols + np.float32(back.b.imag)
        there = (down >= 0) & (down <= second.shape[0] - 1) & (right >= 0) & (right <= second.shape[1] - 1)
        r = np.clip(down.astype(np.int64), 0, second.shape[0] - 2)
        c = np.clip(right.astype(np.int64), 0, second.shape[1] - 2)
        down, right = down - r, right - c
        flat = second.reshape(-1).astype(np.float32)
        at = r * second.shape[1] + c
        upper = flat[at] + right * (flat[at + 1] - flat[at])
        at = at + second.shape[1]
        lower = flat[at] + right * (flat[at + 1] - flat[at])
        return np.where(there, upper + down * (lower - upper), 0).astype(np.float32), there


def _shifted(second: NDArray, shape: tuple[int, ...], down: int, right: int) -> tuple[NDArray, NDArray[np.bool_]]:
    laid, there = np.zeros(shape, np.float32), np.zeros(shape, bool)
    rows, cols = (
        slice(min(side, max(0, -by)), max(0, min(side, own - by)))
        for by, side, own in zip((down, right), shape, second.shape, strict=True)
    )
    there[rows, cols] = True
    laid[rows, cols] = second[rows.start + down : rows.stop + down, cols.start + right : cols.stop + right]
    return laid, there
