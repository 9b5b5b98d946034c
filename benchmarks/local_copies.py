"""What `copied_area` sees: bent training images, quilts of their pieces, and new images, which it must not see.

    python -m benchmarks.local_copies --images 60
    python -m benchmarks.local_copies --images 60 --folder data/neu/IMAGES --tables data/neu/splits/train.csv \
        data/neu/splits/val.csv

Without a folder: Voronoi polycrystals, with noise and without. Tables have the columns file, class, group; groups drawn
by the seed are held out. `above` is the share of images whose area copied is above the mean of the new images.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.data.reading import voronoi
from pipeline.evaluation import local_copies
from pipeline.evaluation.identical_pieces import IdenticalPieces
from pipeline.settings import Voronoi

SIDE = 64
TRAINING = 1300
TRIED = 40  # pieces of which a quilt takes the one that fits best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60, help="of each kind; new ones: five times as many")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--tables", type=Path, nargs="+", default=[])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.folder:
        rows, images = photographs(given.folder, given.tables)
        held = held_out(rows["group"], 5 * given.images, given.seed)
        groups = rows["group"].to_numpy(str)
        table("held out", images[~held], groups[~held], images[held], given.images, given.seed)
        strangers(images, groups, rows["class"].to_numpy(str), held, given.seed)
        return
    for noise, grain in ((0.02, 11.0), (0.0, 14.0)):
        settings = [Voronoi(seed=2 * given.seed + i, noise=noise, grain_size=grain) for i in range(2)]
        training, new = polycrystals(settings[0], TRAINING), polycrystals(settings[1], 5 * given.images)
        print(f"polycrystals, noise {noise}, grains of {grain:.0f} pixels")
        table("new", training, np.arange(TRAINING), new, given.images, given.seed)


def polycrystals(settings: Voronoi, count: int) -> NDArray[np.uint8]:
    """(count, SIDE, SIDE), the classes in turn."""
    kinds = settings.classes
    return np.stack([voronoi.draw(settings, SIDE, kinds[i % len(kinds)], i // len(kinds)) for i in range(count)])


def photographs(folder: Path, tables: list[Path]) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Rows of the tables, and the images (n, SIDE, SIDE)."""
    rows = pd.concat([pd.read_csv(path) for path in tables], ignore_index=True)
    opened = (
        Image.open(folder / file).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX) for file in rows["file"]
    )
    return rows, np.stack([np.asarray(image) for image in opened])


def held_out(groups: pd.Series, images: int, seed: int) -> NDArray[np.bool_]:
    """(n,) true for whole groups, in random order, of so many images together at most."""
    sizes = groups.value_counts(sort=False).sample(frac=1, random_state=seed)
    return groups.isin(sizes.index[sizes.cumsum() <= images]).to_numpy()


def strangers(images: NDArray, groups: NDArray, classes: NDArray, held: NDArray, seed: int) -> None:
    """Held-out images of each class among training images of the others, which show none of it."""
    areas = []
    for name in np.unique(classes):
        others, own = ~held & (classes != name), held & (classes == name)
        areas.append(Both(images[others], groups[others], np.random.default_rng(seed)).areas(images[own]))
    area = np.concatenate(areas)
    print(f"| held out, training images of other classes | | area {area.mean():.4f}, in {np.mean(area > 0):.1%} |")


def table(what: str, training: NDArray, groups: NDArray, new: NDArray, images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = time.process_time()
    search = Both(training, groups, rng)
    built, start = time.process_time() - start, time.process_time()
    new = new[: 5 * images]
    usual = search.areas(new)
    spent = time.process_time() - start
    print(f"{len(training)} training images: {built:.1f} s of one core; {len(new)} images {spent:.1f} s; ", end="")
    print(f"threshold of proof {search.alike.proof_threshold:.0f} nats, smallest piece {search.alike.smallest} pixels")
    print(f"| {what} | | area {usual.mean():.4f}, in {np.mean(usual > 0):.1%} of the images |")
    for name, alter in kinds().items():
        area = search.areas(np.stack([alter(training, rng) for _ in range(images)]))
        above, low = np.mean(area > usual.mean()), np.percentile(area, 5)
        print(f"| {name} | above {above:.1%} | area {area.mean():.2f}, of 95 % at least {low:.2f} |", flush=True)


class Both:
    """Pieces that are alike and pieces that are identical, whichever are more, as an evaluation has it."""

    def __init__(self, training: NDArray[np.uint8], groups: NDArray, rng: np.random.Generator):
        self.alike = local_copies.Search(fine(training), groups, rng)
        self.same = IdenticalPieces(training[..., None], np.arange(len(training)), groups)

    def areas(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.maximum(self.alike.areas(fine(images)), self.same.areas(images[..., None], np.arange(len(images))))


def fine(images: NDArray[np.uint8]) -> NDArray[np.int8]:
    return local_copies.details(images[..., None], np.arange(len(images)))


def kinds() -> dict:
    """By name, functions (training images, rng) -> image."""
    made = {"training image": lambda training, rng: training[rng.integers(len(training))]}
    for most in (1, 2, 3, 4):
        made[f"bent by up to {most} pixels"] = lambda training, rng, m=most: any_bent(training, m, 8, 0, rng)
    made["bent by up to 4, twice as fast"] = lambda training, rng: any_bent(training, 4, 5, 0, rng)
    made["bent by up to 4, moved by 16"] = lambda training, rng: any_bent(training, 4, 8, 16, rng)
    for piece in (16, 24, 32):
        made[f"quilt of {piece} pixels"] = lambda training, rng, p=piece: quilt(training, p, rng)
    return made


def any_bent(training: NDArray, most: float, width: float, shift: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    return bent(training[rng.integers(len(training))], most, width, shift, rng)


def bent(image: NDArray, most: float, width: float, shift: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(h, w) moved by `shift` pixels in a random direction, and bent elastically: by white noise smoothed by a Gaussian
    of `width` pixels, whose longest displacement is `most` pixels (Simard et al. 2003)."""
    field = [ndimage.gaussian_filter(rng.standard_normal(image.shape), width) for _ in range(2)]
    field = np.stack(field) * (most / np.hypot(*field).max())
    angle = rng.uniform(0, 2 * np.pi)
    field += shift * np.array([np.sin(angle), np.cos(angle)])[:, None, None]
    places = np.mgrid[: image.shape[0], : image.shape[1]] + field
    return np.rint(ndimage.map_coordinates(image.astype(float), places, order=1, mode="reflect")).astype(np.uint8)


def quilt(training: NDArray, piece: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """An image of training images' pieces, each cut to the one before along the line of least difference (Efros and
    Freeman 2001)."""
    height, width = training.shape[1:]
    overlap = piece // 6
    made = np.full((height + piece, width + piece), np.nan)
    for row in range(0, height, piece - overlap):
        for col in range(0, width, piece - overlap):
            here = made[row : row + piece, col : col + piece]
            new = _fitting(training, here, rng)
            difference = np.nan_to_num(np.square(new - here))
            old = np.zeros(here.shape, bool)
            if col:
                old[:, :overlap] |= _before_the_cut(difference[:, :overlap])
            if row:
                old[:overlap] |= _before_the_cut(difference[:overlap].T).T
            made[row : row + piece, col : col + piece] = np.where(old & np.isfinite(here), here, new)
    return made[:height, :width].astype(np.uint8)


def _fitting(training: NDArray, here: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """Of some random pieces the one least unlike what is there."""
    piece = len(here)
    limits = np.array(training.shape) - (0, piece - 1, piece - 1)
    corners = zip(*(rng.integers(n, size=TRIED) for n in limits), strict=True)
    some = np.stack([training[i, r : r + piece, c : c + piece] for i, r, c in corners]).astype(float)
    return some[np.nansum(np.square(some - here), axis=(1, 2)).argmin()]


def _before_the_cut(difference: NDArray) -> NDArray[np.bool_]:
    """(h, w) true left of the path from top to bottom, a column aside a row at most, of the least sum."""
    cost = difference.copy()
    for row in range(1, len(cost)):
        cost[row] += ndimage.minimum_filter1d(cost[row - 1], 3, mode="nearest")
    at = int(cost[-1].argmin())
    path = [at]
    for row in range(len(cost) - 2, -1, -1):
        low = max(0, at - 1)
        at = low + int(cost[row, low : at + 2].argmin())
        path.append(at)
    return np.arange(cost.shape[1]) < np.array(path[::-1])[:, None]


if __name__ == "__main__":
    main()
