"""Each kind of sentence is read as English once; what is said of whom is told by the tests of the fields."""

import pytest

from pipeline.report import sentences
from pipeline.report.verdict import Beside, Verdict
from tests.report.scores import score

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
