"""Distances of made-up features: each class for itself, the Inception score, and what too few images leave out."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.base.weights import WEIGHTS
from pipeline.evaluation import distances
from pipeline.evaluation.context import Context, needed
from pipeline.evaluation.features import Features
from pipeline.evaluation.sample import Sample
from pipeline.metrics.distances import block_scale, frechet, kid_of_groups, prdc
from pipeline.metrics.intervals import draw, estimate, fraction, positive
from pipeline.settings import Evaluate
from tests.evaluation.conftest import CLASSES, label_list

SETTINGS = Evaluate(subsets=20)
VARIETY = ("precision", "recall", "density", "coverage")
WIDTH = 6


def sample(vectors, labels, extractor="random"):
    n, d = vectors.shape
    found = {extractor: Features(vectors.astype(np.float32), (d,), np.zeros((n, 0), np.float32), ())}
    rows = np.arange(n)
    return Sample(np.zeros((n, 1, 1, 1), np.uint8), rows, np.array(labels), rows.astype(str), found)


def clouds(labels, seed, width=WIDTH):
    """Each class a Gaussian of its own."""
    rng = np.random.default_rng(seed)
    centre = {label: 3 * k for k, label in enumerate(sorted(set(label_list(3))))}
    return rng.standard_normal((len(labels), width)) + np.array([centre[label] for label in labels])[:, None]


def judged(candidate, reference, heldout=None, extractor="random", settings=SETTINGS, groups=False):
    """Rows by (metric, class), and notes."""
    context = Context(settings, reference, heldout, [extractor], None)
    n = context.equal_n(candidate)
    names = (candidate.groups, reference.groups) if groups else None
    draws = draw(candidate.labels, reference.labels, n, 10, settings.subsets, settings.seed, names)
    items = [
        *distances.overall(candidate, context, extractor, n, draws),
        *distances.by_class(candidate, context, extractor),
    ]
    rows = {(r["metric"], r["class"]): r for r in items if not isinstance(r, str)}
    return rows, [note for note in items if isinstance(note, str)]


# ---------------------------------------------------------------- class by class


def test_each_class_is_judged_for_itself():
    """One class repeats three images: its recall and coverage fall, those of the others do not."""
    labels = label_list(150)
    x, y = clouds(labels, 1), clouds(labels, 2)
    fine = np.flatnonzero(np.array(labels) == "fine")
    x[fine] = x[fine[np.arange(50) % 3]]
    rows, notes = judged(sample(x, labels), sample(y, labels))
    assert notes == []
    for metric in ("recall", "coverage"):
        assert rows[metric, "fine"]["high"] < 0.6 < min(rows[metric, label]["low"] for label in ("coarse", "middle"))
    assert rows["recall", "fine"]["value"] == 0  # balls that hold five copies have no size


def test_a_class_is_measured_as_if_there_were_no_other():
    labels = np.array(label_list(90))
    x, y = clouds(labels, 1), clouds(labels, 2)
    rows, _ = judged(sample(x, labels), sample(y, labels))
    centre, scale = block_scale(y.astype(np.float32), (WIDTH,))
    alone = [(z.astype(np.float32)[labels == "coarse"] - centre) / scale for z in (x, y)]
    assert {metric: rows[metric, "coarse"]["value"] for metric in VARIETY} == pytest.approx(prdc(*alone))
    assert {rows[metric, "coarse"]["n"] for metric in VARIETY} == {30}


def test_classes_are_compared_at_the_number_of_images_that_the_floor_has():
    labels = label_list(180)
    small = label_list(66)
    rows, _ = judged(
        sample(clouds(labels, 1), labels), sample(clouds(labels, 2), labels), sample(clouds(small, 3), small)
    )
    assert {rows[metric, label]["n"] for metric in VARIETY for label in set(labels)} == {22}
    assert {r["n"] for (metric, _), r in rows.items() if metric == "frechet_inf"} == {66}


def test_classes_with_too_few_images_or_none_are_named_with_the_number_needed():
    labels = ["coarse"] * 40 + ["fine"] * 15
    reference = label_list(120)
    rows, notes = judged(sample(clouds(labels, 1), labels), sample(clouds(reference, 2), reference))
    for label, n in (("fine", 15), ("middle", 0)):
        expected = f"kid, precision, recall, density, coverage (random) of class {label}: left out, needs 20 images of"
        assert f"{expected} each set, there are {n}" in notes
    assert {label for _, label in rows} == {None, "coarse"}


def test_whatever_the_classes_are_called_their_numbers_are_their_own():
    """Also `all`, once the name that the numbers over all classes had."""
    plain = np.array(label_list(90))
    names = dict(zip(sorted(CLASSES), ("$\\frac{a$", "all", "real"), strict=True))  # in the order of the alphabet too
    hostile = [names[label] for label in plain]
    x, y = clouds(plain, 1), clouds(plain, 2)
    expected, _ = judged(sample(x, plain), sample(y, plain))
    rows, _ = judged(sample(x, hostile), sample(y, hostile))
    assert len(rows) == 7 + 3 * 5
    same = {(m, label): expected[m, {name: of for of, name in names.items()}.get(label)] for m, label in rows}
    assert rows == {key: row | {"class": key[1]} for key, row in same.items()}


# ---------------------------------------------------------------- over all classes


def test_the_extrapolated_distance_needs_twice_as_many_images():
    labels = label_list(needed("frechet_inf") - 1)
    rows, notes = judged(sample(clouds(labels, 1), labels), sample(clouds(labels, 2), labels))
    assert ("frechet", None) in rows
    assert ("frechet_inf", None) not in rows
    assert "frechet_inf (random): left out, needs 40 images of each set, there are 39" in notes


def test_the_extrapolated_distance_of_equal_distributions_has_zero_in_its_interval_and_the_plain_one_has_not():
    labels = label_list(240)
    x, y = sample(clouds(labels, 1, 20), labels), sample(clouds(labels, 2, 20), labels)
    rows, _ = judged(x, y)
    assert rows["frechet_inf", None]["low"] < 0 < rows["frechet_inf", None]["high"]
    assert rows["frechet", None]["low"] > 0
    again, _ = judged(x, y)
    assert again == rows


def test_images_that_are_all_alike_give_numbers():
    """A collapsed model: no spread at all in the judged set."""
    labels = label_list(60)
    rows, _ = judged(sample(np.full((60, WIDTH), 3.0), labels), sample(clouds(labels, 2), labels))
    assert all(np.isfinite(r["value"]) for r in rows.values())
    assert {key for key, r in rows.items() if r["low"] is None} == {  # of 20 images each
        (metric, label) for metric in ("density", "coverage") for label in set(labels)
    }
    assert rows["recall", None]["value"] == 0
    # a share of none in 60 may be one of 6 %
    assert (rows["recall", None]["low"], rows["recall", None]["high"]) == pytest.approx((0, 1 - 0.025 ** (1 / 60)))


def test_images_of_too_few_groups_have_numbers_without_intervals():
    labels = ["a"] * 48
    x, y = (sample(clouds(label_list(48), seed), labels) for seed in (1, 2))
    few = replace(x, groups=(np.arange(48) // 8).astype(str))
    rows, _ = judged(few, y, groups=True)
    assert {"frechet", "kid", "recall"} <= {metric for metric, _ in rows}
    assert all(np.isfinite(r["value"]) and r["low"] is None and r["high"] is None for r in rows.values())
    rows, _ = judged(replace(x, groups=(np.arange(48) // 6).astype(str)), y, groups=True)
    assert all(r["low"] <= r["value"] <= r["high"] for r in rows.values())


def test_density_and_coverage_of_fewer_than_40_images_have_no_interval():
    labels = ["a"] * 28
    rows, _ = judged(sample(clouds(label_list(28), 1), labels), sample(clouds(label_list(28), 2), labels))
    assert {metric for (metric, _), r in rows.items() if r["low"] is None} == {"density", "coverage"}


def test_kid_of_a_single_group_is_left_out_and_said():
    labels = label_list(24)
    made = sample(clouds(labels, 1), ["a"] * 24)
    rows, notes = judged(made, replace(made, groups=np.array(["one"] * 24)), groups=True)
    assert ("kid", None) not in rows
    assert "kid (random): left out, it needs images of two groups in each set" in notes


# ---------------------------------------------------------------- coverage; `benchmarks.coverage` has more


def test_intervals_of_distances_cover_the_mean_at_this_number_of_images():
    """30 images in groups of 3 of a wider and shifted Gaussian; 120 trials, at least 92 % less three errors of 2.5."""
    labels, groups, found = np.array(["a"] * 30), np.arange(30) // 3, []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x, y = (0.8 * rng.standard_normal((10, 4))[groups] + 0.6 * rng.standard_normal((30, 4)) for _ in "xy")
        x = 1.2 * x + 0.8
        draws = draw(labels, labels, 30, 1, 20, seed, (groups, groups))
        inside = estimate(lambda a, b: np.array(list(prdc(a, b).values())), x, y, draws)

        def kid(i, j, x=x, y=y):
            return np.array(kid_of_groups(x[i], y[j], (labels[i], labels[j]), (groups[i], groups[j])))

        both = estimate(kid, np.arange(30), np.arange(30), draws)
        shares = [(positive if k == 2 else fraction)(inside.part(k)) for k in range(4)]
        found.append([positive(estimate(frechet, x, y, draws)), positive(both.part(0), both.value[1]), *shares])
    value, low, high = np.moveaxis(np.array(found), 2, 0)
    held = ((low <= value.mean(axis=0)) & (value.mean(axis=0) <= high)).mean(axis=0)
    assert held.min() > 0.92 - 3 * 0.025


# ---------------------------------------------------------------- Inception's score


class Network(nn.Module):
    """In Inception's place: features are means of 8 × 8 pixels; the last layer has the real one's shape and name."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.ConstantPad1d((0, 2048), 0.0))
        self.output = nn.Linear(2048, 1008)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(self.layers(x)[:, :2048], self.output.weight).softmax(1)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder of weights with that network."""
    torch.manual_seed(0)
    network = Network()
    nn.init.normal_(network.output.weight)
    path = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(network).save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    made = WEIGHTS["inception"]._replace(file=path.name, sha256=digest, size=path.stat().st_size)
    monkeypatch.setitem(WEIGHTS, "inception", made)
    return tmp_path, network


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_the_inception_score_is_that_of_the_networks_own_probabilities(weights):
    folder, network = weights
    labels = label_list(45)
    pixels = torch.from_numpy(np.random.default_rng(0).random((45, 3, 299, 299), np.float32)) - 0.5
    with torch.inference_mode():
        vectors, probabilities = network.layers(pixels)[:, :2048], network(pixels).double().numpy()
    made = sample(vectors.numpy(), labels, "inception")
    rows, notes = judged(
        made, made, extractor="inception", settings=SETTINGS.model_copy(update={"weights": str(folder)})
    )
    mean = probabilities.mean(axis=0)
    expected = np.exp((probabilities * np.log(probabilities / mean)).sum(axis=1).mean())
    assert expected > 2
    found = rows["inception_score", None]
    assert found["value"] == pytest.approx(expected, rel=1e-4)
    assert (found["n"], found["extractor"]) == (45, "inception")
    assert {"fid", "fid_inf", "kid", *VARIETY} <= {metric for metric, label in rows if label is None}
    assert any(note.startswith("fid, inception_score: with 45 images they are mostly bias") for note in notes)


def test_too_few_images_for_inceptions_numbers_are_said():
    labels = label_list(12)
    made = sample(clouds(labels, 1), labels, "inception")
    rows, notes = judged(made, made, extractor="inception")
    assert rows == {}
    assert notes[0].startswith(
        "fid, fid_inf, inception_score, kid, precision, recall, density, coverage (inception): left"
    )
    assert "needs 20 images of each set, there are 12" in notes[0]


def test_hundreds_of_classes_with_too_few_images_are_one_note():
    labels = [f"species_{i:03d}" for i in range(120)] * 2
    one, other = np.random.default_rng(0).standard_normal((2, len(labels), WIDTH))
    _, notes = judged(sample(one, labels), sample(other, labels))
    (said,) = [note for note in notes if note.startswith("kid, precision")]
    assert "of 120 classes (species_000, species_001, species_002, species_003, ...): left out, needs 20" in said
