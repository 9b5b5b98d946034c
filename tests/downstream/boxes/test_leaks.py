"""What may see what: the rows of images and of boxes that are read, when, and by whom."""

import numpy as np
import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes import box_dataset as pools
from pipeline.downstream.boxes import run
from pipeline.downstream.boxes.arms import PLAIN, BoxArm, Made
from pipeline.downstream.boxes.box_dataset import BoxPool
from pipeline.settings import DetectBoxes
from tests.downstream import test_leaks as leaks
from tests.downstream.boxes.conftest import WITH, result, scenes

TRAIN, VAL, TEST, MADE = list(range(8)), [8, 9, 10], [11, 12, 13, 14], list(range(6))
SPLIT = ["train"] * 8 + ["val"] * 3 + ["test"] * 4
SETTINGS = DetectBoxes(seeds=2, steps=3, batch=4, width=2, ratios=[0.5, 1.0], pilots=1)
ALL = BoxArm("real+all", [Made("x", "synthetic"), Made("y", "blended")])


@pytest.fixture(autouse=True)
def no_picture(monkeypatch):
    """It shows test images, when all is judged."""
    monkeypatch.setattr(run.figure, "write", lambda *_: None)


@pytest.fixture
def sets(boxed):
    """A function of a name and a change to images and marks -> (real set, synthetic set)."""

    def write(name="real", change=lambda images, marks: marks):
        images, marks = scenes(15, seed=1)
        made, known = scenes(6, seed=2)
        marks = change(images, marks)
        return boxed(name, images, SPLIT, marks, symmetry="both"), boxed("made", made, ["train"] * 6, known)

    return write


@pytest.fixture
def events(monkeypatch):
    """In order: ("images" or "boxes", set, rows), ("taught", seed), ("shown", pool, rows, whether a training asks)."""
    noted, teaching, opened = [], [], {}
    read, look, train = pools._table, BoxPool.batch, run.train

    def images(self):
        whole = np.load(self.path / "images.npy", mmap_mode="r")
        return opened.setdefault(self.path, Spied(whole, self.path.name, noted))

    def boxes_read(images, rows, names):
        noted.append(("boxes", images.path.name, rows.tolist()))
        return read(images, rows, names)

    def shown(self, rows, views):
        noted.append(("shown", id(self), rows.tolist(), bool(teaching)))
        return look(self, rows, views)

    def taught(settings, spec, classes, pool, seed, tick, diet):
        noted.append(("taught", seed))
        teaching.append(seed)
        network = train(settings, spec, classes, pool, seed, tick, diet)
        teaching.pop()
        return network

    monkeypatch.setattr(ImageSet, "images", property(images))
    monkeypatch.setattr(pools, "_table", boxes_read)
    monkeypatch.setattr(BoxPool, "batch", shown)
    monkeypatch.setattr(run, "train", taught)
    return noted


class Spied(leaks.Spy):
    """Notes what is read as rows of images."""

    def __getitem__(self, rows):
        self.events.append(("images", self.name, np.asarray(rows).tolist()))
        return self.images[rows]


@pytest.mark.parametrize("arm", [*PLAIN.values(), WITH, ALL], ids=lambda arm: arm.name)
def test_no_training_reads_val_or_test_rows_and_test_rows_are_read_after_every_choice(tmp_path, sets, events, arm):
    real, made = sets()
    result(tmp_path, SETTINGS, real, [made] * len(arm.made), arm)
    expected = [("real", TRAIN), *([("made", MADE)] * len(arm.made)), ("real", VAL), ("real", TEST)]
    for what in ("images", "boxes"):
        assert [event[1:] for event in events if event[0] == what] == expected
    # Whatever trains takes its images and boxes from one pool: the one of training rows, which was read first.
    asked = [event for event in events if event[0] == "shown" and event[3]]
    assert len({event[1] for event in asked}) == 1
    assert max(max(event[2]) for event in asked) < 8 + 6 * len(arm.made)
    # The pilots are done when the test rows are read; then come the judged repetitions and nothing else.
    order = [e[1] if e[0] == "taught" else "test" for e in events if e[0] == "taught" or e[2:] == (TEST,)]
    assert order[: order.index("test")] == ([1000, 1000] if arm.made else [1000, 1001])
    assert [seed for seed in order[order.index("test") :] if seed != "test"] == [0, 1]
    # Of the rest, each validation image is looked at once a pilot and each test image once a repetition.
    judges = [event for event in events if event[0] == "shown" and not event[3]]
    looks = {pool: np.bincount(np.concatenate([e[2] for e in judges if e[1] == pool])) for _, pool, *_ in judges}
    assert [counts.tolist() for counts in looks.values()] == [[2] * 3, [2] * 4]


@pytest.fixture
def weights(monkeypatch):
    """The weights of every detector, in the order they were trained."""
    trained, train = [], run.train

    def noted(*words):
        network = train(*words)
        trained.append(torch.cat([value.flatten().double() for value in network.state_dict().values()]))
        return network

    monkeypatch.setattr(run, "train", noted)
    return trained


def altered(rows):
    """Inverts images and moves and renames the boxes of these rows."""

    def change(images, marks):
        images[rows] = 255 - images[rows]
        other = {"disc": "square", "square": "disc"}
        return [(i, other[k], 1, 2, 9, 12) if i in rows else (i, k, *box) for i, k, *box in marks]

    return change


@pytest.mark.parametrize("arm", [PLAIN["augmented"], WITH], ids=lambda arm: arm.name)
def test_other_test_images_and_boxes_change_no_choice_and_no_detector(tmp_path, sets, weights, arm):
    results = []
    for name, rows in (("one", []), ("other", TEST)):
        real, made = sets(name, altered(rows))
        results.append(result(tmp_path, SETTINGS, real, [made] * len(arm.made), arm))
    half = len(weights) // 2
    assert all(torch.equal(a, b) for a, b in zip(weights[:half], weights[half:], strict=True))
    for key in ("basis", "ratio", "candidates", "validation"):
        assert results[0][key] == results[1][key]
    assert results[0]["truth"] != results[1]["truth"]


def test_other_val_images_and_boxes_train_the_same_detectors(tmp_path, sets, weights):
    results = [result(tmp_path, SETTINGS, sets(name, altered(rows))[0]) for name, rows in (("one", []), ("other", VAL))]
    assert all(torch.equal(a, b) for a, b in zip(weights[:4], weights[4:], strict=True))
    first, second = ([seed["found"] for seed in found["seeds"]] for found in results)
    assert first == second


def test_other_training_boxes_do_train_other_detectors(tmp_path, sets, weights):
    """Else the two tests above would say nothing."""
    for name, rows in (("one", []), ("other", TRAIN)):
        result(tmp_path, SETTINGS, sets(name, altered(rows))[0])
    assert not any(torch.equal(a, b) for a, b in zip(weights[:4], weights[4:], strict=True))


def test_an_arm_opens_its_own_sets_and_the_plain_arms_results_and_nothing_else(tmp_path, sets):
    real, made = sets()
    for synthetic, arm in (([made], WITH), ([], PLAIN["real"])):
        leaks.OPENED = []
        result(tmp_path, SETTINGS, real, synthetic, arm)
        seen = {path.removeprefix(f"{tmp_path}/") for path in leaks.OPENED if path.startswith(f"{tmp_path}/")}
        leaks.OPENED = None
        # `plain` is written by the test itself, and read where there are synthetic sets.
        assert {path.split("/")[0] for path in seen if "/" in path} == {"real", "state", "plain"} | {
            path.name for path in synthetic
        }
