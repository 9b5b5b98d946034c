"""What the page says of detectors is what the comparison says, and no more; every number of it stands in a sentence."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from pipeline.downstream.records import LabelEfficiency
from pipeline.report import detector_findings, labels
from tests.report.arms import arm, change, more_real, over, plain, same_real

BASE = plain("augmented")
PLAIN = plain("real", verdict="no generator", gain=0.3, low=0.2, high=0.4)


def answer(*arms):
    return detector_findings.answer([BASE, PLAIN, *arms])


def others(of):
    """Names of the other arms, by whether they saw real images and by their verdict."""
    return {
        real: {kind: [arm.arm for arm in arms] for kind, arms in found.items()} for real, found in of.others.items()
    }


def test_the_best_arm_its_classes_and_the_others_are_told_apart():
    classes = [
        change("pits", 0.2, 0.1, 0.3),
        change("seams", 0.1, 0.05, 0.15),
        change("stains", -0.4, -0.9, 0.1),
        change("rolls", -0.05, -0.08, -0.02),
    ]
    arms = [
        more_real(),
        same_real(),
        arm("real+cgan", "helps", 0.02, 0.01, 0.03),
        arm("real+sg2", "helps", 0.05, 0.01, 0.09, by_class=classes),
        arm("real+all", "cannot tell", 0.06, -0.01, 0.13, models=["cgan", "sg2"]),
        arm("cgan-only", "hurts", -0.3, -0.5, -0.1, real=False),
    ]
    of = answer(*arms)
    assert (of.baseline.arm, of.best.arm, of.kind, of.control) == ("augmented", "real+sg2", "helps", "helps")
    assert {word: row.name for word, row in detector_findings.surely_changed(of.best.by_class).items()} == {
        "gains": "pits", "loses": "rolls",
    }  # fmt: skip
    assert others(of) == {
        True: {"helps": ["real+cgan"], "cannot tell": ["real+all"]}, False: {"hurts": ["cgan-only"]},
    }  # fmt: skip
    assert (of.exchange, of.unknown) == (None, "one number")


@pytest.mark.parametrize(
    ("gain", "little"),
    [
        ((-0.002, -0.008, 0.004), True),
        ((0.0, -0.029, 0.029), True),
        ((0.0, -0.03, 0.01), False),  # three points are no little
        ((0.0, -0.01, 0.031), False),
        ((0.02, 0.01, 0.025), False),  # not better than its own recipe, or it would help
    ],
)
def test_a_change_of_three_points_or_more_is_excluded_or_nobody_can_say(gain, little):
    assert answer(arm("real+a", "cannot tell", *gain)).kind == ("little" if little else "cannot tell")


def test_while_one_arm_may_help_it_is_not_said_that_they_hurt():
    """Also where the arm that surely hurts is the better one on average."""
    sure = arm("real+cgan", "hurts", -0.01, -0.015, -0.005)
    open_ = arm("real+sg2", "cannot tell", -0.03, -0.1, 0.04, by_class=[change("pits", 0.1, -0.1, 0.3)])
    of = answer(sure, open_)
    assert (of.best.arm, of.kind) == ("real+sg2", "cannot tell")
    assert others(of) == {True: {"hurts": ["real+cgan"]}, False: {}}
    assert set(detector_findings.surely_changed(of.best.by_class).values()) == {None}


def test_they_hurt_where_all_that_are_added_hurt_whatever_they_do_alone():
    of = answer(
        arm("real+sg2", "hurts", -0.05, -0.09, -0.01), arm("sg2-only", "cannot tell", 0.02, -0.3, 0.3, real=False)
    )
    assert (of.best.arm, of.kind) == ("real+sg2", "hurts")
    assert others(of) == {True: {}, False: {"cannot tell": ["sg2-only"]}}


def test_controls_are_no_generators():
    assert answer() is answer(more_real(), same_real()) is None
    assert detector_findings.best_of([]) is None
    best = arm("real+a", "hurts", -0.05, -0.09, -0.01)
    assert detector_findings.best_of([BASE, more_real(), same_real("helps", 0.2, 0.1, 0.3), best]) is best
    assert detector_findings.generators([BASE, PLAIN, more_real(), same_real(), best]) == [best]


# ---------------------------------------------------------------- the two comparisons


@pytest.mark.parametrize(
    ("gain", "own", "sides"),
    [
        ((0.03, 0.01, 0.05), (0.01, -0.01, 0.03), ("better", "unsure")),
        ((0.01, -0.02, 0.04), (0.04, 0.02, 0.06), ("unsure", "better")),
        ((0.03, 0.01, 0.05), (-0.04, -0.06, -0.02), ("better", "worse")),
        ((0.03, 0.01, 0.05), (0.02, 0.01, 0.03), None),
        ((0.0, -0.01, 0.01), (0.01, -0.01, 0.03), None),
    ],
)
def test_both_comparisons_are_named_just_where_they_disagree(gain, own, sides):
    assert detector_findings.divided(arm("real+a", "cannot tell", *gain, recipe=over("real", *own))) == sides


def test_what_could_be_seen_is_the_larger_of_both_and_nothing_beyond_what_there_is():
    assert arm("real+a", recipe=over("real", 0.0, -0.1, 0.1, 0.12)).detects == 0.12
    assert arm("real+a", recipe=over("real", 0.0, -0.1, 0.1, 0.02)).detects == 0.084
    assert arm("real+a", detectable=None).detects is arm("real+a", detectable=1.3).detects is None


# ---------------------------------------------------------------- controls


ANY = arm("real+a", "hurts", -0.05, -0.09, -0.01)


@pytest.mark.parametrize(
    ("control", "said"),
    [
        (more_real(), "helps"),
        (more_real("cannot tell", 0.004, -0.01, 0.018), "gains little"),
        (more_real("cannot tell", 0.01, -0.02, 0.04), "cannot tell"),
        (more_real("cannot tell", 0.01, -1.0, 1.0, detectable=None), "cannot tell"),
    ],
)
def test_what_the_positive_control_says_of_the_comparison(control, said):
    of = answer(control, ANY)
    assert (of.more_real, of.control) == (control, said)
    of = answer(same_real(), ANY)
    assert (of.more_real, of.control) == (None, "absent")


def test_a_negative_control_that_helps_is_a_warning_and_one_that_does_not_is_none():
    alarms, helps = detector_findings.alarms, same_real("helps", 0.02, 0.01, 0.03)
    assert alarms([]) == alarms([BASE, more_real(), same_real(), ANY]) == {}
    assert alarms([BASE, helps, ANY]) == {"same real": helps}


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ({"score_low": 0.32, "by_class": [change(name) for name in "abc"]}, True),
        ({"score_low": 0.34, "by_class": [change(name) for name in "abc"]}, False),
        ({"score_low": 0.0, "task": "boxes", "by_class": [change("a"), change("b")]}, True),
        ({"score_low": 0.01, "task": "boxes", "by_class": [change("a")]}, False),
    ],
)
def test_a_detector_that_may_be_guessing_is_a_warning(more, warned):
    base = plain(**more)
    assert detector_findings.alarms([base]) == ({"guessing": base} if warned else {})


def test_generators_that_had_nothing_to_add_answer_nothing():
    nothing = replace(ANY, n_synthetic=0)
    assert detector_findings.answer([BASE, nothing]) is None
    assert detector_findings.answer([BASE, nothing, ANY]).best == ANY


def test_a_single_group_of_test_images_is_a_warning():
    one = replace(BASE, n_groups=1, score_low=0.0, by_class=[change("a"), change("b")])
    assert detector_findings.alarms([one]) == {"one group": one}, "not guessing too, for its interval says nothing"
    guesses = replace(one, score=0.5)
    assert detector_findings.alarms([guesses]) == {"guessing": guesses, "one group": guesses}


def test_no_one_guesses_better_than_one_in_k():
    """Of 20 000 images, the first class three times as frequent as the second, and guesses of every frequency."""
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.25
    best = max(f1_score(truth, rng.random(20_000) < q, average="macro") for q in np.linspace(0, 1, 21))
    assert best == pytest.approx(labels.guessing(plain(by_class=[change("a"), change("b")])), abs=0.01)


# ---------------------------------------------------------------- worth in real images


def worth(verdict, images, at, low, high, beyond=None):
    """Of an arm in data sets of 5 to 40 images a class."""
    gain = {"helps": (0.05, 0.01, 0.09), "hurts": (-0.05, -0.09, -0.01), "cannot tell": (0.0, -0.1, 0.1)}[verdict]
    return arm("real+a", verdict, *gain, label_efficiency=LabelEfficiency(images, at, low, high, 5, 40, beyond))


@pytest.mark.parametrize(
    ("verdict", "of", "exchange"),
    [
        ("helps", (10, 17.2, 13, 25), (7.2, 3, 15, 30)),
        ("helps", (10, 17.2, 13, None), (7.2, 3, None, 30)),
        ("helps", (10, None, 20, None, "more"), (None, 10, None, 30)),
        ("hurts", (10, 6, 5.5, 8), (4, 2, 4.5, 5)),
        ("hurts", (10, None, None, 8, "fewer"), (None, 2, None, 5)),
    ],
)
def test_what_they_are_worth_where_it_can_be_said(verdict, of, exchange):
    found = answer(worth(verdict, *of))
    assert found.unknown is None
    assert found.exchange == pytest.approx(exchange)


@pytest.mark.parametrize(
    ("verdict", "of", "why"),
    [
        ("cannot tell", (10, 11, 7, 15), "verdict"),
        ("helps", (10, None, 5, 40), "level"),
        ("helps", (10, 8, 5, 40), "level"),
        ("helps", (10, None, None, None, "more"), "level"),
        ("helps", (40, None, 40, None, "more"), "end"),
        ("hurts", (5, None, None, 5, "fewer"), "end"),
    ],
)
def test_why_it_cannot_be_said_what_they_are_worth(verdict, of, why):
    found = answer(worth(verdict, *of))
    assert (found.exchange, found.unknown) == (None, why)
