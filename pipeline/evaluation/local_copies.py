"""The share of an image's area that is pieces of training images: cut out, put together anew, or slightly deformed.

A whole image laid upon another (`copy_search`) finds neither a quilt of small pieces (Efros and Freeman 2001) nor an
image that was bent. Here patches are compared:

1. Of each image only details of a few pixels are kept, by a linear filter that reaches no farther: a piece keeps its
   details wherever it is put.
2. For patches on a grid, in every view, the most alike patches of all training images are looked up: principal
   components of patches, parted into cells, of which the nearest are searched.
3. Patches that name the same training image, view and shift, to within REACH, vote together. The best LOOKS of these
   are looked at: the patches of the whole grid are correlated with this training image at all shifts close by.
   The training image is then bent as the patches that agree are moved, and looked at again, which finds what a patch
   that is not bent itself does not lie on. Neighbours that agree, and whose shifts differ by at most one pixel, are
   joined: a deformation is such a slow change.
4. The *evidence* of what is joined is how unlikely so good a match is by chance, in nats. It proves a piece above a
   threshold that unrelated training images hardly reach upon one another.

The chance that n independent pixels correlate by r or more falls as (1 - r²)^(n/2) (Fisher 1915). A patch's n is its
number of pixels over the sum of its squared autocorrelation (Bartlett 1935); a straight edge lies on any other, so n is
reduced where all gradients run along one line (coherence of the structure tensor, Förstner and Gülch 1987).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.base import symmetry
from pipeline.base.colour import luminance
from pipeline.base.rows import blocks, gathered, greatest
from pipeline.data.near_duplicates import correlate
from pipeline.data.near_duplicates.correlate import STEPS
from pipeline.evaluation.copy_search import CHUNK, SIDE, box_sums, coherence

BROAD = 2.0  # standard deviation, in pixels, of the smoothing whose remainder are the details
END = slice(1, -1)  # smoothing mirrors an image at its ends; there, details are not those of a piece
PATCH = 11  # pixels of a side
STEP = 3  # pixels from patch to patch of a judged image; odd, so that a piece lies on every second pixel for some
EVERY = 2  # pixels from patch to patch of a training image
EVEN = 0.005  # of the mean variance, added to that of a patch: an even part is like nothing
SAMPLE = 20_000  # patches that components and cells are found from
COMPONENTS = 32
KNOWN = 1_000_000  # patches of training images that are kept, at random where there are more
TOLD = 6  # kept patches in the smallest piece whose place they surely tell
CELLS = 1024
ROUNDS = 4  # of k-means
CROWD = 64  # patches of a cell, or there are fewer cells
PROBES = 2  # cells searched for a patch
KEPT = 2  # training patches kept for a patch
LOOKS = 6  # training images, each in a view and at a shift, that an image is laid upon
REACH = 4  # pixels up and down, left and right, that shifts close by differ
ALIKE = 0.7  # correlation from which a patch is joined to its neighbours
EXACT = 0.998  # correlation of a copied patch: gray values are rounded
BENDS = 2  # times that a training image is bent as the patches that agree are moved, and looked at again
SMOOTH = 1.5  # standard deviation, in steps of the grid, of the mean of their shifts,
FAR = 10.0  # and how many of these it reaches beyond them
NEAR = 2  # pixels that shifts close by differ where a training image is bent
SHARE = 0.25  # of the patches over a pixel that are of a piece if it is: at a straight edge a row of them overhangs
PRICE = 4.5  # nats that a joined patch costs: it was laid at the best of (2 REACH + 1)² = 81 places, log 81 = 4.4
LEAST = 10.0  # nats from which joined patches may be a piece
UNRELATED = 48  # training images from which the threshold of proof is found: the lower quartile of what these reach,
MARGIN = 32.0  # and so many nats; the others may have copies that the groups do not name
BLOCK = 1024  # patches at a time


def details(images: NDArray, rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """(n, h, w) fine details of the images at some rows of (N, H, W, C), reduced to at most SIDE pixels.

    Whole numbers of mean square STEPS², cut at 127; all 0 for an image without details.
    """
    k = correlate.factor(images.shape[1:3], SIDE)
    chunks = (luminance(images[some]) for some in blocks(rows, CHUNK))
    return gathered((_fine(correlate.reduced(chunk, k)) for chunk in chunks), len(rows))


def _fine(gray: NDArray) -> NDArray[np.int8]:
    gray = gray.astype(np.float32)
    fine = (gray - correlate.smooth(gray, BROAD))[:, END, END]
    size = np.sqrt(np.square(fine).mean(axis=(1, 2), keepdims=True))
    bare = size <= 1e-5 * np.ptp(gray, axis=(1, 2), keepdims=True)  # rounding errors
    return np.clip(np.rint(STEPS * fine / np.where(bare, np.inf, size)), -127, 127).astype(np.int8)


def _patches(images: NDArray, step: int) -> NDArray:
    """(n, h, w) -> (n, a, b, PATCH, PATCH), from every `step`-th pixel."""
    return np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))[:, ::step, ::step]


def _centred(patches: NDArray) -> NDArray[np.float32]:
    """(..., PATCH, PATCH) -> (m, PATCH²) of mean 0 and norm 1, or less where a patch is even: products of two are
    correlations."""
    flat = patches.reshape(-1, PATCH**2).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.sqrt(np.square(flat).sum(axis=1, keepdims=True) + EVEN * STEPS**2 * PATCH**2)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


def freedom(patches: NDArray[np.float32]) -> NDArray[np.float64]:
    """(m, PATCH²) patches as `_centred` makes them -> (m,) their number of independent pixels; 0 for an even patch."""
    square = patches.reshape(-1, PATCH, PATCH)
    down, right = np.diff(square, axis=1)[:, :, :-1], np.diff(square, axis=2)[:, :-1]
    straight = coherence(*((x * y).sum(axis=(1, 2)) for x, y in ((down, down), (right, right), (down, right))))
    power = np.square(np.abs(fft.rfft2(square, (2 * PATCH, 2 * PATCH))))  # of which the autocorrelation is the inverse
    twice = np.r_[1.0, np.full(PATCH - 1, 2.0), 1.0].astype(np.float32)  # rfft2 leaves out what is conjugate
    energy = np.square(patches).sum(axis=1)
    squared = np.square(power).sum(axis=1) @ twice / (2 * PATCH) ** 2  # sum of its squares (Parseval)
    alone = energy**2 / np.maximum(squared, 1e-12)
    return np.where(energy > 0.5, PATCH**2 * (1 - straight) * alone, 0.0)


def evidence(correlation: NDArray | np.float64, independent: NDArray) -> NDArray:
    """(...) -log of the chance, in nats, that so many independent pixels correlate so well (Fisher 1915); 0 for a
    negative correlation.

    Args:
        correlation: (...) in [-1, 1].
        independent: (...) numbers of independent pixels, as `freedom` gives them.
    """
    return -0.5 * independent * np.log1p(-np.square(np.clip(correlation, 0, EXACT)))


class Search:
    """Finds pieces of training images.

    Some 50 ms an image and 6 s of one core for 1 300 training images of 64 × 64 pixels.

    Args:
        real: (m, h, w) of `details`; PATCH pixels a side at least.
        groups: (m,) images of one group may show one scene, and say nothing about chance.
        index: of an earlier search with the other arguments.
    """

    def __init__(self, real: NDArray[np.int8], groups: NDArray, rng: np.random.Generator, index: Index | None = None):
        self.real, self.shape = real, real.shape[1:]
        self.views = symmetry.possible(*self.shape)
        groups = groups if len(np.unique(groups)) > 1 else np.arange(len(real))
        self.group = np.unique(groups, return_inverse=True)[1]
        self._build(rng, index)
        self.rows, self.cols = (_covering(side) for side in self.shape)
        if index:
            self.proof_threshold, self.smallest = index.proof_threshold, index.smallest
        else:
            chosen = rng.permutation(len(real))[:UNRELATED]
            unrelated = self._pieces(real[chosen], self.group[chosen])
            reached = [max((found for found, _ in pieces), default=LEAST) for pieces in unrelated]
            self.proof_threshold = float(np.percentile(reached, 25)) + MARGIN
            self.smallest = self._smallest(real[chosen])

    @property
    def index(self) -> Index:
        return Index(self.components, self.cells, self.order, self.starts, self.proof_threshold, self.smallest)

    def areas(self, made: NDArray[np.int8]) -> NDArray[np.float64]:
        """(n,) in [0, 1], of each of the details (n, h, w): the share of its area that consists of pieces of training
        images."""
        return np.array([self._area(pieces) for chunk in blocks(made, CHUNK) for pieces in self._pieces(chunk)])

    def _area(self, pieces: list[tuple[float, NDArray]]) -> float:
        proven = [mask for found, mask in pieces if found >= self.proof_threshold]
        return float(np.logical_or.reduce(proven).mean()) if proven else 0.0

    def _smallest(self, real: NDArray[np.int8]) -> int:
        """Side in pixels of the smallest square whose copy mostly shows: what the details' filter and the grid leave of
        it holds a patch, and reaches the threshold of proof; and TOLD patches, where not all are kept."""
        told = evidence(np.array(EXACT), freedom(_centred(_patches(real, STEP)))) - PRICE
        density = float(np.median(np.maximum(told, 0))) / PATCH**2
        kept = len(self.known) / (len(self.real) * math.prod(self.places))
        side = max(PATCH, math.sqrt(self.proof_threshold / max(density, 1e-9)))
        if kept < 1:
            side = max(side, PATCH + STEP * (math.sqrt(TOLD / kept) - 1))
        return math.ceil(side + STEP - 1 + 2 * BROAD)

    # ------------------------------------------------------------ the training patches

    def _build(self, rng: np.random.Generator, index: Index | None) -> None:
        patches = _patches(self.real, EVERY)
        self.places = patches.shape[1:3]
        if index:
            self.components, self.cells, numbers = index.components, index.cells, np.sort(index.order)
        else:
            total = len(self.real) * math.prod(self.places)
            some = self._at(patches, np.sort(rng.integers(0, total, SAMPLE)))
            vectors = np.linalg.eigh(some.T @ some)[1][:, ::-1]
            self.components = np.ascontiguousarray(vectors[:, :COMPONENTS]).astype(np.float32)
            self.cells = _centres(_unit(some @ self.components), max(1, min(CELLS, total // CROWD)), rng)
            numbers = np.arange(total) if total <= KNOWN else np.sort(rng.choice(total, KNOWN, replace=False))
        known = np.empty((len(numbers), self.components.shape[1]), np.float32)  # in place: it is the largest by far
        for part, into in zip(blocks(numbers, BLOCK), blocks(known, BLOCK), strict=True):
            into[:] = _unit(self._at(patches, part) @ self.components)
        if index:
            order, self.starts = np.searchsorted(numbers, index.order), index.starts
        else:
            cell = np.concatenate([(part @ self.cells.T).argmax(axis=1) for part in blocks(known, BLOCK)])
            order = np.argsort(cell, kind="stable")
            self.starts = np.searchsorted(cell[order], np.arange(len(self.cells) + 1))
        for component in known.T:  # a column at a time, so that they are not there twice
            component[:] = component[order]
        self.order, self.known = numbers[order], known

    def _at(self, patches: NDArray, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m, PATCH²) some of the patches of all training images, `_centred`."""
        image, place = np.divmod(numbers, math.prod(self.places))
        return _centred(patches[image, *np.divmod(place, self.places[1])])

    def _nearest(self, wanted: NDArray[np.float32], own: NDArray | None) -> tuple[NDArray, NDArray]:
        """(m, k) likeness and number of the most alike training patch of each of the nearest cells.

        Args:
            wanted: (m, COMPONENTS) of norm 1.
            own: (m,) group whose images do not count; None where all do.
        """
        probes = min(PROBES, len(self.cells))
        cell = np.concatenate(
            [greatest(part @ self.cells.T, probes)[:, ::-1] for part in blocks(wanted, BLOCK)]
        ).ravel()
        order = np.argsort(cell, kind="stable")
        starts = np.searchsorted(cell[order], np.arange(len(self.cells) + 1))
        likeness, number = np.zeros(len(cell), np.float32), np.zeros(len(cell), np.int64)
        each = math.prod(self.places)
        for i in range(len(self.cells)):
            here = slice(*self.starts[i : i + 2])
            if here.start == here.stop:
                continue
            for some in blocks(order[starts[i] : starts[i + 1]], BLOCK):
                alike = wanted[some // probes] @ self.known[here].T
                if own is not None:
                    alike[own[some // probes, None] == self.group[self.order[here] // each]] = -1
                best = alike.argmax(axis=1)
                likeness[some], number[some] = alike[np.arange(len(some)), best], self.order[here][best]
        return likeness.reshape(-1, probes), number.reshape(-1, probes)

    # ------------------------------------------------------------ the pieces

    def _pieces(self, made: NDArray[np.int8], own: NDArray | None = None) -> list[list[tuple[float, NDArray]]]:
        """Of each image (n, h, w) evidence and place, a mask (h, w), of what may be a piece."""
        patches = _centred(_patches(made, STEP))
        independent = freedom(patches).reshape(len(made), len(self.rows), len(self.cols))
        each = independent[0].size
        votes = self._votes(patches, None if own is None else np.repeat(own, each), each)
        found = []
        for i, image in enumerate(made):
            mine = Votes(*(part[i * each : (i + 1) * each].ravel() for part in votes))
            weight = evidence(mine.likeness, np.repeat(independent[i].ravel(), mine.likeness.size // each))
            found.append(self._joined(image.astype(np.float32), _looks(mine, weight), independent[i]))
        return found

    def _votes(self, patches: NDArray[np.float32], own: NDArray | None, each: int) -> Votes:
        square, views = patches.reshape(-1, PATCH, PATCH), len(self.views)
        seen = (symmetry.apply(square, view).reshape(len(square), -1) @ self.components for view in self.views)
        wanted = gathered(map(_unit, seen), views * len(square))
        found = self._nearest(wanted, None if own is None else np.tile(own, views))
        likeness, number = (np.concatenate(part.reshape(views, len(square), -1), axis=1) for part in found)
        view = np.broadcast_to(np.repeat(self.views, likeness.shape[1] // len(self.views)), likeness.shape)
        best = np.argsort(-likeness, axis=1, kind="stable")[:, :KEPT]
        likeness, number, view = (np.take_along_axis(a, best, axis=1) for a in (likeness, number, view))
        real, place = np.divmod(number, math.prod(self.places))
        down, right = self._unseen(view, *(EVERY * at for at in np.divmod(place, self.places[1])))
        row, col = (at[:, None] for at in np.divmod(np.arange(len(patches)) % each, len(self.cols)))
        return Votes(likeness, real, view, down - STEP * row, right - STEP * col)

    def _unseen(self, view: NDArray, row: NDArray, col: NDArray) -> tuple[NDArray, NDArray]:
        """Corners of patches of training images -> the same in the training image that is turned back from its view."""
        transposed, rows, cols = np.moveaxis(np.array(list(symmetry.VIEWS.values()))[view], -1, 0)
        row = np.where(rows, self.shape[0] - PATCH - row, row)
        col = np.where(cols, self.shape[1] - PATCH - col, col)
        return np.where(transposed, col, row), np.where(transposed, row, col)

    def _joined(
        self, image: NDArray[np.float32], looks: list[Look], independent: NDArray
    ) -> list[tuple[float, NDArray]]:
        """Evidence and mask of patches of an image (h, w) that agree with a training image, joined."""
        if not looks:
            return []
        moments = [self._on_grid(of, 1) for of in _moments(image)]
        matches = [self._matched(image, moments, independent, look) for look in looks]
        correlation, down, right = (np.stack(parts) for parts in zip(*matches, strict=True))
        gain = evidence(correlation, independent) - PRICE
        member = _components((correlation >= ALIKE) & (gain > 0), down, right)
        told = np.bincount(member[member >= 0], gain[member >= 0])
        possible = self.rows.sum(axis=0)[:, None] * self.cols.sum(axis=0)
        pieces = []
        for piece in np.flatnonzero(told >= LEAST):
            look = int(np.argmax((member == piece).any(axis=(1, 2))))
            inside = (member[look] == piece).astype(np.float32)
            cover = self.rows.T @ inside @ self.cols
            density = (self.rows.T @ (inside * gain[look]) @ self.cols) / np.maximum(cover, 1) / PATCH**2
            pieces.append((float(density.sum()), cover > SHARE * possible))
        return pieces

    def _matched(self, image: NDArray[np.float32], moments: list[NDArray], independent: NDArray, look: Look) -> Match:
        """Where the patches of an image (h, w) lie best on a training image, bent as those that agree are moved."""
        scene = symmetry.undo(self.real[look.real], look.view).astype(np.float32)
        still = np.zeros(independent.shape)
        match = self._laid(image, moments, scene, look, still, still, REACH)
        for _ in range(BENDS):
            weight = np.where(match.correlation >= ALIKE, evidence(match.correlation, independent) - PRICE, 0).clip(0)
            if weight.sum() < LEAST:
                break
            down, right = _smooth(match, weight)
            bent = self._laid(image, moments, scene, look, down, right, NEAR)
            better = bent.correlation > match.correlation
            match = Match(*(np.where(better, new, old) for new, old in zip(bent, match, strict=True)))
        return match

    def _laid(
        self,
        image: NDArray[np.float32],
        moments: list[NDArray],
        scene: NDArray[np.float32],
        look: Look,
        down: NDArray,
        right: NDArray,
        reach: int,
    ) -> Match:
        """The best match of the patches of an image (h, w) with a scene (h, w) at a look that is bent by further shifts
        (a, b): over all shifts to within `reach` of these."""
        around, inside = _around(scene, look, down, right, reach)
        shifts = 2 * reach + 1
        moved = np.lib.stride_tricks.sliding_window_view(around, self.shape)
        products = self.rows @ (moved * image) @ self.cols.T
        (sums, spread), (own, mine) = (self._on_grid(of, shifts) for of in _moments(around)), moments
        correlation = (products - sums * own / PATCH**2) / np.sqrt(spread * mine)
        correlation = np.where(self._on_grid(inside, shifts), correlation, -1).reshape(-1, *down.shape)
        place = correlation.argmax(axis=0)
        rest = np.divmod(place, shifts)
        best = np.take_along_axis(correlation, place[None], axis=0)[0]
        return Match(best, down + rest[0] - reach, right + rest[1] - reach)

    def _on_grid(self, of: NDArray, shifts: int) -> NDArray:
        """What patches at all places have -> (shifts, shifts, a, b): those of the grid, moved down and right."""
        grid = STEP * (len(self.rows) - 1) + 1, STEP * (len(self.cols) - 1) + 1
        windows = np.lib.stride_tricks.sliding_window_view(of, grid)
        return windows[:shifts, :shifts, ::STEP, ::STEP]


class Index(NamedTuple):
    """What takes a `Search` long to find out of its training images."""

    components: NDArray[np.float32]
    cells: NDArray[np.float32]
    order: NDArray[np.int64]
    """Numbers of the patches that are kept, cell by cell."""
    starts: NDArray[np.int64]
    """Where the cells begin in it."""
    proof_threshold: float
    smallest: int


class Votes(NamedTuple):
    """Of patches the most alike training patches, (m, KEPT) each: how alike, which training image, in which view, and
    the shift (down, right) from the place of the one in its image to that of the other in its image, turned back."""

    likeness: NDArray
    real: NDArray
    view: NDArray
    down: NDArray
    right: NDArray


class Look(NamedTuple):
    """A training image, in a view and at a shift."""

    real: int
    view: int
    down: int
    right: int


class Match(NamedTuple):
    """Of the patches of the grid (a, b): their correlation with a training image, -1 where they leave it, and the
    shift from the look's, in pixels, at which it is that."""

    correlation: NDArray
    down: NDArray
    right: NDArray


def _looks(votes: Votes, weight: NDArray) -> list[Look]:
    """What most of the votes of one image are for, the best first."""
    scene = len(symmetry.VIEWS) * votes.real + votes.view
    one, other = np.nonzero(scene[:, None] == scene)
    close = np.logical_and(*(np.abs(shift[one] - shift[other]) <= REACH for shift in (votes.down, votes.right)))
    one, other = one[close], other[close]
    score = np.bincount(one, weight[other], len(weight))
    looks = []
    for _ in range(LOOKS):
        best = int(score.argmax())
        if score[best] <= 0:
            break
        looks.append(Look(*(int(part[best]) for part in votes[1:])))
        score[other[one == best]] = 0
    return looks


def _components(member: NDArray[np.bool_], down: NDArray, right: NDArray) -> NDArray[np.int64]:
    """(n, a, b) number of the component of each place of n grids, -1 outside: members side by side whose shifts
    differ by at most one pixel are joined."""
    number = np.arange(member.size).reshape(member.shape)
    links = []
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[..., 1:], np.s_[..., :-1])):
        slow = (np.abs(down[one] - down[other]) <= 1) & (np.abs(right[one] - right[other]) <= 1)
        joined = member[one] & member[other] & slow
        links.append(np.stack([number[one][joined], number[other][joined]]))
    first, second = np.concatenate(links, axis=1)
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(member.size, member.size))
    return np.where(member, connected_components(graph, directed=False)[1].reshape(member.shape), -1)


def _smooth(match: Match, weight: NDArray) -> NDArray[np.float64]:
    """(2, a, b) shifts of patches down and right, each the mean of those around it, by their weights."""
    sums = np.stack([weight * match.down, weight * match.right, weight])
    *total, weights = ndimage.gaussian_filter(sums, SMOOTH, mode="constant", truncate=FAR, axes=(1, 2))
    return np.stack(total) / np.maximum(weights, np.finfo(float).tiny)


def _around(
    scene: NDArray[np.float32], look: Look, down: NDArray, right: NDArray, reach: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What lies `reach` pixels around an image moved over a scene (h, w), 0 outside the scene; and at which places a
    patch lies inside. Moved by the shift of a look and those of the patches of the grid, (a, b), in pixels."""
    height, width = scene.shape
    row, col = np.ogrid[look.down - reach : look.down + height + reach, look.right - reach : look.right + width + reach]
    if down.any() or right.any():
        patch = np.broadcast_arrays((row - look.down - PATCH // 2) / STEP, (col - look.right - PATCH // 2) / STEP)
        row, col = (
            at + ndimage.map_coordinates(shift, patch, order=1, mode="nearest")
            for at, shift in ((row, down), (col, right))
        )
        around = ndimage.map_coordinates(scene, [row, col], order=1, mode="constant")
        seen = (row >= 0) & (row <= height - 1) & (col >= 0) & (col <= width - 1)
    else:  # by whole pixels
        rows, cols = (row >= 0) & (row < height), (col >= 0) & (col < width)
        seen = rows & cols
        around = np.zeros(seen.shape, scene.dtype)
        around[seen] = scene[row[rows][:, None], col[cols]].ravel()
    whole = seen
    for axis in (0, 1):
        whole = np.lib.stride_tricks.sliding_window_view(whole, PATCH, axis=axis).all(axis=-1)
    return around, whole


def _moments(image: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Of the patches at all places of an image (h, w) their sums, and sums of squared deviations from the mean with
    that of an even patch added."""
    total, squares = box_sums(np.stack([image, image**2]), PATCH)
    return total, squares - total**2 / PATCH**2 + EVEN * STEPS**2 * PATCH**2


def _covering(side: int) -> NDArray[np.float32]:
    """(patches, side): 1 where a patch of the grid covers a pixel."""
    start, pixel = np.arange(0, side - PATCH + 1, STEP)[:, None], np.arange(side)
    return ((pixel >= start) & (pixel < start + PATCH)).astype(np.float32)


def _centres(vectors: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(count, d) of norm 1: centres of cells of vectors (m, d) of norm 1, by k-means on the sphere (Dhillon and Modha
    2001)."""
    centres = vectors[rng.permutation(len(vectors))[:count]]
    for _ in range(ROUNDS):
        nearest = np.concatenate([(part @ centres.T).argmax(axis=1) for part in blocks(vectors, BLOCK)])
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, vectors)
        centres = np.where(np.any(sums, axis=1, keepdims=True), _unit(sums), centres)
    return centres
