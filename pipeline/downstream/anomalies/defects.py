"""Defects that need no generator: pieces of good images pasted elsewhere, and real defects moved to other images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.downstream.boxes.poisson import blended
from pipeline.downstream.schedule import orientations, turned

AREA, ASPECT = (0.005, 0.1), (0.3, 3.3)  # of a pasted piece: share of the image, width over height (as CutPaste)
LENGTH, THICKNESS = (10 / 256, 25 / 256), (2 / 256, 16 / 256)  # of a scar, over the shorter side (as CutPaste)
TURN = np.pi / 4  # of a scar, to either side of upright
LIGHT = 0.1  # at most so much of the range is a pasted piece brighter or darker
RIM = 0.25  # of a defect's box that is moved with it on each side, and blended
TOUCHING = np.ones((3, 3), bool)


def pasted(good: NDArray, count: int, seed: int) -> tuple[NDArray, NDArray[np.bool_]]:
    """Good images (n, H, W, C) of unsigned integers with a rectangle of another one, somewhere else and lit otherwise
    (CutPaste, Li et al. 2021, section 2.1), and their masks (count, H, W)."""
    return _pasted(good, count, np.random.default_rng([seed, 0]), _rectangle)


def scarred(good: NDArray, count: int, seed: int) -> tuple[NDArray, NDArray[np.bool_]]:
    """As `pasted`, with a piece that is thin, long and turned (CutPaste-scar, the same, section 2.2)."""
    return _pasted(good, count, np.random.default_rng([seed, 2]), _scar)


def _pasted(
    good: NDArray, count: int, rng: np.random.Generator, shape: Callable[..., NDArray[np.bool_]]
) -> tuple[NDArray, NDArray[np.bool_]]:
    """`shape(rng, H, W)`: (h, w) bool, which pixels of its bounding box a piece covers."""
    top = np.iinfo(good.dtype).max
    height, width = good.shape[1:3]
    made, masks = np.empty((count, *good.shape[1:]), good.dtype), np.zeros((count, height, width), bool)
    for i in range(count):
        source, target = good[rng.integers(len(good), size=2)]
        piece = shape(rng, height, width)
        h, w = piece.shape
        (r, c), (y, x) = (_corner(rng, height - h, width - w) for _ in range(2))
        lit = source[r : r + h, c : c + w] + rng.uniform(-LIGHT, LIGHT) * top
        made[i] = target
        made[i, y : y + h, x : x + w][piece] = np.rint(lit).clip(0, top)[piece]
        masks[i, y : y + h, x : x + w] = piece
    return made, masks


def _rectangle(rng: np.random.Generator, height: int, width: int) -> NDArray[np.bool_]:
    area = np.exp(rng.uniform(*np.log(AREA))) * height * width
    aspect = np.exp(rng.uniform(*np.log(ASPECT)))
    size = int(np.clip((area / aspect) ** 0.5, 2, height)), int(np.clip((area * aspect) ** 0.5, 2, width))
    return np.ones(size, bool)


def _scar(rng: np.random.Generator, height: int, width: int) -> NDArray[np.bool_]:
    side = min(height, width)
    length, thick = side * rng.uniform(*LENGTH), max(1.0, side * rng.uniform(*THICKNESS))
    angle, reach = rng.uniform(-TURN, TURN), int(np.hypot(length, thick) / 2)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    return (abs(along) <= length / 2) & (abs(across) <= thick / 2)


def moved(
    good: NDArray, bad: NDArray, masks: NDArray[np.bool_], symmetry: str, count: int, seed: int
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Good images (n, H, W, C) of unsigned integers with a defect of a bad one, turned as the symmetry allows and
    blended in somewhere, and their masks (count, H, W); none where no defect can be moved.

    Args:
        bad: (b, H, W, C).
        masks: (b, H, W), where their defects are.
    """
    rng, top = np.random.default_rng([seed, 1]), np.iinfo(good.dtype).max
    height, width = good.shape[1:3]
    cut = [piece for image, mask in zip(bad, masks, strict=True) for piece in _pieces(image, mask)]
    ways = orientations(symmetry).tolist()
    fit = [(a, b) for a, b in cut if max(b.shape) < min(height, width) or (ways[-1] < 4 and b.shape < (height, width))]
    count = count if fit else 0
    made, found = np.empty((count, *good.shape[1:]), good.dtype), np.zeros((count, height, width), bool)
    for i in range(count):
        piece, mask = fit[rng.integers(len(fit))]
        view = int(rng.choice(ways))
        piece, mask = turned(piece[None], view)[0], turned(mask[None], view)[0]
        h, w = mask.shape
        y, x = _corner(rng, height - h, width - w)
        image = blended(good[rng.integers(len(good))].astype(float), piece.astype(float), y, x)
        made[i] = np.rint(image).clip(0, top)
        found[i, y : y + h, x : x + w] = mask
    return made, found


def _pieces(image: NDArray, mask: NDArray[np.bool_]) -> Sequence[tuple[NDArray, NDArray[np.bool_]]]:
    """Each connected defect with its rim: pixels and mask."""
    parts, _ = ndimage.label(mask, TOUCHING)
    return [_piece(image, parts == number, place) for number, place in enumerate(ndimage.find_objects(parts), 1)]


def _piece(image: NDArray, mask: NDArray[np.bool_], place: tuple[slice, slice]) -> tuple[NDArray, NDArray[np.bool_]]:
    wide = []
    for along, length in zip(place, mask.shape, strict=True):
        rim = max(2, round(RIM * (along.stop - along.start)))
        wide.append(slice(max(0, along.start - rim), min(length, along.stop + rim)))
    return image[wide[0], wide[1]], mask[wide[0], wide[1]]


def _corner(rng: np.random.Generator, down: int, across: int) -> tuple[int, int]:
    return int(rng.integers(down + 1)), int(rng.integers(across + 1))
