"""Image sets to judge, made here: blobs of three sizes are three classes."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from pipeline.data.image_set import ImageSet
from pipeline.evaluation import copies, local_copies, nearest_file, panel
from tests import image_sets

CLASSES = {"coarse": 3.0, "fine": 0.8, "middle": 1.6}  # width of the blobs, pixels


def blobs(labels, seed, size=48, channels=1, dtype="uint8"):
    """(n, size, size, channels): patches of a width that the label says, contrast and brightness varying."""
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    images = np.empty((len(labels), size, size, channels), dtype)
    for i, label in enumerate(labels):
        noise = ndimage.gaussian_filter(rng.standard_normal((size, size)), CLASSES[label], mode="wrap")
        field = 0.5 + rng.normal(0, 0.03) + rng.uniform(0.1, 0.2) * np.tanh(3 * noise / noise.std())
        images[i] = np.rint(np.clip(field, 0, 1) * top)[..., None]
    return images


def write_set(path, images, labels, splits="train", classes=None, pixel_size=None, leaked=()):
    """An image set of these images, `leaked` the rows of those that are known to have a partner in training."""
    source = [f"{i}.png" for i in range(len(images))]
    columns = {"source": source, "group": [str(i) for i in range(len(images))]}
    meta = {"near_duplicates": {"leaked": [source[i] for i in leaked]}} if leaked else {}
    meta |= {"classes": sorted(set(labels)) if classes is None else classes, "pixel_size": pixel_size}
    ids = [f"{label}_{i:06d}" for i, label in enumerate(labels)]
    return ImageSet.open(image_sets.write(path, images, labels, splits, ids, columns, **meta))


def label_list(n):
    """n labels, the classes in turn."""
    names = list(CLASSES)
    return [names[i % len(names)] for i in range(n)]


@pytest.fixture(scope="session")
def real_set(tmp_path_factory):
    """Function (name, **kinds) -> folder with 90 training and 66 held-out images, made once for each name."""
    root, made = tmp_path_factory.mktemp("real"), {}

    def build(name="gray", **kinds):
        if name not in made:
            labels = label_list(156)
            splits = ["train"] * 90 + ["test"] * 66
            write_set(root / name, blobs(labels, 1, **kinds), labels, splits, pixel_size=0.5)
            made[name] = root / name
        return made[name]

    return build


@pytest.fixture(scope="module")
def no_pieces():
    """The searches for pieces of training images, two thirds of a panel's time, find none in all they are given."""
    nothing = SimpleNamespace(smallest=17, index=None, areas=lambda made: np.zeros(len(made)))
    none_equal = SimpleNamespace(known=None, areas=lambda images, rows: np.zeros(len(rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "_piecewise", lambda *_: nothing)
        patch.setattr(copies, "IdenticalPieces", lambda *_: none_equal)
        patch.setattr(nearest_file, "write", lambda *_: None)  # what finds none is no floor of other tests
        patch.setattr(nearest_file, "read", lambda *_: (None, None))
        yield


def once(function, key):
    """`function`, which is called once for all arguments of one key."""
    known = {}

    def call(*args):
        name = key(*args)
        if name not in known:
            known[name] = function(*args)
        return known[name]

    return call


@pytest.fixture(scope="module")
def few_pieced():
    """Of every set fifty images are looked at piece by piece, where a run looks at five hundred."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "PIECED", 50)
        yield


@pytest.fixture(scope="module")
def pieces_searched_once():
    """One search for pieces of the same training images, which looks at the same images, held-out ones above all, once:
    what it finds depends on nothing else."""
    search = local_copies.Search
    same = once(search, lambda real, groups, rng, _: (real.tobytes(), tuple(groups), str(rng.bit_generator.state)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "areas", once(search.areas, lambda one, made: (id(one), made.tobytes())))
        patch.setattr(local_copies, "Search", same)
        yield


@pytest.fixture
def no_figures(monkeypatch):
    """The panel with empty files in place of its figures, which take half of what is left of its time without the
    search for pieces."""
    for name in ("plot_psd", "plot_closest", "plot_samples"):
        monkeypatch.setattr(panel, name, lambda path, *_: path.touch())
