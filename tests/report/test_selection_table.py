"""What was chosen on validation images is shown with what it was chosen from."""

from pipeline.downstream.arms import baseline_arms
from pipeline.downstream.classifier.filters import FILTERS
from pipeline.downstream.classifier.task import BACKBONES
from pipeline.downstream.experiment import CONTROLS
from pipeline.downstream.records import Candidate, Chosen
from pipeline.downstream.registry import TASKS
from pipeline.report import classifier_section, labels, selection_table
from tests.report.arms import arm, plain

AS_IT_IS, AUGMENTED = (False, False), (True, False)
BASELINES = [arm.name for arm in baseline_arms(balanced=True)]


def chose(name, pilots=None, candidates=(), ratio=None, sieve=None, keep=None, real=True, notes=(), recipe=AS_IT_IS):
    validation = pilots and [{"macro_f1": score, "loss": loss} for score, loss in pilots]
    chosen = Chosen(*recipe, ratio, sieve, keep, list(candidates), validation, list(notes))
    return plain(name, chosen=chosen) if name in BASELINES else arm(name, chosen=chosen, real=real)


def candidate(ratio, sieve, keep, *scores, recipe=AS_IT_IS):
    return Candidate(*recipe, ratio, sieve, keep, [{"macro_f1": score, "loss": 1.0} for score in scores])


def test_each_candidate_has_its_mean_and_the_chosen_one_is_marked():
    fewer = [candidate(0.5, None, 1.0, 0.55, 0.55), candidate(2.0, None, 1.0, 0.5, 0.5)]  # a quarter: a class empty
    tried = [candidate(0.5, None, 1.0, 0.6, 0.7), candidate(0.5, "confidence", 0.25, 0.8, 0.9)]
    tried += [candidate(0.5, "nearest", 0.25, 0.8, 0.8), candidate(2.0, None, 1.0, 0.1, 0.2)]
    alone = [candidate(None, None, 1.0, 0.3, 0.3), candidate(None, "nearest", 0.25, 0.2, 0.2)]
    found = selection_table.context(
        [
            chose("augmented", [(0.80, 0.4), (0.90, 0.2)]),
            chose("real", [(0.70, 0.5), (0.70, 0.5)]),
            chose("real+a", candidates=tried, ratio=0.5, sieve="confidence", keep=0.25),
            chose("real+b", candidates=fewer, ratio=0.5, keep=1.0),
            chose("a-only", candidates=alone, keep=1.0, real=False),
        ]
    )
    strongest, real = found["plain"]
    assert strongest == {"arm": "augmented", "scores": ["85.0 ± 7.1", "0.300"], "strongest": True}
    assert not real["strongest"]
    assert (found["runs"], found["titles"]) == (2, ["macro F1, %", "log loss"])
    assert found["recipes"] is None  # there was one
    mixed, only = found["portions"]
    kept = ["all of them", "the surest 25\u202f%", "the nearest 25\u202f%"]
    assert mixed["columns"] == [f"0.5 for each real one, {which}" for which in kept] + [
        "2 for each real one, all of them"
    ]
    cells = {row["arm"]: [cell and (cell["text"], cell["chosen"]) for cell in row["cells"]] for row in mixed["rows"]}
    assert cells["real+a"] == [("65.0", False), ("85.0", True), ("80.0", False), ("15.0", False)]
    assert cells["real+b"] == [("55.0", True), None, None, ("50.0", False)]
    assert only["columns"] == ["all of them", "the nearest 25\u202f%"]
    assert [cell["chosen"] for cell in only["rows"][0]["cells"]] == [True, False]


def test_recipes_are_compared_with_the_first_ratio_and_every_image_and_the_rest_within_the_chosen_one():
    tried = [candidate(0.5, None, 1.0, 0.6), candidate(0.5, None, 1.0, 0.7, recipe=AUGMENTED)]
    better = [*tried, candidate(2.0, None, 1.0, 0.8, recipe=AUGMENTED)]
    plainer = [candidate(0.5, None, 1.0, 0.9), tried[1], candidate(2.0, None, 1.0, 0.65)]
    arms = [
        chose("real", [(0.5, 0.5)]),
        chose("real+a", candidates=better, ratio=2.0, keep=1.0, recipe=AUGMENTED),
        chose("real+b", candidates=plainer, ratio=0.5, keep=1.0),
    ]
    found = selection_table.context(arms)

    def cells(table):
        return [
            (row["arm"], row["recipe"], [(cell["text"], cell["chosen"]) for cell in row["cells"]])
            for row in table["rows"]
        ]

    assert found["recipes"]["columns"] == ["as they are", "augmented"]
    assert cells(found["recipes"]) == [
        ("real+a", "augmented", [("60.0", False), ("70.0", True)]),
        ("real+b", "as they are", [("90.0", True), ("70.0", False)]),
    ]
    (portions,) = found["portions"]
    assert cells(portions) == [
        ("real+a", "augmented", [("70.0", False), ("80.0", True)]),
        ("real+b", "as they are", [("90.0", True), ("65.0", False)]),
    ]
    assert selection_table.recipe(True, True) == "augmented and balanced"


def test_a_training_in_which_nothing_is_random_has_no_spread():
    found = selection_table.context([chose("augmented", [(0.8, 0.4), (0.9, 0.2)]), chose("real", [(0.7, 0.5)])])
    assert [row["scores"][0] for row in found["plain"]] == ["85.0 ± 7.1", "70.0"]
    assert found["runs"] == 2


def test_where_nothing_was_chosen_nothing_is_shown():
    assert selection_table.context([chose("augmented"), chose("real"), chose("real+a", ratio=1.0, keep=1.0)]) is None


def test_a_note_of_several_arms_is_said_once():
    said = selection_table.notes(
        [chose("real"), chose("real+a", notes=["x left out"]), chose("a-only", notes=["x left out", "no y"])]
    )
    assert said == ["real+a, a-only: x left out.", "a-only: no y."]


def test_every_filter_is_told_in_words():
    assert selection_table.WORDS.keys() == FILTERS.keys()


def test_every_control_and_every_backbone_is_told_in_words():
    assert labels.CONTROLS.keys() == CONTROLS.keys()
    assert classifier_section.BACKBONES.keys() == BACKBONES.keys()


def test_every_arm_without_a_generator_is_told_in_words():
    assert labels.PLAIN.keys() == {arm.name for task in TASKS.values() for arm in task.baseline_arms()}
