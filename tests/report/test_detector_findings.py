"""The sentences on detectors say what the comparison says, and no more."""

import re

import numpy as np
import pytest
from sklearn.metrics import f1_score

from pipeline.downstream.records import LabelEfficiency
from pipeline.report import detector_findings, labels
from tests.report.arms import arm, change, more_real, over, plain, same_real

BASE = plain("augmented")
PLAIN = plain("real", verdict="no generator", gain=0.3, low=0.2, high=0.4)
UNKNOWN_WORTH = (
    "How many real images they are worth, nobody can say: one number of real images was tried. A list, as "
    "shots: [5, 10, 20], tries several."
)


def words(texts):
    return [re.sub(r"<[^>]+>", "", str(text)) for text in texts]


def helped(*arms):
    return words(detector_findings.helped([BASE, PLAIN, *arms], "macro F1"))


def test_one_sentence_says_that_they_help_by_how_much_and_for_which_classes():
    classes = [
        change("pits", 0.2, 0.1, 0.3),
        change("seams", 0.1, 0.05, 0.15),
        change("stains", -0.4, -0.9, 0.1),
        change("rolls", -0.05, -0.08, -0.02),
    ]
    first, control, others, alone, worth = helped(
        more_real(),
        same_real(),
        arm("real+cgan", "helps", 0.02, 0.01, 0.03),
        arm("real+sg2", "helps", 0.05, 0.01, 0.09, by_class=classes),
        arm("real+all", "cannot tell", 0.06, -0.01, 0.13, models=["cgan", "sg2"]),
        arm("cgan-only", "hurts", -0.3, -0.5, -0.1, real=False),
    )
    assert first == (
        "▲ helps Yes: images of sg2 added to the real ones lift the macro F1 from 80.0 to 85.0 %, by +5.0 points (95 %"
        " interval +1.0 to +9.0); pits gains most (F1 +20.0 points, +10.0 to +30.0), rolls loses most (F1 −5.0 points,"
        " −8.0 to −2.0)."
    )
    assert control == (
        "This comparison can say helps: 360 more real images gain +4.3 points of macro F1 (+1.2 to +7.4)."
    )
    assert others == (
        "Others, added to the real ones – ▲ helps cgan; ● cannot tell cgan + sg2 together (sees gains from 8.4 points)."
    )
    assert alone == "Synthetic images alone, without real ones – ▼ hurts cgan."
    assert worth == UNKNOWN_WORTH


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
    first, *_ = helped(arm("real+a", "cannot tell", *gain))
    assert ("Little either way" in first, "Nobody can say" in first) == (little, not little)
    assert "is excluded" in first or not little


def test_while_one_arm_may_help_it_is_not_said_that_they_hurt():
    """Also where the arm that surely hurts is the better one on average."""
    sure = arm("real+cgan", "hurts", -0.01, -0.015, -0.005)
    open_ = arm("real+sg2", "cannot tell", -0.03, -0.1, 0.04, by_class=[change("pits", 0.1, -0.1, 0.3)])
    first, _, others, _ = helped(sure, open_)
    assert first == (
        "● cannot tell Nobody can say yet: with images of sg2 added to the real ones, the best of them, the macro F1"
        " goes from 80.0 to 77.0 %, by −3.0 points, but the truth may lie anywhere from −10.0 to +4.0 (95 % interval);"
        " of no single class is the change beyond doubt; this comparison sees gains from 8.4 points, and more"
        " repetitions would sharpen it most."
    )
    assert others == "Others, added to the real ones – ▼ hurts cgan."


def test_they_hurt_where_all_that_are_added_hurt_whatever_they_do_alone():
    first, _, alone, _ = helped(
        arm("real+sg2", "hurts", -0.05, -0.09, -0.01), arm("sg2-only", "cannot tell", 0.02, -0.3, 0.3, real=False)
    )
    assert first.startswith(
        "▼ hurts No: they make it worse; even those of sg2 added to the real ones lower the macro F1 from 80.0 to 75.0"
    )
    assert alone == "Synthetic images alone, without real ones – ● cannot tell sg2 (sees gains from 8.4 points)."


def test_controls_are_no_generators():
    assert helped() == helped(more_real(), same_real()) == []
    assert detector_findings.best_of([]) is None
    best = arm("real+a", "hurts", -0.05, -0.09, -0.01)
    assert detector_findings.best_of([BASE, more_real(), same_real("helps", 0.2, 0.1, 0.3), best]) is best
    assert detector_findings.generators([BASE, PLAIN, more_real(), same_real(), best]) == [best]


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
    ("control", "said"),
    [
        (
            more_real("cannot tell", 0.004, -0.01, 0.018),
            "Nothing could help here: more real images gain less than 2 points. 360 of them change it by +0.4 points of"
            " macro F1 (−1.0 to +1.8).",
        ),
        (
            more_real("cannot tell", 0.01, -0.02, 0.04, share_repetitions=0.1),
            "This comparison could not have seen a gain below 8.4 points, not even of real images: 360 more of them"
            " change it by +1.0 points of macro F1 (−2.0 to +4.0). More test images would sharpen it most.",
        ),
        (
            more_real("cannot tell", 0.01, -1.0, 1.0, detectable=None, share_repetitions=None),
            "This comparison could not have seen any gain, not even of real images: 360 more of them change it by +1.0"
            " points of macro F1 (−100.0 to +100.0). More test images would sharpen it most.",
        ),
        (
            same_real(),
            "There was no positive control, for no real images are held back here (those that shots leaves over would"
            " be): nobody knows whether this comparison would have said helps even of perfect images.",
        ),
    ],
)
def test_what_the_positive_control_says_of_the_comparison(control, said):
    assert helped(control, ANY)[1] == said


def alarms(*arms):
    return words(detector_findings.alarms(arms, "macro F1"))


def test_a_negative_control_that_helps_is_a_warning_and_one_that_does_not_is_none():
    assert alarms(BASE, more_real(), same_real(), ANY) == []
    assert alarms(BASE, same_real("helps", 0.02, 0.01, 0.03), ANY) == [
        "Do not trust this comparison. The training images once more, in the place of a generator's, are said to help"
        " by +2.0 points (+1.0 to +3.0), though they hold nothing new: so may be any other gain."
    ]
    assert alarms() == []


@pytest.mark.parametrize(("low", "warned"), [(0.32, True), (0.34, False)])
def test_a_detector_that_may_be_guessing_is_a_warning(low, warned):
    base = plain(score=0.4, score_low=low, by_class=[change(name) for name in "abc"])
    text = (
        "Even the strongest detector without a generator may be guessing: its macro F1 is 40.0 %, and guessing reaches"
    )
    text += " 33.3 %. No verdict on images means anything before it learns."
    assert alarms(base) == ([text] if warned else [])


def test_boxes_that_nobody_finds_are_a_warning():
    (said,) = alarms(plain(score=0.004, score_low=0.0, task="boxes", by_class=[change("a"), change("b")]))
    assert said.startswith("Even the strongest detector without a generator may be guessing: its macro F1 is 0.4 %")
    assert alarms(plain(score=0.04, score_low=0.01, task="boxes", by_class=[change("a")])) == []


def test_no_one_guesses_better_than_one_in_k():
    """Of 20 000 images, the first class three times as frequent as the second, and guesses of every frequency."""
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.25
    best = max(f1_score(truth, rng.random(20_000) < q, average="macro") for q in np.linspace(0, 1, 21))
    assert best == pytest.approx(labels.guessing(plain(by_class=[change("a"), change("b")])), abs=0.01)


# ---------------------------------------------------------------- worth in real images


def worth(verdict, images, at, low, high, beyond=None):
    """The end of the first sentence, and the last sentence, of an arm in data sets of 5 to 40 images a class."""
    gain = {"helps": (0.05, 0.01, 0.09), "hurts": (-0.05, -0.09, -0.01), "cannot tell": (0.0, -0.1, 0.1)}[verdict]
    of = arm("real+a", verdict, *gain, label_efficiency=LabelEfficiency(images, at, low, high, 5, 40, beyond))
    first, *_, last = helped(of)
    return re.sub(r".*? doubt[^.]*?\. ?", "", first), last


@pytest.mark.parametrize(
    ("verdict", "of", "said"),
    [
        ("helps", (10, 17.2, 13, 25), "They are worth about 7.2 further real images a class (3 to 15)."),
        ("helps", (10, 17.2, 13, None), "They are worth about 7.2 further real images a class (3 to more than 30)."),
        (
            "helps",
            (10, None, 20, None, "more"),
            "They are worth more than 30 further real images a class (at least 10).",
        ),
        ("hurts", (10, 6, 5.5, 8), "They cost about 4 real images a class (2 to 4.5)."),
        ("hurts", (10, None, None, 8, "fewer"), "They cost more than 5 real images a class (at least 2)."),
    ],
)
def test_what_they_are_worth_stands_in_the_first_sentence_where_it_can_be_said(verdict, of, said):
    first, last = worth(verdict, *of)
    assert first == said
    assert "nobody can say: " not in last


@pytest.mark.parametrize(
    ("verdict", "of", "why"),
    [
        ("cannot tell", (10, 11, 7, 15), "it is not known whether they help."),
        ("helps", (10, None, 5, 40), "without a generator, more real images do not surely score better here."),
        ("helps", (10, 8, 5, 40), "without a generator, more real images do not surely score better here."),
        (
            "helps",
            (10, None, None, None, "more"),
            "without a generator, more real images do not surely score better here.",
        ),
        (
            "helps",
            (40, None, 40, None, "more"),
            "it is more than the 40 a class they were added to, and no more were tried.",
        ),
        (
            "hurts",
            (5, None, None, 5, "fewer"),
            "it is fewer than the 5 a class they were added to, and no fewer were tried.",
        ),
    ],
)
def test_why_it_cannot_be_said_what_they_are_worth(verdict, of, why):
    first, last = worth(verdict, *of)
    assert "real images a class" not in first
    assert last == f"How many real images they are worth, nobody can say: {why}"
