"""How many synthetic images, and which: chosen by selection runs whose scores are told."""

from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.downstream.arms import Arm
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.selection import Selector, selection_runs
from pipeline.downstream.task import Task
from pipeline.settings import DetectBoxes
from tests.downstream.cases import CASES, WITH

AUGMENTED = Arm(augmented=True)
ONLY = Arm(WITH.synthetic, real=False)
BOXES = CASES[1].task
SETTINGS = DetectBoxes(repetitions=5, ratios=[0.5, 2.0, 1.0], selection_runs=2)


class Filtered(Task):
    """Box detectors with filters that need no training: all synthetic images, or every other one by `odd` or `even`."""

    name = "boxes"
    selection = BOXES.selection
    examples = "images"

    def parts(self, settings):
        return [(None, 1.0), ("odd", 0.5), ("even", 0.5)]

    def kept(self, settings, data, judge, cache, notes):
        cache.run("filter", judge)
        synthetic = np.arange(data.n_real, len(data))
        return {(None, 1.0): synthetic, ("odd", 0.5): synthetic[1::2], ("even", 0.5): synthetic[::2]}


Filtered.__abstractmethods__ = frozenset()


@dataclass
class Data:
    n_real: int = 6
    n: int = 10

    def __len__(self):
        return self.n


@pytest.fixture
def cache(tmp_path):
    return StepCache(tmp_path / "state.json", {})


def selector(cache, scores, asked, settings=SETTINGS, data=None, task=BOXES):
    """Trainings are stood in for: recipe, ratio, number of images and seed tell their scores on validation images;
    None: there are no such images."""

    def score(mix, seed):
        asked.append((mix.augmented, mix.ratio, len(mix.extra), seed))
        found = scores.get((mix.augmented, mix.ratio, len(mix.extra)), 0.0)
        return {"map50": found[seed - 1000] if isinstance(found, tuple) else found, "map50_95": 0.1}

    train = lambda mix, seed: asked.append(("filter", mix.augmented, len(mix.extra), seed))  # noqa: E731
    return Selector(task, settings, data or Data(), train, None if scores is None else score, cache)


def test_the_recipe_is_chosen_first_then_the_ratio_and_all_that_was_tried_is_recorded(cache):
    scores = {(False, 0.5, 4): (0.6, 0.5), (True, 0.5, 4): (0.5, 0.7), (False, 2.0, 4): 0.99}
    scores |= {(True, 2.0, 4): (0.9, 0.4), (True, 1.0, 4): (0.7, 0.3)}
    choice = selector(cache, scores, asked := []).choose(real=True)
    assert (choice.mix.ratio, choice.mix.augmented, choice.mix.extra.tolist()) == (2.0, True, [6, 7, 8, 9])
    assert [(c.augmented, c.ratio, *(run["map50"] for run in c.validation)) for c in choice.candidates] == [
        (False, 0.5, 0.6, 0.5),
        (True, 0.5, 0.5, 0.7),
        (True, 2.0, 0.9, 0.4),
        (True, 1.0, 0.7, 0.3),
    ]
    assert choice.validation == choice.candidates[2].validation
    assert choice.notes == []
    assert [one[3] for one in asked] == [1000, 1001] * 4
    assert selection_runs(BOXES, SETTINGS, WITH, validation=True) == len(asked)


def test_runs_that_are_done_are_not_done_again(tmp_path, cache):
    scores = {(False, 0.5, 4): (0.4, 0.4), (True, 0.5, 4): 0.3, (False, 2.0, 4): (0.2,)}
    with pytest.raises(IndexError):  # the job ends in the second run of the second ratio
        selector(cache, scores, asked := []).choose(real=True)
    again = StepCache(tmp_path / "state.json", {})
    choice = selector(again, {(False, 2.0, 4): (None, 0.1), (False, 1.0, 4): 0.1}, asked).choose(real=True)
    assert [c.validation[1]["map50"] for c in choice.candidates] == [0.4, 0.3, 0.1, 0.1]
    assert asked[6:] == [(False, 2.0, 4, 1001), (False, 1.0, 4, 1000), (False, 1.0, 4, 1001)]


def test_filters_are_chosen_among_with_every_ratio_and_cost_one_training(cache):
    settings = SETTINGS.model_copy(update={"ratios": [0.5, 2.0], "selection_runs": 1})
    scores = {(True, 0.5, 4): 0.5, (True, 2.0, 4): 0.9, (True, 0.5, 2): 0.6, (True, 2.0, 2): 0.95}
    choice = selector(cache, scores, asked := [], settings, task=Filtered()).choose(real=True)
    tried = [(c.filter, c.keep, c.ratio, c.n_synthetic) for c in choice.candidates]
    assert tried == [
        *[(None, 1.0, 0.5, 4)] * 2,
        (None, 1.0, 2.0, 4),
        *((name, 0.5, ratio, 2) for name in ("odd", "even") for ratio in (0.5, 2.0)),
    ]
    assert (choice.part, choice.mix.ratio, choice.mix.extra.tolist()) == (
        ("odd", 0.5),
        2.0,
        [7, 9],
    )  # the first of equals
    assert choice.mix.augmented
    assert asked[2] == ("filter", True, 0, 2000)  # by the recipe that was chosen, on real images alone
    assert selection_runs(Filtered(), settings, WITH, validation=True) == len(asked) == 8


def test_synthetic_images_only_have_no_ratio_to_choose(cache):
    settings = SETTINGS.model_copy(update={"selection_runs": 1})
    scores = {(False, np.inf, 4): 0.4, (False, np.inf, 2): 0.3}
    choice = selector(cache, scores, asked := [], settings, task=Filtered()).choose(real=False)
    assert np.isinf(choice.mix.ratio)
    assert [(c.augmented, c.ratio, c.filter, c.keep) for c in choice.candidates] == [
        (False, None, None, 1),
        (True, None, None, 1),
        (False, None, "odd", 0.5),
        (False, None, "even", 0.5),
    ]
    assert choice.record(generative=True).ratio is None
    assert selection_runs(Filtered(), settings, ONLY, validation=True) == len(asked) == 5


def test_where_no_image_can_be_added_there_is_nothing_to_choose(cache):
    choice = selector(cache, {}, [], data=Data(n=6)).choose(real=True)
    assert (choice.mix.extra.tolist(), choice.mix.augmented) == ([], True)
    assert (choice.candidates, choice.validation) == ([], None)
    assert choice.notes == ["no images with boxes to add: real ones alone"]
    record = choice.record(generative=True)
    assert (record.ratio, record.keep) == (None, None)


def test_with_a_single_ratio_the_recipe_alone_is_chosen(cache):
    single = SETTINGS.model_copy(update={"ratios": [2.0, 2.0]})
    choice = selector(cache, {(True, 2.0, 4): 0.5}, asked := [], single).choose(real=True)
    assert (choice.mix.ratio, choice.mix.augmented, len(choice.candidates)) == (2.0, True, 2)
    assert selection_runs(BOXES, single, WITH, validation=True) == len(asked) == 4


def test_without_validation_images_it_is_augmentation_and_the_first_ratio_which_is_said(cache):
    choice = selector(cache, None, []).choose(real=True)
    assert (choice.mix.ratio, choice.mix.augmented, choice.candidates, choice.validation) == (0.5, True, [], None)
    (note,) = choice.notes
    assert note.startswith("no validation images with boxes to choose by: augmented, the first ratio, every image")
    assert selection_runs(BOXES, SETTINGS, WITH, validation=False) == 0


class Alike(Filtered):
    """Trainings without augmentation cannot differ."""

    def varies(self, settings, data, mix):
        return mix.augmented


@pytest.mark.parametrize(("arm", "runs"), [(Arm(), 1), (AUGMENTED, 5)])
def test_what_cannot_vary_is_tried_once(cache, arm, runs):
    choice = selector(cache, {}, asked := [], task=Alike()).baseline_arm(arm)
    assert len(choice.validation) == len(asked) == runs


@pytest.mark.parametrize("arm", [Arm(), AUGMENTED, Arm(balanced=True)])
def test_a_baseline_arm_has_as_many_runs_as_are_judged(cache, arm):
    scores = {(arm.augmented, 0.0, 0): (0.4, 0.6, 0.5, 0.3, 0.2)}
    choice = selector(cache, scores, asked := [], data=Data(n=6)).baseline_arm(arm)
    assert choice.mix.extra.tolist() == []
    assert (choice.mix.augmented, choice.mix.balanced) == (arm.augmented, arm.balanced)
    assert [score["map50"] for score in choice.validation] == [0.4, 0.6, 0.5, 0.3, 0.2]
    assert choice.candidates == []
    assert selection_runs(BOXES, SETTINGS, arm, validation=True) == len(asked) == 5
    assert selector(cache, None, []).baseline_arm(arm).validation is None
