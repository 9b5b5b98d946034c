"""What may see what, in every task: the rows of images and boxes that are read, when, and by whom."""

import sys

import numpy as np
import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import Arm
from pipeline.downstream.boxes import box_dataset
from pipeline.downstream.classifier.device_dataset import At, DeviceDataset
from pipeline.downstream.registry import TASKS
from pipeline.downstream.schedule import orientations
from tests.downstream.cases import ALL, MADE, REAL, TEST, TRAIN, VAL, WITH, X

AUGMENTED, ONLY = Arm(augmented=True), Arm((X,), real=False)


def arms_of(case):
    """Every kind of arm."""
    planned = TASKS[case.task.name]
    return [*planned.baseline_arms(), WITH, ALL, *([ONLY] if planned.alone else [])]


class Spy:
    """Stands in for a set's images and notes which rows are read."""

    def __init__(self, images, name, events):
        self.images, self.name, self.events = images, name, events

    shape = property(lambda self: self.images.shape)
    dtype = property(lambda self: self.images.dtype)

    def __getitem__(self, rows):
        self.events.append(("images", self.name, np.asarray(rows).tolist()))
        return self.images[rows]


@pytest.fixture
def events(monkeypatch, case):
    """In order: ("images" or "boxes", set, rows), ("taught", seed), ("shown", dataset, rows, whether it trains)."""
    noted, teaching, opened = [], [], {}
    read, train = box_dataset._table, type(case.task).train

    def images(self):
        whole = np.load(self.path / "images.npy", mmap_mode="r")
        return opened.setdefault(self.path, Spy(whole, self.path.name, noted))

    def boxes_read(images, rows, names):
        noted.append(("boxes", images.path.name, rows.tolist()))
        return read(images, rows, names)

    def noting(look):
        def shown(self, asked):
            rows = asked.rows if isinstance(asked, At) else asked
            noted.append(("shown", id(self), rows.tolist(), bool(teaching)))
            return look(self, asked)

        return shown

    def taught(self, settings, real, data, mix, seed, tick):
        noted.append(("taught", seed))
        teaching.append(seed)
        network = train(self, settings, real, data, mix, seed, tick)
        teaching.pop()
        return network

    monkeypatch.setattr(ImageSet, "images", property(images))
    monkeypatch.setattr(box_dataset, "_table", boxes_read)
    monkeypatch.setattr(DeviceDataset, "images", noting(DeviceDataset.images))
    monkeypatch.setattr(DeviceDataset, "turned", noting(DeviceDataset.turned))
    monkeypatch.setattr(type(case.task), "train", taught)
    return noted


def views(case, real):
    """Ways in which a detector looks at an image."""
    return len(orientations(ImageSet.open(real).spec.symmetry)) if case.task.name == "classification" else 1


def test_no_training_reads_val_or_test_rows_and_test_rows_are_read_after_every_choice(case, events):
    real, made = case.sets()
    for arm in arms_of(case):
        events.clear()
        case.run(real, made, arm)
        added = len(arm.synthetic)
        expected = [("real", TRAIN), *([("made", MADE)] * added), ("real", VAL), ("real", TEST)]
        for what in ("images", "boxes") if case.task.name == "boxes" else ("images",):
            assert [event[1:] for event in events if event[0] == what] == expected
        # Whatever trains takes its images from one dataset: that of training rows, which was read first.
        asked = [event for event in events if event[0] == "shown" and event[3]]
        (taught,) = {event[1] for event in asked}
        assert max(max(event[2]) for event in asked) < len(TRAIN) + len(MADE) * added
        # Selection runs and filter are done when the test rows are read; then come the repetitions and nothing else.
        order = [
            e[1] if e[0] == "taught" else "test"
            for e in events
            if e[0] == "taught" or e[:1] + e[2:] == ("images", TEST)
        ]
        chosen, judged = order[: order.index("test")], order[order.index("test") + 1 :]
        assert min(chosen) >= 1000
        assert judged == [0, 1]
        # Of the rest, each test image is looked at once a repetition, in every view: there is nothing to choose by.
        looks = [e for e in events if e[0] == "shown" and not e[3] and e[1] != taught]
        by_set = {of: np.bincount(np.concatenate([e[2] for e in looks if e[1] == of])) for of in {e[1] for e in looks}}
        (val,), (test,) = ([n for n in by_set.values() if len(n) == len(rows)] for rows in (VAL, TEST))
        assert set(test) == {2 * views(case, real)}
        runs = len(chosen) - (2000 in chosen) + 2 * (case.task.name == "classification")  # threshold of each repetition
        assert set(val) == {runs * views(case, real)}


def test_the_filters_look_at_training_rows_and_synthetic_images_once_and_at_nothing_else(case, events):
    if len(case.task.parts(case.settings)) == 1:
        pytest.skip("this task has no filters")
    real, made = case.sets()
    for arm in (WITH, ONLY):
        events.clear()
        case.run(real, made, arm)
        (taught,) = {event[1] for event in events if event[0] == "shown" and event[3]}
        seeds = [i for i, event in enumerate(events) if event[0] == "taught"]
        recipes = len(TASKS[case.task.name].recipes())
        assert [events[i][1] for i in seeds[: recipes + 2]] == [*[1000] * recipes, 2000, 1000]
        # From the end of the filter's training to the next selection run: the synthetic images, then all that trains.
        judged = events[seeds[recipes] : seeds[recipes + 1]]
        looks = [event for event in judged if event[0] == "shown" and not event[3]]
        assert {event[1] for event in looks} == {taught}
        n = len(TRAIN)
        once = views(case, real) * [*range(n, n + len(MADE))], views(case, real) * [*range(n + len(MADE))]
        assert [row for event in looks for row in event[2]] == [*once[0], *once[1]]


@pytest.fixture
def trained(monkeypatch, case):
    """The mix, seed and weights of every detector, in the order they were trained."""
    noted, train = [], type(case.task).train

    def taught(self, settings, real, data, mix, seed, tick):
        network = train(self, settings, real, data, mix, seed, tick)
        weights = torch.cat(
            [value.flatten().double() for value in getattr(network, "network", network).state_dict().values()]
        )
        noted.append((mix.ratio, mix.extra.tolist(), seed, weights))
        return network

    monkeypatch.setattr(type(case.task), "train", taught)
    return noted


def same(one, other):
    return [a[:3] == b[:3] and torch.equal(a[3], b[3]) for a, b in zip(one, other, strict=True)]


@pytest.mark.parametrize("arm", [AUGMENTED, WITH], ids=lambda arm: arm.name)
def test_other_test_images_change_no_choice_and_no_detector(case, trained, arm):
    results = [case.run(*case.sets(name, rows), arm) for name, rows in (("one", []), ("other", TEST))]
    half = len(trained) // 2
    assert all(same(trained[:half], trained[half:]))
    assert results[0].chosen == results[1].chosen
    assert results[0].truth != results[1].truth
    one, other = ([thresholds(of) for of in result.repetitions] for result in results)
    assert one == other


def thresholds(repetition):
    at = getattr(repetition, "at_threshold", None)
    return at and at.log_odds


def test_other_val_images_train_the_same_baseline_detectors_and_filter(case, trained):
    results = [case.run(case.sets(name, rows)[0]) for name, rows in (("one", []), ("other", VAL))]
    assert all(same(trained[:4], trained[4:]))
    assert results[0].chosen.validation != results[1].chosen.validation
    said = [
        [getattr(one, "log_odds", None) or getattr(one, "found", None) for one in result.repetitions]
        for result in results
    ]
    assert said[0] == said[1]
    trained.clear()
    for name, rows in (("one", []), ("other", VAL)):
        case.run(*case.sets(name, rows), WITH)
    half = len(trained) // 2
    recipes = len(TASKS[case.task.name].recipes())
    assert all(same(trained[:recipes], trained[half : half + recipes])), "of the recipes, whichever is chosen"


def test_other_training_images_do_train_other_detectors(case, trained):
    """Else the tests above would say nothing."""
    for name, rows in (("one", []), ("other", TRAIN)):
        case.run(case.sets(name, rows)[0])
    assert not any(same(trained[:4], trained[4:]))


OPENED: list[str] | None = None


def _note(event, args):
    if event == "open" and OPENED is not None:
        OPENED.append(str(args[0]))


sys.addaudithook(_note)


def test_an_arm_opens_its_own_images_and_nothing_else(case):
    global OPENED
    real, made = case.sets()
    for arm in (WITH, REAL):
        OPENED = []
        case.run(real, made, arm)
        seen = {path.removeprefix(f"{case.folder}/") for path in OPENED if path.startswith(f"{case.folder}/")}
        OPENED = None
        assert {path.split("/")[0] for path in seen if "/" in path} == {"real", "state"} | (
            {"made"} if arm.synthetic else set()
        )
