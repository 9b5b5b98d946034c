"""Class agreement says yes where the images of a class are of it, and no where they are of another."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.evaluation.class_agreement import class_agreement
from pipeline.evaluation.extractors import _photographs
from pipeline.evaluation.sample import Sample
from pipeline.metrics.intervals import draw
from tests.evaluation.conftest import CLASSES, blobs, label_list


@pytest.fixture(scope="module")
def reference():
    labels = label_list(60)
    return sample(blobs(labels, 1, size=32), labels)


def sample(images, labels):
    return Sample.of_array(images, np.array(labels), {"imagenet": _photographs()}, "blobs")


def agreement(candidate, reference):
    """By class, None for all."""
    context = SimpleNamespace(reference=reference, extractors=reference.features)
    n = min(len(candidate), len(reference))
    draws = draw(candidate.labels, reference.labels, n, 4, 20, 0)
    found = list(class_agreement(candidate, context, n, draws))
    assert not [text for text in found if isinstance(text, str)]
    return {row["class"]: row for row in found}


def test_new_images_of_the_classes_are_taken_for_them(reference):
    labels = label_list(45)
    found = agreement(sample(blobs(labels, 2, size=32), labels), reference)
    assert set(found) == {None, *CLASSES}
    assert found[None]["value"] > 0.95
    assert found[None]["low"] > 0.8


def test_a_class_that_shows_another_is_told_and_the_others_are_not_blamed(reference):
    shown = label_list(45)
    called = ["coarse" if label == "fine" else "fine" if label == "coarse" else label for label in shown]
    found = agreement(sample(blobs(shown, 2, size=32), called), reference)
    assert found["coarse"]["high"] < 0.4
    assert found["fine"]["high"] < 0.4
    assert found["middle"]["value"] > 0.9
    assert found[None]["value"] == pytest.approx(1 / 3, abs=0.05)


def test_where_there_is_one_class_nothing_is_asked(reference):
    one = reference.where(reference.labels == "fine")
    assert agreement(one, one) == {}
