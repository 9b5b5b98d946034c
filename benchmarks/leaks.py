"""Images of one scene in drawn sets: how many of them are found, and how many others are taken for one.

    python -m benchmarks.leaks                 # the table of sets
    python -m benchmarks.leaks --limits        # how far copies may be zoomed, turned, moved
    python -m benchmarks.leaks --times 1000 2000 4000
    python -m benchmarks.leaks --windows FILE.h5    # windows of one picture, `images` and their corners `source_yx`

A pair is found where both images are joined into one group, over others too.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.data.near_duplicates import correlate, groups, search

GRAY = NDArray[np.floating]
LIMITS = 30  # scenes of each step of a limit


class Shown(NamedTuple):
    """An image and the scene that it shows."""

    image: GRAY
    scene: int


def texture(seed, height: int, width: int, blur: float) -> GRAY:
    """Filtered noise of mean 128 and deviation 30."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), blur)
    return 128 + 30 * (field - field.mean()) / field.std()


def exposures(parts: int, noise: float = 5, each: int = 6) -> Iterator[Shown]:
    """Each part in other light, and cut by hand to a size of its own."""
    for part in range(parts):
        whole = texture(part, 150, 220, 1.5)
        for exposure in range(each):
            rng = np.random.default_rng([part, exposure])
            top, left, bottom, right = rng.integers(0, 14, 4)
            cut = whole[top : 150 - bottom, left : 220 - right]
            light = np.linspace(*rng.uniform(0.6, 1, 2), cut.shape[1]) * (0.5 + 0.1 * exposure)
            yield Shown(
                255 * (np.clip(cut, 0, 255) / 255) ** (0.7 + 0.1 * exposure) * light + rng.normal(0, noise, cut.shape),
                part,
            )


def part_in_a_fixture(
    seed, turned: bool = False, size: float = 0, jitter: int = 3, grain: float = 10, noise: float = 4, side: int = 128
) -> GRAY:
    """A ring with a hole, a notch and six slots; each with its own grain, gain and place within `jitter` pixels."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:side, :side] - side / 2 + rng.integers(-jitter, jitter + 1, (2, 1, 1))
    radius = np.hypot(rows, cols) * 128 / side / (1 + size * rng.normal())
    angle = np.arctan2(rows, cols) + (rng.uniform(0, 2 * np.pi) if turned else 0)
    part = np.select([radius < 20, radius < 24, radius < 48], [50.0, 215, 160], 40)
    part = np.where((radius > 30) & (radius < 40) & (np.cos(6 * angle) > 0.8), 75, part)
    part = np.where((radius > 42) & (radius < 48) & (np.cos(angle) > 0.97), 40, part)
    part = ndimage.gaussian_filter(part, 0.7) * (1 + 0.15 * rng.normal())
    return part + grain / 30 * (texture(rng, side, side, 1.3) - 128) + rng.normal(0, noise, part.shape)


def board(seed, noise: float = 4) -> GRAY:
    """A circuit board: structure everywhere, the same on each; its own grain."""
    rng, plan = np.random.default_rng(seed), np.random.default_rng(0)
    image = np.full((160, 160), 70.0)
    for _ in range(90):
        row, col, height, width = (*plan.integers(6, 150, 2), *plan.integers(2, 18, 2))
        image[row : row + height, col : col + width] = plan.uniform(30, 220)
    image = ndimage.shift(ndimage.gaussian_filter(image, 0.7), rng.integers(-3, 4, 2), mode="nearest")
    return (
        image * (1 + 0.1 * rng.normal()) + (texture(rng, 160, 160, 1.3) - 128) / 3 + rng.normal(0, noise, image.shape)
    )


def parts(count: int, draw: Callable[..., GRAY] = part_in_a_fixture, **kind) -> Iterator[Shown]:
    return (Shown(draw(seed, **kind), seed) for seed in range(count))


def exposed_parts(count: int) -> Iterator[Shown]:
    for seed in range(count):
        whole = part_in_a_fixture(seed, grain=20, noise=0)
        for exposure in range(4):
            rng = np.random.default_rng([seed, exposure])
            top, left, bottom, right = rng.integers(0, 6, 4)
            cut = whole[top : 128 - bottom, left : 128 - right]
            yield Shown((0.6 + 0.1 * exposure) * cut + rng.normal(0, 3, cut.shape), seed)


def places(count: int, blur: float) -> Iterator[Shown]:
    """Crops of one texture that share nothing."""
    rows = int(np.ceil(np.sqrt(count)))
    whole = texture(0, 128 * rows, 128 * rows, blur)
    for i in range(count):
        row, col = 128 * (i // rows), 128 * (i % rows)
        yield Shown(whole[row : row + 128, col : col + 128], i)


def weave(count: int) -> Iterator[Shown]:
    """A cloth of one period, which lies upon itself wherever it is cut."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        rows, cols = np.mgrid[:160, :160] + rng.uniform(0, 40, (2, 1, 1))
        cloth = 128 + 50 * np.sin(rows * 2 * np.pi / 14) * np.sin(cols * 2 * np.pi / 19)
        yield Shown(cloth + rng.normal(0, 10, cloth.shape), seed)


def marked(count: int, mark: Callable[[GRAY], GRAY]) -> Iterator[Shown]:
    return (Shown(mark(texture(seed, 256, 256, 2)), seed) for seed in range(count))


def scale_bar(image: GRAY) -> GRAY:
    image[236:241, 150:240] = 255
    image[215:230:2, 160:230:3] = 255
    image[6:18:2, 6:90:4] = 255
    return image


def dust(image: GRAY) -> GRAY:
    for row, col in np.random.default_rng(9).integers(4, 250, (60, 2)):
        image[row - 2 : row + 3, col - 2 : col + 3] -= 70
    return image


def altered(
    scenes: int,
    turn: float = 0,
    zoom: float = 1,
    shared: float = 1,
    noise: float = 4,
    side: int = 128,
    seed: int = 0,
    room: int = 4,
) -> Iterator[Shown]:
    """Two crops of each scene, the second turned (degrees), zoomed and moved to share this part of its area; the scene
    is `room` times as wide as they."""
    for scene in range(scenes):
        rng = np.random.default_rng([seed, scene])
        whole = texture(rng, room * side, room * side, 1.5)
        radians, middle = np.deg2rad(turn), np.full(2, room * side // 2)
        matrix = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]]) / zoom
        away = side * (1 - shared) * np.array([0, 1]) if shared > 0.5 else side * (1 - np.sqrt(shared))
        for m, move in ((np.eye(2), 0), (matrix, away)):
            offset = middle + move - m @ np.full(2, side / 2)
            crop = ndimage.affine_transform(whole, m, offset, (side, side), order=1)
            yield Shown(crop + rng.normal(0, noise, crop.shape), scene)


SETS: dict[str, Callable[[], Iterator[Shown]]] = {
    "exposures of 24 parts, six each, in 144 sizes": lambda: exposures(24),
    "the same, 200 parts": lambda: exposures(200),
    "the same, 24 parts, noise as strong as the darkest exposure's texture": lambda: exposures(24, noise=15),
    "copies turned by 15°": lambda: altered(100, turn=15),
    "copies zoomed by 1.23": lambda: altered(100, zoom=1.23),
    "exposures of 50 parts in one fixture": lambda: exposed_parts(50),
    "1 000 parts in one fixture": lambda: parts(1000),
    "the same, turned at random": lambda: parts(1000, turned=True),
    "the same, sizes scattered by 3 %": lambda: parts(1000, size=0.03, jitter=10),
    "the same, without grain": lambda: parts(1000, grain=0),
    "300 circuit boards": lambda: parts(300, board),
    "200 places of one texture": lambda: places(200, 1.5),
    "the same, smooth": lambda: places(200, 4),
    "100 cuts of a cloth": lambda: weave(100),
    "100 images with one scale bar": lambda: marked(100, scale_bar),
    "100 images with the same 60 specks of dust": lambda: marked(100, dust),
}


class Score(NamedTuple):
    images: int
    there: int
    """Pairs of images of one scene."""
    joined: int
    """Of these."""
    wrong: int
    """Pairs of two scenes that were said to show one."""
    seconds: float


def score(shown: Iterator[Shown]) -> Score:
    pictures, scenes = zip(*shown, strict=True)
    start = time.process_time()
    usual = correlate.usual_factor([picture.shape for picture in pictures])
    pairs = search.find([search.traits(picture, usual) for picture in pictures]).pairs
    seconds = time.process_time() - start
    links = [(pair.first, pair.second) for pair in pairs]
    own = np.unique(groups.joined([str(i) for i in range(len(scenes))], links), return_inverse=True)[1]
    scene = np.array(scenes)
    one, other = np.triu_indices(len(scene), 1)
    there = scene[one] == scene[other]
    wrong = sum(scene[i] != scene[j] for i, j in links)
    return Score(len(scene), int(there.sum()), int((there & (own[one] == own[other])).sum()), int(wrong), seconds)


def table() -> None:
    print(
        "| set | images | pairs there | joined | false | processor time |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    for name, draw in SETS.items():
        images, there, joined, wrong, seconds = score(draw())
        print(f"| {name} | {images} | {there} | {joined} | {wrong} | {seconds:.0f} s |", flush=True)


def limits() -> None:
    steps = {
        "turn": (5, 15, 45, 100),
        "zoom": (1.1, 1.3, 1.5, 1.75, 2, 2.5, 3),
        "shared": (0.5, 0.3, 0.2, 0.15, 0.1, 0.05),
        "side": (32, 40, 48, 64, 96),
        "noise": (10, 20, 30, 40),
    }
    for name, values in steps.items():
        found = [f"{value:g}: {score(altered(LIMITS, **{name: value})).joined / LIMITS:.0%}" for value in values]  # type: ignore[arg-type]
        print(f"{name}: {', '.join(found)}", flush=True)


def times(counts: list[int]) -> None:
    """Of sets of crops of 200 pixels, of which half are of a scene of their own and half share it with one other."""
    for n in counts:
        shared, alone = altered(n // 4, shared=0.5, side=200, room=2), altered(n // 2, side=200, seed=1, room=2)
        images, looking = [], 0.0
        for one in chain(shared, islice(alone, 0, None, 2)):
            start = time.process_time()
            images.append(search.traits(one.image, 1))
            looking += time.process_time() - start
        start = time.process_time()
        found = search.find(images)
        comparing = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{n} images: {looking:.0f} s to look, {comparing:.0f} s to compare (processor time); ", end="")
        print(f"{len(found.pairs)} pairs of {n // 4}, {found.looked_at} looked at, {peak:.1f} GB", flush=True)


def windows(path: str) -> None:
    """Pairs of windows that are found, by the share of their area that they have in common."""
    with h5py.File(path) as file:
        images, corners = file["images"][:], file["source_yx"][:].astype(int)
    side = np.array(images.shape[1:])
    found = search.find([search.traits(image, 1) for image in images]).pairs
    links = {(pair.first, pair.second) for pair in found}
    one, other = np.triu_indices(len(images), 1)
    shared = np.prod(np.maximum(side - np.abs(corners[one] - corners[other]), 0) / side, axis=1)
    hit = np.array([pair in links for pair in zip(one.tolist(), other.tolist(), strict=True)])
    for low, high in ((0.5, 1.01), (0.3, 0.5), (0.15, 0.3), (0, 0.15), (-1, 0)):
        some = (shared > low) & (shared <= high)
        print(f"sharing {max(low, 0):.0%} to {max(high, 0):.0%}: {some.sum()} pairs, {(hit & some).sum()} found")
    own = np.unique(groups.joined([str(i) for i in range(len(images))], links), return_inverse=True)[1]
    joined = (own[one] == own[other])[shared > correlate.OVERLAP]
    print(f"of {joined.size} pairs that share more than {correlate.OVERLAP:.0%}, {joined.sum()} in one group")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--times", type=int, nargs="+")
    parser.add_argument("--windows")
    given = parser.parse_args()
    if given.windows:
        windows(given.windows)
    elif given.times:
        times(given.times)
    elif given.limits:
        limits()
    else:
        table()


if __name__ == "__main__":
    main()
