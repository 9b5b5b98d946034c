"""Which classes gain and which lose, and how the figure is kept readable."""

import pytest

from pipeline.report import class_table, figures
from tests.report.arms import arm, change, plain


@pytest.fixture
def drawn(monkeypatch):
    """What the figure is given."""
    calls = []
    monkeypatch.setattr(figures, "class_gains", lambda *given: calls.append(given) or "<svg/>")
    return calls


def base(f1):
    return plain("balanced", by_class=[change(f"c{k}", score=score) for k, score in enumerate(f1)])


def gaining(name, f1, gains, half):
    moved = enumerate(zip(f1, gains, strict=True))
    return arm(name, by_class=[change(f"c{k}", g, g - half, g + half, score=score + g) for k, (score, g) in moved])


def test_the_classes_that_surely_gain_and_lose_most_are_told_with_f1_before_and_after(drawn):
    f1 = [0.5, 0.6, 0.7, 0.8]
    found = class_table.context(
        [base(f1), gaining("real+a", f1, [0.1, 0.2, -0.3, 0.04], 0.05), gaining("a-only", f1, [0.01] * 4, 1)]
    )
    assert [str(text) for text in found["changes"]] == [
        "real+a: <b>c1</b> gains most, F1 from 60 to 80 % (+20.0 points, +15.0 to +25.0);"
        " <b>c2</b> loses most, F1 from 70 to 40 % (−30.0 points, −35.0 to −25.0)."
    ]
    assert found["unsure"] == ["a-only"]
    assert found["left_out"] == 0
    (classes, without, arms, _), *_ = drawn
    assert (classes, without) == (["c0", "c1", "c2", "c3"], f1)
    assert list(arms) == ["real+a", "a-only"]


def test_of_many_classes_those_that_change_most_are_drawn_in_their_order(drawn):
    f1 = [0.5] * 23
    moved = [0.01 * (k + 1) for k in range(23)]
    moved[1] = -0.4
    found = class_table.context([base(f1), gaining("real+a", f1, moved, 1.0)])
    assert drawn[0][0] == ["c1"] + [f"c{k}" for k in range(4, 23)]
    assert found["left_out"] == 3
    assert [of.gain for of in drawn[0][2]["real+a"]][:2] == [-0.4, 0.05]


def test_without_a_generator_there_is_nothing_to_show():
    assert class_table.context([base([0.5])]) is None


def test_the_figure_is_drawn_with_one_class_one_arm_and_bounds_beyond_the_possible():
    gains = gaining("real+m", [0.9], [0.05], 0.5).by_class
    text = figures.class_gains(["a $x$"], [0.9], {"real+m": gains})
    assert text.startswith("<svg")
