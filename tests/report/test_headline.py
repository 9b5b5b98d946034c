"""The small table of the first page says of each generator what it does for the detector."""

from pipeline.report.headline import headline
from pipeline.report.tables import FLOOR, Score


def arm(name, difference=None, generative=False):
    known = {"difference": difference, "low": None, "high": None, "verdict": "no generator"}
    if difference is not None:
        known |= {"low": difference - 0.01, "high": difference + 0.01, "verdict": "hurts"}
    return {"arm": name, "generative": generative} | known


def test_a_generators_gain_is_that_of_real_images_and_its_own_whatever_arm_was_strongest():
    scores = {(name, "random", "frechet", None): Score(2.0, 1.9, 2.1, 60, 1) for name in (FLOOR, "cgan", "sg2")}
    arms = [arm("balanced"), arm("real", -0.05), arm("real+cgan", -0.02, True), arm("cgan-only", -0.4, True)]
    found = headline(scores, ["cgan", "sg2"], arms)
    assert found["detector"]
    gains = {row["key"]: row["gain"] and row["gain"]["text"] for row in found["rows"]}
    assert gains == {FLOOR: None, "cgan": "−2.0", "sg2": None}
