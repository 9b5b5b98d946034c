"""How long detectors are trained: as long as real images alone gain by it, and no longer than is allowed."""

import json

import numpy as np
import pytest

from pipeline.downstream.arms import Recipe
from pipeline.downstream.registry import TASKS
from pipeline.downstream.training_length import SEED, choose_length, enough, of_length
from pipeline.settings import Detect, UserError
from tests.downstream.cases import COUNTS, SPLIT, shapes, watched

pytestmark = pytest.mark.usefixtures("shallow")
TASK = TASKS["classification"].load()
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


def settings(**more):
    return Detect(backbone="scratch", steps=16, batch=4, width=4, selection_runs=1, **more)


def chosen(folder, real, of):
    choose_length(TASK, of, real, folder / "steps.json", folder / "state.json", "plates")
    assert not (folder / "state.json").exists()
    return json.loads((folder / "steps.json").read_text())


def made(image_set, split=SPLIT, name="real"):
    images, labels = shapes(sum(COUNTS.values()), 0)
    return image_set(name, images, labels, split)


def test_real_images_of_two_splits_choose_and_the_arms_are_told(tmp_path, image_set, monkeypatch):
    trained = []
    watched(monkeypatch, TASK, lambda mix, seed: trained.append((len(mix.extra), seed)))
    of = settings()
    found = chosen(tmp_path, made(image_set), of)
    assert found["most"] == 16
    assert found["steps"] in (2, 4, 8, 16)
    assert {(0, SEED)} == set(trained)
    assert len(trained) == len(found["tried"])
    assert {len(trial["validation"]) for trial in found["tried"]} == {1}
    assert of_length(of, [tmp_path / "steps.json"]).steps == found["steps"]
    assert of_length(of, []) == of


def test_the_test_images_are_not_looked_at(tmp_path, image_set):
    """With all of them another image the same is chosen, by the same scores."""
    images, labels = shapes(len(SPLIT), 0)
    changed = images.copy()
    changed[SPLIT == "test"] = 255 - changed[SPLIT == "test"]
    one, other = (
        chosen(tmp_path, image_set(name, of, labels, SPLIT), settings())
        for name, of in (("one", images), ("other", changed))
    )
    assert one == other


def test_without_validation_images_it_is_the_most(tmp_path, image_set):
    real = made(image_set, np.where(SPLIT == "val", "train", SPLIT))
    assert chosen(tmp_path, real, settings()) == {"steps": 16, "most": 16, "tried": []}


def test_a_killed_job_goes_on(tmp_path, image_set, monkeypatch):
    real, trained = made(image_set), []
    whole = chosen(tmp_path, real, settings())

    def kill(mix, seed):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(seed)

    with monkeypatch.context() as patch:
        watched(patch, TASK, kill)
        with pytest.raises(KeyboardInterrupt):
            chosen(tmp_path, real, settings())
    again = []
    watched(monkeypatch, TASK, lambda mix, seed: again.append(seed))
    assert chosen(tmp_path, real, settings()) == whole
    assert len(again) == len(whole["tried"]) - 2


@pytest.mark.parametrize("text", [None, "{}", '{"steps": 3}'])
def test_a_file_without_a_length_is_named(tmp_path, text):
    path = tmp_path / "steps.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=r"steps\.json: (cannot be read|no length of a training)"):
        of_length(settings(), [path])
