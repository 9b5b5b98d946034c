"""What would sharpen the answers of the first page."""

from dataclasses import replace

import pytest

from pipeline.downstream.arms import Arm
from pipeline.downstream.records import NewShots, result_of
from pipeline.downstream.registry import TASKS
from pipeline.report import next_steps
from pipeline.report.next_steps import NextSteps
from tests.downstream.cases import stub
from tests.report.arms import arm, change, plain

BASE = plain()
FEW = {"shots": 5, "draw": 1}
NEW = NewShots(5, 0.03, -0.01, 0.07, "cannot tell")
NOTHING = NextSteps(None, None, None, None, draws=False, longer=[])


def steps(best, settings=None):
    return next_steps.of_dataset([BASE, best], settings or {}, [])


def test_more_of_what_is_scarce_sharpens_an_answer_that_nobody_can_give():
    """Of the variances 1 and 8 the larger becomes a fourth. At 97.5 %, t(4) = 2.776, t(19) = 2.093, t(59) = 2.001 and
    t(239) = 1.970. Of images: (1 · 2.776 + 2 · 1.970) / √3 + 0.84 √3 = 5.333 for (1 · 2.776 + 8 · 2.001) / 3 + 0.84 · 3
    = 8.781, and of 8.4 points 5.1 remain; of repetitions: 5.027 for 10.591, and 4.0 remain."""
    small, large = 0.01, 0.01 * 8**0.5
    images = arm("real+x", error_repetitions=small, error_images=large, share_repetitions=0.2)
    assert (images.scarcer, steps(images)) == (
        "test images",
        NOTHING._replace(unsure=images, sees=pytest.approx(0.0510, abs=5e-5)),
    )
    often = arm("real+x", error_repetitions=large, error_images=small, share_repetitions=0.8)
    assert (often.scarcer, steps(often)) == (
        "repetitions",
        NOTHING._replace(unsure=often, sees=pytest.approx(0.0399, abs=5e-5)),
    )
    blind = replace(often, detectable=1.93)
    assert steps(blind) == NOTHING._replace(unsure=blind), "nobody can gain 193 points, nor 97"


def test_nothing_sharpens_an_answer_that_is_there_or_sharp_enough():
    known = {"error_repetitions": 0.01, "error_images": 0.01}
    for best in (
        arm("real+x", "helps", 0.1, 0.05, 0.15, **known),
        arm("real+x", detectable=0.015, **known),
        arm("real+x", error_repetitions=0.01, error_images=None),  # one group of test images
    ):
        assert steps(best) == NOTHING
    assert next_steps.of_dataset([], {}, []) == NOTHING


def test_a_detector_that_guesses_needs_to_learn_not_more_to_be_judged_by():
    guessing = replace(BASE, score=0.5, score_low=0.45, by_class=[change(name) for name in "ab"])
    best = arm("real+x", error_repetitions=0.01, error_images=0.03, share_repetitions=0.2)
    assert next_steps.of_dataset([guessing, best], FEW, []) == NOTHING._replace(guessing=guessing)
    sure = replace(guessing, score_low=0.55)
    found = next_steps.of_dataset([sure, best], {}, [])
    assert (found.guessing, found.unsure) == (None, best)


def test_a_detector_without_mistakes_is_not_asked_for_more_test_images():
    base = replace(BASE, score=1.0)
    best = arm("real+x", error_repetitions=0.01, error_images=0.03)
    assert next_steps.of_dataset([base, best], {}, []) == NOTHING._replace(perfect=base)
    worse = arm("real+x", "hurts", -0.2, -0.3, -0.1, error_repetitions=0.01, error_images=0.03)
    assert next_steps.of_dataset([base, worse], {}, []) == NOTHING


def test_a_single_draw_of_few_shots_does_not_speak_for_others():
    best = arm("real+x", "helps", 0.1, 0.05, 0.15)
    assert steps(best, FEW) == NOTHING._replace(draws=True)
    assert steps(replace(best, new_shots=NEW), FEW) == steps(best, FEW | {"draw": 2}) == NOTHING


def test_generators_whose_last_weights_were_kept_may_go_on_and_one_seed_is_one():
    rows = [
        {"name": "done", "images": "9\u202f000", "kept": "6\u202f000"},
        {"name": "ddpm", "images": "9\u202f000", "kept": "6\u202f000, 9\u202f000"},
        {"name": "warp", "images": "–", "kept": "–"},
    ]
    assert next_steps.of_dataset([], {}, rows) == NOTHING._replace(longer=[rows[1]])
    trained, free = ({"models": {"a": {"family": family}}} for family in ("ddpm", "warp"))
    assert [next_steps.one_seed(trained | {"seeds": seeds}) for seeds in ([0], [0, 1])] == [True, False]
    assert not next_steps.one_seed(free | {"seeds": [0]})


@pytest.mark.parametrize(
    ("task", "backbone", "steps", "validation", "said"),
    [
        ("boxes", "frozen", 200, [], True),
        ("boxes", "frozen", 100, [], False),  # more gained nothing
        ("boxes", "frozen", 200, None, False),  # nobody knows
        ("classification", "scratch", 90, [], True),
        ("classification", "scratch", 45, [], False),
        ("classification", "frozen", 90, [], False),
    ],
)
def test_detectors_that_took_all_their_steps_want_more(task, backbone, steps, validation, said):
    kind = TASKS[task].load()
    body = stub(kind, Arm(), validation, steps=steps, settings={"backbone": backbone})
    result = result_of(body, kind.result)
    assert next_steps.took_all(result, {"steps": 90, "boxes": {"steps": 200}}) == said
    best = arm("real+x", "helps", 0.1, 0.05, 0.15, error_repetitions=0.01, error_images=0.01)
    found = next_steps.of_dataset([BASE, best], {}, [], said)
    assert found == NOTHING._replace(rising=BASE if said else None)
