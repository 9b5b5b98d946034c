from dataclasses import replace

import pytest

from pipeline.downstream.arms import Arm
from pipeline.downstream.baseline import select_baseline
from pipeline.downstream.records import result_of
from pipeline.settings import UserError
from tests.downstream.cases import CASES, WITH, stub

AUGMENTED, BALANCED = Arm(augmented=True), Arm(balanced=True)
BOTH = Arm(augmented=True, balanced=True)


@pytest.fixture(params=CASES, ids=lambda case: case.task.name)
def task(request):
    return request.param.task


def result(task, arm, *scores, test=0.5):
    """`scores`: pairs of the scores that choose, the second the more the better."""
    (first, _), (second, sign) = task.selection
    validation = [{first: a, second: sign * b} for a, b in scores] or None
    found = result_of(stub(task, arm, validation), task.result)
    return replace(found, mean={first: test})


def test_the_best_mean_on_validation_images_is_the_baseline_whatever_the_test_images_say(task):
    arms = [
        result(task, Arm(), (0.5, 0.2), (0.5, 0.2), test=0.9),
        result(task, AUGMENTED, (0.9, 0.1), (0.3, 0.1), test=0.1),
        result(task, BOTH, (0.55, 0.9), (0.55, 0.9), test=0.99),
    ]
    assert select_baseline(task.selection, arms) == select_baseline(task.selection, arms[::-1]) == arms[1]
    assert select_baseline(task.selection, [*arms, result(task, WITH, (0.99, 0.9))]) == arms[1]


def test_equal_ones_are_told_apart_by_the_second_score_and_then_by_the_order(task):
    real, other, equal = (result(task, arm, (0.5, b)) for arm, b in ((Arm(), 0.2), (BOTH, 0.3), (BALANCED, 0.2)))
    assert select_baseline(task.selection, [real, other]) == other
    assert select_baseline(task.selection, [real, equal]) == real


def test_without_validation_images_it_is_the_augmented_arm(task):
    plain = [result(task, arm) for arm in (Arm(), BOTH, AUGMENTED)]
    assert select_baseline(task.selection, plain) == plain[2]
    assert select_baseline(task.selection, plain[:1]) == plain[0]


def test_without_a_baseline_arm_there_is_nothing_to_compare_with(task):
    with pytest.raises(UserError, match="no arm without a generator"):
        select_baseline(task.selection, [result(task, WITH, (0.9, 0.9))])
