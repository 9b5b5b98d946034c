from dataclasses import replace

import pytest
import torch

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes.arms import PLAIN, BoxArm, Made
from pipeline.downstream.boxes.box_dataset import training
from pipeline.downstream.boxes.selection import choose, plain, trainings
from pipeline.downstream.resumable import Ledger
from pipeline.settings import DetectBoxes
from tests.downstream.boxes.conftest import scenes

SETTINGS = DetectBoxes(seeds=5, ratios=[0.5, 2.0, 1.0], pilots=2)
WITH = BoxArm("real+x", [Made("x", "synthetic")])


CPU = torch.device("cpu")


@pytest.fixture
def pool(boxed):
    """Six real images, then four synthetic ones."""
    sets = []
    for name, n in (("real", 6), ("made", 4)):
        images, marks = scenes(n, seed=n)
        sets.append(ImageSet.open(boxed(name, images, ["train"] * n, marks)))
    return training(sets[0], sets[1:], "steel", CPU)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "state.json", {})


def scored(by_ratio, asked):
    """Stands in for a training: its scores on validation images are told by ratio and seed."""

    def attempt(diet, seed):
        asked.append((diet.ratio, seed))
        return {"map50": by_ratio[diet.ratio][seed - 1000], "map50_95": 0.1}

    return attempt


def test_the_ratio_with_the_best_pilots_is_taken_and_all_are_recorded(pool, ledger):
    asked, scores = [], {0.5: (0.4, 0.4), 2.0: (0.9, 0.2), 1.0: (0.7, 0.3)}
    choice = choose(SETTINGS, "augmented", pool, scored(scores, asked), ledger)
    assert (choice.diet.ratio, choice.diet.augmented, choice.diet.extra.tolist()) == (2.0, True, [6, 7, 8, 9])
    assert [(c["ratio"], *(p["map50"] for p in c["validation"])) for c in choice.candidates] == [
        (0.5, 0.4, 0.4),
        (2.0, 0.9, 0.2),
        (1.0, 0.7, 0.3),
    ]
    assert choice.validation == choice.candidates[1]["validation"]
    assert choice.notes == []
    assert asked == [(ratio, 1000 + pilot) for ratio in (0.5, 2.0, 1.0) for pilot in range(2)]
    assert trainings(SETTINGS, WITH, True) == 5 + len(asked)


def test_pilots_that_are_done_are_not_done_again(tmp_path, pool, ledger):
    asked, scores = [], {0.5: (0.4, 0.4), 2.0: (0.9, 0.2), 1.0: (0.7,)}
    with pytest.raises(IndexError):  # the job ends in the second pilot of the third ratio
        choose(SETTINGS, "real", pool, scored(scores, asked), ledger)
    again = Ledger(tmp_path / "state.json", {})
    choice = choose(SETTINGS, "real", pool, scored({1.0: (None, 0.1)}, asked), again)
    assert [c["validation"][1]["map50"] for c in choice.candidates] == [0.4, 0.2, 0.1]
    assert asked[6:] == [(1.0, 1001)]


def test_where_nothing_could_be_labelled_there_is_nothing_to_choose(pool, ledger):
    choice = choose(SETTINGS, "augmented", replace(pool, images=replace(pool.images, n_real=10)), None, ledger)
    assert (choice.diet.extra.tolist(), choice.diet.ratio, choice.diet.augmented) == ([], 0.0, True)
    assert (choice.candidates, choice.validation) == ([], None)
    assert choice.notes == ["none of its synthetic images has known boxes, so it learns from real images alone"]


def test_a_single_ratio_needs_no_pilot(pool, ledger):
    single = SETTINGS.model_copy(update={"ratios": [2.0, 2.0]})
    choice = choose(single, "real", pool, scored({}, []), ledger)
    assert (choice.diet.ratio, choice.diet.augmented, choice.candidates, choice.validation) == (2.0, False, [], None)
    assert trainings(single, WITH, True) == 5


def test_without_validation_images_it_is_the_first_ratio_which_is_said(pool, ledger):
    choice = choose(SETTINGS, "augmented", pool, None, ledger)
    assert (choice.diet.ratio, choice.candidates, choice.validation) == (0.5, [], None)
    assert choice.notes == ["no validation images with boxes to choose by: first ratio, on the arm `augmented`"]
    assert trainings(SETTINGS, WITH, False) == 5


@pytest.mark.parametrize(
    ("name", "extra", "ratio", "augmented"),
    [("real", [], 0, False), ("augmented", [], 0, True), ("duplicates", [0, 1, 2, 3, 4, 5], 0.5, False)],
)
def test_a_plain_arm_has_pilots_whatever_its_name(boxed, ledger, name, extra, ratio, augmented):
    images, marks = scenes(6, seed=6)
    real = training(ImageSet.open(boxed("real", images, ["train"] * 6, marks)), [], "steel", CPU)
    asked = []
    choice = plain(SETTINGS, PLAIN[name], real, scored({ratio: (0.4, 0.6, 0.5, 0.3, 0.2)}, asked), ledger)
    assert (choice.diet.extra.tolist(), choice.diet.ratio, choice.diet.augmented) == (extra, ratio, augmented)
    assert [score["map50"] for score in choice.validation] == [0.4, 0.6, 0.5, 0.3, 0.2]
    assert choice.candidates == []
    assert trainings(SETTINGS, PLAIN[name], True) == 5 + len(asked) == 10
    assert plain(SETTINGS, PLAIN[name], real, None, ledger).validation is None
