"""Arms of a comparison, made up."""

from dataclasses import replace

from pipeline.downstream.arms import MORE_REAL, SAME_REAL, SyntheticSet
from pipeline.downstream.records import Arm, Chosen, ClassEstimate, Estimate, RecipeGain

CHOSEN = Chosen(False, False, None, None, None, [], None, [])
PLAIN = Arm(
    metric="macro_f1",
    score=0.8,
    score_low=0.75,
    score_high=0.85,
    repetitions=[0.8] * 5,
    gain=None,
    low=None,
    high=None,
    error_repetitions=None,
    error_images=None,
    share_repetitions=None,
    detectable=None,
    task="classification",
    arm="augmented",
    baseline="augmented",
    real=True,
    synthetic=[],
    n_real=240,
    n_synthetic=0,
    n_test=120,
    n_groups=60,
    n_effective=18.0,
    recipe=None,
    verdict="baseline",
    secondary=[],
    by_class=[],
    chosen=CHOSEN,
)


def plain(name="augmented", **more):
    return replace(PLAIN, arm=name, **more)


def arm(name, verdict="cannot tell", gain=0.0, low=-0.1, high=0.1, models=None, **more):
    """An arm of real images and those of a model, unless it is said otherwise; scores follow from the gain."""
    models = [name.removeprefix("real+").removesuffix("-only")] if models is None else models
    score = PLAIN.score + gain
    known = {
        "n_synthetic": 120,
        "score": score,
        "repetitions": [score] * 5,
        "share_repetitions": 0.6,
        "detectable": 0.084,
    }
    known |= {"synthetic": [SyntheticSet(model, "synthetic") for model in models], "verdict": verdict}
    return replace(PLAIN, arm=name, gain=gain, low=low, high=high, **known | more)


def more_real(verdict="helps", gain=0.043, low=0.012, high=0.074, **more):
    """The positive control."""
    return arm("real+more_real", verdict, gain, low, high, synthetic=[MORE_REAL], n_synthetic=360, **more)


def same_real(verdict="cannot tell", gain=0.001, low=-0.006, high=0.008, **more):
    """The negative control."""
    return arm("real+same_real", verdict, gain, low, high, synthetic=[SAME_REAL], n_synthetic=240, **more)


def over(name, gain, low, high, detectable=0.05):
    """The gain over the plain arm of this name, which presents its images alike."""
    return RecipeGain(name, gain, low, high, detectable)


def change(name, gain=None, low=None, high=None, score=0.5):
    return ClassEstimate(name, score, gain, low, high)


def other(metric, score):
    return Estimate(metric, score, score, score, [score] * 5, *[None] * 7)
