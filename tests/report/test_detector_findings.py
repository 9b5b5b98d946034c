"""What the page says of detectors is what the comparison says, and no more; every number of it stands in a sentence."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from pipeline.downstream.records import LabelEfficiency, NewShots
from pipeline.report import detector_findings, labels
from tests.report.arms import arm, change, more_real, over, plain, same_real

BASE = plain("augmented")
PLAIN = plain("real", verdict="no generator", gain=0.3, low=0.2, high=0.4)


def answer(*arms):
    return detector_findings.answer([BASE, PLAIN, *arms])


def helped(*arms):
    return list(map(str, detector_findings.helped([BASE, PLAIN, *arms], "macro F1")))


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
    first, control, added, alone, worth = helped(*arms)
    for number in ("80.0", "85.0", "+5.0", "+1.0", "+9.0", "pits", "+20.0", "rolls", "−5.0", "−8.0 to −2.0", "▲ helps"):
        assert number in first
    assert "stains" not in first
    assert all(number in control for number in ("360", "+4.3", "+1.2 to +7.4"))
    assert all(name in added for name in ("cgan", "<b>cgan</b> + <b>sg2</b>", "8.4"))
    assert "▼ hurts" in alone
    assert "shots" in worth


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
    arms = [arm("real+a", "cannot tell", *gain)]
    assert answer(*arms).kind == ("little" if little else "cannot tell")
    low, high = gain[1:]
    ends = (f"{-100 * low:.1f}", f"{100 * high:.1f}") if little else (labels.points(low), labels.points(high))
    assert all(end in helped(*arms)[0] for end in ends)


def test_while_one_arm_may_help_it_is_not_said_that_they_hurt():
    """Also where the arm that surely hurts is the better one on average."""
    sure = arm("real+cgan", "hurts", -0.01, -0.015, -0.005)
    open_ = arm("real+sg2", "cannot tell", -0.03, -0.1, 0.04, by_class=[change("pits", 0.1, -0.1, 0.3)])
    of = answer(sure, open_)
    assert (of.best.arm, of.kind) == ("real+sg2", "cannot tell")
    assert others(of) == {True: {"hurts": ["real+cgan"]}, False: {}}
    assert set(detector_findings.surely_changed(of.best.by_class).values()) == {None}
    first, *_ = helped(sure, open_)
    assert all(number in first for number in ("77.0", "−3.0", "−10.0 to +4.0", "8.4", "● cannot tell"))
    assert "pits" not in first


def test_they_hurt_where_all_that_are_added_hurt_whatever_they_do_alone():
    of = answer(
        arm("real+sg2", "hurts", -0.05, -0.09, -0.01), arm("sg2-only", "cannot tell", 0.02, -0.3, 0.3, real=False)
    )
    assert (of.best.arm, of.kind) == ("real+sg2", "hurts")
    assert others(of) == {True: {}, False: {"cannot tell": ["sg2-only"]}}


def test_controls_are_no_generators():
    assert helped() == helped(more_real(), same_real()) == []
    assert detector_findings.best_of([]) is None
    best = arm("real+a", "hurts", -0.05, -0.09, -0.01)
    assert detector_findings.best_of([BASE, more_real(), same_real("helps", 0.2, 0.1, 0.3), best]) is best
    assert detector_findings.generators([BASE, PLAIN, more_real(), same_real(), best]) == [best]


def test_whether_it_holds_for_other_real_images_is_said_where_enough_draws_tell():
    best = arm("real+a", "helps", 0.1, 0.05, 0.15)
    for verdict, said in (("cannot tell", "“cannot tell”"), ("helps", "the same")):
        first, *_ = helped(replace(best, new_shots=NewShots(5, 0.03, -0.01, 0.07, verdict)))
        assert f"as many a class, it is {said} (5 draws: +3.0 points, −1.0 to +7.0)" in first


def test_hostile_names_stay_text_in_the_sentence():
    bad = arm("real+<b>", "helps", 0.1, 0.05, 0.15, by_class=[change("<script>", 0.2, 0.1, 0.3)])
    text, *_ = detector_findings.helped([BASE, bad], "macro F1")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;b&gt;" in text


# ---------------------------------------------------------------- the two comparisons


@pytest.mark.parametrize(
    ("gain", "own", "said"),
    [
        ((0.03, 0.01, 0.05), (0.01, -0.01, 0.03), "surely better than {}, but not surely better or worse than {}"),
        ((0.01, -0.02, 0.04), (0.04, 0.02, 0.06), "not surely better or worse than {}, but surely better than {}"),
        ((0.03, 0.01, 0.05), (-0.04, -0.06, -0.02), "surely better than {}, but surely worse than {}"),
        ((0.03, 0.01, 0.05), (0.02, 0.01, 0.03), ""),
        ((0.0, -0.01, 0.01), (0.01, -0.01, 0.03), ""),
    ],
)
def test_both_comparisons_are_named_just_where_they_disagree(gain, own, said):
    of = arm("real+a", "cannot tell", *gain, recipe=over("real", *own))
    ends = "{:+.1f} points, {:+.1f} to {:+.1f}".format(*(100 * share for share in own)).replace("-", "−")
    texts = (
        "the strongest training without a generator (augmented)",
        f"its own recipe without the images (real: {ends})",
    )
    assert detector_findings.divided(of) == said.format(*texts)
    first, *_ = helped(of)
    assert (said.format(*texts) in first) == ("surely" in first or not said)
    both = helped(arm("real+b", "helps", 0.05, 0.01, 0.09), of)
    assert said.format(*texts) in " ".join(both)


def test_what_could_be_seen_is_the_larger_of_both_and_nothing_beyond_what_there_is():
    assert (
        detector_findings.sees(arm("real+a", recipe=over("real", 0.0, -0.1, 0.1, 0.12)))
        == "sees gains from 12.0 points"
    )
    assert (
        detector_findings.sees(arm("real+a", recipe=over("real", 0.0, -0.1, 0.1, 0.02))) == "sees gains from 8.4 points"
    )
    assert detector_findings.sees(arm("real+a", detectable=None)) == "sees no gain"
    assert detector_findings.sees(arm("real+a", detectable=1.3)) == "sees no gain"
    assert detector_findings.sees(arm("real+a", "helps")) == ""


# ---------------------------------------------------------------- controls


ANY = arm("real+a", "hurts", -0.05, -0.09, -0.01)


@pytest.mark.parametrize(
    ("control", "said", "numbers"),
    [
        (more_real(), "helps", ["360", "+4.3", "+1.2 to +7.4"]),
        (more_real("cannot tell", 0.004, -0.01, 0.018), "gains little", ["less than 2", "360", "+0.4", "−1.0 to +1.8"]),
        (
            more_real("cannot tell", 0.01, -0.02, 0.04, share_repetitions=0.1),
            "cannot tell",
            ["below 8.4", "+1.0", "−2.0 to +4.0", "More test images"],
        ),
        (
            more_real("cannot tell", 0.01, -1.0, 1.0, detectable=None, share_repetitions=None),
            "cannot tell",
            ["−100.0 to +100.0", "More test images"],
        ),
        (same_real(), "absent", []),
    ],
)
def test_what_the_positive_control_says_of_the_comparison(control, said, numbers):
    assert answer(control, ANY).control == said
    assert all(number in helped(control, ANY)[1] for number in numbers)


def alarms(*arms):
    return list(map(str, detector_findings.alarms(arms, "macro F1")))


def test_a_negative_control_that_helps_is_a_warning_and_one_that_does_not_is_none():
    assert alarms() == alarms(BASE, more_real(), same_real(), ANY) == []
    (said,) = alarms(BASE, same_real("helps", 0.02, 0.01, 0.03), ANY)
    assert "+2.0 points (+1.0 to +3.0)" in said


@pytest.mark.parametrize(("low", "warned"), [(0.32, True), (0.34, False)])
def test_a_detector_that_may_be_guessing_is_a_warning(low, warned):
    said = alarms(plain(score=0.4, score_low=low, by_class=[change(name) for name in "abc"]))
    assert len(said) == warned
    assert all("40.0 %" in one and "33.3 %" in one for one in said)


def test_a_single_group_of_test_images_is_a_warning():
    (said,) = alarms(replace(BASE, n_groups=1))
    assert "All 120 test images are of one group" in said


def test_boxes_that_nobody_finds_are_a_warning():
    (said,) = alarms(plain(score=0.004, score_low=0.0, task="boxes", by_class=[change("a"), change("b")]))
    assert "0.4 %" in said
    assert alarms(plain(score=0.04, score_low=0.01, task="boxes", by_class=[change("a")])) == []


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
    ("verdict", "of", "exchange", "numbers"),
    [
        ("helps", (10, 17.2, 13, 25), (7.2, 3, 15, 30), "about 7.2 further real images a class (3 to 15)"),
        ("helps", (10, 17.2, 13, None), (7.2, 3, None, 30), "7.2 further real images a class (3 to more than 30)"),
        ("helps", (10, None, 20, None, "more"), (None, 10, None, 30), "more than 30 further"),
        ("hurts", (10, 6, 5.5, 8), (4, 2, 4.5, 5), "4 real images a class (2 to 4.5)"),
        ("hurts", (10, None, None, 8, "fewer"), (None, 2, None, 5), "more than 5 real images a class (at least 2)"),
    ],
)
def test_what_they_are_worth_stands_in_the_first_sentence_where_it_can_be_said(verdict, of, exchange, numbers):
    one = worth(verdict, *of)
    assert answer(one).unknown is None
    assert answer(one).exchange == pytest.approx(exchange)
    first, *rest = helped(one)
    assert numbers in first
    assert len(rest) == 1  # of the control


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
    one = worth(verdict, *of)
    assert (answer(one).exchange, answer(one).unknown) == (None, why)
    first, _, last = helped(one)
    assert "real images a class" not in first
    assert why != "end" or f"the {of[0]} a class" in last
