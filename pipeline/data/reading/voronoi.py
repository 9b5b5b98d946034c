"""Draws Voronoi polycrystals, intact and defective, into an HDF5 file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from scipy.spatial import cKDTree

from pipeline.base.files import whole
from pipeline.settings import Voronoi

KINDS = ("intact", "pores", "scratch", "coarse")  # their order seeds the images: never sort or change it
BOUNDARY = 0.12  # gray values in [0, 1]
GRAIN = 0.6
PORE = 0.02
SCRATCH = 0.98
NEIGHBOURS = 8  # seeds that may share a boundary with the nearest one at a pixel


def write(settings: Voronoi, size: int, path: Path) -> None:
    """Draw all images into `path`: `images` (N, size, size) uint8 and `labels` (N,) text, class after class.

    Image i of a class depends on the seed, the class and i alone. The file appears whole or not at all.
    """
    count = settings.images_per_class
    with whole(path) as part, h5py.File(part, "w") as file:
        shape = (count * len(settings.classes), size, size)
        images = file.create_dataset("images", shape, np.uint8, chunks=(min(64, count), size, size), compression="gzip")
        labels = [kind for kind in settings.classes for _ in range(count)]
        file.create_dataset("labels", data=labels, dtype=h5py.string_dtype())
        file.attrs["settings"] = settings.model_dump_json()
        for place, kind in enumerate(settings.classes):
            images[place * count : (place + 1) * count] = [draw(settings, size, kind, i) for i in range(count)]


def draw(settings: Voronoi, size: int, kind: str, index: int) -> np.ndarray:
    """(size, size) uint8: image `index` of a class."""
    rng = np.random.default_rng([settings.seed, KINDS.index(kind), index])
    grains, distance = polycrystal(settings, size, rng, coarse=kind == "coarse")
    gray = GRAIN + settings.contrast * (rng.random(grains.max() + 1) - 0.5)
    inside = np.clip(distance - settings.boundary_width / 2 + 0.5, 0, 1)  # one pixel wide: the edge is anti-aliased
    image = BOUNDARY + inside * (gray[grains] - BOUNDARY)
    if kind == "pores":
        image = _pores(image, settings, rng)
    elif kind == "scratch":
        image = _scratch(image, rng)
    image = image + settings.noise * rng.standard_normal(image.shape)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def polycrystal(
    settings: Voronoi, size: int, rng: np.random.Generator, coarse: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Grain number and distance in pixels to the nearest grain boundary, both (size, size).

    Seeds lie in coordinates squeezed along x by the square root of the elongation and stretched along y by the same,
    where cells are equiaxed and areas are those of the image. Between seeds p and q the boundary is the zero line of
    f(x) = (|x - q|² - |x - p|²) / 2, which is linear: the distance is f over the length of its gradient.
    """
    stretch = np.array([settings.elongation**-0.5, settings.elongation**0.5])  # x, y
    seeds = _seeds(settings.grain_size, size * stretch, rng)
    numbers = np.arange(len(seeds))
    if coarse:
        numbers = _merged(numbers, seeds, settings, size, stretch, rng)
    row, col = np.mgrid[:size, :size]
    points = np.stack([col + 0.5, row + 0.5], axis=-1).reshape(-1, 2) * stretch
    reach, near = cKDTree(seeds).query(points, k=min(NEIGHBOURS, len(seeds)))
    f = (reach[:, 1:] ** 2 - reach[:, :1] ** 2) / 2
    gradient = np.linalg.norm((seeds[near[:, 1:]] - seeds[near[:, :1]]) * stretch, axis=-1)
    same = numbers[near[:, 1:]] == numbers[near[:, :1]]
    distance = np.where(same, np.inf, f / gradient).min(axis=1)
    return numbers[near[:, 0]].reshape(size, size), distance.reshape(size, size)


def _seeds(grain_size: float, extent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 2) seeds with a grain's area π d² / 4 each, in the picture and a margin around it.

    Two steps of Lloyd's algorithm, on a cloud of points, take the slivers out of a Poisson-Voronoi pattern, which no
    metal has.
    """
    margin = 1.5 * grain_size
    low, high = np.full(2, -margin), extent + margin
    count = max(NEIGHBOURS, round(float(np.prod(high - low)) / (np.pi * grain_size**2 / 4)))
    seeds = rng.uniform(low, high, (count, 2))
    cloud = rng.uniform(low, high, (count * 30, 2))
    for _ in range(2):
        owner = cKDTree(seeds).query(cloud)[1]
        mass = np.maximum(np.bincount(owner, minlength=count), 1)
        centre = np.stack([np.bincount(owner, cloud[:, axis], count) for axis in range(2)], axis=1) / mass[:, None]
        seeds = np.where(np.bincount(owner, minlength=count)[:, None] > 0, centre, seeds)
    return seeds


def _merged(
    numbers: np.ndarray,
    seeds: np.ndarray,
    settings: Voronoi,
    size: int,
    stretch: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Grain numbers with all seeds around a point given one number: an abnormally large grain."""
    centre = rng.uniform(0.35, 0.65, 2) * size * stretch
    radius = min(1.7 * settings.grain_size, 0.36 * size)
    return np.where(np.linalg.norm(seeds - centre, axis=1) < radius, len(seeds), numbers)


def _pores(image: np.ndarray, settings: Voronoi, rng: np.random.Generator) -> np.ndarray:
    """Round black pores with the bright rim of an electron image, about one for each 1.5 grains."""
    size = len(image)
    row, col = np.mgrid[:size, :size] + 0.5
    for _ in range(max(3, round(size**2 / (1.5 * settings.grain_size**2)))):
        y, x = rng.uniform(0, size, 2)
        radius = max(1.3, settings.grain_size * rng.uniform(0.12, 0.26))
        distance = np.hypot(row - y, col - x) - radius
        image = np.maximum(image, 0.95 * np.clip(1 - np.abs(distance - 0.8), 0, 1))
        inside = np.clip(0.5 - distance, 0, 1)
        image = image + inside * (PORE - image)
    return image


def _scratch(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A straight bright groove with a dark flank, right across the picture."""
    size = len(image)
    row, col = np.mgrid[:size, :size] + 0.5
    angle = rng.uniform(0, np.pi)
    y, x = rng.uniform(0.3, 0.7, 2) * size
    across = (row - y) * np.cos(angle) - (col - x) * np.sin(angle)
    half = rng.uniform(0.9, 1.3) * max(1.0, size / 64)
    for value, offset, reach in ((0.03, 1.6 * half, half), (SCRATCH, 0.0, half)):
        cover = np.clip(reach - np.abs(across - offset) + 0.5, 0, 1)
        image = image + cover * (value - image)
    return image
