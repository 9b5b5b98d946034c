"""A verdict says what the numbers say, in few words, and raises no alarm where images are as good as real ones."""

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.report import verdict as verdicts
from pipeline.report.tables import FLOOR, Score
from pipeline.report.verdict import Verdict, apart, stretching, verdict, worse
from tests.report.scores import score

QUESTIONS = ("within", "distance", "structure", "variety", "class", "copies")


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
    ("pixels", "copy_rate", None): score(0.0, 0.0),
    ("pixels", "copied_area", None): score(0.01, 0.01),
    ("random", "recall", "crazing"): score(0.9),
    ("random", "recall", "scratches"): score(0.78),
}


def judged(directions=None, **changed):
    """Verdict on images like the floor but for some numbers; a name with `__` has its class behind it."""
    scores = {(FLOOR, *key): value for key, value in REAL.items()} | {("a", *key): v for key, v in REAL.items()}
    for name, value in changed.items():
        metric, _, label = name.partition("__")
        extractor = next(e for e, m, _ in REAL if m == metric)
        scores["a", extractor, metric, label or None] = value
    return verdict(scores, "a", directions or {})


def test_images_as_good_as_real_ones():
    found = judged()
    assert str(found.sentence()) == (
        "<b>a</b>: within the noise floor throughout (distance, variety, realism, power spectrum, S2 and chord"
        " lengths); no sign of copies."
    )


def test_features_of_two_kinds_in_one_sentence_are_named():
    of = {"imagenet": ("imagenet", "frechet", None), "random": ("random", "recall", None)}
    for kinds, said in (
        (["random"], "too little variety (recall 0.41 against 0.90)"),
        (["imagenet", "random"], "too little variety (recall in random features 0.41 against 0.90)"),
    ):
        scores = {(name, *of[kind]): score(0.9) for kind in kinds for name in (FLOOR, "a")}
        scores |= {("a", *of["random"]): score(0.41)}
        scores |= {("a", *of[kind]): score(3.0) for kind in kinds if kind == "imagenet"}
        found = verdict(scores, "a", {}).clauses
        assert found["variety"] == said
        assert found.get("distance", "none") == (
            "Fréchet distance in ImageNet features 3.3 × the floor" if len(kinds) == 2 else "none"
        )


def test_images_that_are_less_like_the_training_images_than_real_ones_are_no_copies():
    off = [
        verdicts.off({("pixels", "nn_ssim"): (score(likeness, 0.02), score(0.5, 0.02))}, 1) for likeness in (0.8, 0.2)
    ]
    assert list(map(len, off)) == [1, 0]


def test_what_is_off_is_said_by_question_and_in_the_direction_that_the_curves_show():
    found = judged(
        {"chords_bright": "bright chords 22 % too short", "psd": "too little contrast at fine scale (2.1 dB)"},
        frechet=score(7.2),
        recall=score(0.41),
        recall__scratches=score(0.41),
        chords_bright=score(0.22, 0.02),
        copy_rate=score(0.02, 0.01),
    )
    assert found.clauses == {
        "within": "within the noise floor on realism, power spectrum and S2",
        "distance": "Fréchet distance 3.6 × the floor",
        "structure": "bright chords 22 % too short",
        "variety": "too little variety (recall 0.41 against 0.90)",
        "class": "worst class scratches (recall 0.41 against 0.78)",
        "copies": "2 % copies",
    }


def test_pieces_of_training_images_are_said_where_whole_copies_are_none():
    found = judged(copied_area=score(0.2, 0.05))
    assert found.clauses["copies"] == "20 % of the area is pieces of training images"
    assert judged(copied_area=score(0.02, 0.01)).clauses["copies"] == "no sign of copies"


def test_a_difference_without_a_direction_is_given_as_a_multiple_of_the_floor_the_farthest_first():
    found = judged(two_point=score(0.5), psd=score(1.2), chords_dark=score(3), chords_bright=score(2))
    assert found.clauses["structure"] == "dark chords 30 × the floor, bright chords 20 × the floor and 2 more"
    assert "distance" not in found.clauses


def test_repeating_and_strange_images():
    found = judged(pair_ssim=score(0.6), precision=score(0.5))
    assert found.clauses["variety"] == (
        "repeats itself (likeness of pairs 0.60 against 0.30), some unreal (precision 0.50 against 0.90)"
    )
    assert "variety" not in judged(recall=score(1.2), precision=score(1.2)).clauses  # better than real is not worse


def test_smooth_images_are_like_everything_which_is_no_sign_of_copies_or_of_repetition():
    near = {(FLOOR, "pixels", "nn_ssim", None): score(0.4), ("a", "pixels", "nn_ssim", None): score(0.9)}
    scores = {(name, *key): value for name in (FLOOR, "a") for key, value in REAL.items()} | near
    pairs, psd = ("a", "pixels", "pair_ssim", None), ("a", "pixels", "psd", None)
    assert verdict(scores, "a", {}).clauses["copies"] == "may copy (likeness to the training images 0.90 against 0.40)"
    smooth = verdict(scores | {pairs: score(0.6), psd: score(3)}, "a", {})
    assert smooth.clauses["copies"] == "no sign of copies"
    assert smooth.clauses["variety"] == "too smooth or too alike (likeness of pairs 0.60 against 0.30)"


def test_a_class_without_images_is_named():
    scores = {(name, *key): value for name in (FLOOR, "a") for key, value in REAL.items()}
    del scores["a", "random", "recall", "scratches"]
    assert verdict(scores, "a", {}).clauses["class"] == "no images of scratches, or too few"


def test_images_far_from_the_training_images_are_no_copies_and_a_little_nearer_is_no_proof():
    assert judged(nn_distance_ratio=score(1.6)).clauses["copies"] == "no sign of copies"
    assert judged(nn_distance_ratio=score(0.85, 0.04)).clauses["copies"] == (
        "may copy (distance to the training images 0.85 against 1.00)"
    )
    assert judged(nn_distance_ratio=score(0.93, 0.001)).clauses["copies"] == "no sign of copies"


def test_without_a_floor_nothing_is_said():
    scores = {("a", *key): value for key, value in REAL.items()}
    assert verdict(scores, "a", {}).clauses == {
        "within": "nothing can be said, for no real images were held out to compare with"
    }
    assert verdict(scores, "b", {}).clauses == {"within": "nothing was measured"}


def test_names_are_text():
    assert str(Verdict("<b>", {"within": "<i> & co"}).sentence()) == "<b>&lt;b&gt;</b>: &lt;i&gt; &amp; co."


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
    said = {"within": "nothing can be said, for there are too few images"}
    assert verdict(unsure, "a", {}).clauses == said
    known = unsure | {(name, "pixels", "psd", None): score(0.4) for name in (FLOOR, "a")}
    assert verdict(known, "a", {}).clauses["within"] == "within the noise floor throughout (power spectrum)"


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
