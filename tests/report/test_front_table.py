"""The small table of the first page says of each generator what it does for the detector."""

from pipeline.report.front_table import headline
from pipeline.report.tables import FLOOR, Score
from tests.report.arms import arm, plain


def test_a_generators_gain_is_that_of_real_images_and_its_own_whatever_arm_was_strongest():
    scores = {(name, "random", "frechet", None): Score(2.0, 1.9, 2.1, 60, 1) for name in (FLOOR, "cgan", "sg2")}
    arms = [plain("balanced"), arm("real", models=[]), arm("real+cgan", gain=-0.02), arm("cgan-only", real=False)]
    found = headline(scores, ["cgan", "sg2"], arms)
    assert found["detector"]
    gains = {row["key"]: row["gain"] and row["gain"]["text"] for row in found["rows"]}
    assert gains == {FLOOR: None, "cgan": "−2.0", "sg2": None}
