"""What the first page says would sharpen its answers."""

import re
from dataclasses import replace

from pipeline.downstream.records import NewShots
from pipeline.report import detector_findings, next_steps
from tests.report.arms import arm, change, plain

BASE = plain()
FEW = {"shots": 5, "draw": 1}
NEW = NewShots(5, 0.03, -0.01, 0.07, "cannot tell")


def words(texts):
    return [re.sub(r"<[^>]+>", "", str(text)) for text in texts]


def said(best, settings=None, generators=()):
    return words(next_steps.of_dataset([BASE, best], settings or {}, generators))


def test_more_of_what_is_scarce_sharpens_an_answer_that_nobody_can_give():
    """Of the variances 1 and 8 the larger becomes a fourth. At 97.5 %, t(4) = 2.776, t(19) = 2.093, t(59) = 2.001 and
    t(239) = 1.970. Of images: (1 · 2.776 + 2 · 1.970) / √3 + 0.84 √3 = 5.333 for (1 · 2.776 + 8 · 2.001) / 3 + 0.84 · 3
    = 8.781, and of 8.4 points 5.1 remain; of repetitions: 5.027 for 10.591, and 4.0 remain."""
    chance = {"error_repetitions": 0.01, "error_images": 0.01 * 8**0.5, "share_repetitions": 0.2}
    assert said(arm("real+x", **chance)) == [
        "Four times the test images (there are 120 of 60 groups): the comparison would see gains in macro F1 from"
        " about 5.1 points, in place of 8.4."
    ]
    chance = {"error_repetitions": 0.01 * 8**0.5, "error_images": 0.01, "share_repetitions": 0.8}
    assert said(arm("real+x", **chance)) == [
        "detect.repetitions: 20: the comparison would see gains in macro F1 from about 4.0 points, in place of 8.4."
    ]
    assert said(arm("real+x", detectable=1.93, **chance)) == [
        "detect.repetitions: 20, to begin with: as it is, the comparison sees no gain."
    ], "nobody can gain 193 points, nor 97"


def test_nothing_sharpens_an_answer_that_is_there_or_sharp_enough():
    assert said(arm("real+x", "helps", 0.1, 0.05, 0.15, error_repetitions=0.01, error_images=0.01)) == []
    assert said(arm("real+x", detectable=0.015, error_repetitions=0.01, error_images=0.01)) == []
    assert said(arm("real+x", error_repetitions=0.01, error_images=None)) == [], "one group of test images"
    assert words(next_steps.of_dataset([], {}, [])) == []


def test_a_detector_that_guesses_needs_to_learn_not_more_to_be_judged_by():
    guessing = replace(BASE, score=0.5, score_low=0.45, by_class=[change(name) for name in "ab"])
    best = arm("real+x", error_repetitions=0.01, error_images=0.03, share_repetitions=0.2)
    (sentence,) = words(next_steps.of_dataset([guessing, best], {}, []))
    assert "detect.backbone: frozen, or more detect.steps" in sentence
    assert "test images" not in sentence
    sure = replace(guessing, score_low=0.55)
    assert "test images" in words(next_steps.of_dataset([sure, best], {}, []))[0]


def test_a_single_draw_of_few_shots_does_not_speak_for_others():
    best = arm("real+x", "helps", 0.1, 0.05, 0.15)
    (sentence,) = said(best, FEW)
    assert sentence.startswith("draws: 5, five times the trainings: whether the answer holds for other real images")
    assert said(replace(best, new_shots=NEW), FEW) == []
    assert said(best, FEW | {"draw": 2}) == []
    (first, *_) = words(detector_findings.helped([BASE, replace(best, new_shots=NEW)], "macro F1"))
    assert (
        "; with other real images, as many a class, it is “cannot tell” (5 draws: +3.0 points, −1.0 to +7.0)" in first
    )
    agreed = replace(best, new_shots=replace(NEW, verdict="helps"))
    (first, *_) = words(detector_findings.helped([BASE, agreed], "macro F1"))
    assert "as many a class, it is the same (5 draws" in first


def test_generators_whose_last_weights_were_kept_may_go_on_and_one_seed_is_one():
    rows = [
        {"name": "done", "images": "9\u202f000", "kept": "6\u202f000"},
        {"name": "ddpm", "images": "9\u202f000", "kept": "6\u202f000, 9\u202f000"},
        {"name": "warp", "images": "–", "kept": "–"},
    ]
    assert words(next_steps.of_dataset([], {}, rows)) == [
        "A larger total_images of ddpm (9\u202f000): the last weights were kept, so there may be better to come."
    ]
    assert words(next_steps.seeds({"seeds": [0]}))[0].startswith("seeds: [0, 1, 2], three times the trainings")
    assert next_steps.seeds({"seeds": [0, 1]}) == []
