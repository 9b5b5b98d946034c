"""Each kind of sentence is read as English once; what is said of whom is told by the tests of the fields."""

import pytest

from pipeline.downstream.records import LabelEfficiency
from pipeline.report import findings, sentences
from pipeline.report.findings import Cautions, Closer
from pipeline.report.next_steps import NextSteps
from pipeline.report.verdict import Beside, Verdict
from tests.report.arms import arm, plain
from tests.report.scores import frechet, score

SPECTRUM = Beside("pixels", "psd", score(12.0), score(0.4))
RECALL = Beside("random", "recall", score(0.41), score(0.9))
KERNEL = Beside("random", "kid", score(0.4), score(0.0), "<i>")
COPIED = Beside("pixels", "copy_rate", score(0.02), score(0.0))


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (Verdict("<b>", "unmeasured"), "<b>&lt;b&gt;</b>: nothing was measured."),
        (
            Verdict("a", within=["distance", "<i> & co"], throughout=True, copies="none"),
            "<b>a</b>: within the noise floor throughout (distance and &lt;i&gt; &amp; co); no sign of copies.",
        ),
        (
            Verdict("a", within=list("pqrst"), distance=SPECTRUM, structure=[(SPECTRUM, f"of {i}") for i in range(4)]),
            "<b>a</b>: within the noise floor on p, q, r and 2 more; power spectrum 30 × the floor; of 0, of 1 and 2"
            " more.",
        ),
        (
            Verdict("a", structure=[(SPECTRUM, "")], variety={"missing": RECALL, "unreal": RECALL}, missing=["x", "y"]),
            "<b>a</b>: off the noise floor throughout; power spectrum 30 × the floor; too little variety (recall 0.41"
            " against 0.90), some unreal (recall 0.41 against 0.90); no images of x and y, or too few.",
        ),
        (
            Verdict("a", worst=RECALL._replace(label="x"), copies=COPIED),
            "<b>a</b>: off the noise floor throughout; worst class x (recall 0.41 against 0.90); 2 % copies.",
        ),
        (
            Verdict("a", worst=KERNEL, copies=RECALL),
            "<b>a</b>: off the noise floor throughout; worst class &lt;i&gt;; may copy (recall 0.41 against 0.90).",
        ),
        (
            Verdict("a", distance=Beside("imagenet", "frechet", score(3.0), score(0.9)), variety={"missing": RECALL}),
            "<b>a</b>: off the noise floor throughout; Fréchet distance in ImageNet features 3.3 × the floor; too"
            " little variety (recall in random features 0.41 against 0.90).",
        ),
    ],
)
def test_a_verdict(of, text):
    assert str(sentences.verdict(of)) == text


@pytest.mark.parametrize(
    ("models", "text"),
    [
        (
            {"a": score(2)},
            "<b>a</b> is the only generator here. Its Fréchet distance (random features) is 2.00 (1.90 to 2.10). No"
            " floor was measured, so nobody can say whether that is near.",
        ),
        (
            {"real": score(2), "a": score(8), "<b>": score(4)},
            "<b>&lt;b&gt;</b> comes closest to the real images: its Fréchet distance (random features) is 4.00 (3.90 to"
            " 4.10), 2.0 times the 2.00 of new real images (the noise floor).",
        ),
        (
            {"real": score(2, 3), "a": score(4), "b": score(4.1)},
            "<b>a</b> and <b>b</b> <b>cannot be told apart</b>: the intervals of their Fréchet distance (random"
            " features) overlap. The lowest is a's, 4.00 (3.90 to 4.10), 2.0 times the 2.00 of new real images; the"
            " intervals overlap, so this measure cannot tell it from the noise floor.",
        ),
    ],
)
def test_the_closest(models, text):
    names = [name for name in models if name != "real"]
    first, *verdicts = sentences.closest(findings.overall(frechet(**models), names), [Verdict(m) for m in names])
    assert str(first) == text
    assert len(verdicts) == len(names)


def test_nothing_measured_and_other_opinions():
    assert sentences.closest([], []) == ["Nothing was measured by which a generator could be recommended."]
    scores = frechet(a=score(2), b=score(8))
    scores |= {("a", "random", "recall", None): score(0.3, 0.05), ("b", "random", "recall", None): score(0.2, 0.05)}
    verdicts = [Verdict("b", "unmeasured"), Verdict("a", "unmeasured")]
    _, *said, denied = sentences.closest(findings.overall(scores, ["a", "b"]), verdicts)
    assert said == list(map(sentences.verdict, verdicts[::-1])), "the closest first"
    assert denied == "None of the 1 other measures puts another generator first beyond doubt."
    scores["b", "random", "recall", None] = score(0.6, 0.05)
    *_, told = sentences.closest(findings.overall(scores, ["a", "b"]), verdicts)
    assert told == "Of 1 other measures some put another first: <b>b</b> (recall)."


def test_with_and_without_training():
    assert sentences.untrained(Closer(["<q>"], ["a", "b"], free=True)) == (
        "<b>&lt;q&gt;</b> is closer than <b>a</b> and <b>b</b>, and costs nothing: it puts real pixels together,"
        " without any training."
    )
    text = "<b>a</b> and <b>b</b> are closer than <b>q</b>, which needs no training."
    assert sentences.untrained(Closer(["a", "b"], ["q"], free=False)) == text
    text = "<b>a</b> is closer than <b>p</b> and <b>q</b>, which need no training."
    assert sentences.untrained(Closer(["a"], ["p", "q"], free=False)) == text


def test_cautions():
    assert sentences.cautions(Cautions({}, None, {}, None, None)) == []
    assert sentences.cautions(Cautions({"imagenet": ["a", "b"]}, 2, {"boxes": 3}, 60, 500)) == [
        "a and b learned from the ImageNet features themselves: what is measured in these flatters such a generator;"
        " go by the other measures.",
        "Each training was made twice: part of a difference between generators may be luck of the seed.",
        "Distances were measured on 60 images a set; compare them only with those measured on as many. Within the noise"
        " floor means that so many images show no difference, not that there is none.",
        "FID was measured on 500 images; below 2048 it is mostly bias. Trust KID before it.",
        "The detectors of boxes were trained 3 times each; below 5 the intervals are rough.",
    ]


def test_next_steps():
    nothing, ddpm = NextSteps(None, None, None, draws=False, longer=[]), {"name": "<d>", "images": "9\u202f000"}
    assert sentences.next_steps(nothing) == []
    best = arm("real+x", share_repetitions=0.2)
    assert list(map(str, sentences.next_steps(NextSteps(plain(task="boxes"), best, 0.051, True, [ddpm])))) == [
        "More <code>detect.boxes.steps</code>: the detector may be guessing, and nothing can be compared before it"
        " learns. Then more real images a class.",
        "Four times the test images (there are 120 of 60 groups): the comparison would see gains in macro F1 from about"
        " 5.1 points, in place of 8.4.",
        "<code>draws: 5</code>, five times the trainings: whether the answer holds for other real images of as many a"
        " class. The intervals are for these.",
        "A larger <code>total_images</code> of <b>&lt;d&gt;</b> (9\u202f000): the last weights were kept, so there may"
        " be better to come.",
    ]
    (text,) = sentences.next_steps(nothing._replace(unsure=arm("real+x", share_repetitions=0.8)))
    assert text == "<code>detect.repetitions: 20</code>, to begin with: as it is, the comparison sees no gain."


def efficiency(worth, low, high, beyond=None):
    return LabelEfficiency(5, worth, low, high, 5, 40, beyond)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        ((17.2, 12.4, 31), "17 (12 to 31)"),
        ((7.26, None, 31), "7.3 (fewer than 5 to 31)"),
        ((17, 12, None), "17 (12 to more than 40)"),
        ((17, None, None), "cannot tell (fewer than 5 to more than 40)"),
        ((None, 22, None, "more"), "more than 40 (at least 22)"),
        ((None, 40, None, "more"), "more than 40"),
        ((None, None, 8, "fewer"), "fewer than 5 (at most 8)"),
        ((None, None, 5, "fewer"), "fewer than 5"),
        ((None, 20, None), "20 to more than 40 (the curve is level there)"),
    ],
)
def test_numbers_of_images_in_words(of, words):
    assert sentences.like(efficiency(*of)) == words


def test_few_shots():
    worths = [efficiency(8, 6, 11), efficiency(17, None, None), None, efficiency(None, 40, None, "more")]
    assert sentences.few_shots("real+<b>", [5, 10, 20, 40], worths) == (
        "<b>real+&lt;b&gt;</b> at 5 real images a class scores like 8 (6 to 11) without a generator; "
        "at 40 like more than 40; at 10 the intervals cannot tell."
    )
    unknown = sentences.few_shots("x", [5, 10, 40], [efficiency(17, None, None)] * 3)
    assert unknown == "<b>x</b> at 5, 10 and 40 real images a class the intervals cannot tell."
