"""How long detectors are trained: as long as real images alone gain by it, and no longer than is allowed."""

import json

import numpy as np
import pytest

from pipeline.downstream.arms import Recipe
from pipeline.downstream.registry import TASKS
from pipeline.downstream.training_length import PARTS, SEED, choose_length, enough, of_length
from pipeline.settings import Detect, DetectBoxes, UserError
from tests.downstream.cases import SPLIT, TEST, Case, scenes, watched

BOXES = TASKS["boxes"].load()
PLAIN, AUGMENTED = Recipe(), Recipe(augmented=True)
CURVES = {  # scores of each recipe by length
    PLAIN: {1: 0.5, 2: 0.7, 4: 0.7, 8: 0.9},
    AUGMENTED: {1: 0.3, 2: 0.6, 4: 0.608, 8: 0.608},
}


@pytest.mark.parametrize(
    ("recipes", "lengths", "wanted", "asked"),
    [
        ([PLAIN], [1, 2, 4], 2, {1, 2, 4}),
        ([PLAIN], [1, 2, 4, 8], 8, {1, 2, 4, 8}),  # it rises after a standstill
        ([AUGMENTED], [1, 2, 4, 8], 2, {1, 2, 4, 8}),  # less than a point is no rise
        ([AUGMENTED], [1, 2], 2, {1, 2}),  # it rises still, and may not be longer
        ([AUGMENTED], [4, 8], 4, {4, 8}),
        ([PLAIN], [3], 3, set()),
    ],
)
def test_the_first_length_that_no_longer_one_beats(recipes, lengths, wanted, asked):
    seen = set()

    def score(recipe, steps):
        seen.add(steps)
        return CURVES[recipe][steps]

    assert (enough(lengths, recipes, score), seen) == (wanted, asked)


def test_every_recipe_must_have_enough_and_none_is_asked_in_vain():
    slow = Recipe(balanced=True)
    seen = []

    def score(recipe, steps):
        seen.append((recipe, steps))
        return {PLAIN: {1: 0.9, 2: 0.9, 4: 0.9}, slow: {1: 0.2, 2: 0.2, 4: 0.3}}[recipe][steps]

    assert enough([1, 2, 4], [PLAIN, slow], score) == 4
    assert enough([1, 2, 4], [PLAIN], score) == 1
    seen.clear()
    assert enough([1, 2, 4], [slow, PLAIN], score) == 4
    assert PLAIN not in {recipe for recipe, _ in seen}


def chosen(case, real, **more):
    """What the file says."""
    length, state = case.folder / "steps.json", case.folder / "state.json"
    of = case.settings.model_copy(update={"steps": 4} | more)
    choose_length(case.task, of, real, length, state, "plates")
    assert not state.exists()
    return json.loads(length.read_text())


def test_real_images_of_two_splits_choose_and_the_arms_are_told(case, monkeypatch):
    trained = []
    watched(monkeypatch, case.task, lambda mix, seed: trained.append((len(mix.extra), seed)))
    found = chosen(case, case.sets()[0])
    assert found["most"] == 4
    assert found["steps"] in (1, 2, 4)
    assert {(0, SEED)} == set(trained)
    assert len(trained) == len(found["tried"])
    assert {len(trial["validation"]) for trial in found["tried"]} == {1}
    assert of_length(case.settings, [case.folder / "steps.json"]).steps == found["steps"]
    assert of_length(case.settings, []) == case.settings


@pytest.mark.parametrize(("rise", "steps"), [({}, 2), ({8: 0.02}, 8), ({8: 0.005}, 2), ({16: 0.02}, 16)])
def test_it_is_where_the_score_that_chooses_stops_rising(case, monkeypatch, rise, steps):
    """The mean of two trainings of each recipe, of which the augmented alone is better after so many steps."""
    first, second = (name for name, _ in case.task.selection)
    trained = []

    def score(self, settings, real, detector, validation):
        mix, seed = trained[-1]
        gain = max((gain for n, gain in rise.items() if n <= settings.steps), default=0.0)
        return {first: 0.5 + mix.augmented * gain + 0.1 * (seed - SEED), second: 0.1 * settings.steps}

    monkeypatch.setattr(type(case.task), "validation_scores", score)
    monkeypatch.setattr(type(case.task), "train", lambda *of: trained.append(of[4:6]))
    found = chosen(case, case.sets()[0], steps=16, selection_runs=2)
    assert found["steps"] == steps
    assert {seed for _, seed in trained} == {SEED, SEED + 1}


def test_the_trials_cost_less_than_an_arm():
    """Of the most steps, by default: two recipes and as many ratios, two runs of each, and the repetitions."""
    settings, recipes = DetectBoxes(), TASKS["boxes"].recipes()
    trials = len(recipes) * settings.selection_runs * sum(1 / part for part in PARTS)
    choices = len(recipes) + len(settings.ratios) - 1
    assert trials < settings.selection_runs * choices + settings.repetitions


def test_the_test_images_are_not_looked_at(case):
    """With all of them another image the same is chosen, by the same scores."""
    one, other = (chosen(case, case.sets(name, altered)[0]) for name, altered in (("one", []), ("other", TEST)))
    assert one == other


def test_without_validation_images_it_is_the_most(case):
    real, _ = case.sets(split=np.where(SPLIT == "val", "train", SPLIT))
    assert chosen(case, real) == {"steps": 4, "most": 4, "tried": []}


def test_a_killed_job_goes_on(case, monkeypatch):
    real, trained = case.sets()[0], []
    scores = dict.fromkeys((name for name, _ in case.task.selection), 0.5)
    monkeypatch.setattr(type(case.task), "train", lambda *of: None)
    monkeypatch.setattr(type(case.task), "validation_scores", lambda self, settings, *of: scores)
    whole = chosen(case, real)

    def kill(mix, seed):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(seed)

    with monkeypatch.context() as patch:
        watched(patch, case.task, kill)
        with pytest.raises(KeyboardInterrupt):
            chosen(case, real)
    again = []
    watched(monkeypatch, case.task, lambda mix, seed: again.append(seed))
    assert chosen(case, real) == whole
    assert len(again) == len(whole["tried"]) - 2


def test_detectors_of_torchvision_learn_as_long(tmp_path, boxed, monkeypatch):
    """By the same steps; the network itself takes minutes."""
    seen = []
    monkeypatch.setattr(type(BOXES), "train", lambda self, settings, *of: seen.append(settings))
    monkeypatch.setattr(type(BOXES), "validation_scores", lambda *of: {name: 0.5 for name, _ in BOXES.selection})
    images, marks = scenes(len(SPLIT), seed=1)
    case = Case(BOXES, DetectBoxes(detector="fcos", selection_runs=1)).within(tmp_path, None, boxed)
    assert chosen(case, boxed("real", images, SPLIT, marks), steps=16)["steps"] == 2
    assert {(of.detector, of.steps) for of in seen} == {("fcos", n) for n in (2, 4, 8, 16)}


@pytest.mark.parametrize("text", [None, "{}", '{"steps": 3}'])
def test_a_file_without_a_length_is_named(tmp_path, text):
    path = tmp_path / "steps.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=r"steps\.json: (cannot be read|no length of a training)"):
        of_length(Detect(), [path])
