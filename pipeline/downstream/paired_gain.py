"""Do synthetic images help the detector: paired differences, honest intervals, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.downstream.baseline import select_baseline
from pipeline.downstream.chance import LEVEL, Chance, family_size
from pipeline.downstream.records import ArmResult, ClassEstimate, Estimate, RecipeGain, Verdict
from pipeline.settings import UserError

if TYPE_CHECKING:
    from pipeline.downstream.task import Task

PSEUDO = 0.5  # of a group of pseudo-observations: as many favour the one arm as the other, in each class
ALIKE = (("version", "method"), ("classes", "classes"), ("steps", "steps"))  # fields of all arms, and what they are


class JackknifeScores(NamedTuple):
    """An arm's scores, or the differences of two arms' scores, with what chance they hold.

    To the test images belong pseudo-observations (Agresti and Min), but not in `scores`.
    """

    scores: np.ndarray
    """(S,) one a repetition; S = 1 where repetitions cannot differ."""
    whole: float
    """Their mean, the pseudo-observations among the test images."""
    left_out: np.ndarray
    """(G,) the same without the images of group g; NaN where there is but one group of true images."""

    def less(self, other: JackknifeScores) -> JackknifeScores:
        """The differences to another arm that was judged by the same images, with the other side `against`."""
        return JackknifeScores(self.scores - other.scores, self.whole - other.whole, self.left_out - other.left_out)


def pooled(draws: Sequence[JackknifeScores]) -> JackknifeScores:
    """The mean over draws of the training images, all judged by the same test images; each draw is a repetition.

    The draws differ in their images, in the random choices of their repetitions, and in what each makes of the test
    images. The part of the chance of the test images that all draws share does not shrink with more draws: it is in the
    jackknife of the mean. So `interval` of this is one for new training images.
    """
    means = np.array([np.mean(of.scores) for of in draws])
    whole, left_out = float(np.mean([of.whole for of in draws])), np.mean([of.left_out for of in draws], axis=0)
    return JackknifeScores(means, whole, left_out)


class JackknifeTable(NamedTuple):
    """All scores of an arm.

    Where two arms differ on no test image of a class, or all its few images speak for one of them, the images have no
    spread, and an interval would be a point. So each task adds two groups of pseudo-observations to each class: one
    that only the first arm gets right and one that only the other does, each PSEUDO of a mean group of the class. After
    Agresti and Min 2005, Simple improved confidence intervals for comparing matched proportions, who add one half to
    every cell of the table of two arms' answers.
    """

    scores: Mapping[str, JackknifeScores]
    """By name, the one that the verdict is about first."""
    classes: Mapping[str, JackknifeScores]
    """By the name of each class that the test set has."""
    n_effective: float
    """Of the test images, as `effective` counts them."""


def effective(groups: Sequence[str], classes: Sequence[int]) -> float:
    """Groups of equal size that would judge as well, of the class that has the fewest: (Σ n)² / Σ n² over the numbers
    of its members in each group (Kish 1965, Survey Sampling).

    Args:
        groups, classes: (N,) of what is judged.
    """
    members: dict[int, Counter[str]] = {}
    for group, kind in zip(groups, classes, strict=True):
        members.setdefault(kind, Counter())[group] += 1
    return min((sum(of.values()) ** 2 / sum(n * n for n in of.values()) for of in members.values()), default=0.0)


class Interval(NamedTuple):
    """Of a mean score or paired difference, in [-1, 1]."""

    mean: float
    low: float
    high: float
    error_repetitions: float
    """Standard error from the repetitions alone."""
    error_images: float | None
    """From the test images alone; None for a single group of them."""
    share_repetitions: float | None
    """Part of the interval's width that comes from the repetitions."""
    detectable: float | None
    """The gain that an interval as wide as this leaves zero behind in four of five experiments; None for a single
    group of images."""


class Comparand(NamedTuple):
    """What the comparison says of an arm."""

    result: ArmResult
    headline: JackknifeScores
    baseline: str
    recipe: RecipeGain | None
    n_effective: float
    verdict: Verdict
    gains: list[JackknifeScores]
    """Of the headline, over the baseline and over the arm without a generator of the same recipe: what the verdict is
    by. Empty of the baseline."""
    estimates: list[Estimate]
    """Of each score, the headline first."""
    by_class: list[ClassEstimate]


def compare(task: Task, results: Sequence[ArmResult], level: float = LEVEL) -> list[Comparand]:
    """Each arm against the baseline (`select_baseline`), repetition by repetition.

    An interval says where the gain would lie on new test images of the same kind and in new repetitions. Both sources
    of chance are in it: the variance of the paired differences over the repetitions, and that of the mean difference
    over the test images, by the jackknife that leaves out one group of them at a time (images of one source stand or
    fall together; `JackknifeTable` says which pseudo-observations are beside them). The level holds for all arms that
    add a generator's images to real ones at once (Bonferroni), and of classes for all classes of all of them.
    `interval` says why it is no bootstrap. Controls and arms of synthetic images alone are judged at the same level
    and are not counted: a control shows what such an arm would be told.

    An arm *helps* where it is better than the strongest arm without a generator, and better than the arm without one
    that presents its real images alike (`recipe`): a luckier recipe is no gain of the images. It has to pass both, so
    both are at full level (an intersection-union test, Berger 1982); *hurts* likewise.

    Not in it: another training of the same generator, a third source of chance.

    Args:
        task: of the detectors.
        results: of the arms, in any order; a baseline arm is among them.
        level: probability that the intervals of all arms with generators hold at once.

    Returns:
        The baseline first, then the other arms without a generator, then the rest, in the order given.

    Raises:
        UserError: no baseline arm, or arms that differ in their repetitions, their test images, or what they build on.
    """
    base = select_baseline(task.selection, results)
    others = sorted((of for of in results if of is not base), key=lambda of: of.generative)
    for result in others:
        _check(task, result, base)
    plain = {of.recipe: (of.arm, task.jackknife(of, against=True)) for of in results if not of.generative}
    reference = task.jackknife(base, against=True)
    tests = family_size(results)
    return [
        _row(base, reference, None, None, base.arm, level, tests),
        *(_row(of, task.jackknife(of), reference, plain.get(of.recipe), base.arm, level, tests) for of in others),
    ]


def _check(task: Task, result: ArmResult, base: ArmResult) -> None:
    arm = f"{task.name}, arm {result.arm}"
    for field, noun in (*ALIKE, *task.test_fields):
        if getattr(result, field) != getattr(base, field):
            raise UserError(f"{arm}: its {noun} are not those of `{base.arm}`; run both anew")
    seeds, wanted = ([one.seed for one in of.repetitions] for of in (result, base))
    if seeds != wanted and min(len(seeds), len(wanted)) > 1:  # one repetition is all there can be
        raise UserError(f"{arm}: repetitions {seeds}, `{base.arm}` has {wanted}")


def _row(
    result: ArmResult,
    table: JackknifeTable,
    base: JackknifeTable | None,
    alike: tuple[str, JackknifeTable] | None,
    baseline: str,
    level: float,
    tests: int,
) -> Comparand:
    """`base`: of the baseline, None for the baseline itself; `alike`: of the plain arm of the same recipe."""
    estimates = [
        _estimate(name, scores, base and base.scores[name], 1 - (1 - level) / tests)
        for name, scores in table.scores.items()
    ]
    by_class = [
        _of_class(name, scores, base and base.classes[name], 1 - (1 - level) / (tests * len(table.classes)))
        for name, scores in table.classes.items()
    ]
    headline = next(iter(table.scores.values()))
    gains = [] if base is None else [headline.less(next(iter(base.scores.values())))]
    recipe = None
    if result.generative and alike is not None:
        arm, plain = alike
        gains.append(headline.less(next(iter(plain.scores.values()))))
        found = interval(gains[1], 1 - (1 - level) / tests)
        recipe = RecipeGain(arm, found.mean, found.low, found.high, found.detectable)
    verdict: Verdict = "baseline" if base is None else "no generator"
    if base is not None and result.generative:
        verdict = told([interval(gain, 1 - (1 - level) / tests) for gain in gains])
    return Comparand(result, headline, baseline, recipe, table.n_effective, verdict, gains, estimates, by_class)


def told(gains: Sequence[Interval]) -> Verdict:
    """Of the gains over the baseline and over the same recipe without the added images."""
    if min(of.low for of in gains) > 0:
        return "helps"
    return "hurts" if max(of.high for of in gains) < 0 else "cannot tell"


def _estimate(name: str, of: JackknifeScores, base: JackknifeScores | None, level: float) -> Estimate:
    own, gain = interval(of, LEVEL), interval(of.less(base), level) if base else None
    return Estimate(
        metric=name,
        score=own.mean,
        score_low=max(own.low, 0.0),
        score_high=own.high,
        repetitions=of.scores.tolist(),
        gain=gain and gain.mean,
        low=gain and gain.low,
        high=gain and gain.high,
        error_repetitions=gain and gain.error_repetitions,
        error_images=gain and gain.error_images,
        share_repetitions=gain and gain.share_repetitions,
        detectable=gain and gain.detectable,
    )


def _of_class(name: str, of: JackknifeScores, base: JackknifeScores | None, level: float) -> ClassEstimate:
    gain = interval(of.less(base), level)[:3] if base else (None, None, None)
    return ClassEstimate(name, float(np.mean(of.scores)), *gain)


def interval(judged: JackknifeScores, level: float) -> Interval:
    """Interval of a mean score or paired difference, for chance in the repetitions and in the test images.

    The two variances are added; the quantile is the mean of their Student quantiles, weighted by them (Cochran and Cox,
    Experimental Designs, 1957). With the simulated detectors of tests/downstream/test_paired_gain.py (two to four arms,
    95 %, 2 to 40 images a class) the intervals held the true gains of all arms at once in 96 to 100 % of trials. There
    Satterthwaite's quantile went down to 89 %, and Student's interval of the repetitions alone to 90 %, since
    repetitions judged by one small test set agree on its luck; without pseudo-observations it was 40 to 87 % with two
    images of a class. A percentile bootstrap of three repetitions holds a single gain in 75 %.

    Args:
        judged: S repetitions; of one, which stands for all there can be, no chance comes. One group of images says
            nothing of others: the interval is then all of [-1, 1].
        level: probability, two-sided.

    Returns:
        Its middle is the mean with the pseudo-observations, a little nearer to zero than `mean`. Where these outweigh
        the images so far that `mean` is not in it, as in many classes of a single image each, it reaches as far beyond
        `mean` too. Bounds are cut to the possible [-1, 1].
    """
    repetitions, groups = len(judged.scores), len(judged.left_out)
    mean = float(np.mean(judged.scores))
    seeds = float(np.var(judged.scores, ddof=1) / repetitions) if repetitions > 1 else 0.0
    if np.isnan(judged.left_out).any():
        return Interval(mean, -1.0, 1.0, seeds**0.5, None, None, None)
    # Efron and Stein 1981: the jackknife's variance, on average too large if anything.
    images = float((groups - 1) / groups * np.sum((judged.left_out - np.mean(judged.left_out)) ** 2))
    chance = Chance(seeds, repetitions, images, groups)
    (by_seeds, by_images), reach = chance.widths(level), chance.reach(level)
    whole = float(judged.whole)
    middles = [whole] if abs(mean - whole) <= reach else [whole, mean]
    low, high = max(min(middles) - reach, -1.0), min(max(middles) + reach, 1.0)
    share = by_seeds / (by_seeds + by_images) if by_seeds else 0.0
    return Interval(mean, low, high, seeds**0.5, images**0.5, share, chance.detectable(level))
