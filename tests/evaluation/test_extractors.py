"""Whatever looks at images sees them one by one, and what is worse is farther: blurred, noisy, of fewer kinds,
repeated; and copies are nearest of all."""

import csv
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.evaluation.extractors import EXTRACTORS, extractors
from pipeline.evaluation.features import Extractor
from pipeline.evaluation.phases import Binarisation
from pipeline.metrics import distances
from pipeline.metrics.neighbours import neighbours
from pipeline.settings import Evaluate
from tests.evaluation.conftest import blobs, label_list, write_set

CUT = Binarisation(0.5, False, False, 0.0, None, "µm")


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_features_of_an_image_do_not_depend_on_its_neighbours(stand_in, tmp_path):
    real = write_set(tmp_path / "real", blobs(label_list(150), 0, size=32), label_list(150))
    found = extractors(Evaluate(weights=str(stand_in), class_feature_steps=2), real, CUT)
    assert found.keys() == EXTRACTORS.keys()
    images = blobs(label_list(270), 1, size=32)  # more than a batch
    for extractor in found.values():
        joined, alone = extractor.function(images, "test"), extractor.function(images[269:], "test")
        assert sum(joined.vector_blocks) == joined.vectors.shape[1]
        assert joined.vectors[269] == pytest.approx(alone.vectors[0], rel=1e-5, abs=1e-5)
        assert joined.grams[269] == pytest.approx(alone.grams[0], rel=1e-5)


# ---------------------------------------------------------------- what is worse is farther


@dataclass(frozen=True)
class Case:
    """Real training images, new real ones, and an extractor made for the former."""

    extractor: Extractor
    training: np.ndarray
    new: np.ndarray
    labels: np.ndarray
    """Of the new ones, and of as many training images, in their order."""

    @cached_property
    def known(self):
        return self.extractor.function(self.training, "test")

    @cached_property
    def seen(self):
        """Features by the bytes of an image: most are in several sets."""
        return dict(zip(map(bytes, self.training), self.known.vectors, strict=True))

    def space(self, images=None):
        """Features in the panel's units; of the training images without an argument."""
        images = self.training if images is None else images
        if new := {bytes(image): image for image in images if bytes(image) not in self.seen}:
            found = self.extractor.function(np.stack(list(new.values())), "test")
            self.seen.update(zip(new, found.vectors, strict=True))
        centre, scale = distances.block_scale(self.known.vectors, self.known.vector_blocks)
        return (np.stack([self.seen[bytes(image)] for image in images]).astype(np.float64) - centre) / scale

    def distances(self, images):
        """Fréchet and kernel distance to the training images."""
        x, y = self.space(images), self.space()
        return distances.frechet(x, y), distances.kid(x, y)

    def prdc(self, images):
        return distances.prdc(self.space(images), self.space())

    def nearest(self, images):
        return neighbours(self.space(images), self.space()).first


def as_labelled(images, labels, wanted):
    """Images of the wanted classes, in that order, none twice."""
    left = {name: list(np.flatnonzero(labels == name)) for name in set(wanted)}
    return images[[left[name].pop() for name in wanted]]


def made_images(root):
    labels = label_list(240)
    real = write_set(root / "made", blobs(labels, 6, size=32), labels)
    return real, blobs(labels[:120], 5, size=32), np.array(labels[:120])


def steel(root, folder):
    """Every third photograph, at 64 pixels; those of the file's own `val` are new."""
    images, labels, splits = [], [], []
    for name in ("train", "val"):
        with open(folder / "splits" / f"{name}.csv", newline="", encoding="utf-8") as file:
            for line in list(csv.DictReader(file))[::3]:
                with Image.open(folder / "IMAGES" / line["file"]) as picture:
                    small = picture.convert("L").resize((64, 64), Image.Resampling.BOX)
                images.append(np.asarray(small)[..., None])
                labels.append(line["class"])
                splits.append(name)
    images, labels, new = np.stack(images), np.array(labels), np.array(splits) == "val"
    real = write_set(root / "steel", images[~new], labels[~new].tolist())
    return real, images[new], labels[new]


@pytest.fixture(scope="module", params=["made", pytest.param("steel", marks=pytest.mark.slow)])
def images(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("extractors")
    if request.param == "made":
        return made_images(root)
    return steel(root, request.getfixturevalue("shared_data")("neu_det"))


@pytest.fixture(scope="module", params=["random", "classifier", "imagenet"])
def case(request, images):
    real, new, labels = images
    extractor = EXTRACTORS[request.param](Evaluate(class_feature_steps=60), real, CUT)
    training = as_labelled(np.asarray(real.images), real.metadata["label"].to_numpy(dtype=str), labels)
    return Case(extractor, training, new, labels)


def stored(images):
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8)


def assert_each_worse(case, sets):
    values = np.array([case.distances(s) for s in sets])
    if case.known.vectors.shape[1] > 40 * len(sets[0]):  # of ten images, the Fréchet distance in 472 features is bias
        values = values[:, 1:]
    assert (np.diff(values, axis=0) > 0).all(), values


def test_more_blur_is_farther(case):
    blurred = [stored(ndimage.gaussian_filter(case.new.astype(float), s, axes=(1, 2))) for s in (0.6, 1.2, 2.4)]
    assert_each_worse(case, [case.new, *blurred])


def test_more_noise_is_farther(case):
    noise = np.random.default_rng(0).standard_normal(case.new.shape)
    assert_each_worse(case, [case.new, *(stored(case.new + s * noise) for s in (10, 20, 40))])


def test_more_dropped_classes_are_farther_and_cover_less(case):
    """As many images each time, so that nothing but the classes changes."""
    classes, rng = sorted(set(case.labels)), np.random.default_rng(0)
    sets = []
    for kept in (len(classes), len(classes) - 1, 1):
        some = case.new[np.isin(case.labels, classes[:kept])]
        sets.append(some[rng.permutation(len(some))[: len(case.new) // len(classes)]])
    assert_each_worse(case, sets)
    whole, one = case.prdc(sets[0]), case.prdc(sets[-1])
    assert one["recall"] < whole["recall"]
    assert one["coverage"] < 0.8 * whole["coverage"]


def test_repeating_fewer_images_is_farther_and_covers_less(case):
    sets = [case.new[np.arange(len(case.new)) % count] for count in (len(case.new), len(case.new) // 4, 6)]
    frechet = [case.distances(s)[0] for s in sets]
    assert frechet[0] < frechet[1] < frechet[2]
    covered = [case.prdc(s)["coverage"] for s in sets]
    assert covered[0] > covered[1] > covered[2]
    assert covered[2] < 0.5 * covered[0]


def test_more_copies_of_training_images_are_nearer_and_found_by_their_distance(case):
    """A distance between sets cannot tell a copy from a good image: it falls. What tells is the nearest one's."""
    order, usual = np.random.default_rng(0).permutation(len(case.new)), np.median(case.nearest(case.new))
    frechet, copies, coverage = [], [], []
    for share in (0, 1 / 3, 2 / 3, 1):
        some, copied = case.new.copy(), order[: round(share * len(order))]
        some[copied] = case.training[copied]
        frechet.append(case.distances(some)[0])
        coverage.append(case.prdc(some)["coverage"])
        copies.append((case.nearest(some) < 1e-3 * usual).mean() - len(copied) / len(order))
    assert frechet[2] < frechet[0]  # a third of copies leaves it where chance has it
    assert frechet[3] == pytest.approx(0, abs=1e-6)
    assert coverage == sorted(coverage)
    assert coverage[-1] == 1
    assert copies == pytest.approx([0] * 4, abs=0.01)
