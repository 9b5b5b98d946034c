"""Each kind of sentence is read once, for its words, names and numbers; who gets which is told by tests of fields."""

import re
from dataclasses import replace
from functools import partial

from pipeline.downstream.records import LabelEfficiency, NewShots
from pipeline.report import detector_findings, findings, sentences
from pipeline.report.directions import Shift
from pipeline.report.findings import Cautions, Closer
from pipeline.report.next_steps import NextSteps
from pipeline.report.verdict import Beside, Verdict
from tests.report.arms import arm, change, more_real, over, plain, same_real
from tests.report.scores import frechet, score


def read(texts, *expected):
    """Each text holds these parts, which ellipses keep apart, in this order."""
    for text, parts in zip(texts, expected, strict=True):
        assert re.search(".*".join(map(re.escape, parts.split("…"))), str(text)), text


def test_verdicts():
    recall, other = (Beside(*of, score(4.1), score(1.0)) for of in (("random", "recall"), ("imagenet", "frechet")))
    off = [(other, Shift("psd", decibels, "fine")) for decibels in (1.0, 2.0, -3.0, 4.0)]
    faults = {"missing": recall, "unreal": recall}
    kernel, copied = recall._replace(metric="kid", label="<i>"), Beside("pixels", "copy_rate", score(0.02), score(0))
    found = (
        Verdict("<b>", "unmeasured"),
        Verdict("a", within=["distance", "<i>"], throughout=True, copies="none"),
        Verdict("a", within=list("pqrst"), distance=other, structure=off, variety={"missing": recall}),
        Verdict("a", variety=faults, missing=["x", "y"], worst=kernel, copies=recall),
        Verdict("a", worst=recall._replace(label="x"), copies=copied),
    )
    read(
        map(sentences.verdict, found),
        "<b>&lt;b&gt;</b>: nothing was measured.",
        "<b>a</b>: within the noise floor throughout (distance and &lt;i&gt;); no sign of copies.",
        "floor on p, q, r and 2 more; Fréchet distance in ImageNet features 4.1 × the floor; too much contrast…, too"
        " much contrast at fine scale (2.0 dB) and 2 more; too little variety (recall in random features 4.10 against"
        " 1.00).",
        "off the noise floor throughout; too little variety (recall 4.10 against 1.00), some unreal (…); no images of"
        " x and y, or too few; worst class &lt;i&gt;; may copy (recall 4.10 against 1.00).",
        "worst class x (recall 4.10 against 1.00); 2 % copies.",
    )


def test_directions_in_which_images_differ():
    of = Beside("pixels", "psd", score(4.1), score(1.0))
    ways = (
        None,
        Shift("psd", -2.14, "fine"),
        Shift("phase_fraction", 0.06),
        Shift("mean_intercept", -0.46),
        Shift("chords_dark", 0.1),
    )
    read(
        (sentences.verdict(Verdict("a", structure=[(of, way)])) for way in ways),
        "power spectrum",
        "too little contrast at fine scale (2.1 dB)",
        "bright share 6.0 points too large",
        "intercepts 46 % too fine",
        "dark chords 10 % too long",
    )


def closest(recall=(), **models):
    names = [name for name in models if name != "real"]
    scores = frechet(**models) | {(n, "random", "recall", None): of for n, of in zip(names, recall, strict=False)}
    return sentences.closest(findings.overall(scores, names), [Verdict(name) for name in sorted(names)])


def test_the_closest():
    read(closest(), "Nothing was measured by which a generator could be recommended.")
    read(closest(a=score(2))[:1], "<b>a</b> is the only generator here. Its…2.00 (1.90 to 2.10). No floor was measured")
    read(
        closest([score(0.6), score(0.1)], **{"real": score(2), "<b>": score(8), "c": score(4)}),
        "<b>c</b> comes closest…4.00 (3.90 to 4.10), 2.0 times the 2.00 of new real images (the noise floor).",
        "<b>c</b>: off",
        "<b>&lt;b&gt;</b>: off",
        "The other measure puts another first: <b>&lt;b&gt;</b> (recall).",
    )
    part = [Verdict("a"), Verdict("of one class alone")]
    said = sentences.closest(findings.overall(frechet(a=score(2)), ["a", "of one class alone"]), part)
    read(said[:1], "<b>a</b> is the only generator that was measured over all classes. Its Fréchet")
    text = "0.5 times the 2.00 of new real images (the noise floor): closer than new real images, as copies would be."
    read(closest(real=score(2), a=score(1))[:1], text)
    first, *_, last = closest([score(0.3), score(0.3)], real=score(2, 3), a=score(4), b=score(4.1))
    read(
        [first, last],
        "<b>a</b> and <b>b</b> <b>cannot be told apart</b>…The lowest is a's, 4.00…; the intervals overlap, so",
        "The other measure does not put another generator first beyond doubt.",
    )
    read([sentences.untrained(Closer(["<q>"], ["a"], free=True))], "<b>&lt;q&gt;</b> is closer than <b>a</b>, and")
    text = "<b>a</b> and <b>b</b> are closer than <b>p</b> and <b>q</b>, which need no training."
    assert sentences.untrained(Closer(["a", "b"], ["p", "q"], free=False)) == text


def test_cautions():
    assert sentences.cautions(Cautions({}, None, {}, None, None, 0)) == []
    same = Cautions({}, None, {}, None, None, 0, "the same picture (split.by: region)")
    read(sentences.cautions(same), "the floor too, are parts of the same picture (split.by: region): nothing here")
    read(
        sentences.cautions(Cautions({"imagenet": ["a", "b"]}, 2, {"boxes": 3}, 60, 500, 10)),
        "a and b learned from the ImageNet features themselves",
        "The split that was given leaves 10 pairs of images of one scene across its sides",
        "Each training was made twice",
        "Distances were measured on 60 images a set",
        "FID was measured on 500 images; below 2048 it is mostly bias",
        "The detectors of boxes were trained 3 times each; below 5 the intervals are rough.",
    )


def test_next_steps():
    nothing, row = NextSteps(None, None, None, None, draws=False, longer=[]), {"name": "<d>", "images": "9\u202f000"}
    assert sentences.next_steps(nothing) == []
    read(
        sentences.next_steps(
            NextSteps(
                plain(task="boxes", score=0, score_low=0), None, arm("a", share_repetitions=0.2), 0.051, True, [row]
            )
        ),
        "More <code>detect.boxes.steps</code> where all of them were taken,…: the detector may be guessing",
        "Four times the test images (there are 120 of 60 groups):…gains in macro F1 from about 5.1 points…of 8.4.",
        "<code>draws: 5</code>, five times the trainings",
        "A larger <code>total_images</code> of <b>&lt;d&gt;</b> (9\u202f000)",
    )
    read(
        sentences.next_steps(nothing._replace(rising=plain(task="boxes"))),
        "More <code>detect.boxes.steps</code>: real images gained by all of them",
    )
    few = plain(score=1.0, score_low=0.2, n_test=2, n_groups=2, by_class=[change("a"), change("b")])
    read(
        sentences.next_steps(nothing._replace(guessing=few)),
        "Four times the test images (there are 2 of 2 groups): so few cannot tell the detector from one that guesses.",
    )
    read(
        sentences.next_steps(nothing._replace(perfect=plain(score=1.0))),
        "(<code>shots</code>)…no mistake on the 120 test images, so nothing can be seen to help it.",
    )
    blind = nothing._replace(unsure=arm("a", share_repetitions=0.8))
    read(sentences.next_steps(blind), "<code>detect.repetitions: 20</code>, to begin with: as it is,…sees no gain.")


def worth(images, *of, beyond=None):
    return LabelEfficiency(images, *of, 5, 40, beyond)


def test_numbers_of_images():
    of = partial(worth, 5)
    fewer, more = partial(of, None, None, beyond="fewer"), partial(of, None, beyond="more")
    found = {
        "17 (12 to 31)": of(17.2, 12.4, 31),
        "7.3 (fewer than 5 to 31)": of(7.26, None, 31),
        "17 (12 to more than 40)": of(17, 12, None),
        "cannot tell (fewer than 5 to more than 40)": of(17, None, None),
        "more than 40 (at least 22)": more(22, None),
        "more than 40": more(40, None),
        "fewer than 5 (at most 8)": fewer(8),
        "fewer than 5": fewer(5),
        "20 to more than 40 (the curve is level there)": of(None, 20, None),
    }
    assert list(map(sentences.like, found.values())) == list(found)
    worths = [of(8, 6, 11), of(17, None, None), None, more(40, None)]
    assert sentences.few_shots("real+<b>", [5, 10, 20, 40], worths) == (
        "<b>real+&lt;b&gt;</b> at 5 real images a class scores like 8 (6 to 11) without a generator; "
        "at 40 like more than 40; at 10 the intervals cannot tell."
    )
    unknown = sentences.few_shots("x", [5, 10, 40], [of(17, None, None)] * 3)
    assert unknown == "<b>x</b> at 5, 10 and 40 real images a class the intervals cannot tell."


def helped(*arms):
    return sentences.helped(detector_findings.answer([plain(), *arms]))


NEW = NewShots(5, 0.03, -0.01, 0.07, "cannot tell")


def test_images_that_help_or_hurt():
    classes = [change("<i>", 0.2, 0.1, 0.3), change("rolls", -0.05, -0.08, -0.02), change("stains", -0.4, -0.9, 0.1)]
    helps, hurts = ("helps", 0.05, 0.01, 0.09), ("hurts", -0.05, -0.09, -0.01)
    best = arm("real+<b>", *helps, by_class=classes, new_shots=NEW, label_efficiency=worth(10, 17.2, 13, None))
    divided = arm("real+c", models=["c", "d"], recipe=over("real", 0.04, 0.02, 0.06))
    read(
        helped(more_real(), best, divided, arm("e-only", *hurts, real=False)),
        "▲ helps…<b>&lt;b&gt;</b> added…macro F1 from 80.0 to 85.0 %, by +5.0 points (95 % interval +1.0 to +9.0);"
        " <b>&lt;i&gt;</b> gains most (F1 +20.0 points, +10.0 to +30.0), <b>rolls</b> loses…−5.0 points, −8.0 to −2.0);"
        "…“cannot tell” (5 draws: +3.0 points, −1.0 to +7.0). They…about 7.2 further…(3 to more than 30).",
        "can say <i>helps</i>: 360 more real images gain +4.3 points of macro F1 (+1.2 to +7.4).",
        "Others…● cannot tell</span> <b>c</b> + <b>d</b> together (not surely better or worse than…(augmented), but"
        " surely better than…(real: +4.0 points, +2.0 to +6.0); sees gains from 8.4 points).",
        "alone…▼ hurts</span> <b>e</b>.",
    )
    costs = {"label_efficiency": worth(10, None, None, 8, beyond="fewer"), "recipe": over("real", 0.0, -0.1, 0.1)}
    read(
        helped(more_real("cannot tell", 0.004, -0.01, 0.018), arm("real+a", *hurts, **costs)),
        "▼ hurts…80.0 to 75.0 %, by −5.0…−9.0 to −1.0); of no single class…surely worse…more than 5…(at least 2).",
        "Nothing could help here:…less than 2 points. 360…by +0.4 points of macro F1 (−1.0 to +1.8).",
    )
    end, level = worth(40, None, 40, None, beyond="more"), worth(10, None, 5, 40)
    first, _, last = helped(arm("real+a", *helps, task="anomalies", label_efficiency=end))
    read([first, last], "the AUROC from…to +9.0).", "it is more than the 40 a class")
    read(helped(arm("real+a", *helps, label_efficiency=level))[2:], "more real images do not surely score better here.")


def test_images_of_which_nobody_can_tell():
    read(
        helped(more_real("cannot tell", 0.01, -0.02, 0.04, share_repetitions=0.1), arm("a", real=False, new_shots=NEW)),
        "● cannot tell…in place of…by +0.0 points…−10.0 to +10.0…gains from 8.4 points, and more rep…the same (5",
        "not have seen a gain below 8.4 points…360…+1.0 points of macro F1 (−2.0 to +4.0). More test images",
        "one number of real images was tried. A list, as <code>shots: [5, 10, 20]</code>",
    )
    read(
        helped(arm("a", "cannot tell", -0.002, -0.008, 0.004, detectable=None, label_efficiency=worth(40, 40, 9, 40))),
        "Little either way:…to 79.8 %, by −0.2 points; a loss above 0.8 or a gain above 0.4 points…sees no gain",
        "no positive control,…<code>shots</code>",
        "nobody can say: it is not known whether they help.",
    )


def test_gains_that_are_not_left_are_not_promised():
    def said(score, n_groups=60):
        base, best = plain(score=score), arm("real+a", detectable=0.084, n_groups=n_groups)
        return str(sentences.helped(detector_findings.answer([base, best]))[0])

    assert "this comparison sees gains from 8.4 points, and more repetitions would" in said(0.9)
    assert "sees gains from 8.4 points (there are 5.0 left to gain), and more repetitions would sharpen" in said(0.95)
    assert "and more test images of other groups would sharpen" in said(0.9, 1)
    assert "without them no mistake is made on these test images, so nothing is left to gain" in said(1.0)
    none_left = sentences.helped(detector_findings.answer([plain(score=1.0), more_real("cannot tell"), arm("real+a")]))
    read(none_left[1:2], "Nothing can be seen to help on these test images, not even more real ones")


def test_generators_that_draw_no_bad_image_are_not_judged():
    said = "Nobody can say: no bad image is among the training images, so no generator draws any to add."
    assert sentences.nothing_added([plain(), arm("real+a", n_synthetic=0)]) == [said]
    assert sentences.nothing_added([plain(), arm("real+a")]) == sentences.nothing_added([]) == []


def test_detectors_that_no_generator_adds_to_are_said_to_be_there():
    read(sentences.nothing_added([plain(task="boxes")]), "Nobody can say: no generator here draws images with boxes")
    read(sentences.nothing_added([plain()]), "Nobody can say: no generator's images were added to the real ones.")


def test_of_one_class_there_is_no_single_class_to_name():
    def said(*classes):
        best = arm("real+a", by_class=[change(name, 0.0, -0.1, 0.1) for name in classes])
        return str(sentences.helped(detector_findings.answer([plain(), best]))[0])

    assert "of no single class" in said("a", "b")
    assert "of no single class" not in said("a")


def test_what_may_be_wrong_with_a_comparison():
    base = plain(score=0.4, score_low=0.2, by_class=[change(name) for name in "abc"])
    few = plain(score=1.0, score_low=0.2, n_test=3, by_class=base.by_class)
    text = "is 100.0 % (95 % interval from 20.0), and guessing reaches 33.3 %.…before it is judged by more than 3 test"
    read(sentences.alarms({"guessing": few}), text)
    grouped = replace(few, n_test=25, n_groups=9)
    read(sentences.alarms({"guessing": grouped}), "by more than 25 test images of 9 groups.")
    weak = plain(task="boxes", score=0.014, score_low=0.0, n_test=42)  # more images would only show how weak it is
    read(sentences.alarms({"guessing": weak}), "its mAP50 is 1.4 %…anything before it learns.")
    read(
        sentences.alarms({"guessing": base, "one group": base, "same real": same_real("helps", 0.02, 0.01, 0.03)}),
        "its macro F1 is 40.0 % (95 % interval from 20.0), and guessing reaches 33.3 %.…anything before it learns.",
        "All 120 test images are of one group",
        "a generator's, are said to help by +2.0 points (+1.0 to +3.0)",
    )
