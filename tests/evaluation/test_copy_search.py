"""A copy is found whatever was done to it, with its view and its shift, and a new image is none."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.base import symmetry
from pipeline.evaluation import copy_search
from pipeline.evaluation.copy_search import CERTAIN

SIDE = 64


def scene(seed, height=SIDE, width=SIDE):
    """(H, W) floats: filtered noise of mean 128 and standard deviation 30, a texture without features."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 1.5, mode="wrap")
    return 128 + 30 * field / field.std()


def stored(images):
    return np.rint(np.clip(np.stack(images), 0, 255)).astype(np.uint8)[..., None]


def found(made, real, scale=1):
    def details(images):
        return copy_search.details(images, np.arange(len(images)))

    return copy_search.Search(details(real), scale).matches(details(made))


@pytest.fixture(scope="module")
def real():
    return stored([scene(seed) for seed in range(60)])


def jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(stored([image])[0, ..., 0]).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), float)


def crop(image, down, right):
    """What a camera moved by so much sees: the rest of the image is another scene."""
    moved = scene(999)
    rows, cols = (slice(max(0, d), SIDE + min(0, d)) for d in (down, right))
    moved[rows, cols] = image[max(0, -down) : SIDE + min(0, -down), max(0, -right) : SIDE + min(0, -right)]
    return moved


rng = np.random.default_rng(5)
ALTERED = {
    "exact": (lambda image: image, (0, 0)),
    "contrast and brightness": (lambda image: 0.5 * image + 40, (0, 0)),
    "shading": (lambda image: image * np.linspace(0.6, 1.3, SIDE), (0, 0)),
    "mild noise": (lambda image: image + rng.normal(0, 8, image.shape), (0, 0)),
    "blur": (lambda image: ndimage.gaussian_filter(image, 1.0), (0, 0)),
    "JPEG": (lambda image: jpeg(image, 20), (0, 0)),
    "moved round": (lambda image: np.roll(image, (9, -14), (0, 1)), (9, -14)),
    "moved": (lambda image: crop(image, -12, 17), (-12, 17)),
    "moved, noise": (lambda image: crop(image, 7, 3) + rng.normal(0, 8, image.shape), (7, 3)),
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_copy_is_found_whatever_was_done_to_it(real, what):
    alter, shift = ALTERED[what]
    chosen = [3, 17, 42, 59]
    made = stored([alter(real[i, ..., 0].astype(float)) for i in chosen])
    like = found(made, real)
    assert like.real.tolist() == chosen
    assert like.view.tolist() == [0] * 4
    assert list(zip(like.down, like.right, strict=True)) == [shift] * 4
    assert (like.height >= CERTAIN).all()


# The corners a, b, c, d of an image, read row by row, where each view puts them; written by hand.
CORNERS = {
    "as it is": "ab cd",
    "flipped left to right": "ba dc",
    "flipped top to bottom": "cd ab",
    "turned by 180°": "dc ba",
    "flipped about the diagonal": "ac bd",
    "turned right": "ca db",
    "turned left": "bd ac",
    "flipped about the other diagonal": "db ca",
}


@pytest.mark.parametrize("name", CORNERS)
def test_views_are_what_they_are_called(name):
    corners = np.array([["a", "b"], ["c", "d"]])
    seen = symmetry.apply(corners, list(symmetry.VIEWS).index(name))
    assert " ".join("".join(row) for row in seen) == CORNERS[name]
    assert (symmetry.undo(seen, list(symmetry.VIEWS).index(name)) == corners).all()


@pytest.mark.parametrize("name", CORNERS)
def test_a_flipped_or_turned_and_moved_copy_is_found_and_shown_as_it_lies(real, name):
    """The training image laid as the record says is the synthetic one, pixel for pixel, where it covers it."""
    view = list(symmetry.VIEWS).index(name)
    made = stored([crop(symmetry.apply(real[8, ..., 0], view).astype(float), 6, -13)])
    like = found(made, real)
    assert (like.real[0], like.view[0], like.down[0], like.right[0]) == (8, view, 6, -13)
    laid = copy_search.laid(np.repeat(real[8], 3, axis=2), name, 6, -13)
    covered = laid[..., 3] == 1
    assert covered.sum() == (SIDE - 6) * (SIDE - 13)
    np.testing.assert_array_equal(laid[covered][:, 0], made[0, covered, 0])


def test_distance_is_that_of_the_details_both_show(real):
    """0 for a copy; sqrt(1 - sqrt(f)) for one of which a share f is left, and more for the details at the seam."""
    like = found(np.concatenate([real[:5], stored([crop(real[5, ..., 0].astype(float), 16, 0)])]), real)
    assert like.distance[:5] == pytest.approx(np.zeros(5), abs=1e-6)
    assert np.sqrt(1 - np.sqrt(46 / 62)) < like.distance[5] < 0.45  # without a line at each end


def test_new_images_of_the_same_texture_are_no_copies(real):
    new = stored([scene(seed) for seed in range(1000, 1200)])
    like = found(new, real)
    assert like.height.max() < 6
    assert like.distance.min() > 0.85


def test_images_that_are_not_square_are_not_turned(real):
    wide = stored([scene(seed, 40, 120) for seed in range(30)])
    made = np.stack([wide[4, ::-1], wide[9, :, ::-1], wide[11, ::-1, ::-1]])
    like = found(made, wide, scale=2)
    assert (like.real.tolist(), like.view.tolist()) == ([4, 9, 11], [2, 1, 3])
    assert like.distance == pytest.approx(np.zeros(3), abs=0.1)


def test_shifts_are_in_pixels_of_the_images():
    """Images of 130 pixels are compared at 43, three to one."""
    big = [scene(seed, 200, 200) for seed in range(20)]
    real, made = stored([b[20:150, 20:150] for b in big]), stored([big[6][5:135, 44:174]])
    like = found(made, real, scale=3)
    assert (like.real[0], like.view[0]) == (6, 0)
    assert (like.down[0], like.right[0]) == (15, -24)


def test_deep_and_coloured_images_are_compared_as_gray_ones_are(real):
    expected = found(real[10:13, ::-1], real)
    deep = found(real[10:13, ::-1].astype(np.uint16) * 257, real)
    coloured = found(np.repeat(real[10:13, ::-1], 3, axis=3), real)
    for other in (deep, coloured):
        assert other.real.tolist() == expected.real.tolist() == [10, 11, 12]
        assert other.distance == pytest.approx(expected.distance, abs=0.01)


def test_how_many_images_are_searched_at_a_time_changes_nothing(real):
    made = stored([scene(seed) for seed in range(2000, 2000 + copy_search.CHUNK + 3)])
    together = found(made, real)
    for i in (0, copy_search.CHUNK - 1, copy_search.CHUNK, copy_search.CHUNK + 2):
        alone = found(made[i : i + 1], real)
        assert alone.distance[0] == pytest.approx(together.distance[i], abs=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_few_training_images_suffice(real, count):
    like = found(real[:1, ::-1], real[:count])
    assert (like.real[0], like.view[0], like.down[0], like.right[0]) == (0, 2, 0, 0)


def test_images_that_show_nothing_are_nobodys_copies(real):
    flat = np.full((3, SIDE, SIDE, 1), 77, np.uint8)
    for made, training in ((flat, real), (real[:3], flat), (flat, flat)):
        like = found(made, training)
        assert like.distance.tolist() == [1, 1, 1]
        assert like.height.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (stored([scene(seed) for seed in range(10)]), CERTAIN),
        (stored([scene(seed, 10, 10) for seed in range(10)]), None),  # too few pixels
        (stored([np.tile(128 + 50 * np.sin(np.arange(SIDE) / 2), (SIDE, 1))] * 10), None),  # stripes lie on any others
        (np.zeros((10, SIDE, SIDE, 1), np.uint8), None),
    ],
    ids=["plain", "small", "stripes", "black"],
)
def test_a_copy_is_proven_only_where_images_have_enough_to_tell_them_by(images, expected):
    assert copy_search.proof_threshold(copy_search.details(images, np.arange(len(images)))) == expected


def test_the_bar_of_small_images_is_lower_and_above_chance():
    """White noise of 24 pixels reaches about 22 standard deviations upon itself, the root of the pixels without the
    ends, less what whitening leaves."""
    images = stored([128 + 30 * np.random.default_rng(seed).normal(size=(24, 24)) for seed in range(400)])
    details = copy_search.details(images, np.arange(400))
    bar = copy_search.proof_threshold(details)
    assert copy_search.LEAST <= bar < CERTAIN
    assert copy_search.Search(details[200:], 1).matches(details[:200]).height.max() < bar - 2
    assert copy_search.Search(details, 1).matches(details[:200, ::-1]).height.min() > bar


@pytest.mark.slow
def test_on_steel_copies_are_found_and_images_of_other_classes_are_none(shared_data):
    """NEU at 64 pixels. Images of one class against the training images of the five others: none can be a copy."""
    folder = shared_data("neu_det")
    table = pd.read_csv(folder / "splits" / "train.csv")
    images = [Image.open(folder / "IMAGES" / file).convert("L").resize((SIDE, SIDE), 4) for file in table["file"]]
    details = copy_search.details(stored([np.asarray(image, float) for image in images]), np.arange(len(images)))
    bar, classes = copy_search.proof_threshold(details[::14]), table["class"].to_numpy()
    assert bar == CERTAIN
    for label in np.unique(classes):
        mine = classes == label
        assert copy_search.Search(details[~mine], 1).matches(details[mine][::3]).height.max() < 0.75 * bar
    noise, chosen = np.random.default_rng(0), np.arange(0, len(images), 10)
    made = [np.asarray(images[i], float)[::-1].T + noise.normal(0, 5, (SIDE, SIDE)) for i in chosen]
    like = copy_search.Search(details, 1).matches(copy_search.details(stored(made), np.arange(len(made))))
    assert np.mean((like.real == chosen) & (like.height >= bar)) > 0.97
