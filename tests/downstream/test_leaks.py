"""What may see what: the rows of the image files that are read, when, and by whom."""

import sys

import numpy as np
import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import PLAIN
from pipeline.downstream.classifier import run
from pipeline.downstream.classifier.device_dataset import At, Pool
from tests.downstream.classifier.test_run import ONLY, TINY, WITH, arm
from tests.downstream.conftest import shapes

SPLIT = np.array(["train"] * 24 + ["val"] * 12 + ["test"] * 24)
TRAIN, VAL, TEST = list(range(24)), list(range(24, 36)), list(range(36, 60))


@pytest.fixture
def sets(image_set):
    """A function of a change to the real images -> (real set, synthetic set)."""

    def write(name="real", change=lambda images: None):
        images, labels = shapes(60, 0)
        change(images)
        made, asked = shapes(24, 1)
        fakes = image_set("fakes", made, asked, ["train"] * 24)
        return image_set(name, images, labels, SPLIT), fakes

    return write


class Spy:
    """Stands in for a set's images and notes which rows were read."""

    def __init__(self, images, name, events):
        self.images, self.name, self.events = images, name, events

    shape = property(lambda self: self.images.shape)
    dtype = property(lambda self: self.images.dtype)

    def __getitem__(self, rows):
        self.events.append(("read", self.name, np.asarray(rows).tolist()))
        return self.images[rows]


@pytest.fixture
def events(monkeypatch):
    """In order: ("read", set, rows of its file), ("taught", seed), ("shown", pool, rows, whether a training asks)."""
    noted, teaching, opened = [], [], {}
    train = run.train

    def images(self):
        whole = np.load(self.path / "images.npy", mmap_mode="r")
        return opened.setdefault(self.path, Spy(whole, self.path.name, noted))

    def noting(look):
        def shown(self, asked):
            rows = asked.rows if isinstance(asked, At) else asked
            noted.append(("shown", id(self), rows.tolist(), bool(teaching)))
            return look(self, asked)

        return shown

    def taught(settings, spec, pool, diet, seed, tick):
        noted.append(("taught", seed))
        teaching.append(seed)
        network = train(settings, spec, pool, diet, seed, tick)
        teaching.pop()
        return network

    monkeypatch.setattr(ImageSet, "images", property(images))
    monkeypatch.setattr(Pool, "images", noting(Pool.images))
    monkeypatch.setattr(Pool, "turned", noting(Pool.turned))
    monkeypatch.setattr(run, "train", taught)
    return noted


@pytest.mark.parametrize("of", [*PLAIN.values(), WITH, ONLY], ids=lambda arm: arm.name)
def test_no_training_reads_val_or_test_rows_and_test_rows_are_read_after_every_choice(tmp_path, sets, events, of):
    real, fakes = sets()
    arm(tmp_path, real, [fakes] if of.models else [], of)
    reads = [event[1:] for event in events if event[0] == "read"]
    assert reads == [
        ("real", TRAIN),
        *([("fakes", list(range(24)))] if of.models else []),
        ("real", VAL),
        ("real", TEST),
    ]
    # Whatever trains takes its images from one pool: the one of training rows, which was read first.
    taught = {event[1] for event in events if event[0] == "shown" and event[3]}
    assert len(taught) == 1
    size = 48 if of.models else 24
    assert all(max(event[2]) < size for event in events if event[0] == "shown" and event[3])
    # Pilots and filter are done when the test rows are read; then come the judged repetitions and nothing else.
    seeds = [
        event[1] if event[0] == "taught" else "test" for event in events if event[0] == "taught" or event[-1] == TEST
    ]
    chosen, judged = seeds[: seeds.index("test")], seeds[seeds.index("test") + 1 :]
    assert min(chosen) >= 1000
    assert judged == list(range(TINY.seeds))
    # Of the rest, each test image is looked at once a repetition: there is nothing to choose by.
    judges = [e for e in events if e[0] == "shown" and not e[3] and e[1] not in taught]
    by_pool = {
        pool: np.bincount(np.concatenate([e[2] for e in judges if e[1] == pool])) for pool in {e[1] for e in judges}
    }
    (val,), (test,) = ([n for n in by_pool.values() if len(n) == length] for length in (12, 24))
    assert set(test) == {TINY.seeds}
    pilots = len(chosen) - (2000 in chosen)
    assert set(val) == {pilots + TINY.seeds}  # pilots, and the threshold of each repetition


@pytest.mark.parametrize("of", [WITH, ONLY], ids=lambda arm: arm.name)
def test_the_filters_look_at_training_rows_and_synthetic_images_once_and_at_nothing_else(tmp_path, sets, events, of):
    real, fakes = sets()
    arm(tmp_path, real, [fakes], of)
    (pool,) = {event[1] for event in events if event[0] == "shown" and event[3]}
    seeds = [i for i, event in enumerate(events) if event[0] == "taught"]
    assert [events[i][1] for i in seeds[:2]] == [2000, 1000]
    # From the end of the filter's training to the first pilot, in this order: the fakes, then all that trains.
    looks = [event for event in events[seeds[0] : seeds[1]] if event[0] == "shown" and not event[3]]
    assert {event[1] for event in looks} == {pool}
    assert [row for event in looks for row in event[2]] == [*range(24, 48), *range(48)]


def test_the_filters_keep_the_same_images_whatever_val_and_test_images_are(tmp_path, sets, monkeypatch):
    kept, original = [], run.train

    def spy(settings, spec, pool, diet, seed, tick):
        kept.append((seed, diet.ratio, diet.extra.tolist()))
        return original(settings, spec, pool, diet, seed, tick)

    def invert(rows):
        def change(images):
            images[rows] = 255 - images[rows]

        return change

    monkeypatch.setattr(run, "train", spy)
    for i, rows in enumerate(([], VAL, TEST, TRAIN)):
        real, fakes = sets(f"set{i}", invert(rows))
        arm(tmp_path, real, [fakes])
    candidates = np.reshape([str(diet) for diet in kept if diet[0] == 1000], (4, -1))
    assert len(set(candidates[0])) == 6  # two ratios: all images, the surest half, the nearest half
    assert (candidates[1:3] == candidates[0]).all()
    assert (candidates[3] != candidates[0]).any()


def test_other_test_images_change_no_choice_and_no_detector(tmp_path, sets, monkeypatch):
    trained, original = [], run.train

    def spy(*args, **more):
        trained.append(original(*args, **more))
        return trained[-1]

    def invert(rows):
        def change(images):
            images[rows] = 255 - images[rows]

        return change

    monkeypatch.setattr(run, "train", spy)
    pairs = [sets(f"set{i}", invert(rows)) for i, rows in enumerate(([], TEST))]
    results = [arm(tmp_path, real, [fakes]) for real, fakes in pairs]
    first, second = trained[: len(trained) // 2], trained[len(trained) // 2 :]
    for one, other in zip(first, second, strict=True):
        weights = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in weights)
    for key in ("basis", "ratio", "filter", "keep", "candidates"):
        assert results[0][key] == results[1][key]
    thresholds = [[s["at_threshold"]["log_odds"] for s in r["seeds"]] for r in results]
    assert thresholds[0] == thresholds[1]
    assert results[0]["seeds"][0]["log_odds"] != results[1]["seeds"][0]["log_odds"]


def test_other_val_images_train_the_same_plain_detectors(tmp_path, sets):
    def invert(images):
        images[VAL] = 255 - images[VAL]

    results = [arm(tmp_path, sets(f"set{i}", change)[0]) for i, change in enumerate((lambda images: None, invert))]
    assert results[0]["validation"] != results[1]["validation"]
    assert [s["log_odds"] for s in results[0]["seeds"]] == [s["log_odds"] for s in results[1]["seeds"]]


OPENED: list[str] | None = None


def _note(event, args):
    if event == "open" and OPENED is not None:
        OPENED.append(str(args[0]))


sys.addaudithook(_note)


def test_an_arm_opens_its_own_images_and_the_plain_arms_results_and_nothing_else(tmp_path, sets):
    global OPENED
    real, fakes = sets()
    for synthetic, plain in (([fakes], True), ([], False)):
        OPENED = []
        arm(tmp_path, real, synthetic)
        seen = {path.removeprefix(f"{tmp_path}/") for path in OPENED if path.startswith(f"{tmp_path}/")}
        OPENED = None
        folders = {path.split("/")[0] for path in seen if "/" in path}
        # `plain` is written by the test itself, and read where there are generators.
        assert folders == {"real", "state", "plain"} | ({"fakes"} if plain else set())
