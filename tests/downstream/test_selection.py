"""How many synthetic images, and which: chosen by selection runs whose scores are told."""

from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.downstream.arms import Arm
from pipeline.downstream.records import result_of
from pipeline.downstream.resumable import StepCache
from pipeline.downstream.selection import Selector, selection_runs
from pipeline.downstream.task import Task
from pipeline.settings import DetectBoxes
from tests.downstream.cases import CASES, WITH, stub

AUGMENTED = Arm(augmented=True)
ONLY = Arm(WITH.synthetic, real=False)
BOXES = CASES[1].task
SETTINGS = DetectBoxes(repetitions=5, ratios=[0.5, 2.0, 1.0], selection_runs=2)


class Filtered(Task):
    """Box detectors with filters that need no training: all synthetic images, or every other one by `odd` or `even`."""

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


def baseline(arm):
    return result_of(stub(BOXES, arm), BOXES.result)


def selector(cache, scores, asked, settings=SETTINGS, data=None, task=BOXES):
    """Trainings are stood in for: ratio and seed tell their scores on validation images; None: there are no images."""

    def score(mix, seed):
        asked.append((mix.ratio, seed))
        return {"map50": scores[mix.ratio, len(mix.extra)][seed - 1000], "map50_95": 0.1}

    train = lambda mix, seed: asked.append(("filter", seed))  # noqa: E731
    return Selector(task, settings, data or Data(), train, None if scores is None else score, cache)


def of_ratio(scores, extra=4):
    return {(ratio, extra): values for ratio, values in scores.items()}


def test_the_ratio_with_the_best_runs_is_taken_and_all_are_recorded(cache):
    asked, scores = [], of_ratio({0.5: (0.4, 0.4), 2.0: (0.9, 0.2), 1.0: (0.7, 0.3)})
    choice = selector(cache, scores, asked).choose(baseline(AUGMENTED), real=True)
    assert (choice.mix.ratio, choice.mix.augmented, choice.mix.extra.tolist()) == (2.0, True, [6, 7, 8, 9])
    assert [(c.ratio, *(run["map50"] for run in c.validation)) for c in choice.candidates] == [
        (0.5, 0.4, 0.4),
        (2.0, 0.9, 0.2),
        (1.0, 0.7, 0.3),
    ]
    assert choice.validation == choice.candidates[1].validation
    assert choice.notes == []
    assert asked == [(ratio, 1000 + run) for ratio in (0.5, 2.0, 1.0) for run in range(2)]
    assert selection_runs(BOXES, SETTINGS, WITH, validation=True) == len(asked)


def test_runs_that_are_done_are_not_done_again(tmp_path, cache):
    asked, scores = [], of_ratio({0.5: (0.4, 0.4), 2.0: (0.9, 0.2), 1.0: (0.7,)})
    with pytest.raises(IndexError):  # the job ends in the second run of the third ratio
        selector(cache, scores, asked).choose(baseline(Arm()), real=True)
    again = StepCache(tmp_path / "state.json", {})
    choice = selector(again, of_ratio({1.0: (None, 0.1)}), asked).choose(baseline(Arm()), real=True)
    assert [c.validation[1]["map50"] for c in choice.candidates] == [0.4, 0.2, 0.1]
    assert asked[6:] == [(1.0, 1001)]


def test_filters_are_chosen_among_with_every_ratio_and_cost_one_training(cache):
    settings = SETTINGS.model_copy(update={"ratios": [0.5, 2.0], "selection_runs": 1})
    scores, asked = of_ratio({0.5: [0.4], 2.0: [0.9]}) | of_ratio({0.5: [0.6], 2.0: [0.95]}, extra=2), []
    balanced = baseline(Arm(augmented=True, balanced=True))
    choice = selector(cache, scores, asked, settings, task=Filtered()).choose(balanced, real=True)
    assert [(c.filter, c.keep, c.ratio, c.n_synthetic) for c in choice.candidates] == [
        *((None, 1.0, ratio, 4) for ratio in (0.5, 2.0)),
        *((name, 0.5, ratio, 2) for name in ("odd", "even") for ratio in (0.5, 2.0)),
    ]
    assert (choice.part, choice.mix.ratio, choice.mix.extra.tolist()) == (
        ("odd", 0.5),
        2.0,
        [7, 9],
    )  # the first of equals
    assert (choice.mix.augmented, choice.mix.balanced) == (True, True)
    assert asked[0] == ("filter", 2000)
    assert selection_runs(Filtered(), settings, WITH, validation=True) == len(asked) == 7


def test_synthetic_images_only_have_no_ratio_to_choose(cache):
    settings = SETTINGS.model_copy(update={"selection_runs": 1})
    scores, asked = {(np.inf, 4): [0.4], (np.inf, 2): [0.3]}, []
    choice = selector(cache, scores, asked, settings, task=Filtered()).choose(baseline(Arm()), real=False)
    assert np.isinf(choice.mix.ratio)
    assert [(c.ratio, c.filter, c.keep) for c in choice.candidates] == [
        (None, None, 1),
        (None, "odd", 0.5),
        (None, "even", 0.5),
    ]
    assert choice.record(generative=True).ratio is None
    assert selection_runs(Filtered(), settings, ONLY, validation=True) == len(asked) == 4


def test_where_no_synthetic_image_can_be_used_there_is_nothing_to_choose(cache):
    choice = selector(cache, {}, [], data=Data(n=6)).choose(baseline(AUGMENTED), real=True)
    assert (choice.mix.extra.tolist(), choice.mix.augmented) == ([], True)
    assert (choice.candidates, choice.validation) == ([], None)
    assert choice.notes == ["no synthetic images with boxes to learn from: it learns from real ones alone"]
    record = choice.record(generative=True)
    assert (record.ratio, record.keep) == (None, None)


def test_a_single_ratio_needs_no_run(cache):
    single = SETTINGS.model_copy(update={"ratios": [2.0, 2.0]})
    choice = selector(cache, {}, [], single).choose(baseline(Arm()), real=True)
    assert (choice.mix.ratio, choice.mix.augmented, choice.candidates, choice.validation) == (2.0, False, [], None)
    assert selection_runs(BOXES, single, WITH, validation=True) == 0


def test_without_validation_images_it_is_the_first_ratio_which_is_said(cache):
    choice = selector(cache, None, []).choose(baseline(AUGMENTED), real=True)
    assert (choice.mix.ratio, choice.candidates, choice.validation) == (0.5, [], None)
    (note,) = choice.notes
    assert note.startswith("no validation images with boxes to choose by: first ratio, every synthetic image")
    assert selection_runs(BOXES, SETTINGS, WITH, validation=False) == 0


@pytest.mark.parametrize(
    ("arm", "extra"), [(Arm(), 0), (AUGMENTED, 0), (Arm(balanced=True), 0), (Arm(duplicates=True), 6)]
)
def test_a_baseline_arm_has_as_many_runs_as_are_judged(cache, arm, extra):
    asked, scores = [], of_ratio({0.5: (0.4, 0.6, 0.5, 0.3, 0.2)}, extra)
    choice = selector(cache, scores, asked, data=Data(n=6)).baseline_arm(arm)
    assert choice.mix.extra.tolist() == list(range(extra))
    assert (choice.mix.augmented, choice.mix.balanced) == (arm.augmented, arm.balanced)
    assert [score["map50"] for score in choice.validation] == [0.4, 0.6, 0.5, 0.3, 0.2]
    assert choice.candidates == []
    assert selection_runs(BOXES, SETTINGS, arm, validation=True) == len(asked) == 5
    assert selector(cache, None, []).baseline_arm(arm).validation is None
