"""A verdict says what the numbers say, in few words, and raises no alarm where images are as good as real ones."""

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.report import verdict as verdicts
from pipeline.report.directions import Shift
from pipeline.report.tables import FLOOR, Score
from pipeline.report.verdict import Beside, Verdict, apart, stretching, verdict, worse
from tests.report.scores import score

REAL = {
    ("random", "frechet", None): score(2.0),
    ("random", "kid", None): score(0.0),
    ("random", "recall", None): score(0.9),
    ("random", "precision", None): score(0.9),
    ("pixels", "psd", None): score(0.4),
    ("pixels", "two_point", None): score(0.1, 0.05),
    ("pixels", "chords_bright", None): score(0.1, 0.05),
    ("pixels", "chords_dark", None): score(0.1, 0.05),
    ("pixels", "pair_ssim", None): score(0.3),
    ("random", "nn_distance_ratio", None): score(1.0),
    ("random", "nn_distance_ratio_1_2", None): score(0.96),
    ("pixels", "copy_rate", None): score(0.0, 0.0),
    ("pixels", "copied_area", None): score(0.01, 0.01),
    ("random", "recall", "crazing"): score(0.9),
    ("random", "recall", "scratches"): score(0.78),
}

SHORT = Shift("chords_bright", -0.2)


def judged(directions=None, **changed):
    """Verdict on images like the floor but for some numbers; a name with `__` has its class behind it."""
    scores = {(FLOOR, *key): value for key, value in REAL.items()} | {("a", *key): v for key, v in REAL.items()}
    for name, value in changed.items():
        metric, _, label = name.partition("__")
        extractor = next(e for e, m, _ in REAL if m == metric)
        scores["a", extractor, metric, label or None] = value
    return verdict(scores, "a", directions or {})


def named(of):
    """Extractor and metric of a measure, and its class, where it has one."""
    return tuple(filter(None, (of.extractor, of.metric, of.label)))


def test_images_as_good_as_real_ones():
    asked = ["distance", "variety", "realism", "power spectrum", "S2", "chord lengths"]
    assert judged() == Verdict("a", within=asked, throughout=True, copies="none")


def test_images_that_are_less_like_the_training_images_than_real_ones_are_no_copies():
    near, far = (Beside("pixels", "nn_ssim", score(likeness, 0.02), score(0.5, 0.02)) for likeness in (0.8, 0.2))
    assert verdicts.off([near, far], 1) == [near]


def test_noise_that_is_far_from_all_training_images_is_no_copy_of_the_least_far():
    one, far = score(0.7, 0.02), score(25.0, 3.0)
    assert named(judged(nn_distance_ratio_1_2=one).copies) == ("random", "nn_distance_ratio_1_2")
    assert judged(nn_distance_ratio_1_2=one, nn_distance_ratio=far).copies == "none"
    proven = judged(nn_distance_ratio_1_2=one, nn_distance_ratio=far, copy_rate=score(0.2, 0.05))
    assert named(proven.copies) == ("pixels", "copy_rate")


def test_what_is_off_is_said_by_question_and_in_the_direction_that_the_curves_show():
    found = judged(
        {"chords_bright": SHORT, "psd": Shift("psd", -2.0, "fine")},
        frechet=score(7.2),
        recall=score(0.41),
        recall__scratches=score(0.41),
        chords_bright=score(0.22, 0.02),
        copy_rate=score(0.02, 0.01),
    )
    assert found == Verdict(
        "a",
        within=["realism", "power spectrum", "S2"],
        distance=Beside("random", "frechet", score(7.2), score(2.0)),
        structure=[(Beside("pixels", "chords_bright", score(0.22, 0.02), score(0.1, 0.05)), SHORT)],
        variety={"missing": Beside("random", "recall", score(0.41), score(0.9))},
        worst=Beside("random", "recall", score(0.41), score(0.78), "scratches"),
        copies=Beside("pixels", "copy_rate", score(0.02, 0.01), score(0.0, 0.0)),
    )


def test_proven_copies_are_said_before_images_that_are_near_training_images():
    near = {"nn_distance_ratio": score(0.7, 0.04)}
    assert named(judged(**near, copy_rate=score(0.75, 0.04)).copies) == ("pixels", "copy_rate")
    assert named(judged(**near, copied_area=score(0.2, 0.05)).copies) == ("pixels", "copied_area")
    assert named(judged(**near).copies) == ("random", "nn_distance_ratio")


def test_pieces_of_training_images_are_said_where_whole_copies_are_none():
    assert named(judged(copied_area=score(0.2, 0.05)).copies) == ("pixels", "copied_area")
    assert judged(copied_area=score(0.02, 0.01)).copies == "none"


def test_the_structure_that_is_farthest_from_the_floor_comes_first():
    found = judged(two_point=score(0.5), psd=score(1.2), chords_dark=score(3), chords_bright=score(2))
    assert [(of.metric, direction) for of, direction in found.structure] == [
        ("chords_dark", None), ("chords_bright", None), ("two_point", None), ("psd", None),
    ]  # fmt: skip
    assert found.distance is None


def test_repeating_and_strange_images():
    found = judged(pair_ssim=score(0.6), precision=score(0.5)).variety
    assert {fault: of.metric for fault, of in found.items()} == {"repeats": "pair_ssim", "unreal": "precision"}
    assert judged(recall=score(1.2), precision=score(1.2)).variety == {}  # better than real is not worse


def test_smooth_images_are_like_everything_which_is_no_sign_of_copies_or_of_repetition():
    near = {(FLOOR, "pixels", "nn_ssim", None): score(0.4), ("a", "pixels", "nn_ssim", None): score(0.9)}
    scores = {(name, *key): value for name in (FLOOR, "a") for key, value in REAL.items()} | near
    pairs, psd = ("a", "pixels", "pair_ssim", None), ("a", "pixels", "psd", None)
    assert named(verdict(scores, "a", {}).copies) == ("pixels", "nn_ssim")
    smooth = verdict(scores | {pairs: score(0.6), psd: score(3)}, "a", {})
    assert (smooth.copies, list(smooth.variety)) == ("none", ["smooth"])


def test_a_class_without_images_is_named():
    scores = {(name, *key): value for name in (FLOOR, "a") for key, value in REAL.items()}
    assert verdict(scores, "a", {}).missing == []
    del scores["a", "random", "recall", "scratches"]
    assert verdict(scores, "a", {}).missing == ["scratches"]
    scores[FLOOR, "random", "recall", "scratches"] = score(0.9, np.nan)
    assert verdict(scores, "a", {}).missing == ["scratches"]
    scores["a", "random", "recall", "scratches"] = score(0.9)
    assert verdict(scores, "a", {}).missing == [], "too few held-out images of it are no fault of the generator"


def test_images_far_from_the_training_images_are_no_copies_and_a_little_nearer_is_no_proof():
    for nearer in (score(1.6), score(0.93, 0.001)):
        assert judged(nn_distance_ratio=nearer).copies == "none"
    assert named(judged(nn_distance_ratio=score(0.85, 0.04)).copies) == ("random", "nn_distance_ratio")


def test_without_a_floor_nothing_is_said():
    scores = {("a", *key): value for key, value in REAL.items()}
    assert verdict(scores, "a", {}) == Verdict("a", "no floor")
    assert verdict(scores, "b", {}) == Verdict("b", "unmeasured")


def test_a_gap_on_the_good_side_is_not_worse():
    assert worse(score(2), score(1), "lower")
    assert not worse(score(1), score(2), "lower")
    assert worse(score(1), score(2), "higher")
    assert worse(score(1), score(2), "equal")
    assert worse(score(2), score(1), "equal")
    assert not worse(score(1.15), score(1), "lower")


def test_equal_values_and_missing_intervals_are_not_worse():
    for better in ("lower", "higher", "equal"):
        assert not worse(score(0.98, 0.0), score(0.98, 0.0), better)
        assert not worse(score(0.98), Score(0.5, np.nan, np.nan, 60, 1), better)


def test_of_too_few_images_nothing_is_said():
    unsure = {(name, *key): Score(v.value, np.nan, np.nan, 9, 1) for name in (FLOOR, "a") for key, v in REAL.items()}
    assert verdict(unsure, "a", {}) == Verdict("a", "too few images")
    copied = unsure | {(name, "pixels", "copied_area", None): score(0.0) for name in (FLOOR, "a")}
    assert verdict(copied, "a", {}) == Verdict("a", "too few images", copies="none"), "not within the floor throughout"
    known = unsure | {(name, "pixels", "psd", None): score(0.4) for name in (FLOOR, "a")}
    found = verdict(known, "a", {})
    assert (found.unknown, found.within, found.throughout) == (None, ["power spectrum"], True)


def test_stretched_intervals_keep_their_own_sides():
    a, b = Score(1.0, 0.9, 1.4, 9, 1), Score(2.0, 1.7, 2.1, 9, 1)  # 0.3 apart: a reaches 0.4 up, b 0.3 down
    assert apart(a, b, 1.4)  # 1.56 < 1.58
    assert not apart(a, b, 1.45)  # 1.58 > 1.565


@pytest.mark.parametrize(("measures", "expected"), [(1, 1.0), (18, 1.0), (40, 1.0905), (200, 1.2558)])
def test_stretching_by_hand(measures, expected):
    """z of 0.05 / 40 is 3.0233, of 0.05 / 200 3.4808 (tables of the normal distribution); 1.95996 √2 = 2.77181."""
    assert stretching(measures) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("measures", [40, 200])
def test_perfect_images_are_called_off_one_time_in_twenty_however_many_measures_are_asked(measures):
    """Normal numbers with their true 95 % intervals: the share of panels with any alarm."""
    rng = np.random.default_rng(measures)
    values = rng.standard_normal((4000, measures, 2))
    half = norm.isf(0.025) * stretching(measures)
    alarms = (values[..., 0] - values[..., 1] > 2 * half).any(axis=1).mean()
    assert alarms == pytest.approx(verdicts.ALARM, abs=0.015)
